"""Losses of rows by their scores, with their derivatives, by a kernel that reads the rows once.

A gradient pass is bound by memory: scores and slopes are both products with X. One warp reads a few rows into its
registers, and does both from there, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors import gram_kernels
from skdist_gpu.engines.executors.sums import add_up
from skdist_gpu.engines.reductions.core.newton import Sums
from skdist_gpu.engines.reductions.linear.linear import ScoreReduction, some_rows

THREADS = 256
BLOCKS_PER_PROCESSOR = 2
MOST_COLUMNS = 1024

_C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long"}
_SOURCE = Path(__file__).with_suffix(".cu")

# loss class -> its loss, slope and curvature of one row, from the target y, the score and a number that the loss knows
_ROW_LOSSES = {
    "BinomialLoss": """
        double small = exp(-fabs(score));
        loss = log1p(small) + fmax(score, 0.0) - y * score;
        slope = (score >= 0.0 ? 1.0 : small) / (1.0 + small) - y;
        curvature = small / ((1.0 + small) * (1.0 + small));
    """,
    "SquaredHinge": """
        double sign = y == number ? 1.0 : -1.0, slack = fmax(1.0 - sign * score, 0.0);
        loss = slack * slack;
        slope = -2.0 * sign * slack;
        curvature = slack > 0.0 ? 2.0 : 0.0;
    """,
    "SquaredEpsilonInsensitive": """
        double residual = score - y, slack = fmax(fabs(residual) - number, 0.0);
        loss = slack * slack;
        slope = copysign(2.0 * slack, residual);
        curvature = slack > 0.0 ? 2.0 : 0.0;
    """,
}
_NUMBERS: dict[str, Callable[[Any], float]] = {
    "SquaredHinge": lambda loss: loss.positive,
    "SquaredEpsilonInsensitive": lambda loss: loss.epsilon,
}


def has_kernel(reduction: Any, X: Any, y: Any) -> bool:
    """Whether the kernel can do a reduction of such rows."""
    return (
        type(reduction) is ScoreReduction
        and type(reduction.loss).__name__ in _ROW_LOSSES
        and reduction.design.takes_rows_as_they_are
        and X.flags.c_contiguous
        and X.shape[1] <= MOST_COLUMNS
        and y.dtype.name in _C_TYPES
        and (reduction.every != 1 or gram_kernels.has_kernel(X, None))
    )


def map_rows(reduction: Any, X: Any, y: Any, sample_weight: Any) -> Sums:
    """Return what the reduction's own map would."""
    if reduction.every == 1:
        return _sums(reduction, X, y, sample_weight, with_hessian=True)
    sums = _sums(reduction, X, y, sample_weight)
    if reduction.every:
        some, share = some_rows(reduction.every, X, y, sample_weight)
        if gram_kernels.has_kernel(X, None):
            sums.hessian = share * _sums(reduction, some[0], some[1], some[2], with_hessian=True).hessian
        else:
            curvature = ScoreReduction(reduction.loss, reduction.design, reduction.coef, every=1)
            sums.hessian = share * curvature.map(*some).hessian
    return sums


def _sums(reduction: Any, X: Any, y: Any, sample_weight: Any, with_hessian: bool = False) -> Sums:
    """Return the sum of the losses and of slope times row; and of curvature times the products of each row."""
    loss, constant = reduction.loss, reduction.design.constant
    n_rows, n_columns = X.shape
    weight = loss.weight(y, sample_weight)
    if weight is not None:
        weight = cupy.ascontiguousarray(weight, dtype=cupy.float64)
    y = cupy.ascontiguousarray(y)
    device = cupy.cuda.Device()
    kernel = _kernel(device.id, type(loss).__name__, X.dtype.name, y.dtype.name, n_columns)
    n_blocks = BLOCKS_PER_PROCESSOR * device.attributes["MultiProcessorCount"]
    partials = cupy.empty((n_blocks * THREADS // 32, n_columns + 2))
    curvature = cupy.empty(n_rows) if with_hessian else None
    coef, nothing = cupy.asarray(reduction.coef), np.intp(0)
    number = _NUMBERS.get(type(loss).__name__, lambda loss: 0.0)(loss)
    arguments = (
        *(X, np.int64(X.strides[0] // X.itemsize), y, nothing if weight is None else weight),
        *(coef, np.float64(constant), np.float64(number), np.int64(n_rows), np.int32(n_columns)),
        *(nothing if curvature is None else curvature, partials),
    )
    kernel((n_blocks,), (THREADS,), arguments)
    total = add_up(partials)
    # the intercept's derivatives stand behind those of the columns
    n_unknowns = n_columns + (constant != 0)
    sums = Sums(total[-1], total[:n_unknowns])
    if curvature is not None:
        sums.hessian = gram_kernels.weighted_products(X, curvature, constant)[:n_unknowns, :n_unknowns]
    return sums


@cache
def _kernel(device: int, loss: str, X_type: str, y_type: str, n_columns: int) -> Any:
    """Return the compiled kernel for a device, a loss, types, and a number of columns rounded up."""
    columns = 1
    while 32 * columns < n_columns:
        columns *= 2
    # as many values in registers as they hold
    rows = max(1, min(8, 32 // columns))
    words = {"VALUE": _C_TYPES[X_type], "TARGET": _C_TYPES[y_type], "COLUMNS": columns, "ROWS": rows}
    options = ("-std=c++17", *(f"-D{name}={value}" for name, value in words.items()))
    source = _SOURCE.read_text().replace("ROW_LOSS", _ROW_LOSSES[loss])
    return cupy.RawModule(code=source, options=options).get_function("score_sums")
