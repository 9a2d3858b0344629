"""Lloyd's steps on a GPU by a kernel that reads the rows once, where array expressions would write them out as float64.

Each thread finds the centre next to one row, with the rows and the centres in shared memory; then each thread adds up
one column of some of the rows, in sums that are its own, so that the answer does not depend on the order of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors.sums import add_up
from skdist_gpu.engines.reductions.clusters.steps import Assignment, AssignReduction, ClusterSums, LloydReduction

# shared memory of a block of threads, so that two of them run on a processor at once
MOST_SHARED_BYTES = 110_000
BLOCKS_PER_PROCESSOR = 4
# centres that a thread compares at once
TOGETHER = 8

_C_TYPES = {"float32": "float", "float64": "double"}

_SOURCE = Path(__file__).with_suffix(".cu")


def has_kernel(reduction: Any, X: Any) -> bool:
    """Whether the kernel can do a reduction of such rows."""
    return type(reduction) in (LloydReduction, AssignReduction) and takes(X, len(reduction.centres))


def takes(X: Any, n_clusters: int) -> bool:
    """Whether the kernel can compare such rows with so many centres."""
    return (
        X.dtype.name in _C_TYPES
        and (X.flags.c_contiguous or X.flags.f_contiguous)
        and _shape(X.dtype.itemsize, X.shape[1], n_clusters) is not None
    )


def map_rows(reduction: Any, X: Any, sample_weight: Any) -> ClusterSums | Assignment:
    """Return what the reduction's own map would, computed in float64 throughout."""
    centres = cupy.asarray(np.vstack([reduction.centres, reduction.origin]))
    assigns = type(reduction) is AssignReduction
    sums, labels, launch = prepared(X, sample_weight, centres, assigns)
    launch()
    total = add_up(sums)
    if assigns:
        return Assignment.of(labels, total[-1], total[:-1] > 0)
    total = total.reshape(len(centres) - 1, -1)
    return ClusterSums(total[:, -1], total[:, :-1])


def prepared(
    X: Any, sample_weight: Any, centres: Any, assigns: bool, state: Any = None
) -> tuple[Any, Any, Callable[[], None]]:
    """Return the sums of each block of threads, the labels where asked for, and what computes both when called.

    `centres` are those less the origin, and the origin behind them, on the device; they may change between calls.
    Nothing is done if the number in `state` is not zero.
    """
    (n_rows, n_columns), n_clusters = X.shape, len(centres) - 1
    shape = _shape(X.dtype.itemsize, n_columns, n_clusters)
    assert shape is not None
    n_threads, n_groups, n_bytes = shape
    device = cupy.cuda.Device()
    n_blocks = min(BLOCKS_PER_PROCESSOR * device.attributes["MultiProcessorCount"], -(-n_rows // n_threads))
    sums = cupy.empty((n_blocks, n_clusters + 1 if assigns else n_clusters * (n_columns + 1)))
    labels = cupy.empty(n_rows if assigns else 0, cupy.int32)
    if sample_weight is not None:
        sample_weight = cupy.ascontiguousarray(sample_weight, dtype=cupy.float64)
    arguments = (
        X,
        np.intp(0) if sample_weight is None else sample_weight,
        centres,
        np.int64(n_rows),
        np.int32(n_columns),
        np.int32(n_clusters),
        np.int32(n_groups),
        np.bool_(X.flags.c_contiguous),
        sums,
        labels,
        np.intp(0) if state is None else state,
    )
    kernel = _kernel(device.id, X.dtype.name, assigns)
    return sums, labels, lambda: kernel((n_blocks,), (n_threads,), arguments, shared_mem=n_bytes)


def _shape(itemsize: int, n_columns: int, n_clusters: int) -> tuple[int, int, int] | None:
    """Return the threads of a block, the groups that they sum in, and its shared memory; None if it has not enough."""
    padded = -(-n_clusters // TOGETHER) * TOGETHER
    for n_threads in (256, 128):
        fixed = 8 * (n_columns * padded + padded + n_columns + n_threads)
        fixed += n_threads * (4 + itemsize * (n_columns | 1))
        group = 8 * n_clusters * (n_columns + 1)
        n_groups = min(max(1, n_threads // (n_columns + 1)), (MOST_SHARED_BYTES - fixed) // group)
        if n_groups > 0:
            return n_threads, n_groups, fixed + n_groups * group
    return None


@cache
def _kernel(device: int, dtype: str, assigns: bool) -> Any:
    """Compile the kernel for a device and a type."""
    words = {"VALUE": _C_TYPES[dtype], "ASSIGN": int(assigns), "TOGETHER": TOGETHER}
    options = ("-std=c++17", *(f"-D{name}={word}" for name, word in words.items()))
    kernel = cupy.RawModule(code=_SOURCE.read_text(), options=options).get_function("lloyd")
    kernel.max_dynamic_shared_size_bytes = MOST_SHARED_BYTES
    return kernel
