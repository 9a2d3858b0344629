"""XGBoost in this process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo
from skdist_gpu.engines.xgboost.entries import entries_of

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

LOWEST = "3.2"
# gradients, predictions, positions and labels of a row
CPU_ROW_BYTES, GPU_ROW_BYTES = 40, 60
_TREES = ("RandomForest", "ExtraTrees", "GradientBoosting")


class XGBoost(EngineInfo):
    """XGBoost's own estimators, and scikit-learn's gradient boosting where it is asked for by name."""

    name = "xgboost"
    rank = 50
    packages = {"gpu": {"xgboost": LOWEST}, "cpu": {"xgboost": LOWEST}}
    extras = {"gpu": "gpu", "cpu": "cpu"}
    reads = {"gpu": ("host", "gpu", "dask", "disk"), "cpu": ("host", "gpu", "dask", "disk")}
    scores = {"cpu": ("xgboost",), "gpu": ("xgboost",)}
    scores_in_turns = True
    takes_fit_arguments = True

    def entries(self) -> Iterable[Entry]:
        return entries_of(self.name)

    def data_refusals(self, entry: Entry, info: InputInfo) -> list[str]:
        if info.location == "disk" and info.n_elements is None:
            return ["these files do not tell how many rows they have, which must fit in memory"]
        return []

    def peak_bytes(self, entry: Entry, info: InputInfo, resources: Resources) -> int:
        """Bins of all values, what is kept for each row, and copies of the data where it takes them."""
        n_elements, n_rows = info.n_elements or 0, rows_of_targets(info)
        if entry.device == "gpu":
            copied = 0 if info.location == "gpu" else 4
            return int(n_elements * (1.25 + copied)) + n_rows * GPU_ROW_BYTES
        copied = 0 if info.container in ("numpy", "scipy.sparse") else 4  # frames become float32
        gathered = 0 if info.location == "host" else info.n_bytes or 0
        return int(n_elements * (2.5 + copied)) + gathered + n_rows * CPU_ROW_BYTES

    def instead(self, estimator: str) -> str | None:
        if not any(trees in estimator for trees in _TREES):
            return None
        return "XGBoost trains trees on data larger than memory, XGBRFClassifier and XGBRFRegressor forests"


def rows_of_targets(info: InputInfo) -> int:
    """Return the number of rows, counted again for each column of `y`."""
    return (info.n_samples or 0) * max(1, info.n_targets)


INFO = XGBoost()
