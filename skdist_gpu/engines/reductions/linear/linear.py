"""Models whose loss depends on a row through coefficients times the row: losses, sums and fit.

The objective is the weighted mean of the loss over rows plus half of the penalty times the squared
coefficients, as in scikit-learn, and with some models a penalty of absolute coefficients.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skdist_gpu.engines.reductions.core.curvature import Curvature
from skdist_gpu.engines.reductions.core.newton import MOST_UNKNOWNS, Minimum, Objective, Sums, minimise
from skdist_gpu.engines.reductions.core.protocol import (
    SAMPLED_ROWS,
    Passes,
    Reduce,
    Reduction,
    column_sums,
    dot,
    namespace,
)
from skdist_gpu.engines.reductions.core.sample import Overview, Rows, check_finite, look
from skdist_gpu.engines.reductions.linear.absolute import AbsolutePenalty, by_split_gradients
from skdist_gpu.hardware.threads import at_most, one_blas_thread

# means this many standard deviations from zero are subtracted
FAR_FROM_ZERO = 100.0
# where nothing may be subtracted, rows are reflected from here on, before second derivatives lose directions
LOST_FROM_ZERO = 1e5
# second derivatives of so many rows, and of every eighth at most, cost little, and steps with them are nearly as good
CURVATURE_ROWS = 1_000_000
CURVATURE_FROM = 8
# a row's take the longer the more unknowns there are: for so many about as long as its first derivatives
CHEAP_UNKNOWNS = 8
# unknowns whose decomposition takes about a millisecond on one core
FEW_UNKNOWNS = 500
# how many times the sample those rows must be
MANY_MORE = 2
# rows that tell whether columns are far from zero
SHIFT_ROWS = 100
# the minimum over a sample is not that over all rows, and need not be found as precisely
SAMPLE_SLACK = 1e6
# a search over all rows from far away must come this much nearer to the minimum, since no second search confirms it
WITHOUT_SAMPLE = 1e-4
# steps after which a search in pieces begins anew, and how near to the minima of larger penalties that comes
FEW_STEPS, EASED_SLACK = 25, 1e6
# what the objective may be too high without a word, relative to its size at the start
HIDDEN_SHARE = 1e-9


@dataclass(frozen=True)
class Design:
    """How a row of X becomes the row that coefficients multiply.

    Attributes
    ----------
    n_features : int
        Columns of X.
    constant : float
        Value of a column behind the features, for the intercept; 0 for none.
    center : ndarray of shape (n_features,) or None
        What is subtracted from X, where its values are so far from zero that products lose digits.
    mirror : ndarray of shape (n_features,) or None
        A vector m, m'm = 2, with which rows are reflected to x - m m'x, where nothing may be subtracted. The
        mean row lies along one axis then, and the other ones keep their digits (Golub & Van Loan, "Matrix
        Computations", 4th ed., Johns Hopkins 2013, section 5.1.2). Squared coefficients sum up to the same.
    """

    n_features: int
    constant: float
    center: np.ndarray | None = None
    mirror: np.ndarray | None = None

    @property
    def takes_rows_as_they_are(self) -> bool:
        """Whether nothing is done to X."""
        return self.center is None and self.mirror is None

    @property
    def n_columns(self) -> int:
        """Coefficients of one score."""
        return self.n_features + (self.constant != 0)

    def rows(self, X: Any) -> Any:
        """Return the rows in float64, without the constant; X itself where it is that."""
        if self.center is not None:
            return X - namespace(X).asarray(self.center)
        rows = X.astype(np.float64, copy=False)
        if self.mirror is None:
            return rows
        mirror = namespace(X).asarray(self.mirror)
        return rows - dot(rows, mirror)[:, None] * mirror

    def scores(self, rows: Any, coef: np.ndarray) -> Any:
        """Return the product of rows and coefficients, of shape (n_columns,) or (n_scores, n_columns)."""
        coef = namespace(rows).asarray(coef)
        scores = dot(rows, coef[..., : self.n_features].T)
        return scores + self.constant * coef[..., -1] if self.constant else scores

    def products(self, rows: Any, slope: Any) -> Any:
        """Return the sum of slope times row."""
        if not self.constant:
            return dot(slope.T, rows)
        xp = namespace(rows)
        return xp.concatenate([dot(slope.T, rows), self.constant * column_sums(slope)[..., None]], axis=-1)

    def squares(self, rows: Any, curvature: Any) -> Any:
        """Return the sum of curvature times the outer product of each row."""
        xp = namespace(rows)
        root = xp.sqrt(curvature)
        scaled = xp.empty((len(rows), self.n_columns))
        xp.multiply(rows, root[:, None], out=scaled[:, : self.n_features])
        scaled[:, self.n_features :] = self.constant * root[:, None]
        return dot(scaled.T, scaled)

    def by_row_of_X(self, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and intercepts for X itself; `coef` has one row for each score."""
        slopes = np.ascontiguousarray(coef[:, : self.n_features])
        if self.mirror is not None:
            slopes = slopes - np.outer(slopes @ self.mirror, self.mirror)
        intercepts = self.constant * coef[:, -1] if self.constant else np.zeros(len(coef))
        return slopes, intercepts if self.center is None else intercepts - slopes @ self.center


def look_ahead(data: Passes, n_classes: int = 0) -> tuple[Overview, Rows]:
    """Return the overview of all rows and a sample to start from; parameters as in :func:`look`."""
    return look(data, SHIFT_ROWS if data.resident else SAMPLED_ROWS, n_classes)


def free_design(sample: Rows, fit_intercept: bool, absolute: bool = False) -> Design:
    """Return a design whose intercept is not penalised, so that X may be shifted.

    Without an intercept X may be reflected, unless `absolute` coefficients are penalised.
    """
    n_features = sample.X.shape[1]
    if not fit_intercept:
        return Design(n_features, 0.0) if absolute else bound_design(sample, 0.0)
    mean, far = _far_means(sample, FAR_FROM_ZERO)
    return Design(n_features, 1.0, np.where(far, mean, 0.0) if far.any() else None)


def bound_design(sample: Rows, constant: float) -> Design:
    """Return a design of which all coefficients are penalised by their squares, so that X may be reflected."""
    mean, far = _far_means(sample, LOST_FROM_ZERO)
    if not far.any():
        return Design(len(mean), constant)
    mirror, axis = mean / np.linalg.norm(mean), np.abs(mean).argmax()
    mirror[axis] += np.sign(mirror[axis])
    return Design(len(mean), constant, mirror=mirror * (np.sqrt(2) / np.linalg.norm(mirror)))


def _far_means(sample: Rows, deviations: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of some rows, and which columns have them more than so many deviations from zero."""
    X = sample.X[:: max(1, len(sample.X) // SHIFT_ROWS)]
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    # a constant column keeps its value, which scikit-learn penalises as it stands
    return mean, (np.abs(mean) > deviations * deviation) & (deviation > 0)


def some_rows(every: int, *parts: Any) -> tuple[list[Any], float]:
    """Return every so-many-th row of each part that is not None, and how many rows of the block each stands for."""
    n_rows = len(parts[0])
    return [None if part is None else part[::every] for part in parts], n_rows / -(-n_rows // every)


class RowLoss(Protocol):
    """The loss of rows as a function of their scores."""

    def __call__(self, y: Any, score: Any) -> tuple[Any, Any]:
        """Return loss and derivative for each row."""

    def curvature(self, y: Any, score: Any) -> Any:
        """Return the second derivative for each row; an expected one where it may be negative."""

    def weight(self, y: Any, sample_weight: Any) -> Any:
        """Return the weight of each row; None for all one."""


def _weighted(part: Any, weight: Any) -> Any:
    """Return what each row contributes; a row without weight may overflow."""
    return part if weight is None else namespace(part).where(weight == 0, 0, weight * part)


class ScoreReduction:
    """Sum a loss of one score a row, with its derivatives.

    Second derivatives are those of one of `every` rows, which stands for so many; there are none for 0.
    """

    def __init__(self, loss: RowLoss, design: Design, coef: np.ndarray, every: int) -> None:
        self.loss, self.design, self.coef, self.every = loss, design, coef, every

    def map(self, X: Any, y: Any, sample_weight: Any) -> Sums:
        """Return the sums of a block."""
        rows = self.design.rows(X)
        score, weight = self.design.scores(rows, self.coef), self.loss.weight(y, sample_weight)
        loss, slope = (_weighted(part, weight) for part in self.loss(y, score))
        sums = Sums(loss.sum(), self.design.products(rows, slope))
        if self.every:
            (rows, y, score, weight), share = some_rows(self.every, rows, y, score, weight)
            curvature = _weighted(self.loss.curvature(y, score), weight)
            sums.hessian = share * self.design.squares(rows, curvature)
        return sums

    def combine(self, a: Sums, b: Sums) -> Sums:
        """Add the sums."""
        return a.plus(b)


@dataclass
class Model:
    """What to minimise over all rows.

    Attributes
    ----------
    make : callable
        Makes the reduction for coefficients, with second derivatives of one of so many rows; of none for 0.
    total : float
        Weight of all rows.
    penalty : ndarray of shape (n_unknowns,)
        Penalty of each squared coefficient.
    start : ndarray of shape (n_unknowns,)
        Where to begin on the sample.
    make_definite : callable or None
        Makes second derivatives definite where the objective is flat by construction.
    absolute : AbsolutePenalty or None
        The penalty of absolute coefficients.
    inside : callable
        Moves what a search over the sample found to where the objective is defined.
    in_pieces : bool
        Whether second derivatives jump, so that a search from far away may take hundreds of short steps.
    """

    make: Callable[[np.ndarray, int], Reduction]
    total: float
    penalty: np.ndarray
    start: np.ndarray
    make_definite: Callable[[np.ndarray], np.ndarray] | None = None
    absolute: AbsolutePenalty | None = None
    inside: Callable[[np.ndarray], np.ndarray] = lambda coef: coef
    in_pieces: bool = False

    def objective(self, reduce: Reduce) -> Objective:
        """Return the objective over what `reduce` reads."""

        return lambda coef, every: self.penalised(coef, reduce(self.make(coef, every)))

    def penalised(self, coef: np.ndarray, sums: Sums) -> Sums:
        """Return value and derivatives of the objective from the sums over all rows."""
        value = float(sums.value) / self.total + 0.5 * float(coef @ (self.penalty * coef))
        if self.absolute:
            value += self.absolute.value(coef)
        gradient = sums.gradient / self.total + self.penalty * coef
        if sums.hessian is None:
            return Sums(value, gradient)
        if not isinstance(sums.hessian, np.ndarray):
            # a GPU keeps them, and decomposes them there
            return Sums(value, gradient, sums.hessian.penalised(self.total, self.penalty))
        hessian = sums.hessian / self.total
        hessian[np.diag_indices_from(hessian)] += self.penalty
        return Sums(value, gradient, hessian if self.make_definite is None else self.make_definite(hessian))

    def checked(self, reduce: Reduce, data: Passes) -> Objective:
        """Return the objective over what `reduce` reads, which raises where it is not finite at first."""
        objective, checked = self.objective(reduce), False

        def first_checked(coef: np.ndarray, every: int) -> Sums:
            nonlocal checked
            sums = objective(coef, every)
            if not checked:
                # kernels leave rows without weight out of the value
                check_finite(np.append(sums.gradient, sums.value), data)
                checked = True
            return sums

        return first_checked

    def fit(self, data: Passes, sample: Rows, max_iter: int, tol: float) -> Minimum:
        """Minimise on the sample, and from there over all rows."""
        # the weights of the sampled rows count the rows that they stand for: the total is the same
        reduce_sample, n_sampled = data.reduce_sample(sample.X, sample.y, sample.weight, len(self.start))
        warm = data.starts.begin(self.penalty) if data.starts else None
        # a sample of all rows would be read for nothing
        if warm is None and n_sampled < sample.n_rows:
            with one_blas_thread():
                warm = self.search(data, reduce_sample, self.start, max_iter, tol, slack=SAMPLE_SLACK)
        # for so few unknowns threads take longer to start than to be done
        with at_most(1 if len(self.start) <= FEW_UNKNOWNS else None):
            if warm is None:
                found = self.search(data, data.reduce, self.start, max_iter, tol, slack=WITHOUT_SAMPLE)
            else:
                every = max(CURVATURE_FROM, sample.n_rows // CURVATURE_ROWS, len(self.start) // CHEAP_UNKNOWNS)
                # worth it where these rows are many more than the sample
                every = every if sample.n_rows > MANY_MORE * every * n_sampled else 0
                start = self.inside(warm.coef)
                near = {"scale": warm.scale, "known": warm.known, "every": every}
                found = self.search(data, data.reduce, start, max_iter, tol, **near)
        if data.starts:
            data.starts.end(self.penalty, found)
        warn_if_hidden(found)
        warn_if_unfinished(found, max_iter, tol)
        return found

    def search(
        self, data: Passes, reduce: Reduce, start: np.ndarray, max_iter: int, tol: float, **near: Any
    ) -> Minimum:
        """Minimise over what `reduce` reads; parameters as in ``core.newton.minimise``.

        A search in pieces that is not done in a few steps begins anew with a penalty that hides the pieces, and goes on
        with smaller ones, each from where the one before ended: support vector machines of separable classes and a
        large C take 100 to 400 passes so, in place of thousands.
        """
        few = FEW_STEPS if self.in_pieces and len(start) <= MOST_UNKNOWNS else max_iter
        found = self.minimise(self.checked(reduce, data), start, min(few, max_iter), tol, **near)
        if found.n_iter < few or few >= max_iter:
            return found
        coef, n_iter, scale = self.start, few, found.scale
        largest = float(Curvature(self.objective(reduce)(coef, 1).hessian).diagonal.max())
        n_penalties = max(0, int(np.log10(largest / self.penalty.min())))
        for exponent in range(n_penalties, 0, -1):
            eased = replace(self, penalty=self.penalty * 10.0**exponent)
            found = eased.minimise(eased.objective(reduce), coef, max_iter - n_iter, np.inf, slack=EASED_SLACK)
            coef, n_iter = found.coef, n_iter + found.n_iter
            if n_iter >= max_iter:
                break
        slack = near.get("slack", WITHOUT_SAMPLE)
        found = self.minimise(self.objective(reduce), coef, max(1, max_iter - n_iter), tol, scale, slack=slack)
        return replace(found, n_iter=min(max_iter, n_iter + found.n_iter))

    def minimise(
        self,
        objective: Objective,
        start: np.ndarray,
        max_iter: int,
        tol: float,
        scale: float | None = None,
        known: Curvature | None = None,
        every: int = 0,
        slack: float = 1.0,
    ) -> Minimum:
        """Minimise an objective of the model; parameters as in ``core.newton.minimise``."""
        if self.absolute and len(start) > MOST_UNKNOWNS:
            return by_split_gradients(objective, start, self.absolute, max_iter, tol)
        options: Any = {"max_iter": max_iter, "tol": tol, "scale": scale, "known": known, "every": every}
        options |= {"slack": slack, "kinks": self.absolute}
        return minimise(objective, start, **options)


def warn_if_hidden(found: Minimum) -> None:
    """Warn where rounding hides a lower objective."""
    hidden = found.hidden
    if hidden > HIDDEN_SHARE:
        warnings.warn(
            "Some columns are so nearly sums of others, share so much, or separate the classes so well that "
            f"directions are lost in rounding; the objective may be above its minimum by {hidden:.1e} of what it was "
            "before the fit, or by more. Leave out columns, subtract what they share, or give a penalty.",
            ConvergenceWarning,
            stacklevel=2,
        )


def warn_if_unfinished(found: Minimum, max_iter: int, tol: float) -> None:
    """Warn as scikit-learn does where the steps ran out."""
    if found.n_iter >= max_iter and found.gradient > tol:
        warnings.warn(
            f"The fit did not converge within max_iter={max_iter} steps: the largest derivative is "
            f"{found.gradient:.2g}, tol={tol:.2g}. Increase max_iter, or scale the columns of X.",
            ConvergenceWarning,
            stacklevel=2,
        )
