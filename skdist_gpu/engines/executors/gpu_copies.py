"""Copy large arrays between main memory and the current GPU by several threads, through pinned memory.

The driver's own copy of memory that is not pinned takes one thread, and reaches a tenth of the bandwidth.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cupy
import numpy as np

from skdist_gpu.data.convert import to_gpu
from skdist_gpu.engines.executors.gpu_streams import HostStream
from skdist_gpu.engines.executors.pool import empty_pinned

# what one thread has copied before others have started
LEAST_BYTES = 16 * 2**20
MOST_THREADS = 8
PIECE_BYTES = 4 * 2**20


def to_device(data: Any, n_threads: int) -> Any:
    """Return data on the current GPU, as :func:`~skdist_gpu.data.convert.to_gpu` does."""
    is_plain = type(data) in (np.ndarray, np.memmap) and data.dtype.kind == "f" and data.flags.forc
    if not is_plain or data.nbytes < LEAST_BYTES or n_threads < 2:
        return to_gpu(data)
    by_rows = data.flags.c_contiguous
    values = data if by_rows else data.T
    stream = HostStream([values.reshape(-1, 1)], values.size, min(MOST_THREADS, n_threads), None)
    ((arrived,),) = stream.blocks()
    arrived = arrived.reshape(values.shape)
    return arrived if by_rows else arrived.T


def from_device(array: Any, n_threads: int) -> np.ndarray:
    """Return an array in main memory with the same values, whose memory the threads are the first to touch."""
    if array.nbytes < LEAST_BYTES or n_threads < 2:
        return array.get()
    source, result = cupy.ascontiguousarray(array), np.empty(array.shape, array.dtype)
    computed = cupy.cuda.get_current_stream().record()
    to, device = result.reshape(-1).view(np.uint8), cupy.cuda.Device()
    starts = iter(range(0, len(to), PIECE_BYTES))  # whose next one goes to the thread that asks first

    def fetch(_: int) -> None:
        with device, cupy.cuda.Stream(non_blocking=True) as stream:
            stream.wait_event(computed)
            pinned = empty_pinned(PIECE_BYTES)
            for start in starts:
                piece = to[start : start + PIECE_BYTES]
                address, kind = source.data.ptr + start, cupy.cuda.runtime.memcpyDeviceToHost
                cupy.cuda.runtime.memcpyAsync(pinned.ctypes.data, address, len(piece), kind, stream.ptr)
                stream.synchronize()
                np.copyto(piece, pinned[: len(piece)])

    n_threads = min(MOST_THREADS, n_threads, -(-len(to) // PIECE_BYTES))
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(fetch, range(n_threads)))
    return result


def are_finite(values: Any) -> bool:
    """Whether all numbers of an array or a CSR matrix on the device are finite.

    The ends tell: CuPy has their kernels at hand, and compiles that of a sum of float32 in float64 for three seconds.
    """
    numbers = values.data if hasattr(values, "indptr") else values
    return not numbers.size or bool(np.isfinite([float(numbers.min()), float(numbers.max())]).all())
