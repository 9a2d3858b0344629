"""Reduce data on one GPU: resident there, or streamed from main memory while it computes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cupy
import cupyx
import numpy as np

from skdist_gpu.data.convert import result_to_host, to_gpu
from skdist_gpu.data.dataset import DatasetTable
from skdist_gpu.data.kinds import GPU, container_of
from skdist_gpu.data.labels import codes_of
from skdist_gpu.engines.executors.stream import StreamExecutor
from skdist_gpu.progress import Progress
from skdist_gpu.reductions.protocol import Reduction

# a float64 copy of this size keeps the GPU busy and leaves room on small ones
STEP_BYTES = 2**29
N_BUFFERS = 4
COPY_THREADS = 16


class GpuExecutor:
    """Run reductions on the current GPU.

    Data on the host are copied, block by block, by several threads into pinned memory and from
    there to the device, while the block before is computed. Blocks stay on the device for the
    next pass as long as memory allows.
    """

    def __init__(
        self, X: Any, y: Any, sample_weight: Any, n_cores: int, memory_budget: int | None, progress: Progress
    ) -> None:
        self.classes: np.ndarray | None = None
        self.table = X if isinstance(X, DatasetTable) else None
        self.n_cores = n_cores
        self.parts = [part for part in (X, y, sample_weight) if part is not None]
        self.has_y, self.has_weight = y is not None, sample_weight is not None
        self.n_rows = X.shape[0]
        self.step = max(1024, STEP_BYTES // (8 * (X.shape[1] + 1)))
        self.resident = container_of(X) in GPU
        self.progress = progress
        self.n_passes = 0
        # RAPIDS' default allocator asks the driver each time, which waits for the GPU
        self.pool = cupy.cuda.MemoryPool()
        if not self.resident and self.table is None:
            with cupy.cuda.using_allocator(self.pool.malloc):
                self.stream = _HostStream(self.parts, self.step, min(COPY_THREADS, n_cores), memory_budget)

    def reduce(self, reduction: Reduction) -> Any:
        """Return the total over all rows, on the host."""
        self.n_passes += 1
        self.progress.start(f"pass {self.n_passes} on the GPU", total=self.n_rows)
        total = None
        with cupy.cuda.using_allocator(self.pool.malloc):
            for X, y, weight in self._blocks():
                partial = reduction.map(X, y, weight)
                total = partial if total is None else reduction.combine(total, partial)
                self.progress.advance(X.shape[0])
            return result_to_host(total)

    def find_classes(self) -> np.ndarray:
        """Return the sorted labels of files, which may be text and are read on the host."""
        return StreamExecutor(self.table, self.n_cores, self.progress).find_classes()  # type: ignore[arg-type]

    def _blocks(self) -> Any:
        """Yield X, y and weights of each block on the device."""
        if self.table is not None:
            for X, y, weight in self.table.blocks(self.n_cores, self._coded):
                yield to_gpu(X), None if y is None else cupy.asarray(y), None if weight is None else to_gpu(weight)
        else:
            for block in self._resident_blocks() if self.resident else self.stream.blocks():
                yield self._arguments(block)

    def _coded(self, X: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        return X, y if self.classes is None else codes_of(y, self.classes), weight

    def _resident_blocks(self) -> Any:
        for start in range(0, self.n_rows, self.step):
            yield [part[start : start + self.step] for part in self.parts]

    def _arguments(self, block: list[Any]) -> tuple[Any, Any, Any]:
        """Return X, y and weights of a block, None for what is not there."""
        rest = block[1:]
        y = rest.pop(0) if self.has_y else None
        return block[0], y, rest.pop(0) if self.has_weight else None


@dataclass
class _Buffers:
    """Pinned and device memory for one block, and the events that say when each is free again."""

    pinned: list[Any]
    device: list[Any]
    copied: Any
    computed: Any


class _HostStream:
    """Bring host arrays to the device block by block."""

    def __init__(self, parts: list[np.ndarray], step: int, n_threads: int, memory_budget: int | None) -> None:
        self.parts, self.step, self.n_threads = parts, step, n_threads
        self.n_rows = parts[0].shape[0]
        self.cache: dict[int, list[Any]] = {}
        block_bytes = sum(part[:1].nbytes for part in parts) * min(step, self.n_rows)
        free = cupy.cuda.runtime.memGetInfo()[0] if memory_budget is None else memory_budget
        # blocks in flight, their float64 copies and the product's workspace
        in_work = N_BUFFERS * block_bytes + 4 * STEP_BYTES
        self.n_cached = max(0, int(0.9 * free) - in_work) // max(1, block_bytes)
        self.n_passes = 0
        self.copy_stream = cupy.cuda.Stream(non_blocking=True)
        self.buffers = [self._make_buffers() for _ in range(min(N_BUFFERS, -(-self.n_rows // step)))]

    def _make_buffers(self) -> _Buffers:
        shapes = [((min(self.step, self.n_rows), *part.shape[1:]), part.dtype) for part in self.parts]
        return _Buffers(
            pinned=[cupyx.empty_pinned(*shape) for shape in shapes],
            device=[cupy.empty(*shape) for shape in shapes],
            copied=cupy.cuda.Event(disable_timing=True),
            computed=cupy.cuda.Event(disable_timing=True),
        )

    def blocks(self) -> Any:
        """Yield the blocks in order, as lists of device arrays."""
        compute_stream = cupy.cuda.get_current_stream()
        self.n_passes += 1
        with ThreadPoolExecutor(self.n_threads) as pool:
            for index, start in enumerate(range(0, self.n_rows, self.step)):
                if index in self.cache:
                    yield self.cache[index]
                    continue
                buffers = self.buffers[index % len(self.buffers)]
                block = self._upload(pool, buffers, index, start)
                compute_stream.wait_event(buffers.copied)
                yield block
                buffers.computed.record(compute_stream)
        compute_stream.synchronize()

    def _upload(self, pool: ThreadPoolExecutor, buffers: _Buffers, index: int, start: int) -> list[Any]:
        """Copy rows into pinned memory and send them on their way to the device."""
        stop = min(self.n_rows, start + self.step)
        buffers.copied.synchronize()  # the pinned memory is free again
        pieces = np.linspace(start, stop, self.n_threads + 1).astype(int)
        copies = [
            pool.submit(np.copyto, pinned[a - start : b - start], part[a:b])
            for part, pinned in zip(self.parts, buffers.pinned, strict=True)
            for a, b in pairwise(pieces)
        ]
        for copy in copies:
            copy.result()
        n_rows = stop - start
        # most fits read the data once, and need no cache
        if self.n_passes > 1 and len(self.cache) < self.n_cached:
            target = self.cache[index] = [cupy.empty((n_rows, *p.shape[1:]), p.dtype) for p in self.parts]
            # the pool may hand out memory that the block before has freed and is still computing in
            self.copy_stream.wait_event(cupy.cuda.get_current_stream().record())
        else:
            target = [device[:n_rows] for device in buffers.device]
        self.copy_stream.wait_event(buffers.computed)  # the device memory is free again
        for pinned, device in zip(buffers.pinned, target, strict=True):
            device.set(pinned[:n_rows], stream=self.copy_stream)
        buffers.copied.record(self.copy_stream)
        return target
