"""Second derivatives at a point, and what gradients have told of them since.

Source: Nocedal & Wright, "Numerical Optimization", 2nd ed., Springer 2006: the BFGS formulas 6.17 and 6.19, and the
product of the second one with a gradient by two loops over the steps taken (algorithm 7.4), so that a step after
another one needs no new decomposition.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

# eigenvalues of the scaled second derivatives below this share, for each unknown, are rounding
LOST_SHARE = 1e-15
# a factor of the scaled second derivatives with less than this on its diagonal has lost its digits
LEAST_DIAGONAL = 1e-7
# a change of the gradient that tells less than this share of what was expected is rounding
LEAST_CHANGE = 1e-8


class Factored(Protocol):
    """A symmetric matrix, scaled to a diagonal of ones, and its Cholesky factor, on the host or on a device."""

    @property
    def matrix(self) -> np.ndarray:
        """The matrix itself, on the host."""

    @property
    def diagonal(self) -> np.ndarray:
        """The diagonal of the matrix, on the host."""

    @property
    def is_clear(self) -> bool:
        """Whether the factor keeps its digits."""

    def solve(self, vector: np.ndarray) -> np.ndarray | None:
        """Return the matrix's inverse times a vector; None where the factor has lost its digits."""


class Curvature:
    """Second derivatives of an objective.

    Parameters
    ----------
    matrix : ndarray of shape (n_unknowns, n_unknowns) or Factored
        As they were summed; `Factored` where a device keeps them.
    """

    def __init__(self, matrix: np.ndarray | Factored) -> None:
        self.summed: Factored = OnHost(matrix) if isinstance(matrix, np.ndarray) else matrix
        # steps, and by what they changed the gradient
        self.learned: list[tuple[np.ndarray, np.ndarray]] = []
        self._n_in_dense = 0

    @property
    def diagonal(self) -> np.ndarray:
        """The second derivative of each unknown, as they were summed."""
        return self.summed.diagonal

    @property
    def is_clear(self) -> bool:
        """Whether all directions keep their digits."""
        return self.summed.is_clear

    @property
    def is_singular(self) -> bool:
        """Whether some direction is flat, but for rounding."""
        return not self.is_clear and not self._directions[2].all()

    def step(self, gradient: np.ndarray, shortest: bool) -> np.ndarray | None:
        """Return the step to the minimum of the parabola; where it is flat, the shortest one or None."""
        shares = []
        rest = gradient
        for step, change in reversed(self.learned):
            shares.append((step @ rest) / (change @ step))
            rest = rest - shares[-1] * change
        found = self._solved(rest, shortest)
        if found is None:
            return None
        for (step, change), share in zip(self.learned, reversed(shares), strict=True):
            found = found + (share - (change @ found) / (change @ step)) * step
        return -found

    def learn(self, step: np.ndarray, change: np.ndarray, expected: float) -> None:
        """Take in by what a step changed the gradient; its product with the step was `expected`."""
        if change @ step > LEAST_CHANGE * expected:
            self.learned.append((step, change))

    def dense(self) -> np.ndarray:
        """Return the matrix with all that was learned."""
        for step, change in self.learned[self._n_in_dense :]:
            image = self._dense @ step
            gained = np.outer(change, change) / (change @ step)
            self._dense = self._dense + gained - np.outer(image, image) / (step @ image)
        self._n_in_dense = len(self.learned)
        return self._dense

    def hidden_decrease(self, gradient: np.ndarray) -> float:
        """Return by how much an objective falls at least in the directions that no step takes."""
        if self.is_clear:
            return 0.0
        values, vectors, kept = self._directions
        slopes = vectors[:, ~kept].T @ (self._scale * gradient)
        lost = 2 * LOST_SHARE * len(values) * max(values[-1], np.finfo(float).tiny)
        return float(slopes @ slopes) / lost

    @cached_property
    def _dense(self) -> np.ndarray:
        return self.summed.matrix

    def _solved(self, gradient: np.ndarray, shortest: bool) -> np.ndarray | None:
        solved = self.summed.solve(gradient)
        if solved is not None or not shortest:
            return solved
        scale = self._scale
        values, vectors, kept = self._directions
        inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
        return scale * (vectors @ (inverse * (vectors.T @ (scale * gradient))))

    @property
    def _scale(self) -> np.ndarray:
        return _scale_of(self.diagonal)

    @cached_property
    def _directions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Eigenvalues, eigenvectors and which of them are more than rounding."""
        values, vectors = linalg.eigh(_scaled(self.summed.matrix, self._scale))
        return values, vectors, values > max(values[-1], 0) * len(values) * LOST_SHARE


class OnHost:
    """A symmetric matrix on the host, factored when it is asked for.

    Parameters
    ----------
    matrix : ndarray of shape (n_unknowns, n_unknowns)
        The matrix.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix

    @property
    def diagonal(self) -> np.ndarray:
        """The diagonal of the matrix."""
        return np.diag(self.matrix)

    @property
    def is_clear(self) -> bool:
        """Whether the factor keeps its digits."""
        return self._factor is not None

    def solve(self, vector: np.ndarray) -> np.ndarray | None:
        """Return the matrix's inverse times a vector; None where the factor has lost its digits."""
        if self._factor is None:
            return None
        solved: np.ndarray = self._scale * lapack.dpotrs(self._factor, self._scale * vector, lower=1)[0]
        return solved

    @cached_property
    def _scale(self) -> np.ndarray:
        return _scale_of(self.diagonal)

    @cached_property
    def _factor(self) -> np.ndarray | None:
        # by LAPACK itself: SciPy's own function takes longer to check so few values
        factor, order = lapack.dpotrf(_scaled(self.matrix, self._scale).T, lower=1, clean=False, overwrite_a=1)
        return factor if order == 0 and factor.diagonal().min() > LEAST_DIAGONAL else None


def _scale_of(diagonal: np.ndarray) -> np.ndarray:
    """Return what makes the diagonal one, multiplied on both sides."""
    return 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))


def _scaled(matrix: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return a matrix with a diagonal of ones."""
    # in one new array: to ask for more takes longer than to fill them
    scaled = matrix * scale[:, None]
    scaled *= scale
    return scaled
