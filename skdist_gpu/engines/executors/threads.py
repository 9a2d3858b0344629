"""Reduce data in main memory on all cores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from skdist_gpu.data.blocks import MemoryBlocks, given_columns
from skdist_gpu.engines.reductions.core.protocol import (
    STEP_BYTES,
    Reduction,
    combine_all,
    fold,
    rows_per_step,
)
from skdist_gpu.hardware.threads import one_blas_thread
from skdist_gpu.progress import Progress

# the share of a step that is worth a thread
WORTH_A_THREAD = 1 / 4


class ThreadsExecutor:
    """Run reductions over arrays in main memory.

    Each thread folds its own contiguous rows, so that the answer depends on the number of threads
    only, never on their timing. `step_bytes` is what the rows of one step take in float64.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        n_threads: int,
        progress: Progress,
        step_bytes: int = STEP_BYTES,
    ) -> None:
        self.data, self.step_bytes = given_columns(X, y, sample_weight), step_bytes
        rows_a_thread = rows_per_step(X.shape[1], int(step_bytes * WORTH_A_THREAD))
        self.n_threads = max(1, min(n_threads, X.shape[0] // rows_a_thread))
        self.progress = progress
        self.n_passes = 0

    def reduce(self, reduction: Reduction) -> Any:
        """Return the total over all rows."""
        # several pieces a thread let the progress move
        blocks = MemoryBlocks.in_parts(self.data, self.n_threads * (16 if self.progress.visible else 1))
        self.n_passes += 1
        self.progress.start(f"pass {self.n_passes} on {self.n_threads} threads", total=blocks.count_rows())

        def reduce_rows(piece: int) -> Any:
            total = fold(reduction, **blocks[piece], step_bytes=self.step_bytes)
            self.progress.advance(blocks.slices[piece].stop - blocks.slices[piece].start)
            return total

        # the threads are the parallelism: BLAS threads inside them would fight for the cores
        with one_blas_thread(), ThreadPoolExecutor(self.n_threads) as pool:
            return combine_all(reduction, pool.map(reduce_rows, range(len(blocks))), pool.map)


def reduce_sets(reduction: Reduction, sets: list[tuple[Any, Any, Any]], n_threads: int) -> Any:
    """Return the total over several sets of rows in main memory, each given as X, y and weights.

    Each thread folds whole pieces, and the pieces do not depend on the timing of the threads.
    """
    n_rows = sum(len(X) for X, _, _ in sets)
    n_threads = max(1, min(n_threads, n_rows // rows_per_step(sets[0][0].shape[1], int(STEP_BYTES * WORTH_A_THREAD))))
    each = -(-n_threads // len(sets))
    parts = [MemoryBlocks.in_parts(given_columns(*rows), each) for rows in sets]
    pieces = [blocks[i] for blocks in parts for i in range(len(blocks))]
    with one_blas_thread():
        if n_threads == 1:
            return combine_all(reduction, [fold(reduction, **piece) for piece in pieces])
        with ThreadPoolExecutor(n_threads) as pool:
            return combine_all(reduction, pool.map(lambda piece: fold(reduction, **piece), pieces), pool.map)
