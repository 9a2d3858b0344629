"""Losses of several classes with their derivatives, by kernels that read the rows once a pass.

Array expressions go through the scores of each row several times, and reduce the few of a row slowly. Second
derivatives are sums over rows of w (diag(p) - p pᵀ) ⊗ x xᵀ: tensor cores multiply a table that has the row once for
each class. Source: Böhning, "Multinomial Logistic Regression Algorithm", Ann. Inst. Stat. Math. 44, 1992.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors import gram_kernels, solve_kernels
from skdist_gpu.engines.executors.common_kernels import columns_of_a_thread, processors, shared_bytes
from skdist_gpu.engines.executors.once import Once
from skdist_gpu.engines.executors.solve_kernels import OnDevice, Solver
from skdist_gpu.engines.executors.sums import add_up
from skdist_gpu.engines.reductions.classes.class_weights import weights_of_rows
from skdist_gpu.engines.reductions.core.newton import Sums
from skdist_gpu.engines.reductions.linear.linear import some_rows
from skdist_gpu.engines.reductions.linear.logistic import SoftmaxReduction

THREADS, BLOCKS_PER_PROCESSOR = 256, 2
# rows that a warp works on together, and what a thread has registers for: classes times columns
GATHERED, MOST_HELD = 32, 40
# values of a table with the row once for each class, as many as are made at once
TABLE_VALUES = 2**26

_C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long"}
_SOURCE = Path(__file__).with_suffix(".cu")


def has_kernel(reduction: Any, X: Any, y: Any) -> bool:
    """Whether the kernels can do a reduction of such rows."""
    return (
        type(reduction) is SoftmaxReduction
        and reduction.design.takes_rows_as_they_are
        and X.flags.c_contiguous
        and y.dtype.name in _C_TYPES
        and len(reduction.coef) * columns_of_a_thread(X.shape[1]) <= MOST_HELD
        and gram_kernels.has_kernel(X, None)
    )


def begin(device: int, X_type: str, y_type: str, n_classes: int, n_columns: int) -> None:
    """Let threads compile what the rows of so many classes and columns need."""
    if n_classes * columns_of_a_thread(n_columns) <= MOST_HELD:
        _kernels.begin(device, X_type, y_type, n_classes, columns_of_a_thread(n_columns))


def map_rows(reduction: Any, X: Any, y: Any, sample_weight: Any) -> Sums:
    """Return what the reduction's own map would."""
    weight = weights_of_rows(reduction.class_weight, y, sample_weight)
    rows = _contiguous([X, y, weight])
    first, second = _sums(rows, reduction.coef, reduction.design.constant, reduction.every, shifts=False)
    return Sums(first[-1], first[:-1], second)


class Scores:
    """Sums over rows on the device, for any coefficients, whose second derivatives stay there.

    Parameters
    ----------
    reduction : SoftmaxReduction
        Tells the classes and the design; it `shifts`.
    X : cupy.ndarray of shape (n_rows, n_columns)
        The rows, of which there are kernels for.
    y, sample_weight : cupy.ndarray of shape (n_rows,)
        Codes and weights; None for no weights.
    """

    def __init__(self, reduction: SoftmaxReduction, X: Any, y: Any, sample_weight: Any) -> None:
        self.class_weight, self.design = reduction.class_weight, reduction.design
        self.rows = _contiguous([X, y, weights_of_rows(self.class_weight, y, sample_weight)])
        self.solver = Solver(reduction.coef.size)

    def is_for(self, reduction: Any) -> bool:
        """Whether a reduction has the same classes and the same design."""
        return (
            type(reduction) is SoftmaxReduction
            and reduction.class_weight is self.class_weight
            and reduction.design is self.design
        )

    def on_host(self, coef: np.ndarray, every: int) -> Sums:
        """Return the sums on the host, but for the second derivatives."""
        first, second = _sums(self.rows, coef, self.design.constant, every, shifts=True)
        first = first.get()
        return Sums(first[-1], first[:-1], None if second is None else OnDevice(self.solver, second))


def takes_at_once(reduction: Any, X: Any, y: Any) -> bool:
    """Whether the kernels can do a reduction of such rows, and solve with its second derivatives on the device."""
    return has_kernel(reduction, X, y) and reduction.shifts and solve_kernels.takes(reduction.coef.size)


