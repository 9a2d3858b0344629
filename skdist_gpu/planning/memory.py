"""Predict the peak of memory of an engine, and what is free for it."""

from __future__ import annotations

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.hardware.detect import Resources

# rows that one reduction task holds in float64, see reductions.moments
BLOCK_BYTES = 4 * 2**20
GPU_BLOCK_BYTES = 2**29


def predict_bytes(entry: Entry, info: InputInfo, resources: Resources) -> int | None:
    """Return the bytes at the peak that come on top of the user's data; None if unknown."""
    if info.n_elements is None or info.n_bytes is None:
        return None
    if entry.backend == "reductions":
        return _reduction_bytes(entry, info, resources)
    on_device = info.n_elements * (4 if info.dtype == "float32" else 8)
    if entry.backend == "xgboost":
        on_device = info.n_elements * 4
    already_there = entry.device == "gpu" and info.location == "gpu"
    pairs = entry.pair_bytes * (info.n_samples or 0) ** 2
    return int(on_device * (entry.memory - already_there) + pairs)


def _reduction_bytes(entry: Entry, info: InputInfo, resources: Resources) -> int:
    """Blocks in work plus the sums: independent of the number of rows."""
    sums = 8 * ((info.n_features or 1) + info.n_targets) ** 2
    if entry.device == "gpu":
        return 4 * GPU_BLOCK_BYTES + 4 * sums
    n_threads = resources.cluster.n_threads if resources.cluster else resources.n_cores
    return n_threads * (BLOCK_BYTES + 3 * sums)


def free_bytes(entry: Entry, resources: Resources, memory_budget: int | None) -> int:
    """Return the bytes that an engine may take on its device."""
    if memory_budget is not None:
        return memory_budget
    if entry.device == "gpu":
        # the CUDA libraries take some 400 MB beside the pools
        return max(0, int(0.95 * resources.gpus[0].free_bytes) - 400 * 2**20) if resources.gpus else 0
    if entry.device == "dask" and resources.cluster and resources.cluster.memory_bytes:
        return resources.cluster.memory_bytes
    return resources.available_bytes
