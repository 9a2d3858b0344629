"""Statistics of single columns in one pass: moments and extrema, NaN left out where asked.

Variances are merged by the update of Chan, Golub & LeVeque, "Updating Formulae and a Pairwise
Algorithm for Computing Sample Variances", COMPSTAT 1982, after a shift by the mean of a few rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.core.moments import PILOT_ROWS, raise_not_finite
from skdist_gpu.engines.reductions.core.protocol import Passes, Reduction, dot, namespace, too_few_rows

# rows that are reduced as one; a GPU needs many results at a time
ROWS_IN_ONE, ROWS_IN_ONE_ON_GPU = 32, 2048


@dataclass
class ColumnMoments:
    """Weighted mean and scatter of each column.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    weight : ndarray of shape (n_columns,)
        Sum of the weights of the values that are not NaN; their number without weights.
    mean, scatter : ndarray of shape (n_columns,)
        Weighted mean, and weighted sum of the squared distances from it, float64.
    """

    n_rows: int
    weight: Any
    mean: Any
    scatter: Any

    @property
    def variance(self) -> Any:
        """Population variance of each column; NaN for a column without values."""
        with np.errstate(invalid="ignore"):
            return np.maximum(self.scatter, 0.0) / self.weight

    def merge(self, other: ColumnMoments) -> ColumnMoments:
        """Return the moments of both sets of rows."""
        weight = self.weight + other.weight
        share = other.weight / positive(weight)
        delta = other.mean - self.mean
        scatter = self.scatter + other.scatter + delta * delta * (self.weight * share)
        return ColumnMoments(self.n_rows + other.n_rows, weight, self.mean + delta * share, scatter)


class ColumnReduction:
    """Reduce rows to :class:`ColumnMoments`.

    Parameters
    ----------
    skip_nan : bool
        Whether NaN is left out; otherwise it makes its column's sums NaN.
    weighted : bool
        Whether the sample weights count.
    """

    def __init__(self, skip_nan: bool = False, weighted: bool = True) -> None:
        self.skip_nan = skip_nan
        self.weighted = weighted

    def map(self, X: Any, y: Any, sample_weight: Any) -> ColumnMoments:
        """Return the moments of a block."""
        xp = namespace(X)
        weighted = self.weighted and sample_weight is not None
        weights = sample_weight.astype(np.float64) if weighted else xp.ones(X.shape[0])
        pilot = column_pilot(X)
        table = xp.subtract(X, pilot, dtype=np.float64)
        sums = dot(weights, table)
        # on a GPU to ask whether there is a NaN costs more than to leave it out
        if not self.skip_nan or (xp is np and not np.isnan(sums).any()):
            weight = xp.zeros(X.shape[1]) + weights.sum()
        else:
            present = ~xp.isnan(table)
            weight = dot(weights, present.astype(np.float64))
            table = xp.where(present, table, 0.0)
            sums = dot(weights, table)
        squares = dot(weights, xp.multiply(table, table, out=table))
        shift = sums / positive(weight)
        return ColumnMoments(X.shape[0], weight, pilot + shift, squares - sums * shift)

    def combine(self, a: ColumnMoments, b: ColumnMoments) -> ColumnMoments:
        """Merge two sets of rows."""
        return a.merge(b)


@dataclass
class Extrema:
    """Smallest and largest value of each column, NaN left out; NaN for a column without values."""

    n_rows: int
    low: Any
    high: Any


class ExtremaReduction:
    """Reduce rows to :class:`Extrema`; rows of weight zero do not count."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Extrema:
        """Return the extrema of a block."""
        xp = namespace(X)
        if sample_weight is not None:
            X = xp.where((sample_weight == 0)[:, None], X.dtype.type(np.nan), X)
        if xp is np:
            low, high = (over_rows(partial(reduce, axis=0), X) for reduce in (np.fmin.reduce, np.fmax.reduce))
            return Extrema(X.shape[0], low, high)
        missing = xp.isnan(X)
        low = over_rows(partial(xp.min, axis=0), xp.where(missing, np.inf, X)).astype(X.dtype)
        high = over_rows(partial(xp.max, axis=0), xp.where(missing, -np.inf, X)).astype(X.dtype)
        nothing = low > high
        return Extrema(X.shape[0], xp.where(nothing, np.nan, low), xp.where(nothing, np.nan, high))

    def combine(self, a: Extrema, b: Extrema) -> Extrema:
        """Return the extrema of both sets of rows."""
        xp = namespace(a.low)
        return Extrema(a.n_rows + b.n_rows, xp.fmin(a.low, b.low), xp.fmax(a.high, b.high))


