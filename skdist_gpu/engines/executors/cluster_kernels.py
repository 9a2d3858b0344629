"""KMeans on a GPU without waiting for the host: k-means++ on a sample, and Lloyd's steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors import lloyd_kernels
from skdist_gpu.engines.executors.lloyd_kernels import GOES_ON, STAYS, LloydOnGpu
from skdist_gpu.engines.executors.once import Once
from skdist_gpu.engines.executors.pool import from_pool
from skdist_gpu.engines.reductions.clusters.on_device import Steps
from skdist_gpu.engines.reductions.core.sample import Rows

# of a block that measures: rows, threads for each, and columns that it takes at once; threads of one that chooses
ROWS, LANES, PANEL, THREADS = 128, 4, 256, 256
# 2 + log(k) candidates, as scikit-learn takes them, of no more clusters than the kernel of Lloyd's steps takes
MOST_CANDIDATES = 12
# products of the steps of one launch, and steps, of which the shortest take microseconds: some tenths of a second
MOST_PRODUCTS, MOST_STEPS = 2**39, 2**14

_C_TYPES = {"float32": "float", "float64": "double"}
_SOURCE = Path(__file__).with_suffix(".cu")


class ClustersOnGpu:
    """Rows that a GPU holds, to be clustered there.

    Parameters
    ----------
    X : cupy.ndarray of shape (n_rows, n_columns)
        The rows, in either order.
    sample_weight : cupy.ndarray of shape (n_rows,) or None
        Their weights.
    """

    def __init__(self, X: Any, sample_weight: Any) -> None:
        self.X, self.sample_weight = X, sample_weight

    @staticmethod
    @from_pool
    def of(X: Any, sample_weight: np.ndarray) -> ClustersOnGpu:
        """Send rows to the current GPU, where they are not there yet."""
        return ClustersOnGpu(cupy.asarray(X), cupy.asarray(sample_weight, dtype=cupy.float64))

    @from_pool
    def some(self, n_rows: int) -> Rows:
        """Return an even sample of so many rows or fewer, on the device."""
        n_all = len(self.X)
        every = -(-n_all // n_rows)
        X = cupy.ascontiguousarray(self.X[::every])
        weight = np.ones(len(X)) if self.sample_weight is None else self.sample_weight[::every].get()
        return Rows(X, None, weight * (n_all / len(X)), n_all)

    def takes(self, n_clusters: int) -> bool:
        """Whether there is a kernel for so many clusters of such rows."""
        return lloyd_kernels.takes(self.X, n_clusters)

    @from_pool
    def seed(self, first: int, uniform: np.ndarray) -> np.ndarray:
        """Return the rows that k-means++ chooses."""
        X, (n_rows, n_columns) = self.X, self.X.shape
        n_more, n_candidates = uniform.shape
        assert n_candidates <= MOST_CANDIDATES
        by_rows, n_blocks = np.bool_(X.flags.c_contiguous), -(-n_rows // ROWS)
        weight = cupy.ones(n_rows) if self.sample_weight is None else self.sample_weight
        numbers = cupy.asarray(uniform)
        candidates, best = cupy.asarray(np.full(n_candidates, first, np.int32)), cupy.zeros(1, cupy.int32)
        chosen, potentials = cupy.empty(n_more + 1, cupy.int32), cupy.empty(n_candidates * n_blocks)
        after, before = cupy.empty((2, n_candidates, n_rows))
        kernels = kernels_for(X.device.id, X.dtype.name)
        measure, choose = kernels.get_function("measure"), kernels.get_function("choose")
        rows = (X, weight, np.int64(n_rows), np.int32(n_columns), by_rows)
        for k in range(n_more + 1):
            n_here, n_next = np.int32(n_candidates if k else 1), np.int32(n_candidates if k < n_more else 0)
            known = (before if k else np.intp(0), best)
            measure((n_blocks,), (ROWS * LANES,), (*rows, candidates, n_here, *known, after, potentials))
            sums = (potentials, after, weight, np.int64(n_rows), np.int32(n_blocks), n_here)
            choose((1,), (THREADS,), (*sums, numbers[k : k + 1], n_next, candidates, best, chosen[k : k + 1]))
            before, after = after, before
        return self.X[chosen].get().astype(np.float64)

    @from_pool
    def steps(self, centres: np.ndarray, origin: np.ndarray, max_iter: int, tolerance: float) -> Steps:
        """Move the centres until they stay or one has no rows, in launches that end soon enough to be interrupted."""
        work = LloydOnGpu(self.X, self.sample_weight, centres, origin, assigns=False)
        at_once = min(MOST_STEPS, max(1, MOST_PRODUCTS // (self.X.size * len(centres))))
        how_it_stands, n_iter = GOES_ON, 0
        while how_it_stands == GOES_ON and n_iter < max_iter:
            work.run(min(at_once, max_iter - n_iter), tolerance)
            how_it_stands, n_more, _ = (int(value) for value in work.state.get())
            n_iter += n_more
        weight = work.sums.get().reshape(len(centres), -1)[:, -1]
        return Steps(work.centres[:-1].get(), n_iter, weight, how_it_stands == STAYS)

    @from_pool
    def inertia(self, centres: np.ndarray, origin: np.ndarray) -> float:
        """Return the weighted sum of the squared distances of the rows to their centres."""
        work = LloydOnGpu(self.X, self.sample_weight, centres, origin, assigns=True)
        work.run()
        return float(work.sums[-1])


@Once
def kernels_for(device: int, dtype: str) -> Any:
    """Return the compiled kernels, from CuPy's cache on disk where they are in it."""
    numbers = {"ROWS": ROWS, "LANES": LANES, "PANEL": PANEL, "THREADS": THREADS, "MOST_CANDIDATES": MOST_CANDIDATES}
    words = numbers | {"VALUE": _C_TYPES[dtype]}
    options = ("-std=c++17", *(f"-D{name}={word}" for name, word in words.items()))
    kernels = cupy.RawModule(code=_SOURCE.read_text(), options=options)
    kernels.compile()
    return kernels
