"""Predict seconds from a small physical model: start-up, bytes moved, products, passes.

The rates were measured by `benchmarks/least_squares.py`; an estimator without rates has no prediction. The
choice does not depend on them: the size rule of the catalogue decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.hardware.detect import Resources


@dataclass(frozen=True)
class Rate:
    """Seconds to start, and per product of two values of one row (``n * d**2`` of them)."""

    start: float
    per_product: float
    parallel: bool = False


# (estimator, backend, device) -> rate; CPU rates for one core
RATES = {
    ("LinearRegression", "sklearn", "cpu"): Rate(1e-3, 1.2e-9),
    ("Ridge", "sklearn", "cpu"): Rate(1e-3, 1.0e-10),
    ("LinearRegression", "reductions", "cpu"): Rate(3e-3, 8.5e-11, parallel=True),
    ("Ridge", "reductions", "cpu"): Rate(3e-3, 8.5e-11, parallel=True),
    ("LinearRegression", "reductions", "dask"): Rate(5e-2, 1.0e-10, parallel=True),
    ("Ridge", "reductions", "dask"): Rate(5e-2, 1.0e-10, parallel=True),
    ("LinearRegression", "reductions", "gpu"): Rate(1e-2, 1.6e-13),
    ("Ridge", "reductions", "gpu"): Rate(1e-2, 1.6e-13),
    ("LinearRegression", "cuml", "gpu"): Rate(3e-2, 3.0e-12),
    ("Ridge", "cuml", "gpu"): Rate(3e-2, 3.0e-12),
}
HOST_TO_GPU_BYTES_PER_SECOND = 30e9


def predict_seconds(entry: Entry, info: InputInfo, resources: Resources) -> float | None:
    """Return the predicted duration of a fit in seconds; None without a measured rate."""
    rate = RATES.get((entry.estimator, entry.backend, entry.device))
    if rate is None or info.n_elements is None or info.n_features is None or info.n_bytes is None:
        return None
    n_workers = 1
    if rate.parallel:
        n_workers = resources.cluster.n_threads if entry.device == "dask" and resources.cluster else resources.n_cores
    seconds = rate.start + rate.per_product * info.n_elements * info.n_features / max(1, n_workers)
    if entry.device == "gpu" and info.location != "gpu":
        seconds += info.n_bytes / HOST_TO_GPU_BYTES_PER_SECOND
    return seconds
