"""Read numbers among the parameters of an estimator."""

from __future__ import annotations

import numpy as np

from skdist_gpu.protocols import Estimator


def number_of(estimator: Estimator, *names: str) -> float:
    """Return the first of these parameters that is a number, or the length of the first that is a list; else 0.

    Examples
    --------
    >>> from sklearn.linear_model import RidgeCV
    >>> number_of(RidgeCV(alphas=[0.1, 1.0]), "alphas"), number_of(RidgeCV(), "n_estimators")
    (2.0, 0.0)
    """
    for name in names:
        value = getattr(estimator, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return max(0.0, float(value))  # less than nothing is no limit, or refused by the fit
        if isinstance(value, (list, tuple, np.ndarray)):
            return float(len(value))
    return 0.0
