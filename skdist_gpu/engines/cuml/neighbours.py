"""Find the neighbours of rows among more fitted rows than a GPU holds: among shares of them, one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import validate_data

from skdist_gpu._compat.sklearn import rows_fitted_to, with_neighbours
from skdist_gpu.data.blocks import take_rows


def are_many(estimator: Any, n_gpus: int, memory_budget: int | None = None) -> bool:
    """Whether a fitted model keeps more rows than each of so many GPUs holds at once."""
    from skdist_gpu.engines.executors.gpu_turns import rows_at_once

    fitted = rows_fitted_to(estimator)
    if fitted is None or not hasattr(estimator, "kneighbors"):
        return False
    return rows_at_once(fitted, n_gpus, memory_budget) < fitted.shape[0]


def among_many(estimator: Any, method: str, X: Any, n_gpus: int, memory_budget: int | None = None) -> Any:
    """Return what a method of the fitted model says of rows in main memory, by the neighbours that GPUs find."""
    X = validate_data(estimator, X, reset=False, accept_sparse="csr")
    return getattr(with_neighbours(estimator, *nearest(estimator, X, n_gpus, memory_budget)), method)(X)


def nearest(estimator: Any, X: Any, n_gpus: int, memory_budget: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return distances and numbers of the nearest fitted rows, nearest first, each of shape (n_rows, n_neighbors).

    Parameters
    ----------
    estimator : estimator
        A fitted model of neighbours, of which cuML knows the metric.
    X : container of shape (n_rows, n_columns)
        Rows in main memory.
    n_gpus : int
        Among how many GPUs to divide the rows; each takes all shares.
    memory_budget : int or None
        Bytes that a share, and so many rows, may take on each GPU; None for what is free.
    """
    from skdist_gpu.engines.executors.gpu_turns import in_turns, rows_at_once

    fitted, n_neighbors = rows_fitted_to(estimator), estimator.n_neighbors
    n_fitted, step = fitted.shape[0], rows_at_once(fitted, n_gpus, memory_budget)
    found: list[np.ndarray] = []
    for start in range(0, n_fitted, step):
        share = _Share(estimator, take_rows(fitted, slice(start, start + step)), n_neighbors)
        distances, numbers = in_turns(share.nearest, X, n_gpus, memory_budget)
        numbers = numbers + start
        if found:
            distances, numbers = (np.hstack(pair) for pair in zip(found, (distances, numbers), strict=True))
        # of rows as far, those before come first
        order = np.argsort(distances, axis=1, kind="stable")[:, :n_neighbors]
        found = [np.take_along_axis(part, order, axis=1) for part in (distances, numbers)]
    return found[0], found[1]


class _Share:
    """Some of the fitted rows, which each GPU gets once."""

    def __init__(self, estimator: Any, rows: Any, n_neighbors: int) -> None:
        metric = {name: getattr(estimator, name) for name in ("metric", "p", "metric_params")}
        self.plain = NearestNeighbors(n_neighbors=min(n_neighbors, rows.shape[0]), algorithm="brute", **metric)
        self.plain.fit(rows)
        self.copies: dict[int, Any] = {}

    def nearest(self, X: Any, n_threads: int) -> tuple[np.ndarray, np.ndarray]:
        """Return distances and numbers of the nearest rows of the share, by the current GPU."""
        import cupy

        from skdist_gpu.engines.cuml.fit import to_cuml

        device = cupy.cuda.Device().id
        if device not in self.copies:
            self.copies[device] = to_cuml(self.plain)
        distances, numbers = self.copies[device].kneighbors(X)
        return cupy.asnumpy(distances), cupy.asnumpy(numbers)
