"""Sums of what the blocks of a kernel have left, always in the same order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors.once import Once

# of the rows of a table, each of which a warp adds up
SLICES = 32


def add_up(partials: Any, sums: Any = None) -> Any:
    """Return the sum of the rows of a table, in `sums` where it is given."""
    n_slots, n_values = partials.shape
    sums = cupy.empty(n_values) if sums is None else sums
    arguments = (partials, np.int32(n_slots), np.int32(n_values), sums)
    _kernel(partials.device.id)((-(-n_values // 32),), (32 * SLICES,), arguments)
    return sums


@Once
def _kernel(device: int) -> Any:
    source = Path(__file__).with_suffix(".cu").read_text()
    return cupy.RawModule(code=source, options=(f"-DSLICES={SLICES}",)).get_function("add_up")