class Together:
    """Several reductions in one pass; the result is a tuple."""

    def __init__(self, *reductions: Reduction) -> None:
        self.reductions = reductions

    def map(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, ...]:
        """Return what a block contributes to each."""
        return tuple(reduction.map(X, y, sample_weight) for reduction in self.reductions)

    def combine(self, a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
        """Combine each."""
        return tuple(r.combine(x, y) for r, x, y in zip(self.reductions, a, b, strict=True))


def total(data: Passes, reduction: Reduction) -> Any:
    """Reduce all rows.

    Raises
    ------
    ValueError
        scikit-learn's own error if there are no rows.
    """
    result = data.reduce(reduction)
    if result is None:
        raise too_few_rows(0, data.n_features)
    return result


def column_moments(data: Passes, allow_nan: bool = False, weighted: bool = True) -> ColumnMoments:
    """Return the moments of each column of `X`.

    Raises
    ------
    NotFiniteError
        If a value is infinite, or NaN unless they are allowed.
    """
    moments = total(data, ColumnReduction(allow_nan, weighted))
    check_finite(moments.scatter, data, allow_nan)
    return moments


def check_finite(sums: np.ndarray, data: Passes, allow_nan: bool = False) -> None:
    """Raise NotFiniteError if sums met infinity, or NaN unless `X` may hold it."""
    if not np.isfinite(sums).all():
        raise_not_finite(data, allow_nan=allow_nan)


def extrema(data: Passes, allow_nan: bool = True) -> Extrema:
    """Return the extrema of each column of `X`; raises as :func:`column_moments` does."""
    found = total(data, ExtremaReduction())
    check_finite(np.nan_to_num([found.low, found.high], posinf=np.inf, neginf=-np.inf), data, allow_nan)
    return found


def column_pilot(X: Any) -> Any:
    """Return the mean of a few rows' finite values, near enough that squares keep their digits."""
    xp = namespace(X)
    few = X[:: max(1, X.shape[0] // PILOT_ROWS)]
    finite = xp.isfinite(few)
    sums = xp.where(finite, few, 0).sum(axis=0, dtype=np.float64)
    return sums / xp.maximum(finite.sum(axis=0), 1)


def over_rows(reduce: Callable[[Any], Any], X: Any) -> Any:
    """Return ``reduce(X)``, which reduces each column, from several rows at a time as one long row.

    NumPy takes up to four times less for that, and a GPU has work for all of its processors.
    """
    at_once = ROWS_IN_ONE if type(X) is np.ndarray else ROWS_IN_ONE_ON_GPU
    n_long = X.shape[0] // at_once
    if n_long < 2 or not X.flags.c_contiguous:
        return reduce(X)
    n_rows = n_long * at_once
    first = reduce(X[:n_rows].reshape(n_long, -1)).reshape(at_once, -1)
    return reduce(namespace(X).concatenate([first, X[n_rows:].astype(first.dtype, copy=False)]))


def count_rows(where: Any) -> Any:
    """Return in how many rows each column of a table of booleans is true."""
    return over_rows(partial(namespace(where).sum, axis=0), where)


def positive(weight: Any) -> Any:
    """Avoid a division by zero where all weights are zero, without asking the GPU."""
    return weight + (weight == 0)
