"""Call a method of a fitted estimator on data in any container, lazily for lazy data."""

from __future__ import annotations

from typing import Any

from skdist_gpu.data.containers import DASK, GPU, container_of
from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.scoring.files import ScoredDataset
from skdist_gpu.scoring.methods import apply_to_block
from skdist_gpu.scoring.planned import call_planned


def apply_to(function: BlockMethod, X: Any) -> Any:
    """Return the method's result for `X`: lazy for Dask and files, on the GPU for CuPy and cuDF."""
    container = container_of(X)
    if container in DASK:
        from skdist_gpu.scoring.lazy import map_rows  # imports Dask

        return map_rows(function, X)
    if container in ("arrow.dataset", "polars.lazy"):
        return ScoredDataset(function, X)
    return apply_to_block(function, X) if container in GPU else call_planned(function, X)
