"""Reduce data on one GPU: resident there, or streamed from main memory while it computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from queue import SimpleQueue
from threading import Event
from typing import Any

import cupy
import cupyx
import numpy as np

from skdist_gpu.data.blocks import part_bounds
from skdist_gpu.data.containers import GPU, container_of
from skdist_gpu.data.convert import result_to_host
from skdist_gpu.data.dataset import READ_AHEAD, DatasetTable, cut, in_threads, together
from skdist_gpu.data.labels import codes_of
from skdist_gpu.engines.executors.cluster_kernels import ClustersOnGpu
from skdist_gpu.engines.executors.kernels import map_block, reads_in_place
from skdist_gpu.engines.executors.pool import POOL
from skdist_gpu.engines.executors.stream import StreamExecutor
from skdist_gpu.engines.reductions.core.protocol import GPU_STEP_BYTES as STEP_BYTES
from skdist_gpu.engines.reductions.core.protocol import Reduce, Reduction
from skdist_gpu.progress import Progress

N_BUFFERS = 3
MOST_THREADS = 16
CARRIED_BYTES = 8 * 2**20
FILE_THREADS = 6
FILE_BATCH_BYTES = 2**25
MOST_FILE_BATCH_ROWS = 65_536
# a block of several batches, since each block costs the computing thread a millisecond
FILE_BLOCK_BYTES = 2**27
# batches of files that Arrow's own threads decode meanwhile
MOST_AHEAD = 32
# sampled rows that the device computes in a few milliseconds
RESIDENT_SAMPLE = 250_000


class GpuExecutor:
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
        self.classes: np.ndarray | None = None
        self.table = X if isinstance(X, DatasetTable) else None
        self.n_cores, self.n_threads = n_cores, min(MOST_THREADS, n_cores)
        self.parts = [part for part in (X, y, sample_weight) if part is not None]
        self.has_y, self.has_weight = y is not None, sample_weight is not None
        self.n_rows = X.shape[0]
        self.step = max(1024, STEP_BYTES // (8 * (X.shape[1] + 1)))
        self.resident = container_of(X) in GPU
        self.progress = progress
        # set when the result is not wanted any more
        self.stopped = Event()
        self.n_passes = 0
        self.stream: Any = None
        if self.table is not None:
            self.stream = _FileStream(self.table, min(FILE_THREADS, n_cores), min(MOST_AHEAD, n_cores))
        elif not self.resident:
            with cupy.cuda.using_allocator(POOL.malloc):
                self.stream = _HostStream(self.parts, self.step, self.n_threads, memory_budget, several_passes)

    def reduce(self, reduction: Reduction) -> Any:
        """Return the total over all rows, on the host."""
        if self.table is not None and getattr(reduction, "targets_only", False):
            return self._on_host().reduce(reduction)
        return self.totals(reduction, ())[0]

    def reduce_parts(self, reduction: Reduction, n_parts: int) -> list[Any]:
        """Return the total of each of so many contiguous parts of files, from one reading; None without rows."""
        assert self.table is not None
        return self.totals(reduction, part_bounds(self.table.count_rows(), n_parts)[1:-1])

    def totals(self, reduction: Reduction, bounds: Sequence[int]) -> list[Any]:
        """Return the total of each part between the bounds; of what was read before the executor was stopped."""
        self.n_passes += 1
        self.progress.start(f"pass {self.n_passes} on the GPU", total=self.n_rows)
        totals: list[Any] = [None] * (len(bounds) + 1)
        with cupy.cuda.using_allocator(POOL.malloc):
            for part, n_rows, sums in self._partials(reduction, bounds):
                totals[part] = sums if totals[part] is None else reduction.combine(totals[part], sums)
                self.progress.advance(n_rows)
                if self.stopped.is_set():
                    break
            return [result_to_host(total) for total in totals]

    @property
    def clusters(self) -> ClustersOnGpu | None:
        """The rows, to take Lloyd's steps with; None if they are not all on the device."""
        X, _, weight = self._arguments(self.parts)
        return ClustersOnGpu(X, weight) if self.resident else None

    clusters_of = staticmethod(ClustersOnGpu.of)

    def reduce_sample(self, X: Any, y: Any, weight: Any) -> tuple[Reduce, int]:
        """Return the `reduce` of sampled rows, sent to the device once; of more of them, where all rows are there."""
        if self.resident:
            every = max(1, self.n_rows // RESIDENT_SAMPLE)
            X, y, weight = self._arguments([cupy.ascontiguousarray(part[::every]) for part in self.parts])
            share = self.n_rows / len(X)
            weight = cupy.full(len(X), share) if weight is None else share * weight
        else:
            X, y, weight = (None if part is None else cupy.asarray(part) for part in (X, y, weight))
        return GpuExecutor(X, y, weight, self.n_cores, None, Progress()).reduce, len(X)

    def _partials(self, reduction: Reduction, bounds: Sequence[int]) -> Any:
        """Yield the part and the number of rows of each block, and what it contributes."""
        if self.table is not None:
            blocks = self.stream.blocks(self.classes, bounds)
        else:
            held = self._resident_blocks(reduction) if self.resident else self.stream.blocks()
            blocks = ((0, *self._arguments(block)) for block in held)
        for part, X, y, weight in blocks:
            yield part, len(X), map_block(reduction, X, y, weight)

    def find_classes(self) -> np.ndarray:
        """Return the sorted labels of files, which may be text and are read on the host."""
        return self._on_host().find_classes()

    def _on_host(self) -> StreamExecutor:
        assert self.table is not None
        executor = StreamExecutor(self.table, self.n_cores, self.progress)
        executor.classes = self.classes
        return executor

    def _resident_blocks(self, reduction: Reduction) -> Any:
        X, y, _ = self._arguments(self.parts)
        step = self.n_rows if reads_in_place(reduction, X, y) else self.step
        for start in range(0, self.n_rows, step):
            yield [part[start : start + step] for part in self.parts]

    def _arguments(self, block: list[Any]) -> tuple[Any, Any, Any]:
        """Return X, y and weights of a block, None for what is not there."""
        rest = block[1:]
        y = rest.pop(0) if self.has_y else None
        return block[0], y, rest.pop(0) if self.has_weight else None


class _Carrier:
    """A piece of pinned memory, and the stream on which it sends rows to the device."""

    def __init__(self, n_bytes: int) -> None:
        self.pinned = cupyx.empty_pinned(n_bytes, np.uint8)
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.sent = cupy.cuda.Event(disable_timing=True)

    def send(self, rows: np.ndarray, target: Any, free: Any) -> None:
        """Copy rows to the device once the event `free` says that nothing there is in use."""
        carried = self.memory()[: rows.nbytes].view(rows.dtype).reshape(rows.shape)
        np.copyto(carried, rows)
        self.deliver(carried, target, free)

    def memory(self) -> np.ndarray:
        """Return the pinned memory once it is free again."""
        self.sent.synchronize()
        return self.pinned

    def deliver(self, carried: np.ndarray, target: Any, free: Any) -> None:
        """Send what lies in the pinned memory."""
        self.stream.wait_event(free)
        target.set(carried, stream=self.stream)
        self.sent.record(self.stream)


class _HostStream:
    """Bring host arrays to the device block by block, the next blocks while one is computed.

    Small pieces of pinned memory, each with a thread that copies into it, are faster than large ones:
    they stay in the processor's cache until the device has read them.
    """

    def __init__(
        self, parts: list[np.ndarray], step: int, n_threads: int, memory_budget: int | None, several_passes: bool
    ) -> None:
        self.parts, self.step = parts, step
        self.n_rows = parts[0].shape[0]
        self.cache: dict[int, list[Any]] = {}
        block_bytes = sum(part[:1].nbytes for part in parts) * min(step, self.n_rows)
        free = cupy.cuda.runtime.memGetInfo()[0] if memory_budget is None else memory_budget
        # blocks in flight, their float64 copies and the product's workspace
        in_work = N_BUFFERS * block_bytes + 4 * STEP_BYTES
        self.n_cached = max(0, int(0.9 * free) - in_work) // max(1, block_bytes)
        # to keep blocks takes time, which a fit that reads the data once does not get back
        self.passes_before_kept = 0 if several_passes else 1
        self.n_passes = 0
        self.n_threads = n_threads
        self.carriers = SimpleQueue[_Carrier]()
        for _ in range(2 * n_threads):
            self.carriers.put(_Carrier(max(CARRIED_BYTES, *(part[:1].nbytes for part in parts))))
        n_buffers = min(N_BUFFERS, -(-self.n_rows // step))
        self.buffers = [self._empty(min(step, self.n_rows)) for _ in range(n_buffers)]
        self.computed = [cupy.cuda.Event(disable_timing=True) for _ in range(n_buffers)]

    def _empty(self, n_rows: int) -> list[Any]:
        return [cupy.empty((n_rows, *part.shape[1:]), part.dtype) for part in self.parts]

    def blocks(self) -> Any:
        """Yield the blocks in order, as lists of device arrays."""
        compute_stream = cupy.cuda.get_current_stream()
        self.n_passes += 1
        starts = range(0, self.n_rows, self.step)
        # threads begin on the first GPU, whatever the current one is
        with ThreadPoolExecutor(self.n_threads, initializer=cupy.cuda.Device().use) as pool:
            ahead = deque(self._upload(pool, i, starts[i]) for i in range(min(len(self.buffers), len(starts))))
            for index in range(len(starts)):
                block, strips = ahead.popleft()
                for arrived in chain.from_iterable(strip.result() for strip in strips):
                    compute_stream.wait_event(arrived)
                yield block
                self.computed[index % len(self.buffers)].record(compute_stream)
                following = index + len(self.buffers)
                if following < len(starts):
                    ahead.append(self._upload(pool, following, starts[following]))
        compute_stream.synchronize()

    def _upload(self, pool: ThreadPoolExecutor, index: int, start: int) -> tuple[list[Any], list[Any]]:
        """Let the threads send a block; return it, and what tells when each strip of it has arrived."""
        if index in self.cache:
            return self.cache[index], []
        stop = min(self.n_rows, start + self.step)
        free = self.computed[index % len(self.buffers)]
        if self.n_passes > self.passes_before_kept and len(self.cache) < self.n_cached:
            block = self.cache[index] = self._empty(stop - start)
            # the pool may hand out memory that the block before has freed and is still computing in
            free = cupy.cuda.get_current_stream().record()
        else:
            block = [buffer[: stop - start] for buffer in self.buffers[index % len(self.buffers)]]
        strips = []
        for part, target in zip(self.parts, block, strict=True):
            n_carried = max(1, CARRIED_BYTES // part[:1].nbytes)
            # a strip for each thread, since to hand each piece to a thread takes the interpreter longer than to send it
            n_strip = -(-(stop - start) // (self.n_threads * n_carried)) * n_carried
            for a in range(start, stop, n_strip):
                b = min(stop, a + n_strip)
                strips.append(pool.submit(self._send, part[a:b], target[a - start : b - start], n_carried, free))
        return block, strips

    def _send(self, rows: np.ndarray, target: Any, n_carried: int, free: Any) -> list[Any]:
        """Send rows with the carriers that have been free for longest; return the events of their arrival."""
        arrivals = []
        for start in range(0, len(rows), n_carried):
            piece = slice(start, start + n_carried)
            carrier = self.carriers.get()
            try:
                carrier.send(rows[piece], target[piece], free)
                arrivals.append(carrier.sent)
            finally:
                self.carriers.put(carrier)
        return arrivals


class _FileStream:
    """Bring blocks of files to the device, each sent by the thread that has decoded it.

    One thread computes: many that launch work would wait for each other and for the interpreter's lock.
    """

    def __init__(self, table: DatasetTable, n_threads: int, read_ahead: int) -> None:
        self.table, self.n_threads, self.read_ahead = table, n_threads, max(READ_AHEAD, read_ahead)
        self.row_bytes = table.dtype.itemsize * table.shape[1]
        self.batch_rows = max(1, min(MOST_FILE_BATCH_ROWS, FILE_BATCH_BYTES // self.row_bytes))
        self.block_rows = max(1, FILE_BLOCK_BYTES // self.row_bytes)
        # one for each block that waits, and one for the block that is computed
        self.places: list[_Place | None] = [None] * (n_threads + 2)

    def blocks(self, classes: np.ndarray | None, bounds: Sequence[int]) -> Any:
        """Yield the part between the bounds, and X, y and weights on the device, in the order of the rows.

        Codes stand in place of labels.
        """
        stream, device = cupy.cuda.get_current_stream(), cupy.cuda.Device()
        free = SimpleQueue[int]()
        for i in range(len(self.places)):
            free.put(i)

        def send(numbered: tuple[int, list[Any]]) -> Any:
            part, batches = numbered
            i = free.get()
            place = self.places[i]
            # a query may give more rows than it was asked for
            message = self.table.room_for(max(self.batch_rows, *(batch.num_rows for batch in batches)))
            block = self.row_bytes * sum(batch.num_rows for batch in batches)
            with device, cupy.cuda.using_allocator(POOL.malloc):
                if place is None or len(place.pinned) < message or len(place.room) < block:
                    place = self.places[i] = _Place(message, block)
                X = place.bring(self.table, batches)
            targets = zip(*map(self.table.targets, batches), strict=True)
            y, weight = (None if column[0] is None else np.concatenate(column) for column in targets)
            return part, i, place, X, y if classes is None or y is None else codes_of(y, classes), weight

        batches = cut(self.table.batches(self.batch_rows, self.read_ahead), bounds)
        for part, i, place, X, y, weight in in_threads(send, together(batches, self.block_rows), self.n_threads):
            stream.wait_event(place.sent)
            yield part, X, *(None if column is None else cupy.asarray(column) for column in (y, weight))
            place.computed.record(stream)
            free.put(i)


class _Place(_Carrier):
    """A carrier, and the memory on the device where it puts the batches of a block side by side."""

    def __init__(self, n_bytes: int, block_bytes: int) -> None:
        super().__init__(n_bytes)
        self.arrival, self.room = (cupy.empty(n, cupy.uint8) for n in (n_bytes, block_bytes))
        # the pool may hand out memory in which work before is not done
        self.computed = cupy.cuda.get_current_stream().record()

    def bring(self, table: DatasetTable, batches: list[Any]) -> Any:
        """Send the features of batches, once the block before it has been computed; return them as X on the device."""
        n_rows = sum(batch.num_rows for batch in batches)
        X = self.room.view(table.dtype)[: n_rows * table.shape[1]].reshape(-1, n_rows)
        start = 0
        for batch in batches:
            columns = table.columns_in(self.memory(), batch)
            arrived = self.arrival[: columns.nbytes].view(columns.dtype).reshape(columns.shape)
            self.deliver(columns, arrived, self.computed)
            with self.stream:
                X[:, start : start + batch.num_rows] = arrived[:, : batch.num_rows]
            start += batch.num_rows
        self.sent.record(self.stream)
        return X.T
