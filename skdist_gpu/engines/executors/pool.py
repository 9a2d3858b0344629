"""The memory that work on GPUs takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import cupy
import numpy as np

# RAPIDS' default allocator asks the driver each time, which takes longer than many a pass
POOL = cupy.cuda.MemoryPool()
# share of the device that may stay in the pool between fits
KEPT = 1 / 32

HUGE_PAGE = 2**21
# cudaHostRegisterPortable, cudaHostAllocPortable: for all GPUs
PORTABLE = 1


class _HugePages(cupy.cuda.PinnedMemory):
    """Pinned memory in huge pages, which cores fill faster than what the driver gives, in pages of 4 kB."""

    def __init__(self, size: int) -> None:
        super().__init__(0)
        self.memory = np.empty(size + HUGE_PAGE, np.uint8)  # NumPy asks the system for huge pages
        start = self.memory.ctypes.data
        start += -start % HUGE_PAGE
        cupy.cuda.runtime.hostRegister(start, size, PORTABLE)
        self.size, self.ptr = size, start

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # when Python ends, modules may be gone, and so is what the driver knows
        if self.ptr and not is_finalizing():
            cupy.cuda.runtime.hostUnregister(self.ptr)


def _pin(size: int) -> cupy.cuda.PinnedMemoryPointer:
    try:
        memory = _HugePages(size)
    except cupy.cuda.runtime.CUDARuntimeError:  # not every system pins memory that it has given already
        memory = cupy.cuda.PinnedMemory(size, PORTABLE)
    return cupy.cuda.PinnedMemoryPointer(memory, 0)


# kept between fits, since to pin a gigabyte takes 0.1 s
PINNED = cupy.cuda.PinnedMemoryPool(_pin)


def empty_pinned(n_bytes: int) -> np.ndarray:
    """Return bytes in main memory from which devices copy, and to which they do."""
    # the pool gives again what has the same size
    return np.frombuffer(PINNED.malloc(-(-n_bytes // HUGE_PAGE) * HUGE_PAGE), np.uint8, n_bytes)


def from_pool(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function take memory on the device from the pool."""

    @wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        with cupy.cuda.using_allocator(POOL.malloc):
            return function(*arguments, **options)

    return wrapped


def devices(n_gpus: int) -> list[int]:
    """Return the numbers of so many visible GPUs, the current one first; of fewer where there are fewer."""
    current = cupy.cuda.runtime.getDevice()
    others = (device for device in range(cupy.cuda.runtime.getDeviceCount()) if device != current)
    return [current, *others][:n_gpus]


def release_memory(n_gpus: int = 1) -> None:
    """Give memory back to the devices, but for a small share that spares the next fit to ask for it."""
    for device in devices(n_gpus):
        with cupy.cuda.Device(device):
            if POOL.total_bytes() > KEPT * _total_bytes(device):
                POOL.free_all_blocks()


@cache
def _total_bytes(device: int) -> int:
    """Return the memory of a GPU, asked for once: the driver may take milliseconds to tell."""
    with cupy.cuda.Device(device):
        return cupy.cuda.runtime.memGetInfo()[1]
