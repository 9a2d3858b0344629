"""The memory that work on GPUs takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import cupy

# RAPIDS' default allocator asks the driver each time, which takes longer than many a pass
POOL = cupy.cuda.MemoryPool()
# share of the device that may stay in the pool between fits
KEPT = 1 / 32


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
