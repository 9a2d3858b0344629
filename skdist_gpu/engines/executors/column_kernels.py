"""Moments of columns and a first look at the rows on a GPU, by kernels that read the rows once.

Array expressions would compile a kernel for each of their operations, which takes seconds in all, and write the rows
out as float64. Sums are in float64, and in the same order each time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors.common_kernels import processors
from skdist_gpu.engines.executors.once import Once
from skdist_gpu.engines.executors.sums import add_up
from skdist_gpu.engines.reductions.columns.columns import ColumnMoments, ColumnReduction
from skdist_gpu.engines.reductions.core.moments import PILOT_ROWS
from skdist_gpu.engines.reductions.core.sample import FEW_CLASSES, Overview, OverviewReduction, Piece

THREADS = 256
# so that each has room in shared memory for a number for each of a few classes
CLASS_THREADS = 128
BLOCKS_PER_PROCESSOR = 4
WORD_BYTES = 4

_C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long"}
_SOURCE = Path(__file__).with_suffix(".cu")


def has_kernel(reduction: Any, X: Any, y: Any) -> bool:
    """Whether the kernels can do a reduction of such rows."""
    if X.dtype.name not in ("float32", "float64"):
        return False
    if type(reduction) is OverviewReduction:
        labels = reduction.n_classes > 0
        known = y is None or (y.ndim == 1 and y.dtype.name in (("int32", "int64") if labels else _C_TYPES))
        return known and reduction.n_classes <= FEW_CLASSES
    return type(reduction) is ColumnReduction


def map_rows(reduction: Any, X: Any, y: Any, sample_weight: Any) -> Overview | ColumnMoments:
    """Return what the reduction's own map would."""
    weight = None if sample_weight is None else cupy.ascontiguousarray(sample_weight, dtype=cupy.float64)
    if type(reduction) is ColumnReduction:
        return _column_moments(X, weight if reduction.weighted else None, reduction.skip_nan)
    pieces = [Piece(len(X), *(None if p is None else _some_rows(p, reduction.every) for p in (X, y, sample_weight)))]
    view = Overview(len(X), len(X) if weight is None else weight.sum(), pieces=pieces)
    if reduction.n_classes:
        view.class_weight = _class_totals(y, weight, reduction.n_classes)
    elif y is not None:
        target = _column_moments(y[:, None], weight, skip_nan=False)
        view.smallest_target, view.weighted_target = y.min(), (target.mean * target.weight)[0]
    if reduction.columns:
        view.columns = _column_moments(X, None, skip_nan=False)
    return view


def sorted_at(X: Any, shares: Any) -> Any:
    """Return what each column has at shares of it once it is sorted, a row for each column.

    Parameters
    ----------
    X : cupy.ndarray of shape (n_rows, n_columns)
        Of float32 or float64.
    shares : array-like of shape (n_shares,)
        From 0 to 1.

    Returns
    -------
    cupy.ndarray of shape (n_columns, 3 * n_shares + 2), dtype float64
        The values before each share, those after it, the share of the way between, and both ends, without NaN.
    """
    at_shares = kernels_for(X.device.id, X.dtype.name, "int64").get_function("at_shares")
    shares = cupy.asarray(np.asarray(shares, dtype=np.float64))
    found = cupy.empty((X.shape[1], 3 * len(shares) + 2))
    for column, its in zip(X.T, found, strict=True):
        ordered = cupy.sort(column)
        at_shares((1,), (THREADS,), (ordered, np.int64(len(ordered)), shares, np.int32(len(shares)), its))
    return found


def _column_moments(X: Any, weight: Any, skip_nan: bool) -> ColumnMoments:
    n_rows, n_columns = X.shape
    row_step, column_step = (np.int64(stride // X.itemsize) for stride in X.strides)
    kernels = kernels_for(X.device.id, X.dtype.name, "int64")
    pilot, shape = cupy.empty(n_columns), (np.int64(n_rows), np.int32(n_columns))
    few = (-(-n_columns // THREADS),)
    kernels.get_function("pilot_of")(few, (THREADS,), (X, row_step, column_step, *shape, pilot))
    # neighbours in memory go to neighbouring threads
    at_once = min(n_columns, THREADS) if column_step <= row_step else 1
    n_blocks = min(_blocks(X), -(-n_rows // (THREADS // at_once)))
    partials = cupy.empty((n_blocks, 3 * n_columns))
    arguments = (X, row_step, column_step, np.intp(0) if weight is None else weight, pilot, *shape)
    grid = (n_blocks, -(-n_columns // at_once))
    columns = kernels.get_function("columns")
    columns(grid, (THREADS,), (*arguments, np.int32(at_once), np.bool_(skip_nan), partials))
    sums = add_up(partials)
    kernels.get_function("centre")(few, (THREADS,), (sums, pilot, shape[1]))
    weights, mean, scatter = sums.reshape(3, n_columns)
    return ColumnMoments(n_rows, weights, mean, scatter)


def _class_totals(y: Any, weight: Any, n_classes: int) -> Any:
    """Return the number of rows of each class, or the sum of their weights."""
    y = cupy.ascontiguousarray(y)
    n_blocks = min(_blocks(y), -(-len(y) // CLASS_THREADS))
    partials = cupy.empty((n_blocks, n_classes))
    arguments = (y, np.intp(0) if weight is None else weight, np.int64(len(y)), np.int32(n_classes), partials)
    kernel = kernels_for(y.device.id, "float32", y.dtype.name).get_function("class_totals")
    kernel((n_blocks,), (CLASS_THREADS,), arguments, shared_mem=8 * n_classes * CLASS_THREADS)
    return add_up(partials)


def _some_rows(part: Any, every: int) -> Any:
    """Return every so-many-th row as an array of its own."""
    row_bytes = part[:1].nbytes
    if every == 1 or row_bytes % WORD_BYTES or not part.flags.c_contiguous:
        return part[::every].copy()
    some = cupy.empty((-(-len(part) // every), *part.shape[1:]), part.dtype)
    n_words = row_bytes // WORD_BYTES
    n_blocks = min(_blocks(part), -(-len(some) * n_words // THREADS))
    arguments = (part, *map(np.int64, (n_words, every, len(some))), some)
    kernels_for(part.device.id, "float32", "int64").get_function("some_rows")((n_blocks,), (THREADS,), arguments)
    return some


def _blocks(array: Any) -> int:
    return BLOCKS_PER_PROCESSOR * processors(array.device.id)


@Once
def kernels_for(device: int, value: str, target: str) -> Any:
    """Return the compiled kernels, from CuPy's cache on disk where they are in it."""
    words = {"VALUE": _C_TYPES[value], "TARGET": _C_TYPES[target], "THREADS": THREADS, "PILOT_ROWS": PILOT_ROWS}
    options = ("-std=c++17", *(f"-D{name}={word}" for name, word in words.items()))
    kernels = cupy.RawModule(code=_SOURCE.read_text(), options=options)
    kernels.compile()
    return kernels
