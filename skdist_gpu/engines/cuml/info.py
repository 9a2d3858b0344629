"""cuML on one GPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.cuml import entries_preprocessing, entries_supervised, entries_unsupervised
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import ANY_PACKAGE, EngineInfo


class CuML(EngineInfo):
    """cuML's estimators, brought home as scikit-learn's."""

    name = "cuml"
    rank = 20
    packages = {"gpu": {"cuml": "26.10", "cupy": "14"}}
    extras = {"gpu": "gpu"}
    reads = {"gpu": ("host", "gpu", "dask")}
    scores = {"gpu": (ANY_PACKAGE,)}
    scores_in_turns = True

    def entries(self) -> Iterable[Entry]:
        return (*entries_supervised.ENTRIES, *entries_unsupervised.ENTRIES, *entries_preprocessing.ENTRIES)

    def scoring_refusals(self, model: Any, method: str, info: InputInfo, device: str) -> list[str]:
        if hasattr(model, "embedding_"):
            return ["places new rows elsewhere than the plain estimator does"]
        return []


INFO = CuML()
