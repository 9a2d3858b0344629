"""Lasso, ElasticNet, Lars, LassoLars and OrthogonalMatchingPursuit from one pass over the data.

scikit-learn's own solvers run on the compressed rows, see :mod:`skdist_gpu.reductions.compressed`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from skdist_gpu.reductions.compressed import Compressed, compress
from skdist_gpu.reductions.protocol import Passes


def fit_mean_loss(estimator: Any, data: Passes) -> None:
    """Fit an estimator whose loss is the mean of squared errors, in place: Lasso, ElasticNet, Lars, LassoLars."""
    fit_rows(estimator, compress(data, estimator.fit_intercept).per_row(), data.target_ndim)


def fit_total_loss(estimator: Any, data: Passes) -> None:
    """Fit an estimator whose loss is the sum of squared errors, in place: OrthogonalMatchingPursuit."""
    fit_rows(estimator, compress(data, estimator.fit_intercept), data.target_ndim)


def fit_rows(estimator: Any, rows: Compressed, target_ndim: int) -> None:
    """Fit a copy on the compressed rows, and give the estimator all that it learned."""
    solver = clone(estimator).set_params(fit_intercept=False)
    solver.fit(rows.X, rows.y[:, 0] if target_ndim == 1 else rows.y)
    for name, value in vars(solver).items():
        if name.endswith("_") and not name.endswith("_in_"):
            setattr(estimator, name, value)
    keep_intercept(estimator, rows, target_ndim)


def keep_intercept(estimator: Any, rows: Compressed, target_ndim: int = 1) -> None:
    """Set ``intercept_`` in scikit-learn's shape: a number for one-dimensional targets."""
    estimator.coef_ = np.atleast_1d(estimator.coef_)  # matching pursuit squeezes a single feature away
    intercept = rows.intercept(estimator.coef_)
    if not estimator.fit_intercept:
        estimator.intercept_ = 0.0
    else:
        estimator.intercept_ = np.float64(intercept[0]) if target_ndim == 1 else intercept
