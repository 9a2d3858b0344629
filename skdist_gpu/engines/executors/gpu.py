"""Reduce data on one GPU: resident there, or streamed from main memory while it computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from threading import Event
from typing import Any

import cupy
import numpy as np

from skdist_gpu.data.blocks import part_bounds
from skdist_gpu.data.containers import GPU, container_of
from skdist_gpu.data.convert import result_to_host
from skdist_gpu.data.dataset import DatasetTable
from skdist_gpu.engines.executors import score_kernels, softmax_kernels
from skdist_gpu.engines.executors.cluster_kernels import ClustersOnGpu
from skdist_gpu.engines.executors.gpu_streams import FileStream, HostStream
from skdist_gpu.engines.executors.kernels import map_block, reads_in_place
from skdist_gpu.engines.executors.pool import POOL, from_pool
from skdist_gpu.engines.executors.stream import StreamExecutor
from skdist_gpu.engines.reductions.columns.quantiles import SortReduction
from skdist_gpu.engines.reductions.core.protocol import GPU_STEP_BYTES as STEP_BYTES
from skdist_gpu.engines.reductions.core.protocol import SAMPLED_ROWS, Reduce, Reduction
from skdist_gpu.engines.reductions.linear.linear import ScoreReduction
from skdist_gpu.engines.reductions.linear.logistic import SoftmaxReduction
from skdist_gpu.progress import Progress

# that copy rows for a GPU, and that decode files for one
MOST_THREADS, FILE_THREADS = 12, 6
# batches of files that Arrow's own threads decode meanwhile
MOST_AHEAD = 32
# values of a sample that the device reads in less time than its kernels take to start, and by how many unknowns it
# multiplies each meanwhile
RESIDENT_SAMPLE, QUICK_UNKNOWNS = 2**25, 32

_OF_SCORES: dict[type, Any] = {ScoreReduction: score_kernels, SoftmaxReduction: softmax_kernels}


class OnGpus(ABC):
    """Run reductions on GPUs; what one GPU and several have in common.

    Parameters
    ----------
    X : array or DatasetTable
        The rows; files are told by their table.
    n_cores : int
        Cores that may help.
    progress : Progress
        The bar to move.
    """

    clusters_of = staticmethod(ClustersOnGpu.of)

    def __init__(self, X: Any, n_cores: int, progress: Progress) -> None:
        # set once they are known; reductions then see codes in place of labels
        self.classes: np.ndarray | None = None
        self.table = X if isinstance(X, DatasetTable) else None
        self.n_cores, self.progress = n_cores, progress
        self.n_passes = 0

    @abstractmethod
    def totals(self, reduction: Reduction, bounds: Sequence[int]) -> list[Any]:
        """Return the total of each part between the bounds, on the host; None for one without rows."""

    def reduce(self, reduction: Reduction) -> Any:
        """Return the total over all rows, on the host."""
        if self.table is not None and getattr(reduction, "targets_only", False):
            return self._on_host(self.table).reduce(reduction)
        return self.totals(reduction, ())[0]

    def reduce_parts(self, reduction: Reduction, n_parts: int) -> list[Any]:
        """Return the total of each of so many contiguous parts of files, from one reading; None without rows."""
        assert self.table is not None
        return self.totals(reduction, part_bounds(self.table.count_rows(), n_parts)[1:-1])

    def find_classes(self) -> np.ndarray:
        """Return the sorted labels of files, which may be text and are read on the host."""
        assert self.table is not None
        return self._on_host(self.table).find_classes()

    def _on_host(self, table: DatasetTable) -> StreamExecutor:
        executor = StreamExecutor(table, self.n_cores, self.progress)
        executor.classes = self.classes
        return executor


class GpuExecutor(OnGpus):
    """Run reductions on the current GPU.

    Data on the host are copied by several threads into pinned memory and from there to the device,
    while the block before is computed. Blocks stay on the device for the next pass as long as
    memory allows, from the first pass on where `several_passes` are foreseen. Blocks of files are sent by the
    threads that read them.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        n_cores: int,
        memory_budget: int | None,
        progress: Progress,
        several_passes: bool = False,
    ) -> None:
        super().__init__(X, n_cores, progress)
        self.parts = [part for part in (X, y, sample_weight) if part is not None]
        self.has_y, self.has_weight = y is not None, sample_weight is not None
        self.n_rows = X.shape[0]
        self.step = max(1024, STEP_BYTES // (8 * (X.shape[1] + 1)))
        self.is_given = container_of(X) in GPU
        # what sums losses over all rows, once it was asked for
        self._scores: Any = None
        # set when the result is not wanted any more
        self.stopped = Event()
        self.stream: Any = None
        if self.table is not None:
            self.stream = FileStream(self.table, min(FILE_THREADS, n_cores), min(MOST_AHEAD, n_cores))
        elif not self.is_given:
            with cupy.cuda.using_allocator(POOL.malloc):
                n_threads = min(MOST_THREADS, n_cores)
                self.stream = HostStream(self.parts, self.step, n_threads, memory_budget, several_passes)

    def totals(self, reduction: Reduction, bounds: Sequence[int]) -> list[Any]:
        """Return the total of each part between the bounds; of what was read before the executor was stopped."""
        self.n_passes += 1
        self.progress.start(f"pass {self.n_passes} on the GPU", total=self.n_rows)
        with cupy.cuda.using_allocator(POOL.malloc):
            if not bounds and (scores := self._scores_for(reduction)) is not None:
                sums = scores.on_host(reduction.coef, reduction.every)  # type: ignore[attr-defined]
                self.progress.advance(self.n_rows)
                return [sums]
            return [result_to_host(total) for total in self._totals(reduction, bounds)]

    @from_pool
    def on_device(self, reduction: Reduction) -> Any:
        """Return the total over all rows where the GPU has left it, which need not be done."""
        return self._totals(reduction, ())[0]

    def _totals(self, reduction: Reduction, bounds: Sequence[int]) -> list[Any]:
        totals: list[Any] = [None] * (len(bounds) + 1)
        for part, n_rows, sums in self._partials(reduction, bounds):
            totals[part] = sums if totals[part] is None else reduction.combine(totals[part], sums)
            self.progress.advance(n_rows)
            if self.stopped.is_set():
                break
        return totals

    @property
    def resident(self) -> bool:
        """Whether all rows are on the device, side by side, from the first pass on."""
        return self.is_given or (self.table is None and self.stream.keeps_all)

    def _held(self) -> list[Any] | None:
        """Return all rows on the device, side by side; None if they are not."""
        return self.parts if self.is_given else None if self.table is not None else self.stream.whole

    def _scores_for(self, reduction: Reduction) -> Any:
        """Return what sums a loss over all rows, made once for all passes; None if the rows are not held."""
        kernels = _OF_SCORES.get(type(reduction))
        if kernels is None:
            return None
        if self._scores is None or not self._scores.is_for(reduction):
            held = self._held()
            if held is None or not kernels.takes_at_once(reduction, *self._arguments(held)[:2]):
                return None
            self._scores = kernels.Scores(reduction, *self._arguments(held))
        return self._scores

    def clusters(self) -> ClustersOnGpu | None:
        """Return the rows, to take Lloyd's steps with; None if they are not all on the device, side by side."""
        parts = self._held()
        if parts is None:
            return None
        X, _, weight = self._arguments(parts)
        return ClustersOnGpu(X, weight)

    def reduce_sample(self, X: Any, y: Any, weight: Any, n_unknowns: int) -> tuple[Reduce, int]:
        """Return the `reduce` of sampled rows and their number: of rows on the device, or of those on the host.

        The more unknowns there are, the fewer rows are taken.
        """
        held = self._held()
        if held is None:
            return self.reduce_sent(X, y, weight)
        quick = RESIDENT_SAMPLE // (n_unknowns * max(1, n_unknowns // QUICK_UNKNOWNS))
        every = max(1, self.n_rows // max(SAMPLED_ROWS, quick))
        if every == 1:
            return self.reduce, self.n_rows
        X, y, weight = self._arguments([cupy.ascontiguousarray(part[::every]) for part in held])
        share = self.n_rows / len(X)
        return self.reduce_sent(X, y, cupy.full(len(X), share) if weight is None else share * weight)

    def reduce_sent(self, X: Any, y: Any, weight: Any) -> tuple[Reduce, int]:
        """Return the `reduce` of a few rows, sent to the device once, and their number."""
        X, y, weight = (None if part is None else cupy.asarray(part) for part in (X, y, weight))
        return GpuExecutor(X, y, weight, self.n_cores, None, Progress()).reduce, len(X)

    def _partials(self, reduction: Reduction, bounds: Sequence[int]) -> Any:
        """Yield the part and the number of rows of each block, and what it contributes."""
        if self.table is not None:
            blocks = self.stream.blocks(self.classes, bounds)
        else:
            if self._held() is None and type(reduction) is SortReduction:
                deque(self.stream.blocks(), maxlen=0)  # it takes all rows at once
            held = self._held()
            blocks = self.stream.blocks() if held is None else self._blocks_of(held, reduction)
        # an error holds the frames that it has passed, and what they read from would wait there
        with closing(blocks):
            for block in blocks:
                part, X, y, weight = block if self.table is not None else (0, *self._arguments(block))
                yield part, len(X), map_block(reduction, X, y, weight)

    def _blocks_of(self, held: list[Any], reduction: Reduction) -> Any:
        X, y, _ = self._arguments(held)
        step = self.n_rows if reads_in_place(reduction, X, y) else self.step
        for start in range(0, self.n_rows, step):
            yield [part[start : start + step] for part in held]

    def _arguments(self, block: list[Any]) -> tuple[Any, Any, Any]:
        """Return X, y and weights of a block, None for what is not there."""
        rest = block[1:]
        y = rest.pop(0) if self.has_y else None
        return block[0], y, rest.pop(0) if self.has_weight else None
