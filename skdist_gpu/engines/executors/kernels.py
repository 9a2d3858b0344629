"""Kernels that read a block of rows once, where array expressions would read it several times.

A gradient pass over row-wise losses is bound by memory: scores and slopes are both products with X.
One warp reads a few rows into its registers, and does both from there, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors import gram_kernels, lloyd_kernels
from skdist_gpu.engines.reductions.columns.quantiles import SortReduction
from skdist_gpu.engines.reductions.core.moments import MomentsReduction
from skdist_gpu.engines.reductions.core.newton import Sums
from skdist_gpu.engines.reductions.core.sample import OverviewReduction
from skdist_gpu.engines.reductions.linear.linear import ScoreReduction, some_rows

THREADS = 256
BLOCKS_PER_PROCESSOR = 2
MOST_COLUMNS = 1024

_C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long"}

# loss class -> its loss and slope of one row, from the target y, the score and a number that the loss knows
_ROW_LOSSES = {
    "BinomialLoss": """
        double small = exp(-fabs(score));
        loss = log1p(small) + fmax(score, 0.0) - y * score;
        slope = (score >= 0.0 ? 1.0 : small) / (1.0 + small) - y;
    """,
    "SquaredHinge": """
        double sign = y == number ? 1.0 : -1.0, slack = fmax(1.0 - sign * score, 0.0);
        loss = slack * slack;
        slope = -2.0 * sign * slack;
    """,
    "SquaredEpsilonInsensitive": """
        double residual = score - y, slack = fmax(fabs(residual) - number, 0.0);
        loss = slack * slack;
        slope = copysign(2.0 * slack, residual);
    """,
}
_NUMBERS: dict[str, Callable[[Any], float]] = {
    "SquaredHinge": lambda loss: loss.positive,
    "SquaredEpsilonInsensitive": lambda loss: loss.epsilon,
}

_SOURCE = r"""
template <typename T, typename Y, int COLUMNS, int ROWS>
__global__ void score_sums(
    const T* __restrict__ X, const Y* __restrict__ target, const double* __restrict__ weight,
    const double* __restrict__ coef, double intercept, double number,
    long long n_rows, int n_columns, double* __restrict__ sums
) {
    const int lane = threadIdx.x % 32;
    const long long warp = (long long)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    const long long n_warps = (long long)gridDim.x * (blockDim.x / 32);
    double own_coef[COLUMNS], gradient[COLUMNS], total = 0.0, slopes = 0.0;
    #pragma unroll
    for (int k = 0; k < COLUMNS; ++k) {
        const int column = lane + 32 * k;
        own_coef[k] = column < n_columns ? coef[column] : 0.0;
        gradient[k] = 0.0;
    }
    for (long long start = warp * ROWS; start < n_rows; start += n_warps * ROWS) {
        T values[ROWS][COLUMNS];
        #pragma unroll
        for (int r = 0; r < ROWS; ++r)
            #pragma unroll
            for (int k = 0; k < COLUMNS; ++k) {
                const int column = lane + 32 * k;
                const bool there = start + r < n_rows && column < n_columns;
                values[r][k] = there ? X[(start + r) * n_columns + column] : (T)0;
            }
        double score = intercept, slope = 0.0;
        #pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            double product = 0.0;
            #pragma unroll
            for (int k = 0; k < COLUMNS; ++k) product += own_coef[k] * (double)values[r][k];
            #pragma unroll
            for (int offset = 16; offset > 0; offset /= 2) product += __shfl_xor_sync(0xffffffff, product, offset);
            if (lane == r) score += product;
        }
        // each lane works on the score of one row
        if (lane < ROWS && start + lane < n_rows) {
            const double y = (double)target[start + lane], w = weight ? weight[start + lane] : 1.0;
            double loss;
            ROW_LOSS
            // a row without weight may overflow
            total += w == 0.0 ? 0.0 : w * loss;
            slope = w == 0.0 ? 0.0 : w * slope;
            slopes += slope;
        }
        #pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            const double row_slope = __shfl_sync(0xffffffff, slope, r);
            #pragma unroll
            for (int k = 0; k < COLUMNS; ++k) gradient[k] += row_slope * (double)values[r][k];
        }
    }
    for (int offset = 16; offset > 0; offset /= 2) {
        total += __shfl_xor_sync(0xffffffff, total, offset);
        slopes += __shfl_xor_sync(0xffffffff, slopes, offset);
    }
    double* own = sums + warp * (n_columns + 2);
    #pragma unroll
    for (int k = 0; k < COLUMNS; ++k)
        if (lane + 32 * k < n_columns) own[lane + 32 * k] = gradient[k];
    if (lane == 0) {
        own[n_columns] = slopes;
        own[n_columns + 1] = total;
    }
}
"""


def map_block(reduction: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    """Return what a block on the GPU contributes: by a kernel where there is one, else by the reduction's own map."""
    if _has_kernel(reduction, X, y):
        sums = _score_sums(reduction, X, y, sample_weight)
        return sums if not reduction.every else _with_curvature(sums, reduction, X, y, sample_weight)
    if lloyd_kernels.has_kernel(reduction, X):
        return lloyd_kernels.map_rows(reduction, X, sample_weight)
    if _is_gram(reduction, X, y):
        return gram_kernels.moments(X, y, sample_weight)
    return reduction.map(X, y, sample_weight)


