"""Predict the peak of memory of an engine, and what is free for it.

The sizes of blocks are here, and engines take them from here, so that they hold what the plan says.
"""

from __future__ import annotations

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.reductions.core.protocol import STEP_BYTES
from skdist_gpu.engines.voting.info import BLOCK_ROWS as VOTING_ROWS
from skdist_gpu.hardware.detect import Resources

# a float64 copy of this size keeps a GPU busy and leaves room on small ones
GPU_STEP_BYTES = 2**29
# rows of a block that partial_fit gets from files or from memory
INCREMENTAL_ROWS = 16_384
# of XGBoost: gradients, predictions, positions and labels of a row
CPU_ROW_BYTES, GPU_ROW_BYTES = 40, 60
# of XGBoost's external memory, in float32: large enough for all cores, small beside a laptop's memory
BATCH_BYTES, GPU_BATCH_BYTES = 64 * 2**20, 256 * 2**20


def predict_bytes(entry: Entry, info: InputInfo, resources: Resources) -> int | None:
    """Return the bytes at the peak that come on top of the user's data; None if unknown."""
    if info.n_elements is None or info.n_values is None:
        return None
    if entry.backend == "reductions":
        return _reduction_bytes(entry, info, resources)
    if entry.backend == "incremental":
        return _largest_block(info, INCREMENTAL_ROWS)
    if entry.backend == "voting":
        # threads of this process fit the partitions of Dask, unless workers do
        at_once = resources.n_cores if info.block_sizes and resources.cluster is None else 1
        return at_once * _largest_block(info, min(info.n_samples or 0, VOTING_ROWS * 3 // 2))
    if entry.backend.startswith("xgboost"):
        return _xgboost_bytes(entry, info)
    on_device = info.n_values * ((4 if info.dtype == "float32" else 8) + (4 if info.sparse else 0))
    already_there = entry.device == "gpu" and info.location == "gpu"
    pairs = entry.pair_bytes * (info.n_samples or 0) ** 2
    return int(on_device * (entry.memory - already_there) + pairs)


def _reduction_bytes(entry: Entry, info: InputInfo, resources: Resources) -> int:
    """Blocks in work plus the sums: independent of the number of rows, but for what tells their folds."""
    sums = 8 * ((info.n_features or 1) + info.n_targets) ** 2
    if entry.device == "gpu":
        return 4 * GPU_STEP_BYTES + 4 * sums
    n_threads = resources.cluster.n_threads if resources.cluster else resources.n_cores
    # rows as they are read, and in float64
    return n_threads * (2 * STEP_BYTES + 3 * sums) + int(entry.row_bytes * (info.n_samples or 0))


def _largest_block(info: InputInfo, block_rows: int) -> int:
    """Bytes of a block in float64, twice: as it is read, and as the estimator takes it."""
    sizes = [n for n in info.block_sizes if n is not None]
    n_rows = max(sizes) if sizes else (info.n_samples or 0) // max(1, len(info.block_sizes))
    return 16 * (info.n_features or 1) * (n_rows if info.block_sizes else block_rows)


def what_would_fit(entries: tuple[Entry, ...], info: InputInfo, n_bytes: int, free: int) -> str:
    """Say how scikit-learn's estimator could be trained nevertheless; nothing of it is done without being asked."""
    rows = int((info.n_samples or 0) * free / n_bytes)
    # two digits, so that it reads as the estimate that it is
    rows -= rows % 10 ** max(0, len(str(rows)) - 2)
    ways = [f"a random sample of {rows:,} rows would fit".replace(",", " ")]
    if any(name in entries[0].estimator for name in ("RandomForest", "ExtraTrees", "GradientBoosting")):
        ways.append("XGBoost trains trees on data larger than memory, XGBRFClassifier and XGBRFRegressor forests")
    if any(entry.backend == "voting" for entry in entries):
        ways.append("backend='voting' fits a model to each block of rows and lets them vote")
    return "; ".join(ways)


def _xgboost_bytes(entry: Entry, info: InputInfo) -> int:
    """Bins of all values, what is kept for each row, and copies of the data where it takes them."""
    n_elements, n_rows = info.n_elements or 0, (info.n_samples or 0) * max(1, info.n_targets)
    if entry.backend == "xgboost.external":
        # and the batches and pages in work
        on_gpu = entry.device == "gpu"
        return n_rows * GPU_ROW_BYTES + 6 * GPU_BATCH_BYTES if on_gpu else n_rows * CPU_ROW_BYTES + 10 * BATCH_BYTES
    if entry.device == "gpu":
        copied = 0 if info.location == "gpu" else 4
        return int(n_elements * (1.25 + copied)) + n_rows * GPU_ROW_BYTES
    if entry.device == "dask":
        return n_elements * 8
    copied = 0 if info.container in ("numpy", "scipy.sparse") else 4  # frames become float32
    gathered = 0 if info.location == "host" else info.n_bytes or 0
    return int(n_elements * (2.5 + copied)) + gathered + n_rows * CPU_ROW_BYTES


def free_bytes(entry: Entry, resources: Resources, memory_budget: int | None) -> int:
    """Return the bytes that an engine may take on its device."""
    if memory_budget is not None:
        return memory_budget
    if entry.device == "gpu":
        # the CUDA libraries take some 400 MB beside the pools
        return max(0, int(0.95 * resources.gpus[0].free_bytes) - 400 * 2**20) if resources.gpus else 0
    if entry.backend == "cuml.dask" and resources.cluster and resources.gpus:
        return int(0.95 * resources.gpus[0].free_bytes) * resources.cluster.n_gpus  # GPUs alike
    if entry.device == "dask" and resources.cluster and resources.cluster.memory_bytes:
        return resources.cluster.memory_bytes
    return resources.available_bytes