def _sums(rows: list[Any], coefficients: np.ndarray, constant: float, every: int, shifts: bool) -> tuple[Any, Any]:
    """Return first derivatives with the loss behind them, and second ones of every so-many-th row; None of none."""
    coef = cupy.asarray(coefficients)
    first, shares = _first(rows, coef, constant, every == 1)
    if not every:
        return first, None
    share, found = 1.0, None
    if every > 1:
        some, share = some_rows(every, *rows)
        rows = _contiguous(some)
        _, shares = _first(rows, coef, constant, True)
    step = max(1, TABLE_VALUES // coef.size)
    for start in range(0, len(rows[0]), step):
        block = [None if part is None else part[start : start + step] for part in rows]
        second = _second(block, shares[start : start + step], constant, share, shifts)
        found = second if found is None else found + second
    return first, found


def _contiguous(rows: list[Any]) -> list[Any]:
    """Return X as it is, and y and weights, which are None for none, with their values side by side."""
    X, y, weight = rows
    return [X, cupy.ascontiguousarray(y), None if weight is None else cupy.ascontiguousarray(weight, cupy.float64)]


def _first(rows: list[Any], coef: Any, constant: float, keeps_shares: bool) -> tuple[Any, Any]:
    """Return the sums of slopes times rows and, last, of the losses; and the share of each class in each row."""
    X, y, weight = rows
    (n_rows, n_columns), n_classes, n_warps = X.shape, len(coef), THREADS // 32
    kernel = _kernels_for(X, y, n_classes).get_function("softmax_sums")
    n_blocks = min(BLOCKS_PER_PROCESSOR * processors(X.device.id), -(-n_rows // (GATHERED * n_warps)))
    shares = cupy.empty((n_rows, n_classes)) if keeps_shares else None
    partials, nothing = cupy.empty((n_blocks * n_warps, coef.size + 1)), np.intp(0)
    arguments = (
        *(X, np.int64(X.strides[0] // X.itemsize), y, nothing if weight is None else weight, coef),
        *(np.float64(constant), np.int64(n_rows), np.int32(n_columns), nothing if shares is None else shares, partials),
    )
    n_shared = n_classes * (32 * columns_of_a_thread(n_columns) + 1) + n_warps * GATHERED * (n_classes + 1)
    kernel((n_blocks,), (THREADS,), arguments, shared_mem=8 * n_shared)
    return add_up(partials), shares


def _second(rows: list[Any], shares: Any, constant: float, share: float, shifts: bool) -> Any:
    """Return the second derivatives of rows, of which each stands for so many."""
    X, y, weight = rows
    (n_rows, n_columns), n_classes = X.shape, shares.shape[1]
    n_coef = n_columns + (constant != 0)
    kernels, width = _kernels_for(X, y, n_classes), n_classes * n_coef
    table, hessian = cupy.empty((n_rows, width)), cupy.empty((width, width))
    n_blocks = min(8 * processors(X.device.id), -(-n_rows * width // THREADS))
    given = (X, np.int64(X.strides[0] // X.itemsize), np.intp(0) if weight is None else weight, shares)
    sizes = (np.float64(constant), np.int64(n_rows), np.int32(n_columns))
    kernels.get_function("spread")((n_blocks,), (THREADS,), (*given, *sizes, table))
    products = gram_kernels.products(table) if gram_kernels.has_kernel(table, None) else table.T @ table
    summed = (products, np.int32(len(products)), np.int32(n_coef), np.float64(share), np.bool_(shifts), hessian)
    kernels.get_function("second_derivatives")((-(-(width**2) // THREADS),), (THREADS,), summed)
    return hessian


def _kernels_for(X: Any, y: Any, n_classes: int) -> Any:
    return _kernels(X.device.id, X.dtype.name, y.dtype.name, n_classes, columns_of_a_thread(X.shape[1]))


@Once
def _kernels(device: int, X_type: str, y_type: str, n_classes: int, columns: int) -> Any:
    """Return the compiled kernels, from CuPy's cache on disk where they are in it."""
    words = {"VALUE": _C_TYPES[X_type], "TARGET": _C_TYPES[y_type], "CLASSES": n_classes, "COLUMNS": columns}
    options = ("-std=c++17", f"-DTHREADS={THREADS}", *(f"-D{name}={word}" for name, word in words.items()))
    kernels = cupy.RawModule(code=_SOURCE.read_text(), options=options)
    kernels.get_function("softmax_sums").max_dynamic_shared_size_bytes = shared_bytes(device)
    return kernels
