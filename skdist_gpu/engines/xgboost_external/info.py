"""XGBoost's external memory: batches of rows, more of them than fit in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo, of_blocks
from skdist_gpu.engines.xgboost.entries import entries_of
from skdist_gpu.engines.xgboost.info import CPU_ROW_BYTES, GPU_ROW_BYTES, LOWEST, rows_of_targets

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

# of a batch in float32: large enough for all cores, small beside a laptop's memory
BATCH_BYTES, GPU_BATCH_BYTES = 64 * 2**20, 256 * 2**20


class XGBoostExternal(EngineInfo):
    """XGBoost, fed batch by batch."""

    name = "xgboost.external"
    rank = 50
    packages = {"gpu": {"xgboost": LOWEST, "cupy": "14"}, "cpu": {"xgboost": LOWEST}}
    extras = {"gpu": "gpu", "cpu": "cpu"}
    reads = {"gpu": ("host", "gpu", "dask", "disk"), "cpu": ("host", "gpu", "dask", "disk")}
    takes_fit_arguments = True

    def entries(self) -> Iterable[Entry]:
        return entries_of(self.name)

    def why_slower(self, entry: Entry, info: InputInfo) -> str | None:
        in_memory = info.location in ("host", "gpu")
        return "the data are in memory, and XGBoost takes them at once where that fits" if in_memory else None

    def held(self, entry: Entry, estimator: Any, info: InputInfo, resources: Resources) -> dict[str, float]:
        return of_blocks(min(4.0 * (info.n_elements or 0), BATCH_BYTES), info)

    def peak_bytes(self, entry: Entry, info: InputInfo, resources: Resources) -> int:
        """What is kept for each row, and the batches and pages in work."""
        if entry.device == "gpu":
            return rows_of_targets(info) * GPU_ROW_BYTES + 6 * GPU_BATCH_BYTES
        return rows_of_targets(info) * CPU_ROW_BYTES + 10 * BATCH_BYTES


INFO = XGBoostExternal()
