"""What the kernels of several modules share: their text, and what the processors of a GPU have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cupy

# the first chips with tensor cores for float64, and with copies to shared memory that no thread waits for
FIRST_CAPABILITY = 80
# what the driver takes of each block's shared memory
RESERVED_BYTES = 1024


def text_of(module: str, *names: str) -> str:
    """Return the text of kernels, behind what those of several modules use: of files beside a module, or of its own."""
    own = Path(module).with_suffix(".cu")
    return "".join(own.with_name(name).read_text() for name in ("common.cu", *(names or [own.name])))


@cache
def capability(device: int) -> int:
    """Return the compute capability of a GPU, 90 for 9.0."""
    return int(cupy.cuda.Device(device).compute_capability)


@cache
def shared_bytes(device: int) -> int:
    """Return the shared memory that a block of threads may have."""
    return cupy.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"]


@cache
def processors(device: int) -> int:
    """Return the number of processors, which CuPy finds by asking for all that a device can tell."""
    return cupy.cuda.Device(device).attributes["MultiProcessorCount"]


def columns_of_a_thread(n_columns: int) -> int:
    """Return how many columns of a row each thread of a warp has, rounded up so that few kernels are compiled."""
    columns = 1
    while 32 * columns < n_columns:
        columns *= 2
    return columns
