"""LinearRegression and Ridge from sums over rows, with scikit-learn's answer in float64.

One pass gives the moments of [X y], and a Cholesky factor of the small system the answer. Where
the squared sums lose digits, a second pass gives the residuals' products, which correct it; where
they would lose too many, it gives the triangle R of [X y] = QR instead, and the dense solvers of
scikit-learn run on R: for a squared loss it is as good as the data (Björck, "Numerical Methods for
Least Squares Problems", SIAM 1996, sections 2.2, 2.7 and 6.6.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from skdist_gpu.engines.reductions.core.moments import Moments, TriangleReduction, centred_table, finite_moments
from skdist_gpu.engines.reductions.core.protocol import Passes, Reduce, dot, namespace
from skdist_gpu.engines.reductions.entries import everywhere

# the answer loses as many digits as the (scaled) system's condition number has: 16 - 6 are left
PRECISE_CONDITION = 1e6
# up to here one correction brings them back, since it squares the relative error
LARGEST_CONDITION = 1e10
# scikit-learn drops directions below LinearRegression.tol = 1e-6 of the largest; decide that on R
SMALLEST_SINGULAR_VALUE = 1e-5


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


class ResidualReduction:
    """Sum the products of the centred features with the residuals of coefficients.

    Parameters
    ----------
    center : ndarray of shape (n_features + n_targets,)
        What to subtract from [X y].
    coef : ndarray of shape (n_features, n_targets)
        Coefficients.
    """

    def __init__(self, center: np.ndarray, coef: np.ndarray) -> None:
        self.center, self.coef = center, coef

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the products of a block, of shape (n_features, n_targets)."""
        xp = namespace(X)
        n_features = len(self.coef)
        rows = centred_table(X, y, xp.asarray(self.center))
        residuals = rows[:, n_features:] - dot(rows[:, :n_features], xp.asarray(self.coef))
        if sample_weight is not None:
            residuals *= sample_weight[:, None]
        return dot(rows[:, :n_features].T, residuals)

    def combine(self, a: Any, b: Any) -> Any:
        """Add the products."""
        return a + b


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
    coef = _solve(table, data, np.zeros(1)) if clear else None
    rank = data.n_features
    if coef is None:
        R, z = table.triangle(data.reduce)
        coef, _, rank, singular_values = linalg.lstsq(R, z, cond=estimator.tol)
    _keep(estimator, coef, table, data.target_ndim)
    if not data.sparse:
        estimator.rank_, estimator.singular_ = int(rank), singular_values
        data.keep_dtype(estimator, "coef_", "intercept_", "singular_")
    elif estimator.fit_intercept:  # without one, scikit-learn leaves the coefficients of sparse rows as they are
        data.keep_dtype(estimator, "coef_", "intercept_")


