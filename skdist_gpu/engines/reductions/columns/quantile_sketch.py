"""QuantileTransformer: all values sorted where they fit, a sketch of the columns from one pass where not.

Source of the sketch: Manku, Rajagopalan & Lindsay, "Approximate Medians and other Quantiles in One
Pass and with Limited Memory", SIGMOD 1998. Two sorted tables of which each row stands for ``w``
rows become one whose rows stand for ``2 w``, by leaving out every other row; that moves a rank by
``w`` at most. Over all such steps the rank of a quantile is off by at most
``(log2(n_rows / SKETCH_ROWS) + 1) / (2 SKETCH_ROWS)`` of all rows: 0.11 % of a million, 0.24 % of
10**9; NaN count as rows. The smallest and largest value are exact.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.columns.columns import (
    Extrema,
    ExtremaReduction,
    Together,
    check_finite,
    extrema,
    total,
)
from skdist_gpu.engines.reductions.columns.quantiles import Present, fits_in_one_pass, sorted_quantiles
from skdist_gpu.engines.reductions.core.protocol import Passes, namespace
from skdist_gpu.engines.reductions.entries import DENSE, everywhere

# rows of a table of the sketch; a power of two
SKETCH_ROWS = 4096
# rows of a column that one machine sorts
MOST_ROWS = 2**27


@dataclass
class Sketch:
    """Rows that stand for others; each column is sorted by itself, NaN last.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    loose : list of ndarray
        Rows as they came, fewer than SKETCH_ROWS together.
    tables : dict
        Level -> ndarray of shape (SKETCH_ROWS, n_columns), whose rows stand for ``2**level`` rows each.
    """

    n_rows: int
    loose: list[Any]
    tables: dict[int, Any]


class SketchReduction:
    """Reduce rows to a :class:`Sketch`."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Sketch:
        """Return the sketch of a block."""
        n_rows = X.shape[0]
        n_whole = n_rows // SKETCH_ROWS * SKETCH_ROWS
        sketch = Sketch(n_rows, [X[n_whole:].copy()] if n_whole < n_rows else [], {})
        for start in range(0, n_whole, SKETCH_ROWS):
            _add(sketch, 0, namespace(X).sort(X[start : start + SKETCH_ROWS], axis=0))
        return sketch

    def combine(self, a: Sketch, b: Sketch) -> Sketch:
        """Merge two sketches."""
        merged = Sketch(a.n_rows + b.n_rows, a.loose + b.loose, dict(a.tables))
        n_loose = sum(map(len, merged.loose))
        if n_loose >= SKETCH_ROWS:
            xp = namespace(merged.loose[0])
            rows = xp.concatenate(merged.loose)
            merged.loose = [rows[SKETCH_ROWS:].copy()] if n_loose > SKETCH_ROWS else []
            _add(merged, 0, xp.sort(rows[:SKETCH_ROWS], axis=0))
        for level, table in b.tables.items():
            _add(merged, level, table)
        return merged


def fit_quantile_transformer(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``QuantileTransformer`` in place.

    The quantiles are those of all rows, also where `subsample` is smaller: exact if all values fit
    in one pass, if there are no more than `subsample` rows, or, in several passes, if `subsample`
    is None and there are no more than MOST_ROWS, or if a GPU holds them; off by the rank error of the sketch otherwise.
    Nothing is random.

    Parameters
    ----------
    estimator : QuantileTransformer
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for more quantiles than rows of the subsample.
    NotFiniteError
        If a value is infinite.
    """
    subsample = estimator.subsample
    if subsample is not None and estimator.n_quantiles > subsample:
        raise ValueError(
            "The number of quantiles cannot be greater than the number of samples used. "
            f"Got {estimator.n_quantiles} quantiles and {subsample} samples."
        )
    if estimator.ignore_implicit_zeros:
        text = "'ignore_implicit_zeros' takes effect only with sparse matrix. This parameter has no effect."
        warnings.warn(text, stacklevel=2)
    n_rows = extrema(data).n_rows if data.n_rows is None else data.n_rows
    if estimator.n_quantiles > n_rows:
        warnings.warn(
            f"n_quantiles ({estimator.n_quantiles}) is greater than the total number of samples ({n_rows}). "
            "n_quantiles is set to n_samples.",
            stacklevel=2,
        )
    estimator.n_quantiles_ = max(1, min(estimator.n_quantiles, n_rows))
    estimator.references_ = np.linspace(0, 1, estimator.n_quantiles_)
    # scikit-learn asks for percentiles, whose rounding decides where many rows have one value
    shares = estimator.references_ * 100 / 100
    exact = n_rows <= (MOST_ROWS if subsample is None else subsample)
    if exact or data.resident or fits_in_one_pass(data, n_rows):
        estimator.quantiles_ = sorted_quantiles(data, n_rows, shares)
    else:
        estimator.quantiles_ = sketched_quantiles(data, shares)


def sketched_quantiles(data: Passes, shares: np.ndarray) -> np.ndarray:
    """Return quantiles of each column, NaN left out, from one pass, within the rank error of the sketch.

    Parameters
    ----------
    data : Passes
        The rows.
    shares : ndarray of shape (n_quantiles,)
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
    ends, counts, sketch = total(data, Together(ExtremaReduction(), Present(), SketchReduction()))
    check_finite(np.nan_to_num([ends.low, ends.high], posinf=np.inf, neginf=-np.inf), data, allow_nan=True)
    stand_for = [(1, rows) for rows in sketch.loose]
    stand_for += [(2**level, table) for level, table in sketch.tables.items()]
    values = np.concatenate([rows for _, rows in stand_for]).astype(np.float64)
    weights = np.concatenate([np.full(len(rows), weight) for weight, rows in stand_for])
    return np.column_stack([_column(values, weights, ends, counts, i, shares) for i in range(data.n_features)])


def _column(
    values: np.ndarray, weights: np.ndarray, ends: Extrema, counts: np.ndarray, which: int, shares: np.ndarray
) -> np.ndarray:
    """Return the quantiles of one column of a sketch."""
    if counts[which] == 0:
        return np.full(len(shares), np.nan)
    order = np.argsort(values[:, which])
    order = order[: len(order) - np.count_nonzero(np.isnan(values[:, which]))]
    # a value is the middle one of those that it stands for
    ranks = np.cumsum(weights[order]) - (weights[order] + 1) / 2
    last = counts[which] - 1
    ranks = np.concatenate([[0], np.minimum(ranks, last), [last]])
    found = np.concatenate([[ends.low[which]], values[order, which], [ends.high[which]]])
    quantiles = np.interp(shares * last, ranks, found)
    quantiles[shares == 0], quantiles[shares == 1] = ends.low[which], ends.high[which]
    return quantiles


def _add(sketch: Sketch, level: int, table: Any) -> None:
    """Add a sorted table; two of one level become one of the next."""
    xp = namespace(table)
    while level in sketch.tables:
        both = xp.sort(xp.concatenate([sketch.tables.pop(level), table]), axis=0)
        # neither end is always left out
        table, level = both[(level + sketch.n_rows // SKETCH_ROWS) % 2 :: 2], level + 1
    sketch.tables[level] = xp.ascontiguousarray(table)


ENTRIES = everywhere(
    "QuantileTransformer",
    fit_quantile_transformer,
    differs="takes the quantiles of all rows, and not of a random subsample of them",
    differs_unless={"subsample": (None,)},
    **DENSE,
)
