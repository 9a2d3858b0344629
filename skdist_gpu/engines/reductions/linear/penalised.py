"""Lasso, ElasticNet, Lars, LassoLars and OrthogonalMatchingPursuit from one pass over the data.

scikit-learn's own solvers run on the compressed rows, see :mod:`skdist_gpu.engines.reductions.core.compressed`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn import shallow_copy
from skdist_gpu.engines.reductions.core.compressed import Compressed, compress
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.entries import everywhere, no_array

# columns whose squared distance is this share of their squares are the same but for rounding
SAME = 1e-13
# the share of the largest part of a prediction that is rounding
ROUNDING = 4 * np.finfo(float).eps


def fit_mean_loss(estimator: Any, data: Passes) -> None:
    """Fit an estimator whose loss is the mean of squared errors, in place: Lasso, ElasticNet."""
    fit_rows(estimator, compress(data, estimator.fit_intercept).per_row(), data.target_ndim)
    data.keep_dtype(estimator, "coef_", "intercept_", "dual_gap_")


def fit_path(estimator: Any, data: Passes) -> None:
    """Fit an estimator that follows the path of all penalties, in place: Lars, LassoLars.

    scikit-learn's path goes astray after a column that stands twice: the one left out comes back with a wrong
    correlation. With `positive` the path ends early where no correlation is above zero: the largest one is
    taken for the penalty there, though it is negative. Columns of zeros, in place of those that repeat another
    one and behind the last, lead it right.
    """
    rows = compress(data, estimator.fit_intercept).per_row()
    repeated = _repeated(rows.X, up_to_sign=not getattr(estimator, "positive", False))
    _solve(estimator, np.pad(np.where(repeated, 0.0, rows.X), ((0, 0), (0, 1))), rows.y, data.target_ndim)
    estimator.coef_ = estimator.coef_[..., :-1]
    if estimator.fit_path:
        paths = estimator.coef_path_  # a list where there are several targets
        estimator.coef_path_ = [path[:-1] for path in paths] if isinstance(paths, list) else paths[:-1]
        data.keep_dtype(estimator, "coef_path_")
    keep_intercept(estimator, rows, data.target_ndim)
    data.keep_dtype(estimator, "coef_", "intercept_", "alphas_")


def fit_total_loss(estimator: Any, data: Passes) -> None:
    """Fit an estimator whose loss is the sum of squared errors, in place: OrthogonalMatchingPursuit."""
    fit_rows(estimator, compress(data, estimator.fit_intercept), data.target_ndim)
    data.keep_dtype(estimator, "coef_", "intercept_")


def fit_rows(estimator: Any, rows: Compressed, target_ndim: int) -> None:
    """Fit a copy on the compressed rows, and give the estimator all that it learned."""
    _solve(estimator, rows.X, rows.y, target_ndim)
    estimator.coef_ = _without_rounding(estimator.coef_, rows.X)
    keep_intercept(estimator, rows, target_ndim)


def _without_rounding(coefficients: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return coefficients with zeros for those that add less to a prediction than rounding takes from it.

    Such is what the sums leave of a column that stands twice, where the rows themselves give a zero.
    """
    shares = np.abs(coefficients) * np.linalg.norm(X, axis=0)
    lost = shares <= ROUNDING * shares.max(axis=-1, keepdims=True, initial=0.0)
    return np.where(lost, 0.0 * coefficients, coefficients)


def keep_intercept(estimator: Any, rows: Compressed, target_ndim: int = 1) -> None:
    """Set ``intercept_`` in scikit-learn's shape: a number for one-dimensional targets."""
    estimator.coef_ = np.atleast_1d(estimator.coef_)  # matching pursuit squeezes a single feature away
    intercept = rows.intercept(estimator.coef_)
    if not estimator.fit_intercept:
        estimator.intercept_ = 0.0
    else:
        number = target_ndim == 1 and estimator.coef_.ndim == 1  # LassoLars has a path of one row without `fit_path`
        estimator.intercept_ = intercept[0] if number else intercept


def _solve(estimator: Any, X: np.ndarray, y: np.ndarray, target_ndim: int) -> None:
    solver = shallow_copy(estimator).set_params(fit_intercept=False)
    solver.fit(X, y[:, 0] if target_ndim == 1 else y)
    for name, value in vars(solver).items():
        if name.endswith("_") and not name.endswith("_in_"):
            setattr(estimator, name, value)


def _repeated(X: np.ndarray, up_to_sign: bool) -> np.ndarray:
    """Tell of each column whether one before it is the same, or its negative."""
    products = X.T @ X
    squares = np.diag(products)
    both = squares[:, None] + squares
    distance = both - 2 * (np.abs(products) if up_to_sign else products)
    return np.triu(distance <= SAME * both, k=1).any(axis=0)


_LARS: dict[str, Any] = {"precompute": no_array, "jitter": (None,)}
ENTRIES = (
    *everywhere("Lasso", fit_mean_loss, accepts={"precompute": no_array}),
    *everywhere("ElasticNet", fit_mean_loss, accepts={"precompute": no_array}),
    *everywhere("Lars", fit_path, accepts=_LARS, weights=False),
    *everywhere("LassoLars", fit_path, accepts=_LARS, weights=False),
    *everywhere("OrthogonalMatchingPursuit", fit_total_loss, accepts={"precompute": no_array}, weights=False),
)