def reads_in_place(reduction: Any, X: Any, y: Any) -> bool:
    """Whether a reduction makes no copy of the rows, so that one block may hold all of them."""
    return (
        (_has_kernel(reduction, X, y) and not reduction.every)
        or lloyd_kernels.has_kernel(reduction, X)
        or _is_gram(reduction, X, y)
        or type(reduction) is SortReduction
        or (type(reduction) is OverviewReduction and not reduction.columns)
    )


def _is_gram(reduction: Any, X: Any, y: Any) -> bool:
    return type(reduction) is MomentsReduction and gram_kernels.has_kernel(X, y)


def _has_kernel(reduction: Any, X: Any, y: Any) -> bool:
    return (
        type(reduction) is ScoreReduction
        and reduction.every != 1
        and type(reduction.loss).__name__ in _ROW_LOSSES
        and reduction.design.takes_rows_as_they_are
        and X.flags.c_contiguous
        and X.shape[1] <= MOST_COLUMNS
        and y.dtype.name in _C_TYPES
    )


def _with_curvature(sums: Sums, reduction: ScoreReduction, X: Any, y: Any, sample_weight: Any) -> Sums:
    """Return sums with the second derivatives of some of the rows."""
    some, share = some_rows(reduction.every, X, y, sample_weight)
    curvature = ScoreReduction(reduction.loss, reduction.design, reduction.coef, every=1)
    return Sums(sums.value, sums.gradient, share * curvature.map(*some).hessian)


def _score_sums(reduction: Any, X: Any, y: Any, sample_weight: Any) -> Sums:
    """Return the sum of the losses and of slope times row."""
    loss, design = reduction.loss, reduction.design
    n_rows, n_columns = X.shape
    weight = loss.weight(y, sample_weight)
    if weight is not None:
        weight = cupy.ascontiguousarray(weight, dtype=cupy.float64)
    device = cupy.cuda.Device()
    kernel = _kernel(device.id, type(loss).__name__, X.dtype.name, y.dtype.name, n_columns)
    n_blocks = BLOCKS_PER_PROCESSOR * device.attributes["MultiProcessorCount"]
    sums = cupy.empty((n_blocks * THREADS // 32, n_columns + 2))
    coef = cupy.asarray(reduction.coef[:n_columns])
    intercept = design.constant * reduction.coef[-1] if design.constant else 0.0
    number = _NUMBERS.get(type(loss).__name__, lambda loss: 0.0)(loss)
    arguments = (np.float64(intercept), np.float64(number), np.int64(n_rows), np.int32(n_columns), sums)
    y = cupy.ascontiguousarray(y)
    kernel((n_blocks,), (THREADS,), (X, y, np.intp(0) if weight is None else weight, coef, *arguments))
    total = sums.sum(axis=0)
    gradient = total[:n_columns]
    if design.constant:
        gradient = cupy.append(gradient, design.constant * total[n_columns])
    return Sums(total[-1], gradient)


@cache
def _kernel(device: int, loss: str, X_type: str, y_type: str, n_columns: int) -> Any:
    """Compile the kernel for a device, a loss, types, and a number of columns rounded up."""
    columns = 1
    while 32 * columns < n_columns:
        columns *= 2
    # as many values in registers as they hold
    rows = max(1, min(8, 32 // columns))
    name = f"score_sums<{_C_TYPES[X_type]}, {_C_TYPES[y_type]}, {columns}, {rows}>"
    source = _SOURCE.replace("ROW_LOSS", _ROW_LOSSES[loss])
    return cupy.RawModule(code=source, options=("-std=c++17",), name_expressions=[name]).get_function(name)
