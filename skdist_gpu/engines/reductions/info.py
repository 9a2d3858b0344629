"""Our own exact block reductions: on threads, on one GPU, or over Dask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from numbers import Integral
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo, of_blocks
from skdist_gpu.engines.reductions.core.protocol import (
    GPU_STEP_BYTES,
    SAMPLED_FOR_CLUSTERS,
    SAMPLED_PER_CLUSTER,
    SAMPLED_ROWS,
    STEP_BYTES,
)
from skdist_gpu.engines.reductions.gpus import n_gpus
from skdist_gpu.engines.reductions.kinds import (
    CLUSTERS,
    LINEAR_STEPS,
    changes_rows,
    is_linear,
    needs_target,
    predicts,
    takes_labels,
)

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

# a module in one of them that has ENTRIES is found
FOLDERS = ("linear", "columns", "classes", "clusters")
_PLACES = {"gpu": "on the GPU", "dask": "where the Dask blocks are", "cpu": "on all cores"}


class Reductions(EngineInfo):
    """Exact sums over blocks of rows."""

    name = "reductions"
    rank = 10
    packages = {"gpu": {"cupy": "14"}, "cpu": {}, "dask": {"dask": ""}}
    extras = {"gpu": "gpu"}
    reads = {"gpu": ("host", "gpu", "disk"), "cpu": ("host", "disk"), "dask": ("host", "dask")}

    def entries(self) -> Iterable[Entry]:
        for folder in FOLDERS:
            package = import_module(f"skdist_gpu.engines.reductions.{folder}")
            for module in iter_modules(package.__path__, f"{package.__name__}."):
                yield from getattr(import_module(module.name), "ENTRIES", ())

    def fits_before(self, device: str, steps: Sequence[Any], estimator: Any, info: InputInfo) -> bool:
        same_target = all(takes_labels(s) == takes_labels(estimator) for s in steps if needs_target(s))
        name = type(estimator).__name__
        behind = predicts(estimator) or name in LINEAR_STEPS
        if device == "gpu":
            return behind and same_target and all(map(is_linear, steps))
        return (behind or name in CLUSTERS) and same_target and all(changes_rows(step, info.dtype) for step in steps)

    def why(self, entry: Entry, estimator: Any, info: InputInfo, resources: Resources) -> list[str]:
        place = _PLACES[entry.device]
        if entry.device == "gpu" and (n := n_gpus(info, resources)) > 1:
            place = f"on {n} GPUs, each with its share of {(info.n_bytes or 0) / 1e9:.1f} GB"
        return [f"exact sums in float64 over blocks of rows, {place}"]

    def held(self, entry: Entry, estimator: Any, info: InputInfo, resources: Resources) -> dict[str, float]:
        """Blocks in work on all threads, and the rows that are drawn to begin with."""
        n, d = info.n_samples or 0, info.n_features or 0
        given = (getattr(estimator, name, None) for name in ("n_clusters", "n_components"))
        n_clusters = next((int(n) for n in given if isinstance(n, Integral)), 0)
        clustered = hasattr(estimator, "n_clusters") or hasattr(estimator, "covariance_type")
        drawn = max(SAMPLED_FOR_CLUSTERS, SAMPLED_PER_CLUSTER * n_clusters) if clustered else SAMPLED_ROWS
        blocks = float(min(8 * n * (d + 1), resources.n_cores * STEP_BYTES))
        decomposed = blocks if getattr(estimator, "cv", 0) is None else 0.0
        return {
            **of_blocks(blocks, info),
            "gram": 8.0 * d * d,
            # every so-many-th row
            "sample": 8.0 * d * (n // -(-max(1, n) // drawn)),
            "decomposed": decomposed,
        }

    def peak_bytes(self, entry: Entry, info: InputInfo, resources: Resources) -> int:
        """Blocks in work plus the sums: independent of the number of rows, but for what tells their folds."""
        sums = 8 * ((info.n_features or 1) + info.n_targets) ** 2
        if entry.device == "gpu":
            return 4 * GPU_STEP_BYTES + 4 * sums
        n_threads = resources.cluster.n_threads if resources.cluster else resources.n_cores
        # rows as they are read, and in float64
        return n_threads * (2 * STEP_BYTES + 3 * sums) + int(entry.row_bytes * (info.n_samples or 0))


INFO = Reductions()
