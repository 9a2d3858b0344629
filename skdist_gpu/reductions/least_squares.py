"""LinearRegression and Ridge from sums over rows, with scikit-learn's answer in float64.

One pass gives the moments of [X y], and a Cholesky factor of the small system the answer. Where
the squared sums would lose digits, a second pass gives the triangle R of [X y] = QR instead, and
the dense solvers of scikit-learn run on R: for a squared loss it is as good as the data (Björck,
"Numerical Methods for Least Squares Problems", SIAM 1996, sections 2.2 and 2.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from skdist_gpu.reductions.moments import Moments, TriangleReduction, finite_moments
from skdist_gpu.reductions.protocol import Passes, Reduce

# the squared sums lose as many digits as the (scaled) system's condition number has: 16 - 6 are left
LARGEST_CONDITION = 1e6
# scikit-learn drops directions below LinearRegression.tol = 1e-6 of the largest; decide that on R
SMALLEST_SINGULAR_VALUE = 1e-4


@dataclass
class Table:
    """The moments of [X y], divided into features and targets."""

    moments: Moments
    n_features: int
    fit_intercept: bool

    @property
    def center(self) -> np.ndarray:
        """What the model subtracts from the rows: the mean, or nothing."""
        return self.moments.mean if self.fit_intercept else np.zeros_like(self.moments.mean)

    @property
    def products(self) -> np.ndarray:
        """Sum of the outer products of the rows, less `center`."""
        if self.fit_intercept:
            return self.moments.scatter
        mean = self.moments.mean
        return self.moments.scatter + self.moments.weight * np.outer(mean, mean)

    @property
    def gram(self) -> np.ndarray:
        """XᵀX, of shape (n_features, n_features)."""
        return self.products[: self.n_features, : self.n_features]

    @property
    def cross(self) -> np.ndarray:
        """Xᵀy, of shape (n_features, n_targets)."""
        return self.products[: self.n_features, self.n_features :]

    def triangle(self, reduce: Reduce) -> tuple[np.ndarray, np.ndarray]:
        """Return R and z with the least squares problem of (R, z) that of (X, y); reads the data again."""
        factor = reduce(TriangleReduction(self.center))
        return factor[:, : self.n_features], factor[:, self.n_features :]


def fit_linear_regression(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LinearRegression`` in place.

    Parameters
    ----------
    estimator : LinearRegression
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.
    """
    table = Table(finite_moments(data), data.n_features, estimator.fit_intercept)
    singular_values = _singular_values(table.gram)
    clear = singular_values[-1] > SMALLEST_SINGULAR_VALUE * singular_values[0]
    coef = _cholesky_solve(table.gram, table.cross) if clear else None
    rank = data.n_features
    if coef is None:
        R, z = table.triangle(data.reduce)
        coef, _, rank, singular_values = linalg.lstsq(R, z, cond=estimator.tol)
    estimator.rank_, estimator.singular_ = int(rank), singular_values
    _keep(estimator, coef, table, data.target_ndim)


def fit_ridge(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``Ridge`` in place; parameters as in :func:`fit_linear_regression`.

    Raises
    ------
    ValueError
        If there are neither one nor `n_targets` penalties.
    """
    table = Table(finite_moments(data), data.n_features, estimator.fit_intercept)
    n_targets = table.cross.shape[1]
    alphas = np.asarray(estimator.alpha, dtype=np.float64).ravel()
    if alphas.size not in (1, n_targets):
        raise ValueError(f"Number of targets and number of penalties do not correspond: {alphas.size} != {n_targets}")
    alphas = np.broadcast_to(alphas, n_targets)
    coef = _ridge_by_cholesky(table.gram, table.cross, alphas) if estimator.solver != "svd" else None
    estimator.solver_ = "cholesky" if coef is not None else "svd"
    if coef is None:
        coef = _ridge_by_svd(*table.triangle(data.reduce), alphas)
    estimator.n_iter_ = None
    _keep(estimator, coef, table, data.target_ndim)


def _singular_values(gram: np.ndarray) -> np.ndarray:
    """Return the singular values of X, largest first, from XᵀX."""
    return np.sqrt(np.maximum(linalg.eigvalsh(gram)[::-1], 0.0))


def _cholesky_solve(gram: np.ndarray, cross: np.ndarray) -> np.ndarray | None:
    """Solve ``gram @ coef = cross``; None where that would lose more digits than we promise."""
    diagonal = np.diag(gram)
    if not np.all(diagonal > 0):
        return None
    scale = 1 / np.sqrt(diagonal)
    try:
        factor, lower = linalg.cho_factor(gram * scale[:, None] * scale)
    except linalg.LinAlgError:
        return None
    scaled_norm = np.abs(gram * scale[:, None] * scale).sum(axis=0).max()
    reciprocal_condition, _ = linalg.lapack.dpocon(factor, scaled_norm, uplo="L" if lower else "U")
    if reciprocal_condition * LARGEST_CONDITION < 1:
        return None
    return scale[:, None] * linalg.cho_solve((factor, lower), scale[:, None] * cross)


def _ridge_by_cholesky(gram: np.ndarray, cross: np.ndarray, alphas: np.ndarray) -> np.ndarray | None:
    if np.all(alphas == alphas[0]):
        return _cholesky_solve(gram + alphas[0] * np.eye(len(gram)), cross)
    columns = [_cholesky_solve(gram + a * np.eye(len(gram)), cross[:, [i]]) for i, a in enumerate(alphas)]
    return None if any(c is None for c in columns) else np.hstack(columns)  # type: ignore[arg-type]


def _ridge_by_svd(R: np.ndarray, z: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Solve on the triangle by its singular values; directions of rounding noise get nothing."""
    U, s, Vt = linalg.svd(R, full_matrices=False)
    kept = s > s[0] * max(R.shape) * np.finfo(np.float64).eps
    shrunk = np.zeros((s.size, alphas.size))
    shrunk[kept] = s[kept, None] / (s[kept, None] ** 2 + alphas)
    return Vt.T @ (shrunk * (U.T @ z))


def _keep(estimator: Any, coef: np.ndarray, table: Table, target_ndim: int) -> None:
    """Set ``coef_`` and ``intercept_`` in scikit-learn's shapes."""
    x_mean, y_mean = table.center[: table.n_features], table.center[table.n_features :]
    intercept = y_mean - x_mean @ coef
    if target_ndim == 1:
        estimator.coef_ = coef[:, 0]
        estimator.intercept_ = float(intercept[0]) if estimator.fit_intercept else 0.0
    else:
        estimator.coef_ = np.ascontiguousarray(coef.T)
        estimator.intercept_ = intercept if estimator.fit_intercept else 0.0
