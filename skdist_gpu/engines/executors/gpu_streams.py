"""Bring rows in main memory or files to a GPU, block by block, the next blocks while one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import chain
from queue import SimpleQueue
from typing import Any

import cupy
import numpy as np
import pyarrow

from skdist_gpu.data.dataset import READ_AHEAD, DatasetTable, cut, in_threads, together
from skdist_gpu.data.labels import codes_of
from skdist_gpu.engines.executors.pool import POOL, empty_pinned

# blocks of rows that are on the device at a time
N_BUFFERS = 3
# threads that send rows which lie together, bytes of each at once, and Arrow's threads that copy these before:
# they need no lock of the interpreter's, for which threads that copy by NumPy wait about 0.1 ms a piece
N_SENDERS, SENT_BYTES, N_COPYING = 3, 2**24, 8
# what a thread copies at once by NumPy; more would leave the processor's cache before the device has read it
CARRIED_BYTES = 2**23
FILE_BATCH_BYTES = 2**25
MOST_FILE_BATCH_ROWS = 65_536
# a block of several batches, since each block costs the computing thread a millisecond
FILE_BLOCK_BYTES = 2**27
TO_DEVICE = cupy.cuda.runtime.memcpyHostToDevice


class _Carrier:
    """A piece of pinned memory, and the stream on which it sends rows to the device."""

    def __init__(self, n_bytes: int) -> None:
        self.pinned = empty_pinned(n_bytes)
        self.address = self.pinned.ctypes.data
        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.sent = cupy.cuda.Event(disable_timing=True)

    def memory(self) -> np.ndarray:
        """Return the pinned memory once it is free again."""
        self.sent.synchronize()
        return self.pinned

    def send(self, rows: np.ndarray, target: int, n_copying: int) -> None:
        """Copy rows to an address on the device, by so many threads of Arrow's, or by NumPy for 0."""
        memory = self.memory()
        if n_copying:
            writer = pyarrow.FixedSizeBufferWriter(pyarrow.py_buffer(memory))
            writer.set_memcopy_threads(n_copying)
            writer.write(rows)
        else:
            np.copyto(memory[: rows.nbytes].view(rows.dtype).reshape(rows.shape), rows)
        self.deliver(self.address, target, rows.nbytes)

    def deliver(self, source: int, target: int, n_bytes: int) -> None:
        """Send what lies at an address of the pinned memory."""
        cupy.cuda.runtime.memcpyAsync(target, source, n_bytes, TO_DEVICE, self.stream.ptr)
        self.sent.record(self.stream)


