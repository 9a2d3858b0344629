"""RidgeCV and RidgeClassifierCV that leave one row out: every penalty from two passes.

The first pass gives the moments; with their eigenvectors V, the second sums for each penalty the
squared error of each row predicted without it. Where the squared sums lose digits, a pass between
them gives the triangle R of [X y] = QR, and V are its right singular vectors. Source: Rifkin &
Lippert, "Notes on Regularized Least Squares", MIT-CSAIL-TR-2007-025.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.utils import check_scalar

from skdist_gpu._compat.sklearn import check_gcv_mode
from skdist_gpu._compat.sklearn_classes import Ridge
from skdist_gpu.engines.reductions.core.moments import Moments, MomentsReduction, finite_moments
from skdist_gpu.engines.reductions.core.protocol import Passes, dot, namespace
from skdist_gpu.engines.reductions.linear.least_squares import PRECISE_CONDITION, Table, fit_ridge

_ABOVE_ZERO: Any = {"min_val": 0.0, "include_boundaries": "neither"}


class LeaveOneOutErrors:
    """Sum, over rows, the squared leave-one-out error for each penalty and target.

    Parameters
    ----------
    center : ndarray of shape (n_features + n_targets,)
        What to subtract from [X y].
    vectors : ndarray of shape (n_features, n_vectors)
        Eigenvectors of the products of X; those left out have eigenvalue zero.
    shrinkage : ndarray of shape (n_vectors, n_penalties)
        1 / (eigenvalue + penalty).
    projected : ndarray of shape (n_vectors, n_targets)
        Vᵀ Xᵀ y.
    total : float
        Sum of the weights, or infinity without an intercept.
    """

    def __init__(
        self, center: np.ndarray, vectors: np.ndarray, shrinkage: np.ndarray, projected: np.ndarray, total: float
    ) -> None:
        self.center, self.vectors, self.shrinkage = center, vectors, shrinkage
        self.projected, self.total = projected, total

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the errors of a block, of shape (n_penalties, n_targets)."""
        xp = namespace(X)
        n_rows, n_features = X.shape
        center, shrinkage = xp.asarray(self.center), xp.asarray(self.shrinkage)
        rotated = dot(X - center[:n_features], xp.asarray(self.vectors))
        targets = y.reshape(n_rows, -1) - center[n_features:]
        weights = xp.ones(n_rows) if sample_weight is None else sample_weight.astype(np.float64)
        free = 1 - weights[:, None] * dot(rotated**2, shrinkage) - weights[:, None] / self.total
        errors = []
        for t in range(targets.shape[1]):
            coefs = shrinkage * xp.asarray(self.projected[:, [t]])
            residuals = (targets[:, [t]] - dot(rotated, coefs)) / free
            errors.append(dot(weights, residuals**2))
        return xp.stack(errors, axis=1)

    def combine(self, a: Any, b: Any) -> Any:
        """Add the errors."""
        return a + b


def fit_leave_one_out(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``RidgeCV`` or ``RidgeClassifierCV`` with ``cv=None`` in place."""
    check_gcv_mode(estimator, data.sparse)
    moments = finite_moments(data)
    table = Table(moments, data.n_features, estimator.fit_intercept)
    given = np.atleast_1d(np.asarray(estimator.alphas, dtype=object))
    for index, alpha in enumerate(given):
        # scikit-learn reads the data of a RidgeClassifierCV first
        check_scalar(alpha, f"alphas[{index}]" if len(given) > 1 else "alphas", Real, **_ABOVE_ZERO)
    alphas = given.astype(np.float64)
    eigenvalues, vectors, projected = _decompose(table, data, alphas.min())
    shrinkage = 1 / (eigenvalues[:, None] + alphas)
    total = float(moments.weight) if estimator.fit_intercept else np.inf
    errors = data.reduce(LeaveOneOutErrors(table.center, vectors, shrinkage, projected, total))
    scores = -errors / moments.n_rows
    if getattr(estimator, "alpha_per_target", False) and scores.shape[1] > 1:
        best: Any = np.argmax(scores, axis=0)
        estimator.best_score_ = scores[best, np.arange(scores.shape[1])]
    else:
        best = int(np.argmax(scores.mean(axis=1)))
        estimator.best_score_ = scores.mean(axis=1)[best]
    estimator.alpha_ = alphas[best] if isinstance(best, np.ndarray) else float(alphas[best])
    fit_known(estimator, data, moments)


def _decompose(table: Table, data: Passes, smallest_alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return eigenvalues and eigenvectors V of XᵀX, and Vᵀ Xᵀ y."""
    eigenvalues, vectors = linalg.eigh(table.gram)
    eigenvalues = np.maximum(eigenvalues, 0.0)
    if eigenvalues[-1] <= PRECISE_CONDITION * (eigenvalues[0] + smallest_alpha):
        return eigenvalues, vectors, vectors.T @ table.cross
    R, z = table.triangle(data.reduce)
    U, s, Vt = linalg.svd(R, full_matrices=False)
    return s**2, Vt.T, s[:, None] * (U.T @ z)


def fit_known(estimator: Any, data: Passes, moments: Moments) -> None:
    """Set the coefficients for the chosen penalty, from moments that are known already."""
    final = Ridge(alpha=estimator.alpha_, fit_intercept=estimator.fit_intercept)

    def reduce(reduction: Any) -> Any:
        # the moments are known; only a badly conditioned system needs the rows again
        return moments if isinstance(reduction, MomentsReduction) else data.reduce(reduction)

    fit_ridge(final, replace(data, reduce=reduce))
    estimator.coef_, estimator.intercept_ = final.coef_, final.intercept_
