"""XGBoost on the workers of Dask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo
from skdist_gpu.engines.reason import LACKS_HARDWARE, Reason
from skdist_gpu.engines.xgboost.entries import entries_of
from skdist_gpu.engines.xgboost.info import LOWEST

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources


class XGBoostOverDask(EngineInfo):
    """XGBoost, each worker of Dask with its share of the rows."""

    name = "xgboost.dask"
    rank = 50
    packages = {"dask": {"xgboost": LOWEST, "dask": "", "distributed": ""}}
    extras = {"dask": "cpu"}
    reads = {"dask": ("host", "gpu", "dask")}
    takes_fit_arguments = True

    def entries(self) -> Iterable[Entry]:
        return entries_of(self.name)

    def machine_refusals(self, entry: Entry, resources: Resources) -> list[str]:
        lacks = Reason("needs a Dask client; create distributed.Client() first", LACKS_HARDWARE, "a Dask client")
        return [] if resources.cluster else [lacks]

    def peak_bytes(self, entry: Entry, info: InputInfo, resources: Resources) -> int:
        return 8 * (info.n_elements or 0)


INFO = XGBoostOverDask()
