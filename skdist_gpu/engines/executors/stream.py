"""Reduce files on disk, block after block, while the next blocks are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skdist_gpu.data.blocks import part_bounds
from skdist_gpu.data.dataset import DatasetTable
from skdist_gpu.data.labels import classes_in, codes_of
from skdist_gpu.engines.reductions.core.protocol import (
    Reduction,
    fold,
    sums_of_any_values,
)
from skdist_gpu.hardware.threads import one_blas_thread
from skdist_gpu.progress import Progress


class StreamExecutor:
    """Run reductions over a dataset; a few blocks are in memory at a time.

    Blocks are combined in their order, so that the answer does not depend on timing.
    """

    def __init__(self, table: DatasetTable, n_threads: int, progress: Progress) -> None:
        self.table, self.n_threads, self.progress = table, n_threads, progress
        self.n_passes = 0
        # set once they are known; reductions then see codes in place of labels
        self.classes: np.ndarray | None = None

    def find_classes(self) -> np.ndarray:
        """Return the sorted labels of all blocks, reading no other column."""
        return classes_in(self.table.labels())

    def reduce(self, reduction: Reduction) -> Any:
        """Return the total over all rows; None if there are none."""
        return self._totals(reduction, ())[0]

    def reduce_parts(self, reduction: Reduction, n_parts: int) -> list[Any]:
        """Return the total of each of so many contiguous parts of the rows; None for one without rows."""
        return self._totals(reduction, part_bounds(self.table.count_rows(), n_parts)[1:-1])

    def _totals(self, reduction: Reduction, bounds: Sequence[int]) -> list[Any]:
        """Return the totals of the parts between the bounds, from one reading."""
        self.n_passes += 1
        self.progress.start(f"pass {self.n_passes} over files")
        table = self.table.targets_only() if getattr(reduction, "targets_only", False) else self.table

        def partial_of(X: Any, y: Any, weight: Any) -> Any:
            return fold(reduction, X, y if self.classes is None else codes_of(y, self.classes), weight)

        totals: list[Any] = [None] * (len(bounds) + 1)
        with one_blas_thread(), sums_of_any_values():
            for part, partial in table.blocks(self.n_threads, partial_of, bounds=bounds):
                totals[part] = partial if totals[part] is None else reduction.combine(totals[part], partial)
        self.progress.finish()
        return totals
