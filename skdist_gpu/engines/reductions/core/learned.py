"""Finish an estimator by scikit-learn's own `fit` on a few rows that stand in for the data.

Where a fit depends on the data only through, say, the extremes of each column, scikit-learn learns
the same from a table of two rows; so its own code sets the attributes.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

# what the engine has set from the real data
_FROM_DATA = ("n_features_in_", "feature_names_in_")


def learn_from(estimator: Any, *rows: Any, **fit_params: Any) -> None:
    """Give an estimator what it would learn from `rows`, and leave its features as they are.

    Parameters
    ----------
    estimator : estimator
        Set in place.
    *rows : arrays
        ``X`` and, for a classifier, ``y``.
    **fit_params : dict
        Further arguments of `fit`.
    """
    keep_learned(estimator, clone(estimator).fit(*rows, **fit_params))


def keep_learned(estimator: Any, fitted: Any) -> None:
    """Give an estimator what a fitted one has learned, and leave its features as they are."""
    parameters = estimator.get_params(deep=False)
    for name, value in vars(fitted).items():
        if name not in _FROM_DATA and name not in parameters:
            setattr(estimator, name, value)
