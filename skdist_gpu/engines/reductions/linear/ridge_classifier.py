"""RidgeClassifier and RidgeClassifierCV: least squares on targets of -1 and 1, one for each class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn_classes import Ridge
from skdist_gpu._compat.sklearn_learned import remember_binarizer
from skdist_gpu.engines.reductions.core.protocol import Passes, Reduction, namespace
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.engines.reductions.linear.least_squares import fit_ridge
from skdist_gpu.engines.reductions.linear.leave_one_out import fit_leave_one_out


class OnIndicators:
    """Run another reduction on the indicators of the classes in place of their codes.

    Parameters
    ----------
    reduction : Reduction
        What to run.
    n_classes : int
        Number of classes; two have one indicator between them.
    class_weight : ndarray of shape (n_classes,) or None
        Factor of the weight of each row, by its class.
    """

    def __init__(self, reduction: Reduction, n_classes: int, class_weight: np.ndarray | None) -> None:
        self.reduction, self.n_classes, self.class_weight = reduction, n_classes, class_weight

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return what the other reduction gives for the block."""
        xp = namespace(X)
        shown = xp.arange(self.n_classes) if self.n_classes > 2 else xp.asarray([1])
        indicators = xp.where(y[:, None] == shown, 1.0, -1.0)
        if self.class_weight is not None:
            factor = xp.asarray(self.class_weight)[y]
            sample_weight = factor if sample_weight is None else factor * sample_weight
        return self.reduction.map(X, indicators, sample_weight)

    def combine(self, a: Any, b: Any) -> Any:
        """Combine as the other reduction does."""
        return self.reduction.combine(a, b)


class CountClasses:
    """Count the rows of each class."""

    targets_only = True

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the counts of a block."""
        return namespace(X).bincount(y, minlength=self.n_classes)

    def combine(self, a: Any, b: Any) -> Any:
        """Add the counts."""
        return a + b


def fit_ridge_classifier(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``RidgeClassifier`` in place."""
    ridge = Ridge(alpha=estimator.alpha, fit_intercept=estimator.fit_intercept, solver=estimator.solver)
    fit_ridge(ridge, _on_indicators(estimator, data))
    for name in ("coef_", "intercept_", "n_iter_", "solver_"):
        setattr(estimator, name, getattr(ridge, name))
    _remember_classes(estimator, data)


def fit_ridge_classifier_cv(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``RidgeClassifierCV`` with ``cv=None`` in place."""
    fit_leave_one_out(estimator, _on_indicators(estimator, data))
    _remember_classes(estimator, data)


def _remember_classes(estimator: Any, data: Passes) -> None:
    remember_binarizer(estimator, data.classes)
    if estimator.fit_intercept:
        estimator.intercept_ = np.atleast_1d(estimator.intercept_)


def _on_indicators(estimator: Any, data: Passes) -> Passes:
    assert data.classes is not None
    n_classes, class_weight = len(data.classes), None
    if estimator.class_weight is not None:
        if estimator.class_weight == "balanced":
            counts = data.reduce(CountClasses(n_classes))
            class_weight = counts.sum() / (n_classes * counts)
        else:
            class_weight = np.array([estimator.class_weight.get(label, 1.0) for label in data.classes.tolist()])

    def reduce(reduction: Any) -> Any:
        return data.reduce(OnIndicators(reduction, n_classes, class_weight))

    return replace(data, reduce=reduce, target_ndim=1 if n_classes == 2 else 2)


_LEAVE_ONE_OUT: dict[str, Any] = {"cv": (None,), "scoring": (None,), "store_cv_results": (False,)}
_RIDGE: dict[str, Any] = {"positive": (False,), "solver": ("auto", "cholesky", "svd")}
ENTRIES = (
    *everywhere("RidgeClassifier", fit_ridge_classifier, accepts=_RIDGE, multi_target=False),
    *everywhere("RidgeClassifierCV", fit_ridge_classifier_cv, accepts=_LEAVE_ONE_OUT, multi_target=False),
)
