"""Rows on their way to GPUs; see ``test_emulated_streams.py``, which runs this where CuPy copies as late as it may."""

import signal
import threading
import time
from functools import partial

import cupy
import numpy as np
import pyarrow
import pyarrow.dataset
import pyarrow.parquet
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdist_gpu.data.containers import registry
from skdist_gpu.data.dataset import table_of
from skdist_gpu.engines.executors import gpu, gpu_copies, gpu_streams
from skdist_gpu.engines.executors.gpus import GpusExecutor
from skdist_gpu.engines.executors.pool import HUGE_PAGE, empty_pinned
from skdist_gpu.progress import Progress

# these arrays are NumPy's as well, which would hold them otherwise
registry._OF_TYPE[cupy.ndarray] = next(kind for kind in registry._CONTAINERS if kind.name == "cupy")
generator = np.random.default_rng(0)
X = generator.normal(size=(20_000, 5))
y = generator.normal(size=len(X))
EXPECTED = X.sum(axis=0), y.sum()


class Sums:
    """The sums of the columns of X and of y, and what else happens with each block."""

    def __init__(self, happens=lambda n: None):
        self.happens, self.n_blocks = happens, 0

    def map(self, X, y, sample_weight):
        self.n_blocks += 1
        self.happens(self.n_blocks)
        return X.sum(axis=0), y.sum()

    def combine(self, a, b):
        return a[0] + b[0], a[1] + b[1]


def check_sums(found):
    for mine, expected in zip(found, EXPECTED, strict=True):
        assert_allclose(mine, expected, rtol=1e-10)


def n_copies_waiting():
    return sum(isinstance(work, partial) for stream in cupy.streams for work in stream.waiting)


@pytest.fixture(autouse=True)
def _many_small_blocks(monkeypatch):
    monkeypatch.setattr(gpu, "STEP_BYTES", 8 * 6 * 1024)
    monkeypatch.setattr(gpu_streams, "CARRIED_BYTES", 2**12)
    monkeypatch.setattr(gpu_streams, "SENT_BYTES", 2**12)
    pyarrow.set_cpu_count(4)
    monkeypatch.setattr(gpu_streams, "FILE_BLOCK_BYTES", 2**16)
    monkeypatch.setattr(gpu_streams, "MOST_FILE_BATCH_ROWS", 500)


def in_files(folder):
    table = pyarrow.table({f"x{i}": column for i, column in enumerate(X.T)} | {"y": y})
    pyarrow.parquet.write_table(table, folder / "rows.parquet", row_group_size=1_500)
    return table_of(pyarrow.dataset.dataset(folder / "rows.parquet"), "y", None), None


PLACES = {
    "rows": lambda folder: (X, y),
    "columns": lambda folder: (np.asfortranarray(X), y),
    "every other row": lambda folder: (np.repeat(X, 2, axis=0)[::2], np.repeat(y, 2)[::2]),
    "files": in_files,
}
everywhere = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


def executor_of(place, folder, several_passes=False):
    return gpu.GpuExecutor(*place(folder), None, 4, None, Progress(), several_passes)


@everywhere
@pytest.mark.parametrize("several_passes", [False, True])
@pytest.mark.parametrize("free", [10**10, 10**5, 6 * 10**5])
def test_all_rows_come_in_each_pass(place, several_passes, free, tmp_path, monkeypatch):
    monkeypatch.setattr(cupy.cuda.runtime, "memGetInfo", lambda: (free, 10**10))
    executor = executor_of(place, tmp_path, several_passes)
    for _ in range(3):
        check_sums(executor.reduce(Sums()))
    assert not n_copies_waiting()