def fit_ridge(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``Ridge`` in place; parameters as in :func:`fit_linear_regression`.

    Raises
    ------
    ValueError
        If there are neither one nor `n_targets` penalties.
    """
    if data.sparse:
        _check_sparse(estimator)
    table = Table(finite_moments(data), data.n_features, estimator.fit_intercept)
    n_targets = table.cross.shape[1]
    alphas = np.asarray(estimator.alpha, dtype=np.float64).ravel()
    if alphas.size not in (1, n_targets):
        raise ValueError(f"Number of targets and number of penalties do not correspond: {alphas.size} != {n_targets}")
    coef = _solve(table, data, alphas) if estimator.solver != "svd" else None
    estimator.solver_ = "sparse_cg" if data.sparse else "cholesky" if coef is not None else "svd"
    if coef is None:
        coef = ridge_by_svd(*table.triangle(data.reduce), np.broadcast_to(alphas, n_targets))
    estimator.n_iter_ = None
    _keep(estimator, coef, table, data.target_ndim)
    if n_targets == 1:
        # unlike LinearRegression's, also for y of shape (n_rows, 1)
        estimator.coef_ = coef[:, 0]
    data.keep_dtype(estimator, "coef_", "intercept_")


def _check_sparse(estimator: Any) -> None:
    """Raise scikit-learn's own error for a solver that does not take sparse rows."""
    if estimator.fit_intercept and estimator.solver in ("cholesky", "svd"):
        raise ValueError(
            f"solver='{estimator.solver}' does not support fitting the intercept on sparse data. Please set the solver "
            "to 'auto' or 'lsqr', 'sparse_cg', 'sag', 'lbfgs' or set `fit_intercept=False`"
        )
    if estimator.solver == "svd":
        raise TypeError("SVD solver does not support sparse inputs currently")


def _singular_values(gram: np.ndarray) -> np.ndarray:
    """Return the singular values of X, largest first, from XᵀX."""
    return np.sqrt(np.maximum(linalg.eigvalsh(gram)[::-1], 0.0))


def _solve(table: Table, data: Passes, alphas: np.ndarray) -> np.ndarray | None:
    """Solve the penalised normal equations; None where they lose more digits than a correction brings back."""
    factors = [_factor(table.gram + alpha * np.eye(table.n_features)) for alpha in alphas]
    if any(factor is None for factor in factors):
        return None

    def solve(products: np.ndarray) -> np.ndarray:
        if len(factors) == 1:
            return factors[0].solve(products)  # type: ignore[union-attr]
        columns = [f.solve(products[:, [i]]) for i, f in enumerate(factors)]  # type: ignore[union-attr]
        return np.hstack(columns)

    coef = solve(table.cross)
    if max(factor.condition for factor in factors) > PRECISE_CONDITION:  # type: ignore[union-attr]
        coef += solve(data.reduce(ResidualReduction(table.center, coef)) - alphas * coef)
    return coef


@dataclass
class _Factor:
    """Cholesky factor of a matrix whose rows and columns are scaled to a diagonal of ones."""

    factor: tuple[np.ndarray, bool]
    scale: np.ndarray
    condition: float

    def solve(self, products: np.ndarray) -> np.ndarray:
        """Return the solution of the unscaled system."""
        return self.scale[:, None] * linalg.cho_solve(self.factor, self.scale[:, None] * products)


def _factor(gram: np.ndarray) -> _Factor | None:
    """Factorise; None where the matrix is, or may as well be, singular."""
    diagonal = np.diag(gram)
    if not np.all(diagonal > 0):
        return None
    scale = 1 / np.sqrt(diagonal)
    scaled = gram * scale[:, None] * scale
    try:
        factor, lower = linalg.cho_factor(scaled)
    except linalg.LinAlgError:
        return None
    norm = np.abs(scaled).sum(axis=0).max()
    reciprocal, _ = linalg.lapack.dpocon(factor, norm, uplo="L" if lower else "U")
    if reciprocal * LARGEST_CONDITION < 1:
        return None
    return _Factor((factor, lower), scale, 1 / reciprocal)


def ridge_by_svd(R: np.ndarray, z: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Solve on the triangle by its singular values, for the penalty of each target or each penalty of one.

    Directions of rounding noise get nothing, unless a penalty is larger than the noise.
    """
    U, s, Vt = linalg.svd(R, full_matrices=False)
    penalised = s[:, None] ** 2 + alphas
    kept = penalised > (s[0] * max(R.shape) * np.finfo(np.float64).eps) ** 2
    shrunk = np.where(kept, s[:, None] / np.where(kept, penalised, 1.0), 0.0)
    return Vt.T @ (shrunk * (U.T @ z))


def _keep(estimator: Any, coef: np.ndarray, table: Table, target_ndim: int) -> None:
    """Set ``coef_`` and ``intercept_`` in scikit-learn's shapes."""
    x_mean, y_mean = table.center[: table.n_features], table.center[table.n_features :]
    intercept = y_mean - x_mean @ coef
    if target_ndim == 1:
        estimator.coef_ = coef[:, 0]
        estimator.intercept_ = intercept[0] if estimator.fit_intercept else 0.0
    else:
        estimator.coef_ = np.ascontiguousarray(coef.T)
        estimator.intercept_ = intercept if estimator.fit_intercept else 0.0


_SOLVERS = ("auto", "cholesky", "svd")
ENTRIES = (
    *everywhere("LinearRegression", fit_linear_regression, accepts={"positive": (False,)}),
    *everywhere("Ridge", fit_ridge, accepts={"positive": (False,), "solver": _SOLVERS}),
)
