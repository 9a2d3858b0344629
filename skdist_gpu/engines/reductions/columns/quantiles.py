"""Exact quantiles of columns in a few passes: a sample says where they are about, then the few values there are sorted.

Where too many values are near, histograms close in on them; where the sample misled, they start from the whole range.
A table of no more values than are sorted in the end is sorted at once.

Source: Munro & Paterson, "Selection and sorting with limited storage", Theoretical Computer
Science 12, 1980: each pass narrows the interval that holds a rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn import handle_zeros
from skdist_gpu.engines.reductions.columns.columns import ExtremaReduction, Together, check_finite, count_rows, total
from skdist_gpu.engines.reductions.core.moments import raise_not_finite
from skdist_gpu.engines.reductions.core.protocol import Passes, namespace
from skdist_gpu.engines.reductions.core.sample import OverviewReduction
from skdist_gpu.engines.reductions.entries import DENSE, everywhere

N_BINS = 512
# values that are collected in one pass, over all columns
MOST_VALUES = 2**23
# values of the sample, over all columns
SAMPLE_VALUES = 2**22
# standard deviations of a rank in the sample
SLACK = 4
# distinct values of an interval, in the sample, up to which they are counted, not collected
FEW_VALUES = 16


@dataclass
class Intervals:
    """For each column and quantile, an interval that holds the two values around it.

    Attributes
    ----------
    low, high : ndarray of shape (n_quantiles, n_columns)
        Both ends belong to the interval.
    ties : ndarray of shape (n_quantiles, n_columns)
        Whether the values there are few that occur often.
    """

    low: np.ndarray
    high: np.ndarray
    ties: np.ndarray


class HistogramReduction:
    """Count the values below each interval, and in each of its bins unless they are ties."""

    def __init__(self, intervals: Intervals) -> None:
        self.intervals = intervals

    def map(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Return the counts of a block: below, and of shape (n_quantiles, n_columns, n_bins)."""
        xp = namespace(X)
        n_columns, below, counts = X.shape[1], [], []
        intervals = self.intervals
        for ends in zip(intervals.low, intervals.high, intervals.ties, strict=True):
            low, high, ties = (xp.asarray(part) for part in ends)
            cells = xp.flatnonzero((low <= X) & (high >= X) & ~ties)
            columns = cells % n_columns
            width = (high - low) / N_BINS
            bins = ((X.reshape(-1)[cells] - low[columns]) / (width + (width == 0))[columns]).astype(np.intp)
            found = xp.bincount(columns * N_BINS + xp.minimum(bins, N_BINS - 1), minlength=n_columns * N_BINS)
            counts.append(found.reshape(n_columns, N_BINS))
            below.append(count_rows(low > X))
        return xp.stack(below), xp.stack(counts)

    def combine(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Add the counts."""
        return a[0] + b[0], a[1] + b[1]


class GatherReduction:
    """Collect the values in the intervals of one quantile, and count those below.

    The values come in pieces: columns, values, and how often each occurs.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, ties: np.ndarray) -> None:
        self.low, self.high, self.ties = low, high, ties

    def map(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, list[Any]]:
        """Return the number below, and the pieces, of a block."""
        xp = namespace(X)
        low, high = xp.asarray(self.low), xp.asarray(self.high)
        inside = (low <= X) & (high >= X)
        pieces = []
        for column in np.flatnonzero(self.ties).tolist():
            values, counts = xp.unique(X[:, column][inside[:, column]], return_counts=True)
            pieces.append((xp.full(len(values), column), values, counts))
            inside[:, column] = False
        cells = xp.flatnonzero(inside)
        pieces.append((cells % X.shape[1], X.reshape(-1)[cells], xp.ones(len(cells), np.int64)))
        return count_rows(low > X), pieces

    def combine(self, a: tuple[Any, list[Any]], b: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
        """Put both together."""
        return a[0] + b[0], a[1] + b[1]


class Present:
    """Count the values of each column that are not NaN."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the counts of a block."""
        return count_rows(~namespace(X).isnan(X))

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


class SortReduction:
    """Find the values at ranks of each column, where one block is all rows of a table on a GPU.

    Parameters
    ----------
    shares : array-like of shape (n_quantiles,)
        From 0 to 1.
    """

    def __init__(self, shares: Any) -> None:
        self.shares = shares

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Raise: a GPU has a kernel that returns what :func:`_at_shares` does, a row for each column."""
        raise NotImplementedError

    def combine(self, a: Any, b: Any) -> Any:
        """Raise: one block is all rows."""
        raise NotImplementedError


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
    if data.n_rows is not None and (data.resident or fits_in_one_pass(data, data.n_rows)):
        return sorted_quantiles(data, data.n_rows, shares)
    found, counts, view = total(data, Together(ExtremaReduction(), Present(), _thin_rows(data)))
    check_finite(np.nan_to_num([found.low, found.high], posinf=np.inf, neginf=-np.inf), data, allow_nan=True)
    positions = np.array(shares)[:, None] * np.maximum(counts - 1, 0)
    lower = np.floor(positions).astype(np.int64)
    ranks = lower, np.minimum(lower + 1, np.maximum(counts - 1, 0))
    low, high = (
        np.broadcast_to(np.nan_to_num(ends).astype(np.float64), lower.shape) for ends in (found.low, found.high)
    )
    whole = Intervals(low, high, np.zeros(low.shape, dtype=bool))
    near, n_values = _near_sample(view.sample().X, shares, whole, counts)
    values, missed = _search(near, n_values, ranks, counts, data)
    if missed.any():
        again = Intervals(np.where(missed, low, near.low), np.where(missed, high, near.high), near.ties & ~missed)
        values, _ = _search(again, len(shares) * counts.sum(), ranks, counts, data)
    check_finite(np.nan_to_num(values), data, allow_nan=True)
    return _between(values[0], values[1], positions - lower)


def fits_in_one_pass(data: Passes, n_rows: int) -> bool:
    """Whether all values may be collected and sorted at once."""
    return 0 < n_rows * data.n_features <= MOST_VALUES


def sorted_quantiles(data: Passes, n_rows: int, shares: Any) -> np.ndarray:
    """Return what :func:`column_quantiles` does, sorting whole columns: on the GPU, or as many as may be collected."""
    quantiles = np.empty((len(shares), data.n_features))
    for which, found in enumerate(_sorted_columns(data, n_rows, shares)):
        if np.isinf(found[-2:]).any():
            raise_not_finite(data, allow_nan=True)
        quantiles[:, which] = _between(*found[:-2].reshape(3, -1))
    return quantiles


def _sorted_columns(data: Passes, n_rows: int, shares: Any) -> Iterator[np.ndarray]:
    """Yield what :func:`_at_shares` finds in each column."""
    if data.resident:
        yield from total(data, SortReduction(shares))
        return
    at_once = max(1, MOST_VALUES // max(1, n_rows))
    for first in range(0, data.n_features, at_once):
        for column in _columns(data, first, min(first + at_once, data.n_features)):
            column.sort()
            yield _at_shares(column, shares)


def _at_shares(column: np.ndarray, shares: Any) -> np.ndarray:
    """Return of a sorted column the values before each quantile, those after it, the share of the way, and both ends.

    NaN are last, and left out.
    """
    last = max(int(np.count_nonzero(~np.isnan(column))) - 1, 0)
    positions = np.asarray(shares, dtype=np.float64) * last
    lower = np.floor(positions).astype(np.int64)
    return np.concatenate([column[lower], column[np.minimum(lower + 1, last)], positions - lower, column[[0, last]]])


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


def _thin_rows(data: Passes) -> OverviewReduction:
    """Return a reduction to an even sample of the rows; a small one where each block first takes all of its own."""
    n_sampled = max(256, SAMPLE_VALUES // data.n_features)
    if data.n_rows is None:
        return OverviewReduction(n_sampled // 8, 1)
    return OverviewReduction(2 * n_sampled, max(1, data.n_rows // n_sampled))


def _near_sample(sample: np.ndarray, shares: Any, whole: Intervals, counts: np.ndarray) -> tuple[Intervals, int]:
    """Return intervals that most likely hold the quantiles, and how many values are in them, about."""
    low, high, ties, n_values = whole.low.copy(), whole.high.copy(), whole.ties.copy(), 0.0
    for column in range(sample.shape[1]):
        values = np.sort(sample[:, column]).astype(np.float64)
        values = values[: np.count_nonzero(~np.isnan(values))]
        last = len(values) - 1
        for which, share in enumerate(shares):
            slack = SLACK * np.sqrt(share * (1 - share) * len(values)) + 2
            first, end = int(np.floor(share * last - slack)), int(np.ceil(share * last + slack))
            if first > 0:
                low[which, column] = values[first]
            if end < last:
                high[which, column] = values[end]
            inside = values[(values >= low[which, column]) & (values <= high[which, column])]
            ties[which, column] = len(np.unique(inside)) <= min(FEW_VALUES, len(inside) / 4)
            if not ties[which, column]:
                n_values += counts[column] * len(inside) / len(values)
    return Intervals(low, high, ties), int(n_values)


def _search(
    intervals: Intervals, n_values: int, ranks: tuple[np.ndarray, ...], counts: np.ndarray, data: Passes
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values at both ranks of each quantile and column, and where they are not in their interval."""
    n_before = float("inf")
    while n_values > MOST_VALUES and np.any(intervals.high > intervals.low):
        closer, n_values = _close_in(intervals, ranks, data)
        if n_values >= n_before:
            intervals.ties[:] = True
            break
        intervals, n_before = closer, n_values
    each = zip(intervals.low, intervals.high, intervals.ties, strict=True)
    gathered = data.reduce(Together(*(GatherReduction(*one) for one in each)))
    values, missed = np.full((2, *ranks[0].shape), np.nan), np.zeros(ranks[0].shape, dtype=bool)
    for which, (below, pieces) in enumerate(gathered):
        both = np.stack([rank[which] for rank in ranks])
        values[:, which], missed[which] = _values_at(below, pieces, both, counts)
    return values, missed


def _close_in(intervals: Intervals, ranks: tuple[np.ndarray, ...], data: Passes) -> tuple[Intervals, int]:
    """Return the bins that hold both ranks as intervals, and how many values they hold."""
    below, counts = data.reduce(HistogramReduction(intervals))
    up_to = below[:, :, None] + np.cumsum(counts, axis=2)
    first, last = (np.minimum((up_to <= rank[:, :, None]).sum(axis=2), N_BINS - 1) for rank in ranks)
    width = (intervals.high - intervals.low) / N_BINS
    # a little wider than the bins, for rounding; the next pass counts anew what is below
    slack = 4 * np.spacing(np.maximum(np.abs(intervals.low), np.abs(intervals.high)))
    low = np.maximum(intervals.low, intervals.low + first * width - slack)
    high = np.minimum(intervals.high, intervals.low + (last + 1) * width + slack)
    low, high = np.where(intervals.ties, intervals.low, low), np.where(intervals.ties, intervals.high, high)
    bins = np.arange(N_BINS)
    held = counts * ((bins >= first[:, :, None]) & (bins <= last[:, :, None]))
    return Intervals(low, high, intervals.ties), int(held.sum())


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


def _values_at(below: np.ndarray, pieces: list[Any], ranks: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values at two ranks of each column, NaN for a column without values, and which were not found."""
    column, value, times = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    order = np.argsort(column.astype(np.int16 if len(n) < 2**15 else np.int64), kind="stable")
    bounds = np.searchsorted(column[order], np.arange(len(n) + 1))
    found, missed = np.full(ranks.shape, np.nan), np.zeros(len(n), dtype=bool)
    for i in np.flatnonzero(n):
        mine = order[bounds[i] : bounds[i + 1]]
        mine = mine[np.argsort(value[mine])]
        up_to = below[i] + np.cumsum(times[mine])
        missed[i] = not (len(mine) and below[i] <= ranks[0, i] and ranks[1, i] < up_to[-1])
        if not missed[i]:
            found[:, i] = value[mine[np.searchsorted(up_to, ranks[:, i], side="right")]]
    return found, missed


def _between(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate as NumPy does, from the nearer end."""
    return np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share))


ENTRIES = everywhere("RobustScaler", fit_robust_scaler, **DENSE)
