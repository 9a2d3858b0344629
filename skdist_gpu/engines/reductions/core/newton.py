"""Minimise a smooth convex sum over rows in few passes.

Newton's method with step control; each evaluation is a pass over the rows. Sources: Nocedal &
Wright, "Numerical Optimization", 2nd ed., Springer 2006, chapters 3 and 7; Boyd & Vandenberghe,
"Convex Optimization", Cambridge 2004, section 9.5 (the decrement as stopping rule).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import optimize

from skdist_gpu.engines.reductions.core.curvature import Curvature
from skdist_gpu.hardware.threads import one_blas_thread

# above this the second derivatives cost more than they save
MOST_UNKNOWNS = 2000
# the objective is known to about this relative precision, and its decrease cannot be judged below
ROUNDING = 1e-12
# the objective may stay this far above its minimum, relative to its size at the start
PRECISION = 1e-13
MOST_LENGTHS = 30
# a step of this share of the coefficients changes the second derivatives little
SMALL_STEP = 0.1
# a step that leaves more of the squared error asks for new second derivatives
FAST_SHRINKING = 0.05
# steps for a derivative above the tolerance once the objective is near enough: each squares the error, or so
FOLLOWED = 2


@dataclass
class Sums:
    """Value and derivatives of an objective, or of the part that some rows contribute."""

    value: Any
    gradient: Any
    hessian: Any = None

    def plus(self, other: Sums) -> Sums:
        """Return the sums of both sets of rows."""
        hessian = None if self.hessian is None else self.hessian + other.hessian
        return Sums(self.value + other.value, self.gradient + other.gradient, hessian)


# coefficients, and of which rows to give second derivatives: 0 for none, n for every n-th -> value and derivatives
Objective = Callable[[np.ndarray, int], Sums]


@dataclass
class Minimum:
    """Where the objective is smallest.

    Attributes
    ----------
    coef : ndarray
        The unknowns.
    n_iter : int
        Steps taken.
    gradient : float
        Largest absolute derivative where it was last evaluated.
    known : Curvature or None
        Second derivatives there, as far as they are known.
    slopes : ndarray or None
        The derivatives there; None where the objective has kinks, or no second derivatives are known.
    scale : float
        Size of the objective before the fit.
    """

    coef: np.ndarray
    n_iter: int
    gradient: float
    known: Curvature | None = None
    slopes: np.ndarray | None = None
    scale: float = 1.0

    @property
    def curvature(self) -> np.ndarray | None:
        """Second derivatives there as a matrix, as far as they are known."""
        return None if self.known is None else self.known.dense()

    @property
    def is_clear(self) -> bool:
        """Whether second derivatives keep their digits in all directions, as far as they are known."""
        return self.known is None or self.known.is_clear

    @property
    def hidden(self) -> float:
        """By how much the objective is too high, or by more, as a share of `scale`: directions lost in rounding."""
        if self.known is None or self.slopes is None:
            return 0.0
        return self.known.hidden_decrease(self.slopes) / self.scale

    @property
    def is_singular(self) -> bool:
        """Whether the objective is flat in some direction, but for rounding."""
        return self.known is not None and self.known.is_singular


# yields what to evaluate, the arguments of an objective, and is sent the sums
Search = Generator[tuple[np.ndarray, int], Sums, Minimum]


class Kinks(Protocol):
    """The part of an objective that has no derivative everywhere; values of the objective contain it."""

    def value(self, coef: np.ndarray) -> float:
        """Return its value."""

    def step(self, curvature: np.ndarray, coef: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return the step to the minimum of it and the parabola with these derivatives."""

    def slope(self, coef: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return the shortest generalised derivative; `gradient` is that of the rest."""


def minimise(
    objective: Objective,
    start: np.ndarray,
    *,
    max_iter: int,
    tol: float,
    scale: float | None = None,
    known: Curvature | None = None,
    every: int = 0,
    kinks: Kinks | None = None,
    slack: float = 1.0,
) -> Minimum:
    """Return the minimum of a convex objective.

    Parameters
    ----------
    objective : callable
        Gives value and derivatives for coefficients.
    start : ndarray of shape (n_unknowns,)
        Where to begin.
    max_iter : int
        Most steps.
    tol : float
        Largest derivative that counts as converged; Newton's method goes below it as the objective asks.
    scale : float, default=None
        Size of the objective before the fit; that at `start` by default.
    known : Curvature, default=None
        Second derivatives near `start`, which the search adds to, less exact than those of every so-many-th row.
    every : int, default=0
        The so-many-th row; 0 if no sample of the rows has better ones.
    kinks : Kinks, default=None
        The part of the objective that has no derivative everywhere.
    slack : float, default=1.0
        How many times further above its minimum than `PRECISION` the objective may stay.
    """
    if start.size > MOST_UNKNOWNS and kinks is None:
        return by_gradients(objective, start, max_iter, tol, ftol=64 * np.finfo(float).eps)
    steps = search(start, max_iter=max_iter, scale=scale, known=known, every=every, kinks=kinks, tol=tol, slack=slack)
    wanted = next(steps)
    while True:
        try:
            wanted = steps.send(objective(*wanted))
        except StopIteration as end:
            return end.value


def minimise_together(
    searches: list[Search], objective: Callable[[dict[int, tuple[np.ndarray, int]]], dict[int, Sums]]
) -> list[Minimum]:
    """Return where several searches end; what all of them want to know next is evaluated at once."""
    found: dict[int, Minimum] = {}
    wanted = {i: next(steps) for i, steps in enumerate(searches)}
    while wanted:
        for i, sums in objective(wanted).items():
            try:
                wanted[i] = searches[i].send(sums)
            except StopIteration as end:
                found[i] = end.value
                del wanted[i]
    return [found[i] for i in range(len(searches))]


def search(
    start: np.ndarray,
    *,
    max_iter: int,
    scale: float | None = None,
    known: Curvature | None = None,
    every: int = 0,
    kinks: Kinks | None = None,
    tol: float = np.inf,
    slack: float = 1.0,
) -> Search:
    """Search for the minimum, and leave it to the caller to evaluate the objective; parameters as in :func:`minimise`.

    Where the objective is near enough, a few more steps follow a largest derivative above `tol`.

    Second derivatives are taken from some rows only, at first, and used as long as each step shrinks
    the error well; what gradients tell keeps them in line.
    """
    slow = known is None
    coef, previous, rows, followed = start, np.inf, 1 if slow else 0, 0
    at = yield start, rows
    scale = scale or max(float(at.value), np.finfo(np.float64).tiny)
    target = slack * PRECISION * scale
    for n_iter in range(1, max_iter + 1):
        exact = rows == 1
        known = known if at.hessian is None else Curvature(at.hessian)
        assert known is not None
        step = kinks.step(known.dense(), coef, at.gradient) if kinks else known.step(at.gradient, shortest=exact)
        if step is None:
            at = yield coef, 1
            slow, previous, rows = True, np.inf, 1
            continue
        decrement = max(0.0, _decrement(coef, at.gradient, step, kinks))
        # the error shrinks at least about as it did before
        shrink = min(1.0, decrement / previous) if decrement > 0 else 0.0
        expected = decrement * shrink if np.isfinite(previous) else decrement
        near_enough = expected <= target
        if near_enough and followed < FOLLOWED and decrement > 0 and _largest(coef, at.gradient, kinks) > tol:
            near_enough, followed = False, followed + 1
        if near_enough:
            # the last step needs no look at its end where it is small and the ones before it were good
            trusted = np.isfinite(previous) or decrement <= target
            if trusted and not _is_small(step, coef, known):
                end = yield coef + step, 0
                trusted = end.value <= at.value + ROUNDING * abs(at.value)
            return _end(coef + step if trusted else coef, n_iter, coef, at, kinks, known, scale)
        slow = slow if not np.isfinite(previous) else shrink > FAST_SHRINKING
        # where some direction is flat, the shortest step needs new ones each time
        slow = slow or (kinks is None and not known.is_clear)
        # the first step ends near the minimum, where second derivatives are better than those from its start
        rows = 1 if slow else every if n_iter == 1 else 0
        length, found = yield from _descend(coef, at, step, decrement, rows, most=MOST_LENGTHS if exact else 1)
        if found is None and not exact:
            at = yield coef, 1
            slow, previous, rows = True, np.inf, 1
            continue
        if found is None:
            # rounding hides any further decrease
            return _end(coef, n_iter, coef, at, kinks, known, scale)
        if found.hessian is None:
            taken, change = length * step, found.gradient - at.gradient
            # second derivatives times the step are the gradient that it was to take away, but for kinks
            told = taken @ known.dense() @ taken if kinks else -length * float(taken @ at.gradient)
            known.learn(taken, change, told)
        # far from the minimum the next error says nothing about the one after it
        near = length == 1 and decrement < 0.5 * at.value
        coef, at, previous, slow = coef + length * step, found, decrement if near else np.inf, slow or not near
    return _end(coef, max_iter, coef, at, kinks, known, scale)


def _end(
    found: np.ndarray, n_iter: int, coef: np.ndarray, at: Sums, kinks: Kinks | None, known: Any, scale: float
) -> Minimum:
    slopes = None if kinks else at.gradient
    return Minimum(found, n_iter, _largest(coef, at.gradient, kinks), known, slopes, scale)


def _descend(
    coef: np.ndarray, at: Sums, step: np.ndarray, decrement: float, rows: int, most: int
) -> Generator[tuple[np.ndarray, int], Sums, tuple[float, Sums | None]]:
    """Shorten the step until the objective decreases enough; None if it does not `most` times."""
    length = 1.0
    for _ in range(most):
        found = yield coef + length * step, rows
        if found.value <= at.value - 1e-4 * length * decrement + ROUNDING * abs(at.value):
            return length, found
        # the minimum of the parabola through both values, not too far from either
        rise = found.value - at.value + length * decrement
        best = length**2 * decrement / (2 * rise) if np.isfinite(rise) and rise > 0 else 0.0
        length = min(0.5 * length, max(0.1 * length, best))
    return length, None


def _is_small(step: np.ndarray, coef: np.ndarray, known: Curvature) -> bool:
    """Whether a step changes little; where the objective is almost flat it may lead far, to where it is not."""
    weight = known.diagonal.clip(0.0)
    return bool(weight @ step**2 <= SMALL_STEP**2 * (weight @ coef**2))


def _decrement(coef: np.ndarray, gradient: np.ndarray, step: np.ndarray, kinks: Kinks | None) -> float:
    """Return by how much the objective falls if it is straight along the step but for its kinks."""
    straight = -float(gradient @ step)
    return straight + kinks.value(coef) - kinks.value(coef + step) if kinks else straight


def _largest(coef: np.ndarray, gradient: np.ndarray, kinks: Kinks | None) -> float:
    return float(np.abs(kinks.slope(coef, gradient) if kinks else gradient).max())


def by_gradients(
    objective: Objective,
    start: np.ndarray,
    max_iter: int,
    tol: float,
    bounds: Any = None,
    ftol: float = 0.0,
    size: np.ndarray | float = 1.0,
) -> Minimum:
    """Minimise by L-BFGS-B, from gradients alone; the unknowns times `size` are of like size."""

    def function(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        sums = objective(scaled / size, 0)
        return float(sums.value), sums.gradient / size

    options = {"maxiter": max_iter, "maxls": 50, "gtol": tol, "ftol": ftol}
    # its vectors are short, and BLAS threads would wait for each other longer than they compute
    with one_blas_thread():
        found = optimize.minimize(function, start * size, method="L-BFGS-B", jac=True, bounds=bounds, options=options)
    return Minimum(found.x / size, found.nit, np.abs(found.jac).max())
