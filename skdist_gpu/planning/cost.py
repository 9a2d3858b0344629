"""Predict seconds from a small physical model: start-up, bytes moved, products, passes.

The rates stand in the catalogue; an entry without rates has no prediction. The choice does not depend on them: the
size rule of the catalogue decides.
"""

from __future__ import annotations

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.hardware.detect import Resources

HOST_TO_GPU_BYTES_PER_SECOND = 30e9


def predict_seconds(entry: Entry, info: InputInfo, resources: Resources) -> float | None:
    """Return the predicted duration of a fit in seconds; None without a measured rate."""
    rate = entry.rate
    if rate is None or info.n_elements is None or info.n_features is None or info.n_bytes is None:
        return None
    n_workers = 1
    if rate.parallel:
        n_workers = resources.cluster.n_threads if entry.device == "dask" and resources.cluster else resources.n_cores
    seconds = rate.start + rate.per_product * info.n_elements * info.n_features / max(1, n_workers)
    if entry.device == "gpu" and info.location != "gpu":
        seconds += info.n_bytes / HOST_TO_GPU_BYTES_PER_SECOND
    return seconds