class HostStream:
    """Bring host arrays to the device, and keep them there for the next pass as far as memory allows.

    Rows are copied into small pieces of pinned memory, from which the device fetches them.

    Parameters
    ----------
    parts : list of ndarray
        Arrays with the same number of rows.
    step : int
        Rows of a block.
    n_threads : int
        Threads that copy.
    memory_budget : int or None
        Bytes that may be taken on the device; None for what is free.
    several_passes : bool
        Whether more than one pass is foreseen, so that the first one keeps what it brings.
    """

    def __init__(
        self,
        parts: list[np.ndarray],
        step: int,
        n_threads: int,
        memory_budget: int | None,
        several_passes: bool = False,
    ) -> None:
        self.parts, self.n_rows = parts, parts[0].shape[0]
        self.step = min(step, self.n_rows)
        self.starts = range(0, self.n_rows, self.step)
        row_bytes = sum(part[:1].nbytes for part in parts)
        self.memory_budget = memory_budget
        self.cache: dict[int, list[Any]] = {}
        self.n_passes = int(several_passes)
        all_bytes = row_bytes * self.n_rows
        by_arrow = all(part.flags.c_contiguous for part in parts) and pyarrow.cpu_count() >= n_threads
        self.n_copying = min(N_COPYING, n_threads) if by_arrow else 0
        self.carried_bytes = SENT_BYTES if by_arrow else CARRIED_BYTES
        # no more threads than there are pieces to carry
        most = min(N_SENDERS, n_threads) if by_arrow else n_threads
        self.n_threads = min(most, -(-all_bytes // self.carried_bytes))
        n_bytes = max(self.carried_bytes, *(part[:1].nbytes for part in parts))
        # a thread fills one of two while the device fetches the other
        self.carriers = [(_Carrier(n_bytes), _Carrier(n_bytes)) for _ in range(self.n_threads)]
        self.idle = SimpleQueue[tuple[_Carrier, _Carrier]]()
        for carriers in self.carriers:
            self.idle.put(carriers)
        # all rows side by side, where they are so few that they need no more room than blocks in flight, or fit
        fits = several_passes and len(self.starts) <= self.n_cached
        n_buffers = len(self.starts) if fits else min(N_BUFFERS, len(self.starts))
        self.room = self._empty(min(self.n_rows, n_buffers * self.step))
        # the pool may hand out memory that work before has freed and is still computing in
        self.computed = [cupy.cuda.get_current_stream().record() for _ in range(n_buffers)]

    @cached_property
    def n_cached(self) -> int:
        """How many blocks may stay on the device, beside those in flight, float64 copies and a product's workspace.

        Where one pass is foreseen, nobody asks the driver, who may take milliseconds to tell the free memory.
        """
        budget = self.memory_budget
        free = cupy.cuda.runtime.memGetInfo()[0] if budget is None else budget
        block_bytes = self.step * sum(part[:1].nbytes for part in self.parts)
        in_work = N_BUFFERS * block_bytes + 4 * 8 * self.step * (self.parts[0].shape[1] + 1)
        return max(0, int(0.9 * free) - in_work) // max(1, block_bytes)

    def _empty(self, n_rows: int) -> list[Any]:
        return [cupy.empty((n_rows, *part.shape[1:]), part.dtype) for part in self.parts]

    @property
    def keeps_all(self) -> bool:
        """Whether all rows stay on the device, side by side."""
        return len(self.starts) == len(self.computed)

    @property
    def whole(self) -> list[Any] | None:
        """All rows on the device, once a pass has brought them, side by side; None where they have no room there."""
        return self.room if self.keeps_all and len(self.cache) == len(self.starts) else None

    def blocks(self) -> Generator[list[Any], None, None]:
        """Yield the blocks in order, as lists of device arrays."""
        if len(self.cache) == len(self.starts):
            yield from self.cache.values()
            return
        compute_stream, n_buffers = cupy.cuda.get_current_stream(), len(self.computed)
        self.n_passes += 1
        # threads begin on the first GPU, whatever the current one is
        with self._ended(), ThreadPoolExecutor(self.n_threads, initializer=cupy.cuda.Device().use) as pool:
            ahead = deque(self._upload(pool, i) for i in range(n_buffers))
            for index in range(len(self.starts)):
                block, strips = ahead.popleft()
                for arrived in chain.from_iterable(strip.result() for strip in strips):
                    compute_stream.wait_event(arrived)
                yield block
                self.computed[index % n_buffers].record(compute_stream)
                if index + n_buffers < len(self.starts):
                    ahead.append(self._upload(pool, index + n_buffers))
        compute_stream.synchronize()

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """Let no copy outlast a pass, even one that an error ends, since others get the memory that it writes to."""
        try:
            yield
        except BaseException:
            self.cache.clear()  # some of its blocks may not have come
            raise
        finally:
            for carrier in chain.from_iterable(self.carriers):
                carrier.stream.synchronize()

    def _upload(self, pool: ThreadPoolExecutor, index: int) -> tuple[list[Any], list[Any]]:
        """Let the threads send a block; return it, and what tells when each strip of it has arrived."""
        if index in self.cache:
            return self.cache[index], []
        start = self.starts[index]
        stop = min(self.n_rows, start + self.step)
        block, free = self._place(index, stop - start)
        strips = []
        for part, target in zip(self.parts, block, strict=True):
            row_bytes = part[:1].nbytes
            n_carried = max(1, self.carried_bytes // row_bytes)
            # a strip for each thread, since to hand each piece to a thread takes the interpreter longer than to send it
            n_strip = -(-(stop - start) // (self.n_threads * n_carried)) * n_carried
            for a in range(start, stop, n_strip):
                rows, address = part[a : min(stop, a + n_strip)], target.data.ptr + (a - start) * row_bytes
                strips.append(pool.submit(self._send, rows, address, row_bytes, n_carried, free))
        return block, strips

    def _place(self, index: int, n_rows: int) -> tuple[list[Any], Any]:
        """Return where a block goes on the device, and the event after which nothing there is in use."""
        n_buffers = len(self.computed)
        # most fits read the data once, and need no cache
        if len(self.starts) > n_buffers and self.n_passes > 1 and len(self.cache) < self.n_cached:
            block = self.cache[index] = self._empty(n_rows)
            return block, cupy.cuda.get_current_stream().record()
        start = index % n_buffers * self.step
        block = [part[start : start + n_rows] for part in self.room]
        if len(self.starts) == n_buffers:
            self.cache[index] = block
        return block, self.computed[index % n_buffers]

    def _send(self, rows: np.ndarray, address: int, row_bytes: int, n_carried: int, free: Any) -> list[Any]:
        """Send rows with two carriers in turn, once the event `free` has come; return the events of their arrival."""
        carriers = self.idle.get()
        try:
            for carrier in carriers:
                carrier.stream.wait_event(free)
            for i, start in enumerate(range(0, len(rows), n_carried)):
                piece, target = rows[start : start + n_carried], address + start * row_bytes
                carriers[i % 2].send(piece, target, self.n_copying)
            return [carrier.sent for carrier in carriers]
        finally:
            self.idle.put(carriers)


class FileStream:
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
        try:
            with closing(in_threads(send, together(batches, self.block_rows), self.n_threads)) as sent:
                for part, i, place, X, y, weight in sent:
                    stream.wait_event(place.sent)
                    yield part, X, *(None if column is None else cupy.asarray(column) for column in (y, weight))
                    place.computed.record(stream)
                    free.put(i)
        finally:
            for place in filter(None, self.places):
                place.stream.synchronize()


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
        self.stream.wait_event(self.computed)
        for batch in batches:
            columns = table.columns_in(self.memory(), batch)
            arrived = self.arrival[: columns.nbytes].view(columns.dtype).reshape(columns.shape)
            self.deliver(columns.ctypes.data, arrived.data.ptr, columns.nbytes)
            with self.stream:
                X[:, start : start + batch.num_rows] = arrived[:, : batch.num_rows]
            start += batch.num_rows
        self.sent.record(self.stream)
        return X.T
