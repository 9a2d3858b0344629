"""Exact quantiles of columns in a few passes: histograms close in on them, then the few values left are sorted.

A table of no more values than are sorted in the end is sorted at once.

Source: Munro & Paterson, "Selection and sorting with limited storage", Theoretical Computer
Science 12, 1980: each pass narrows the interval that holds a rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn import handle_zeros
from skdist_gpu.reductions.columns import ExtremaReduction, Together, check_finite, total
from skdist_gpu.reductions.moments import raise_not_finite
from skdist_gpu.reductions.protocol import Passes, namespace

N_BINS = 512
# values that are collected in one pass, over all columns
MOST_VALUES = 2**23


@dataclass
class Intervals:
    """For each column and quantile, an interval that holds the two values around it.

    Attributes
    ----------
    low, high : ndarray of shape (n_quantiles, n_columns)
        Both ends belong to the interval.
    """

    low: np.ndarray
    high: np.ndarray

    def bin_of(self, X: Any, which: int) -> tuple[Any, Any]:
        """Return which values are in the intervals of one quantile, and the bin of each."""
        xp = namespace(X)
        low, high = xp.asarray(self.low[which]), xp.asarray(self.high[which])
        inside = (low <= X) & (high >= X)
        width = (high - low) / N_BINS
        bins = xp.where(inside, (X - low) / (width + (width == 0)), 0).astype(np.intp)
        return inside, xp.minimum(bins, N_BINS - 1)


class HistogramReduction:
    """Count the values below each interval, and in each of its bins."""

    def __init__(self, intervals: Intervals) -> None:
        self.intervals = intervals

    def map(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Return the counts of a block: below, and of shape (n_quantiles, n_columns, n_bins)."""
        xp = namespace(X)
        n_columns, below, counts = X.shape[1], [], []
        for which in range(len(self.intervals.low)):
            inside, bins = self.intervals.bin_of(X, which)
            cells = xp.where(inside, bins + xp.arange(n_columns) * N_BINS, n_columns * N_BINS)
            found = xp.bincount(cells.ravel(), minlength=n_columns * N_BINS + 1)
            counts.append(found[:-1].reshape(n_columns, N_BINS))
            below.append((xp.asarray(self.intervals.low[which]) > X).sum(axis=0))
        return xp.stack(below), xp.stack(counts)

    def combine(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Add the counts."""
        return a[0] + b[0], a[1] + b[1]


class GatherReduction:
    """Collect the values in the intervals of one quantile, and count those below."""

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        self.low, self.high = low, high

    def map(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, list[Any], list[Any]]:
        """Return the number below, and the columns and values, of a block."""
        xp = namespace(X)
        low, high = xp.asarray(self.low), xp.asarray(self.high)
        rows, columns = xp.nonzero((low <= X) & (high >= X))
        return (low > X).sum(axis=0), [columns], [X[rows, columns]]

    def combine(self, a: Any, b: Any) -> tuple[Any, list[Any], list[Any]]:
        """Put both together."""
        return a[0] + b[0], a[1] + b[1], a[2] + b[2]


class Present:
    """Count the values of each column that are not NaN."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the counts of a block."""
        return (~namespace(X).isnan(X)).sum(axis=0)

    def combine(self, a: Any, b: Any) -> Any:
        """Add the counts."""
        return a + b


class ColumnsReduction:
    """Collect all values of some neighbouring columns, as a list of tables."""

    def __init__(self, first: int, last: int) -> None:
        self.columns = slice(first, last)

    def map(self, X: Any, y: Any, sample_weight: Any) -> list[Any]:
        """Return the columns of a block."""
        return [X[:, self.columns].copy()]

    def combine(self, a: list[Any], b: list[Any]) -> list[Any]:
        """Put both together."""
        return a + b


def column_quantiles(data: Passes, shares: Any) -> np.ndarray:
    """Return quantiles of each column, NaN left out, between two values by linear interpolation.

    Parameters
    ----------
    data : Passes
        The rows.
    shares : array-like of shape (n_quantiles,)
        From 0 to 1.

    Returns
    -------
    ndarray of shape (n_quantiles, n_columns)
        NaN for a column without values.

    Raises
    ------
    NotFiniteError
        If a value is infinite.
    """
    if fits_in_one_pass(data):
        return sorted_quantiles(data, shares)
    found, counts = total(data, Together(ExtremaReduction(), Present()))
    check_finite(np.nan_to_num([found.low, found.high], posinf=np.inf, neginf=-np.inf), data, allow_nan=True)
    positions = np.array(shares)[:, None] * np.maximum(counts - 1, 0)
    lower = np.floor(positions).astype(np.int64)
    upper = np.minimum(lower + 1, np.maximum(counts - 1, 0))
    # at first all quantiles share one interval
    low, high = (np.nan_to_num(ends).astype(np.float64)[None] for ends in (found.low, found.high))
    intervals, n_values = Intervals(low, high), len(shares) * counts.sum()
    while n_values > MOST_VALUES and np.any(intervals.high > intervals.low):
        closer, n_closer = _close_in(intervals, lower, upper, data)
        if n_closer >= n_values:  # what is left is ties
            break
        intervals, n_values = closer, n_closer
    low, high = (np.broadcast_to(ends, lower.shape) for ends in (intervals.low, intervals.high))
    gathered = data.reduce(Together(*(GatherReduction(*ends) for ends in zip(low, high, strict=True))))
    quantiles = np.full(lower.shape, np.nan)
    for which, (below, columns, values) in enumerate(gathered):
        a, b = _values_at(below, columns, values, (lower[which], upper[which]), counts)
        quantiles[which] = _between(a, b, positions[which] - lower[which])
    check_finite(np.nan_to_num(quantiles), data, allow_nan=True)
    return quantiles


def fits_in_one_pass(data: Passes) -> bool:
    """Whether all values may be collected and sorted at once."""
    return data.n_rows is not None and 0 < data.n_rows * data.n_features <= MOST_VALUES


def sorted_quantiles(data: Passes, shares: Any) -> np.ndarray:
    """Return what :func:`column_quantiles` does, sorting whole columns, as many in a pass as may be collected."""
    assert data.n_rows is not None
    at_once = max(1, MOST_VALUES // data.n_rows)
    quantiles = np.empty((len(shares), data.n_features))
    for first in range(0, data.n_features, at_once):
        for which, column in enumerate(_columns(data, first, min(first + at_once, data.n_features)), start=first):
            last = max(int(np.count_nonzero(~np.isnan(column))) - 1, 0)
            column.sort()  # NaN last
            if np.isinf(column[0]) or np.isinf(column[last]):
                raise_not_finite(data, allow_nan=True)
            positions = np.asarray(shares, dtype=np.float64) * last
            lower = np.floor(positions).astype(np.int64)
            a, b = column[lower], column[np.minimum(lower + 1, last)]
            quantiles[:, which] = _between(a.astype(np.float64), b.astype(np.float64), positions - lower)
    return quantiles


def fit_robust_scaler(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``RobustScaler`` in place, exactly, in a few passes.

    Parameters
    ----------
    estimator : RobustScaler
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for a range of quantiles that is none.
    """
    from scipy import stats

    smallest, largest = estimator.quantile_range
    if not 0 <= smallest <= largest <= 100:
        raise ValueError(f"Invalid quantile range: {estimator.quantile_range}")
    middle, first, last = column_quantiles(data, [0.5, smallest / 100, largest / 100])
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    estimator.center_ = middle.astype(dtype) if estimator.with_centering else None
    estimator.scale_ = None
    if estimator.with_scaling:
        estimator.scale_ = handle_zeros(last - first)
        if estimator.unit_variance:
            estimator.scale_ = estimator.scale_ / (stats.norm.ppf(largest / 100) - stats.norm.ppf(smallest / 100))


def _close_in(intervals: Intervals, lower: np.ndarray, upper: np.ndarray, data: Passes) -> tuple[Intervals, int]:
    """Return the bins that hold both ranks as intervals, and how many values they hold."""
    below, counts = data.reduce(HistogramReduction(intervals))
    up_to = below[:, :, None] + np.cumsum(counts, axis=2)
    first = np.minimum((up_to <= lower[:, :, None]).sum(axis=2), N_BINS - 1)
    last = np.minimum((up_to <= upper[:, :, None]).sum(axis=2), N_BINS - 1)
    width = (intervals.high - intervals.low) / N_BINS
    # a little wider than the bins, for rounding; the next pass counts anew what is below
    slack = 4 * np.spacing(np.maximum(np.abs(intervals.low), np.abs(intervals.high)))
    low = np.maximum(intervals.low, intervals.low + first * width - slack)
    high = np.minimum(intervals.high, intervals.low + (last + 1) * width + slack)
    bins = np.arange(N_BINS)
    held = counts * ((bins >= first[:, :, None]) & (bins <= last[:, :, None]))
    return Intervals(low, high), int(held.sum())


def _columns(data: Passes, first: int, last: int) -> np.ndarray:
    """Return some columns, each one contiguous."""
    tables = total(data, ColumnsReduction(first, last))
    columns = np.empty((last - first, sum(len(table) for table in tables)), tables[0].dtype)
    stop = 0
    while tables:  # each is freed when it is copied
        table = tables.pop(0)
        columns[:, stop : stop + len(table)] = table.T
        stop += len(table)
    return columns


def _values_at(
    below: np.ndarray, columns: list[np.ndarray], values: list[np.ndarray], ranks: tuple[np.ndarray, ...], n: np.ndarray
) -> list[np.ndarray]:
    """Return the values at ranks of each column, NaN for a column without values."""
    column, value = np.concatenate(columns), np.concatenate(values).astype(np.float64)
    order = np.lexsort((value, column))
    starts = np.searchsorted(column[order], np.arange(len(n))) - below
    some = n > 0
    found = [np.full(len(n), np.nan) for _ in ranks]
    for at, rank in zip(found, ranks, strict=True):
        at[some] = value[order][(starts + rank)[some]]
    return found


def _between(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate as NumPy does, from the nearer end."""
    return np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share))
