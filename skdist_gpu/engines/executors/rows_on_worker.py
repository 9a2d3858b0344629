"""Cluster a few rows on the GPU of a Dask worker, which the client's own cores would take longer for."""

from __future__ import annotations

from operator import methodcaller
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.clusters.on_device import Steps
from skdist_gpu.protocols import DaskClient


class RowsOnWorker:
    """Rows on the GPU of a worker, which clusters them there; methods as of ``RowsOnDevice``."""

    def __init__(self, client: DaskClient, worker: str, X: np.ndarray, weight: np.ndarray) -> None:
        self.client, self.place = client, {"workers": [worker], "pure": False}
        sent = client.scatter([X, weight], workers=[worker], hash=False)
        self.rows = client.submit(_rows_on_gpu, *sent, **self.place)

    def takes(self, n_clusters: int) -> bool:
        """Whether the GPU can for so many clusters."""
        return self._ask("takes", n_clusters)

    def seed(self, first: int, uniform: np.ndarray) -> np.ndarray:
        """Return the rows that k-means++ chooses."""
        return self._ask("seed", first, uniform)

    def steps(self, centres: np.ndarray, origin: np.ndarray, max_iter: int, tolerance: float) -> Steps:
        """Move the centres until they stay or one has no rows."""
        return self._ask("steps", centres, origin, max_iter, tolerance)

    def inertia(self, centres: np.ndarray, origin: np.ndarray) -> float:
        """Return the weighted sum of the squared distances of the rows to their centres."""
        return self._ask("inertia", centres, origin)

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self.client.submit(methodcaller(method, *arguments), self.rows, **self.place).result()


def _rows_on_gpu(X: np.ndarray, weight: np.ndarray) -> Any:
    from skdist_gpu.engines.executors.cluster_kernels import ClustersOnGpu

    return ClustersOnGpu.of(X, weight)
