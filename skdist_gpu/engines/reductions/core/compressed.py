"""A table of a few rows on which every squared-loss model has the answer of the whole data.

With [X y] = QT and orthonormal Q, ``||y - Xw|| = ||Ty - Tx w||`` for every w, so that scikit-learn's
own solvers may run on the rows of T (Björck, "Numerical Methods for Least Squares Problems", SIAM
1996, section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg

from skdist_gpu.engines.reductions.core.moments import Moments, finite_moments
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.linear.least_squares import PRECISE_CONDITION, Table

# a residual below this share of y'y is rounding noise in the sums
SMALLEST_RESIDUAL = 1e-9


@dataclass(frozen=True)
class Compressed:
    """The rows of T, and what was subtracted from the data.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Few rows; their squared sums are those of the data.
    y : ndarray of shape (n_rows, n_targets)
        Targets of these rows.
    weight : float
        Sum of the weights of the data.
    x_mean, y_mean : ndarray
        What was subtracted from the data; zeros without an intercept.
    target_mean : ndarray of shape (n_targets,)
        Mean of the targets, subtracted or not.
    """

    X: np.ndarray
    y: np.ndarray
    weight: float
    x_mean: np.ndarray
    y_mean: np.ndarray
    target_mean: np.ndarray

    def per_row(self) -> Compressed:
        """Return the rows scaled so that mean squared errors, not their sums, are those of the data."""
        scale = np.sqrt(len(self.X) / self.weight)
        return replace(self, X=self.X * scale, y=self.y * scale)

    def intercept(self, coef: np.ndarray) -> Any:
        """Return the intercept that goes with coefficients of shape (..., n_features)."""
        return self.y_mean - self.x_mean @ coef.T


def compress(data: Passes, fit_intercept: bool) -> Compressed:
    """Compress the data, in a second pass where the squared sums would lose digits."""
    table = Table(finite_moments(data), data.n_features, fit_intercept)
    factor = _triangle(table)
    if factor is None:
        factor = np.hstack(table.triangle(data.reduce))
    return _split(table, factor)


def compress_moments(moments: Moments, n_features: int, fit_intercept: bool) -> Compressed:
    """Compress data that are known by their moments only."""
    table = Table(moments, n_features, fit_intercept)
    factor = _triangle(table)
    if factor is None:
        values, vectors = linalg.eigh(table.products)
        factor = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return _split(table, factor)


def _split(table: Table, factor: np.ndarray) -> Compressed:
    d, center, moments = table.n_features, table.center, table.moments
    return Compressed(factor[:, :d], factor[:, d:], float(moments.weight), center[:d], center[d:], moments.mean[d:])


def _triangle(table: Table) -> np.ndarray | None:
    """Return the Cholesky factor of the products of [X y]; None where it would lose digits."""
    products, d = table.products, table.n_features
    scale = np.sqrt(np.diag(products))
    if not np.all(scale > 0):
        return None
    try:
        factor = linalg.cholesky(products / scale[:, None] / scale)
    except linalg.LinAlgError:
        return None
    R = factor[:d, :d]
    reciprocal_condition, _ = linalg.lapack.dtrcon(R)
    residuals = np.diag(factor)[d:]
    if reciprocal_condition**2 * PRECISE_CONDITION < 1 or np.any(residuals**2 < SMALLEST_RESIDUAL):
        return None
    return factor * scale
