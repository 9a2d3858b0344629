"""A first look at the rows: counts, weights, column means, and an even sample in the order of the rows.

Models that need several passes are fitted to the sample first, which costs next to nothing and
leaves two or three passes over all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from skdist_gpu.engines.reductions.columns.columns import ColumnReduction
from skdist_gpu.engines.reductions.core.moments import check_weight, raise_not_finite
from skdist_gpu.engines.reductions.core.protocol import Passes, dot, namespace, sums_of_any_values, too_few_rows

# a GPU counts so many classes faster one by one than when all rows add to the same few numbers
FEW_CLASSES = 32


@dataclass
class Rows:
    """Sampled rows of `n_rows` rows; `weight` counts those that each one stands for. A GPU that holds all has `X`."""

    X: Any
    y: np.ndarray | None
    weight: np.ndarray
    n_rows: int


@dataclass
class Piece:
    """Every so-many-th row of a stretch of `n_rows` rows."""

    n_rows: int
    X: Any
    y: Any
    weight: Any

    def thinned(self) -> Piece:
        """Return the piece with every other row."""
        parts = (None if part is None else part[::2].copy() for part in (self.X, self.y, self.weight))
        return Piece(self.n_rows, *parts)


@dataclass
class Overview:
    """What one pass tells about the rows before a fit.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    weight : float
        Sum of the weights; `n_rows` without weights.
    class_weight : ndarray of shape (n_classes,) or None
        Sum of the weights of each class.
    smallest_target, weighted_target : float or None
        Smallest value of `y`, and its weighted sum.
    columns : ColumnMoments or None
        Moments of each column, without weights.
    pieces : list of Piece
        The sample.
    """

    n_rows: int
    weight: Any
    class_weight: Any = None
    smallest_target: Any = None
    weighted_target: Any = None
    columns: Any = None
    pieces: list[Piece] = field(default_factory=list)

    def sample(self) -> Rows:
        """Return the sampled rows."""
        # of all rows on a GPU there is one piece, which need not be copied
        X = np.concatenate([p.X for p in self.pieces]) if len(self.pieces) > 1 else self.pieces[0].X
        y = None if self.pieces[0].y is None else np.concatenate([p.y for p in self.pieces])
        weights = [(np.ones(len(p.X)) if p.weight is None else p.weight) * (p.n_rows / len(p.X)) for p in self.pieces]
        return Rows(X, y, np.concatenate(weights), self.n_rows)


@dataclass
class OverviewReduction:
    """Reduce rows to an :class:`Overview`.

    Attributes
    ----------
    n_sampled : int
        Rows of the sample; all of them if there are no more.
    every : int
        Take every so-many-th row of a block at first.
    n_classes : int, default=0
        Number of codes that `y` holds; 0 for numbers.
    columns : bool, default=False
        Whether to read all of X for the moments of its columns.
    """

    n_sampled: int
    every: int
    n_classes: int = 0
    columns: bool = False
    of_columns: ClassVar[ColumnReduction] = ColumnReduction(weighted=False)

    def map(self, X: Any, y: Any, sample_weight: Any) -> Overview:
        """Return the overview of a block."""
        n_rows = X.shape[0]
        rows = slice(None, None, self.every)
        pieces = [Piece(n_rows, *(None if part is None else part[rows].copy() for part in (X, y, sample_weight)))]
        view = Overview(n_rows, n_rows if sample_weight is None else sample_weight.sum(), pieces=pieces)
        if self.n_classes:
            view.class_weight = _class_totals(y, sample_weight, self.n_classes)
        elif y is not None:
            view.smallest_target = y.min()
            view.weighted_target = y.sum(dtype=np.float64) if sample_weight is None else dot(y, sample_weight)
        if self.columns:
            view.columns = self.of_columns.map(X, None, None)
        return view

    def combine(self, a: Overview, b: Overview) -> Overview:
        """Return the overview of both sets of rows."""
        total = Overview(a.n_rows + b.n_rows, a.weight + b.weight, pieces=self._thinned(a.pieces + b.pieces))
        if a.class_weight is not None:
            total.class_weight = a.class_weight + b.class_weight
        if a.smallest_target is not None:
            total.smallest_target = namespace(a.smallest_target).minimum(a.smallest_target, b.smallest_target)
            total.weighted_target = a.weighted_target + b.weighted_target
        if a.columns is not None:
            total.columns = a.columns.merge(b.columns)
        return total

    def _thinned(self, pieces: list[Piece]) -> list[Piece]:
        """Halve the densest pieces until no more than `n_sampled` rows are left."""
        while sum(len(p.X) for p in pieces) > self.n_sampled:
            densest = min(p.n_rows / len(p.X) for p in pieces)
            thinned = [p.thinned() if p.n_rows <= 1.5 * densest * len(p.X) else p for p in pieces]
            if all(len(p.X) == len(q.X) for p, q in zip(pieces, thinned, strict=True)):
                break  # a single row of each block is left
            pieces = thinned
        return pieces


def _class_totals(y: Any, weight: Any, n_classes: int) -> Any:
    """Return the number of rows of each class, or the sum of their weights."""
    xp = namespace(y)
    if xp is np or n_classes > FEW_CLASSES:
        return xp.bincount(y, weights=weight, minlength=n_classes).astype(np.float64)
    members = (y == k for k in range(n_classes))
    return xp.stack([(own if weight is None else xp.where(own, weight, 0)).sum(dtype=np.float64) for own in members])


def look(data: Passes, n_sampled: int, n_classes: int = 0, columns: bool = False) -> tuple[Overview, Rows]:
    """Return the overview of all rows and its sample; parameters as in :class:`OverviewReduction`.

    Raises
    ------
    ValueError
        scikit-learn's own error if there are no rows.
    NotFiniteError
        If a value that was seen is NaN or infinite.
    """
    if data.starts is not None:
        # fits of other penalties look at the same rows
        alone = replace(data, starts=None)
        found: tuple[Overview, Rows] = data.starts.remember(
            (n_sampled, n_classes, columns), lambda: look(alone, n_sampled, n_classes, columns)
        )
        return found
    every = 1 if data.n_rows is None else max(1, -(-data.n_rows // n_sampled))
    view = data.reduce(OverviewReduction(n_sampled, every, n_classes, columns))
    if view is None:
        raise too_few_rows(0, data.n_features)
    sample = view.sample()
    scatter = None if view.columns is None else view.columns.scatter
    with sums_of_any_values():
        squares = np.einsum("ij,ij->", sample.X, sample.X, dtype=np.float64)
    sums = (view.weight, view.weighted_target, scatter, squares)
    if not all(np.isfinite(s).all() for s in sums if s is not None):
        raise_not_finite(data)
    check_weight(view.weight)
    if view.weight < 0:
        raise_not_finite(data)
    return view, sample


def check_finite(value: float | np.ndarray, data: Passes) -> None:
    """Raise if a sum over all rows is NaN because an input is.

    Raises
    ------
    NotFiniteError
        Naming the input.
    """
    if not np.isfinite(value).all():
        raise_not_finite(data)


def narrow_slices(n_rows: int, widening: float) -> Iterator[slice]:
    """Yield slices of a block whose work takes `widening` times the room of its rows."""
    step = max(256, int(n_rows / max(1.0, widening)))
    for start in range(0, n_rows, step):
        yield slice(start, min(n_rows, start + step))
