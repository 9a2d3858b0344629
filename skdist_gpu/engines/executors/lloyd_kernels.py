"""Lloyd's steps on a GPU by a kernel that reads the rows once, where array expressions would write them out as float64.

Each thread finds the centre next to one row, with the rows and the centres in shared memory; then each thread adds up
one column of some of the rows, in sums that are its own, so that the answer does not depend on the order of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
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

_SOURCE = r"""
constexpr double FAR = 1.7976931348623157e308;

template <typename T, bool ASSIGN>
__global__ void lloyd(
    const T* __restrict__ X, const double* __restrict__ weight, const double* __restrict__ centres,
    long long n_rows, int n_columns, int n_clusters, int n_groups, bool by_rows,
    double* __restrict__ sums, int* __restrict__ labels, const int* __restrict__ state
) {
    extern __shared__ double shared[];
    if (state && state[0]) return;                   // steps before this one were the last
    const int thread = threadIdx.x, n_threads = blockDim.x;
    const int padded = (n_clusters + TOGETHER - 1) / TOGETHER * TOGETHER;
    const int width = n_columns + 1, stride = n_columns | 1;
    double* slope = shared;                          // [n_columns][padded]
    double* norm = slope + n_columns * padded;       // [padded]
    double* origin = norm + padded;                  // [n_columns]
    double* weights = origin + n_columns;            // [n_threads]
    double* total = weights + n_threads;             // [n_groups][n_clusters][width], or [n_clusters]
    const int n_totals = ASSIGN ? n_clusters : n_groups * n_clusters * width;
    int* label = (int*)(total + n_totals);           // [n_threads]
    T* tile = (T*)(label + n_threads);               // [n_threads][stride]

    // centres are less the origin, which follows them
    for (int i = thread; i < n_columns; i += n_threads) origin[i] = centres[n_clusters * n_columns + i];
    for (int i = thread; i < n_columns * padded; i += n_threads) {
        const int k = i % padded;
        slope[i] = k < n_clusters ? -2.0 * centres[k * n_columns + i / padded] : 0.0;
    }
    for (int i = thread; i < n_totals; i += n_threads) total[i] = 0.0;
    __syncthreads();
    for (int k = thread; k < padded; k += n_threads) {
        double square = 0.0;
        for (int j = 0; j < n_columns; ++j) square += 0.25 * slope[j * padded + k] * slope[j * padded + k];
        norm[k] = k < n_clusters ? square : FAR;
    }

    double inertia = 0.0;
    for (long long start = (long long)blockIdx.x * n_threads; start < n_rows;
         start += (long long)gridDim.x * n_threads) {
        const int n_here = (int)min((long long)n_threads, n_rows - start);
        for (int i = thread; i < n_here * n_columns; i += n_threads) {
            const int row = by_rows ? i / n_columns : i % n_here, column = by_rows ? i % n_columns : i / n_here;
            tile[row * stride + column] = by_rows ? X[start * n_columns + i] : X[column * n_rows + start + row];
        }
        weights[thread] = thread < n_here && weight ? weight[start + thread] : 1.0;
        __syncthreads();
        if (thread < n_here) {
            const T* own = tile + thread * stride;
            double nearest = FAR;
            int best = 0;
            for (int first = 0; first < padded; first += TOGETHER) {
                double distance[TOGETHER];
                #pragma unroll
                for (int k = 0; k < TOGETHER; ++k) distance[k] = norm[first + k];
                for (int j = 0; j < n_columns; ++j) {
                    const double value = (double)own[j] - origin[j];
                    #pragma unroll
                    for (int k = 0; k < TOGETHER; ++k) distance[k] += value * slope[j * padded + first + k];
                }
                #pragma unroll
                for (int k = 0; k < TOGETHER; ++k)
                    if (distance[k] < nearest) { nearest = distance[k]; best = first + k; }
            }
            label[thread] = best;
            if (ASSIGN) {
                double square = 0.0;
                for (int j = 0; j < n_columns; ++j) {
                    const double apart = (double)own[j] - origin[j] + 0.5 * slope[j * padded + best];
                    square += apart * apart;
                }
                inertia += weights[thread] * square;
                labels[start + thread] = best;
                total[best] = 1.0;
            }
        }
        __syncthreads();
        if (!ASSIGN) {
            // each thread has its columns of the rows of its group
            const int columns_at_once = n_groups > 1 ? width : n_threads, group = thread / columns_at_once;
            for (int j = thread % columns_at_once; j < width && group < n_groups; j += columns_at_once) {
                double* own = total + (long long)group * n_clusters * width + j;
                for (int row = group; row < n_here; row += n_groups) {
                    const double value = j < n_columns ? (double)tile[row * stride + j] - origin[j] : 1.0;
                    own[label[row] * width] += weights[row] * value;
                }
            }
            __syncthreads();
        }
    }
    double* out = sums + (long long)blockIdx.x * (ASSIGN ? n_clusters + 1 : n_clusters * width);
    if (ASSIGN) {
        for (int k = thread; k < n_clusters; k += n_threads) out[k] = total[k];
        __syncthreads();
        weights[thread] = inertia;
        __syncthreads();
        if (thread == 0) {
            double sum = 0.0;
            for (int i = 0; i < n_threads; ++i) sum += weights[i];
            out[n_clusters] = sum;
        }
    } else {
        for (int i = thread; i < n_clusters * width; i += n_threads) {
            double sum = 0.0;
            for (int group = 0; group < n_groups; ++group) sum += total[group * n_clusters * width + i];
            out[i] = sum;
        }
    }
}
""".replace("TOGETHER", str(TOGETHER))


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
        return Assignment([labels], total[-1], total[:-1] > 0)
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
    name = f"lloyd<{_C_TYPES[dtype]}, {str(assigns).lower()}>"
    kernel = cupy.RawModule(code=_SOURCE, options=("-std=c++17",), name_expressions=[name]).get_function(name)
    kernel.max_dynamic_shared_size_bytes = MOST_SHARED_BYTES
    return kernel