@everywhere
@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt])
def test_an_error_between_blocks_leaves_nothing_behind(place, kind, tmp_path, monkeypatch):
    executor, copy = executor_of(place, tmp_path, several_passes=True), cupy.cuda.runtime.memcpyAsync
    # the next blocks are on their way
    monkeypatch.setattr(cupy.cuda.runtime, "memcpyAsync", lambda *arguments: (time.sleep(1e-3), copy(*arguments)))
    n_threads = threading.active_count()

    def fail(n):
        if n == 3:
            raise kind("too much")

    with pytest.raises(kind, match="too much") as held:
        executor.reduce(Sums(fail))
    assert not n_copies_waiting()
    assert threading.active_count() <= n_threads, held
    check_sums(executor.reduce(Sums()))


@everywhere
def test_an_error_of_a_thread_that_copies_ends_the_pass(place, tmp_path, monkeypatch):
    executor, copy = executor_of(place, tmp_path, several_passes=True), cupy.cuda.runtime.memcpyAsync
    numbers = iter(range(10**6))

    def fail(*arguments):
        if next(numbers) == 20:
            raise RuntimeError("no copy")
        copy(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(cupy.cuda.runtime, "memcpyAsync", fail)
        with pytest.raises(RuntimeError, match="no copy"):
            executor.reduce(Sums())
    assert not n_copies_waiting()
    check_sums(executor.reduce(Sums()))


def two_gpus(monkeypatch, several_passes=False, **options):
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    return GpusExecutor(X, y, None, 4, None, Progress(), several_passes, 2)


def test_an_error_of_one_gpu_stops_the_others(monkeypatch):
    executor, of_second = two_gpus(monkeypatch), float(X[len(X) // 2, 0])
    done = []

    class FailingSums(Sums):
        def map(self, X, y, sample_weight):
            if X[0, 0] == of_second:
                raise MemoryError("too much")
            done.append(len(X))
            time.sleep(0.02)
            return super().map(X, y, sample_weight)

    with pytest.raises(MemoryError, match="too much"):
        executor.reduce(FailingSums())
    assert len(done) < 5, done  # of ten blocks
    check_sums(executor.reduce(Sums()))


def test_an_interrupt_stops_all_gpus(monkeypatch):
    executor = two_gpus(monkeypatch)
    begun = threading.Barrier(2)

    def interrupt(n):
        if n <= 2 and not begun.wait(5):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.02)

    sums = Sums(interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.reduce(sums)
    assert sums.n_blocks < 10, sums.n_blocks  # of twenty
    assert not n_copies_waiting()
    check_sums(executor.reduce(Sums()))


@pytest.mark.parametrize("shape", [(70_001,), (20_003, 7), (301, 12, 40), (3, 5)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_copied_by_threads_in_either_order(shape, order, monkeypatch):
    monkeypatch.setattr(gpu_copies, "LEAST_BYTES", 2**16)
    values = np.asarray(generator.normal(size=shape), order=order)
    cupy.copied.clear()
    on_device = gpu_copies.to_device(values, 4)
    assert isinstance(on_device, cupy.ndarray)
    assert max(cupy.copied) <= gpu_streams.CARRIED_BYTES, "one thread has copied all"
    assert_array_equal(on_device.get(), values)


def test_pinned_memory_lies_in_huge_pages(monkeypatch):
    registered = {}
    monkeypatch.setattr(cupy.cuda.runtime, "hostRegister", lambda start, size, flags: registered.update({start: size}))
    monkeypatch.setattr(cupy.cuda.runtime, "hostUnregister", registered.pop)
    memory = empty_pinned(HUGE_PAGE + 1)
    assert registered == {memory.ctypes.data: 2 * HUGE_PAGE}
    assert len(memory) == HUGE_PAGE + 1
    assert memory.ctypes.data % HUGE_PAGE == 0
    memory[:] = 1
    del memory
    assert not registered


def test_memory_is_pinned_where_none_can_be_registered(monkeypatch):
    def refuse(*arguments):
        raise cupy.cuda.runtime.CUDARuntimeError

    monkeypatch.setattr(cupy.cuda.runtime, "hostRegister", refuse)
    monkeypatch.setattr(cupy.cuda.runtime, "hostUnregister", refuse)
    memory = empty_pinned(2**20)
    memory[:] = 1
    assert len(memory) == 2**20
