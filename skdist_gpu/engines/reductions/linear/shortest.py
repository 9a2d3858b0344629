"""The shortest of the coefficients that predict the same, where columns are sums of others or rows are few.

Without a penalty these have all the same objective. scikit-learn's searches begin at zero and move along rows
only, so that they end there as well.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import linalg

from skdist_gpu.engines.reductions.core.moments import finite_moments
from skdist_gpu.engines.reductions.core.newton import Minimum
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.linear.least_squares import Table

# singular values of columns of length one below this share of the largest are rounding
ROUNDING = 1e-10


def shorten(
    estimator: Any, data: Passes, found: Minimum, coef: np.ndarray, intercept: np.ndarray, penalised: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts, the shortest ones that predict the same unless there is a penalty.

    Parameters
    ----------
    estimator : estimator
        Tells its solver and whether there is an intercept.
    data : Passes
        The rows; read twice if the second derivatives are singular.
    found : Minimum
        Where the search ended.
    coef : ndarray of shape (n_scores, n_features)
        Coefficients for X itself.
    intercept : ndarray of shape (n_scores,)
        Their intercepts.
    penalised : bool
        Whether the coefficients are penalised.

    Warns
    -----
    LinAlgWarning
        As scikit-learn does, if the second derivatives are singular and the solver is "newton-cholesky".
    """
    if not found.is_singular:
        return coef, intercept
    if estimator.solver == "newton-cholesky":
        warnings.warn(
            "The inner solver of NewtonSolver stumbled upon a singular or very ill-conditioned Hessian matrix, and "
            "took the shortest steps. Possible "
            "remedies are removing collinear features of X or increasing the penalization strengths.",
            linalg.LinAlgWarning,
            stacklevel=2,
        )
    if penalised:
        return coef, intercept
    table = Table(finite_moments(data), data.n_features, estimator.fit_intercept)
    without_effect = _null_space(table.triangle(data.reduce)[0])
    lost = coef @ without_effect @ without_effect.T
    return coef - lost, intercept + lost @ table.center[: data.n_features]


def _null_space(R: np.ndarray) -> np.ndarray:
    """Return orthonormal columns that span what a triangle maps to zero."""
    length = np.linalg.norm(R, axis=0)
    scale = 1 / np.where(length > 0, length, 1.0)
    _, s, Vt = linalg.svd(R * scale)
    rank = int(np.sum(s > ROUNDING * s[0])) if len(s) else 0
    return linalg.qr(scale[:, None] * Vt[rank:].T, mode="economic")[0]
