"""Reduce data on several GPUs of a machine in one process: each has its share of the rows, and threads of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import cupy

from skdist_gpu.data.blocks import MemoryBlocks, given_columns
from skdist_gpu.data.dataset import DatasetTable
from skdist_gpu.data.shares import divide
from skdist_gpu.engines.executors.gpu import GpuExecutor, OnGpus
from skdist_gpu.engines.executors.pool import devices
from skdist_gpu.engines.reductions.core.protocol import Reduce, Reduction, combine_all
from skdist_gpu.progress import Progress


class GpusExecutor(OnGpus):
    """Run reductions on several GPUs over rows in main memory or files.

    Each GPU reduces contiguous rows; their totals are combined on the host in the order of the rows, so that the
    answer depends on the number of GPUs only. If one fails, or the user interrupts, the others stop after their block.
    """

    resident = False

    def __init__(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        n_cores: int,
        memory_budget: int | None,
        progress: Progress,
        several_passes: bool,
        n_gpus: int,
    ) -> None:
        super().__init__(X, n_cores, progress)
        numbers = devices(n_gpus)
        each = max(1, n_cores // len(numbers))
        self.starts, shares = _divide(X, y, sample_weight, len(numbers))
        self.devices = [cupy.cuda.Device(number) for number in numbers[: len(shares)]]

        def make(device: Any, share: tuple[Any, Any, Any]) -> GpuExecutor:
            with device:
                return GpuExecutor(*share, each, memory_budget, _Share(progress), several_passes)

        with ThreadPoolExecutor(len(shares)) as pool:
            self.executors = list(pool.map(make, self.devices, shares))

    def clusters(self) -> None:
        """Return None: no GPU holds all rows."""

    def totals(self, reduction: Reduction, bounds: Sequence[int]) -> list[Any]:
        """Return the total of each part between the bounds, on the host; None for one without rows."""
        self.n_passes += 1
        n_rows = None if self.table is not None else sum(executor.n_rows for executor in self.executors)
        self.progress.start(f"pass {self.n_passes} on {len(self.executors)} GPUs", total=n_rows)

        def run(device: Any, executor: GpuExecutor, start: int) -> list[Any]:
            with device:
                return executor.totals(reduction, [bound - start for bound in bounds])

        for executor in self.executors:
            executor.classes = self.classes
            executor.stopped.clear()
        with ThreadPoolExecutor(len(self.executors)) as pool:
            shares = [pool.submit(run, *each) for each in zip(self.devices, self.executors, self.starts, strict=True)]
            try:
                for done in as_completed(shares):
                    done.result()
            except BaseException:
                for executor in self.executors:
                    executor.stopped.set()
                raise
        parts = zip(*(share.result() for share in shares), strict=True)
        return [combine_all(reduction, list(totals)) for totals in parts]

    def reduce_sample(self, X: Any, y: Any, weight: Any, n_unknowns: int) -> tuple[Reduce, int]:
        """Return the `reduce` of sampled rows, which are few enough for the first GPU alone, and their number."""
        return self.executors[0].reduce_sent(X, y, weight)


class _Share(Progress):
    """The progress of a part of the rows, which moves the bar of the whole."""

    def __init__(self, whole: Progress) -> None:
        super().__init__()
        self.advance = whole.advance  # type: ignore[method-assign]


def _divide(X: Any, y: Any, sample_weight: Any, n_shares: int) -> tuple[list[int], list[tuple[Any, Any, Any]]]:
    """Return the first row of each share of the data, and its X, y and weights; fewer where files cannot be divided."""
    if isinstance(X, DatasetTable):
        starts, tables = divide(X, n_shares)
        return starts, [(table, None, None) for table in tables]
    blocks = MemoryBlocks.in_parts(given_columns(X, y, sample_weight), min(n_shares, X.shape[0]))
    parts = [(block["X"], block.get("y"), block.get("sample_weight")) for block in blocks]
    return [rows.start for rows in blocks.slices], parts
