"""The penalty of absolute coefficients ("l1"), and steps of proximal Newton methods with it.

Sources: Lee, Sun & Saunders, "Proximal Newton-Type Methods for Minimizing Composite Functions", SIAM J.
Optim. 24, 2014; Yuan, Ho & Lin, "An Improved GLMNET for L1-regularized Logistic Regression", JMLR 13,
2012. Each step minimises a parabola and the penalty, which is a Lasso that scikit-learn's coordinate
descent solves; many unknowns are split into positive and negative parts (Schmidt, Fung & Rosales,
"Fast Optimization Methods for L1 Regularization", ECML 2007).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

from skdist_gpu.engines.reductions.core.newton import Minimum, Objective, Sums, by_gradients

# relative precision of a step, and most sweeps of coordinate descent for it
LASSO_TOLERANCE = 1e-14
LASSO_SWEEPS = 10_000


@dataclass(frozen=True)
class AbsolutePenalty:
    """A weight times the sum of the absolute coefficients; the kinks of an objective.

    Attributes
    ----------
    weight : float
        The weight, above zero.
    penalised : ndarray of bool of shape (n_unknowns,)
        Which unknowns count: all but intercepts.
    """

    weight: float
    penalised: np.ndarray

    def value(self, coef: np.ndarray) -> float:
        """Return the penalty."""
        return self.weight * float(np.abs(coef[self.penalised]).sum())

    def slope(self, coef: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return the shortest generalised derivative; `gradient` is that of the rest."""
        weight = np.where(self.penalised, self.weight, 0.0)
        at_zero = np.sign(gradient) * np.maximum(np.abs(gradient) - weight, 0)
        return np.where(coef == 0, at_zero, gradient + weight * np.sign(coef))

    def step(self, curvature: np.ndarray, coef: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return the step to the minimum of the penalty and the parabola with these derivatives."""
        some, free = self.penalised, ~self.penalised
        target = curvature @ coef - gradient
        # what is free takes its best value for any value of the others
        eliminate = linalg.pinvh(curvature[np.ix_(free, free)]) if free.any() else np.empty((0, 0))
        mixed = curvature[np.ix_(some, free)]
        squares = curvature[np.ix_(some, some)] - mixed @ eliminate @ mixed.T
        new = np.empty_like(coef)
        new[some] = self._lasso(squares, target[some] - mixed @ (eliminate @ target[free]), coef[some])
        # along the directions where the objective is flat, what is free stays where it is
        free_step = eliminate @ (target[free] - mixed.T @ new[some] - curvature[np.ix_(free, free)] @ coef[free])
        new[free] = coef[free] + free_step
        return new - coef

    def _lasso(self, squares: np.ndarray, target: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Minimise half of wᵀ squares w - target w, and the penalty."""
        root, compressed = _square_root(squares, target)
        with warnings.catch_warnings():
            # the search looks at each step that it is given
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, coefs, _ = lasso_path(
                np.asfortranarray(root),
                compressed,
                alphas=[self.weight / len(root)],
                coef_init=start,
                precompute=False,
                tol=LASSO_TOLERANCE,
                max_iter=LASSO_SWEEPS,
            )
        return coefs[:, 0]


def _square_root(squares: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return R and z with RᵀR = squares and Rᵀz = target."""
    diagonal = np.diag(squares)
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = squares / size[:, None] / size
    try:
        factor = linalg.cholesky(scaled)
        if np.diag(factor).min() > 1e-7:
            return factor * size, linalg.solve_triangular(factor, target / size, trans="T")
    except linalg.LinAlgError:
        pass
    values, vectors = linalg.eigh(scaled)
    kept = values > max(values[-1], 0) * len(values) * 1e-15
    root = np.sqrt(np.where(kept, values, 0.0))
    inverse = np.where(kept, 1 / np.where(kept, root, 1.0), 0.0)
    return root[:, None] * vectors.T * size, inverse * (vectors.T @ (target / size))


def by_split_gradients(
    objective: Objective, start: np.ndarray, penalty: AbsolutePenalty, max_iter: int, tol: float
) -> Minimum:
    """Minimise from gradients alone, each penalised unknown being the difference of two that are not negative."""
    n_unknowns, weight = len(start), np.where(penalty.penalised, penalty.weight, 0.0)

    def split_objective(parts: np.ndarray, rows: int) -> Sums:
        positive, negative = parts[:n_unknowns], parts[n_unknowns:]
        at = objective(positive - negative, 0)
        value = at.value - penalty.value(positive - negative) + float(weight @ (positive + negative))
        return Sums(value, np.concatenate([weight + at.gradient, weight - at.gradient]))

    lowest = np.concatenate([np.where(penalty.penalised, 0.0, -np.inf), np.zeros(n_unknowns)])
    highest = np.concatenate([np.full(n_unknowns, np.inf), np.where(penalty.penalised, np.inf, 0.0)])
    bounds = optimize.Bounds(lowest, highest)
    first = np.where(penalty.penalised, np.maximum(start, 0), start)
    parts = np.concatenate([first, first - start])
    found = by_gradients(split_objective, parts, max_iter, tol, bounds, ftol=64 * np.finfo(float).eps)
    coef = found.coef[:n_unknowns] - found.coef[n_unknowns:]
    return Minimum(coef, found.n_iter, found.gradient)
