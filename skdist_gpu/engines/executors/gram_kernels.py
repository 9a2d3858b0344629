"""Weighted second moments of [X y] on a GPU by its float64 tensor cores, from rows that are read once as they are.

A block of threads brings a few rows at a time to shared memory, widens and shifts them there, and multiplies the lower
triangle of their products in tiles of 16 × 8. Each warp owns tiles of a long row of the triangle and of a short one,
so that all have as many. Sums of a block of threads are its own and are added in order: the answer does not depend on
timing. NVIDIA, "Parallel Thread Execution ISA", section on mma.m16n8k8 with .f64, says which thread holds which value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors.common_kernels import (
    FIRST_CAPABILITY,
    RESERVED_BYTES,
    capability,
    processors,
    shared_bytes,
    text_of,
)
from skdist_gpu.engines.executors.gram_parts import MOST_COLUMNS, N_STAGES, Part, parts_of, words_of
from skdist_gpu.engines.executors.once import Once
from skdist_gpu.engines.reductions.core.moments import Moments

# chips that have few tensor cores for float64 have less shared memory, too
LEAST_SHARED_BYTES = 160 * 1024
ADD_UP_THREADS = 256

_C_TYPES = {"float32": "float", "float64": "double"}


def has_kernel(X: Any, y: Any) -> bool:
    """Whether the kernel can multiply such rows."""
    return (
        X.dtype.name in _C_TYPES
        and (y is None or y.dtype.name in _C_TYPES)
        and X.shape[1] + _n_targets(y) < MOST_COLUMNS
        and capability(X.device.id) >= FIRST_CAPABILITY
        and shared_bytes(X.device.id) >= max(LEAST_SHARED_BYTES, _most_bytes(X, _n_targets(y)))
    )


def begin(device: int, dtype: str, n_columns: int) -> None:
    """Let threads compile what multiplies rows of so many columns, targets among them."""
    if n_columns < MOST_COLUMNS and capability(device) >= FIRST_CAPABILITY:
        for part in parts_of(n_columns):
            _compiled.begin(device, _words(part, dtype))


def _most_bytes(X: Any, n_targets: int) -> int:
    """Return the most shared memory that a block may need for such rows."""
    n_features, itemsize = X.shape[1], X.dtype.itemsize
    options = {"by_rows": False, "flat": False, "weighted": True}
    return max(
        part.fixed_bytes + N_STAGES * part.layout(n_features, n_targets, itemsize, **options)[0]
        for part in parts_of(n_features + n_targets)
    )


def moments(X: Any, y: Any, sample_weight: Any) -> Moments:
    """Return the moments of [X y], on the device."""
    n_columns = X.shape[1] + _n_targets(y)
    sums, pilot = _products(X, y, sample_weight, None)
    found = cupy.empty(1 + n_columns + n_columns**2)
    centre = _kernels(X.device.id, X.dtype.name, parts_of(n_columns)[0]).get_function("centre")
    centre((-(-(n_columns**2) // 256),), (256,), (sums, pilot, np.int32(n_columns), found))
    return Moments(X.shape[0], found[0], found[1 : 1 + n_columns], found[1 + n_columns :].reshape(n_columns, n_columns))


def products(X: Any) -> Any:
    """Return the products of the columns of X and of a column of ones behind them, on the device."""
    return _products(X, None, None, cupy.zeros(X.shape[1]))[0]


def weighted_products(X: Any, weight: Any, sums: Any) -> list[Callable[[], None]]:
    """Return what writes the sum of weight times the outer product of each row of X and a one behind it.

    All of it is called in order, as often as the weights change.

    Parameters
    ----------
    X : cupy.ndarray of shape (n_rows, n_columns)
        The rows.
    weight : cupy.ndarray of shape (n_rows,)
        Contiguous, in float64.
    sums : cupy.ndarray of shape (n_columns + 1, n_columns + 1)
        Where the products go.
    """
    n_columns = X.shape[1]
    shift, pilot = cupy.zeros(n_columns), cupy.empty(n_columns)
    return [_prepared(part, X, None, weight, shift, sums, pilot) for part in parts_of(n_columns)]


def _products(X: Any, y: Any, weight: Any, shift: Any) -> tuple[Any, Any]:
    """Return the products of [X y] - shift and a column of ones, and the shift."""
    n_columns = X.shape[1] + _n_targets(y)
    if weight is not None:
        weight = cupy.ascontiguousarray(weight, dtype=cupy.float64)
    sums, pilot = cupy.empty((n_columns + 1, n_columns + 1)), cupy.empty(n_columns)
    for part in parts_of(n_columns):
        _prepared(part, X, y, weight, shift, sums, pilot)()
    return sums, pilot


def _prepared(part: Part, X: Any, y: Any, weight: Any, shift: Any, sums: Any, pilot: Any) -> Callable[[], None]:
    """Return what writes a part of the products, and the shift of its columns."""
    (n_rows, n_features), n_targets, itemsize = X.shape, _n_targets(y), X.dtype.itemsize
    device = X.device.id
    row_step, column_step = (stride // itemsize for stride in X.strides)
    by_rows = abs(column_step) <= abs(row_step)
    # all of some rows, one behind the other, are brought as they are
    whole = part.first == 0 and not part.oblong and n_features <= part.width
    flat = whole and column_step == 1 and row_step == n_features and X.data.ptr % 16 == 0
    y_row_step, y_column_step = (0, 0) if y is None else (s // y.itemsize for s in (y.strides * 2)[:2])
    options = {"by_rows": by_rows, "flat": flat, "weighted": weight is not None}
    stage_bytes, y_at, weight_at = part.layout(n_features, n_targets, itemsize, **options)
    shared = part.fixed_bytes + N_STAGES * stage_bytes
    at_once = max(1, min(part.blocks_per_processor, shared_bytes(device) // (shared + RESERVED_BYTES)))
    n_blocks = min(at_once * processors(device), -(-n_rows // part.step))
    partials = cupy.empty((n_blocks * part.groups, part.slot))
    kernels = _kernels(device, X.dtype.name, part)
    places = (np.int32(part.first), np.int32(part.second))
    arguments = (
        *(X, np.int64(row_step), np.int64(column_step)),
        *(np.intp(0) if y is None else y, np.int64(y_row_step), np.int64(y_column_step)),
        *(np.intp(0) if values is None else values for values in (weight, shift)),
        *(np.int64(n_rows), np.int32(n_features), np.int32(n_targets), *places),
        *(np.bool_(y is not None and y.itemsize == 8), np.bool_(by_rows), np.bool_(flat)),
        *(np.int32(stage_bytes), np.int32(y_at), np.int32(weight_at), partials, pilot),
    )
    gram, add_up = kernels.get_function("gram"), kernels.get_function("add_up")
    added = (partials, np.int32(len(partials)), np.int32(len(sums)), *places, sums)

    def launch() -> None:
        gram((n_blocks,), (part.threads,), arguments, shared_mem=shared)
        add_up((part.slot // 32,), (ADD_UP_THREADS,), added)

    return launch


def _n_targets(y: Any) -> int:
    return 0 if y is None else 1 if y.ndim == 1 else y.shape[1]


def _kernels(device: int, dtype: str, part: Part) -> Any:
    """Return the compiled kernels, from CuPy's cache on disk where they are in it."""
    return _compiled(device, _words(part, dtype))


def _words(part: Part, dtype: str) -> tuple[tuple[str, Any], ...]:
    return tuple(words_of(part, _C_TYPES[dtype]).items())


@Once
def _compiled(device: int, words: tuple[tuple[str, Any], ...]) -> Any:
    options = ("-std=c++17", *(f"-D{name}={word}" for name, word in words))
    kernels = cupy.RawModule(code=text_of(__file__), options=options)
    kernels.get_function("gram").max_dynamic_shared_size_bytes = shared_bytes(device)
    return kernels
