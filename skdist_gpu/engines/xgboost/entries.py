"""What XGBoost fits: in one process, from batches of rows, and over Dask, each an engine of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skdist_gpu.engines.entry import Allowed, Entry
from skdist_gpu.engines.xgboost import entries_boosting


def _xgboost(estimator: str) -> list[Entry]:
    histograms: dict[str, Allowed] = {
        "tree_method": (None, "auto", "hist", "approx"),
        "booster": (None, "gbtree", "dart"),
    }
    pages: dict[str, Allowed] = {"tree_method": (None, "auto", "hist"), "booster": (None, "gbtree", "dart")}
    on_gpu: dict[str, Allowed] = {"device": lambda d: d != "cpu"}
    on_cpu: dict[str, Allowed] = {"device": lambda d: not _is_gpu(d)}
    on_dask: dict[str, Allowed] = {"device": _has_no_number}
    # its own estimators take whatever it takes
    taken: dict[str, Any] = {"weights": True, "multi_target": True, "native": True}
    return [
        Entry(
            estimator,
            "xgboost",
            "gpu",
            accepts=histograms | on_gpu,
            sparse=True,
            **taken,
        ),
        Entry(
            estimator,
            "xgboost.external",
            "gpu",
            accepts=pages | on_gpu,
            **taken,
        ),
        Entry(
            estimator,
            "xgboost.dask",
            "dask",
            accepts=histograms | on_dask,
            sparse=True,
            **taken,
        ),
        Entry(estimator, "xgboost", "cpu", accepts=on_cpu, sparse=True, **taken),
        Entry(estimator, "xgboost.external", "cpu", accepts=pages | on_cpu, sparse=True, **taken),
    ]


def _is_gpu(device: Any) -> bool:
    return str(device).startswith(("cuda", "gpu"))


def _has_no_number(device: Any) -> bool:
    return ":" not in str(device)  # XGBoost's workers each take the GPU that Dask shows them


ESTIMATORS = ("XGBRegressor", "XGBClassifier", "XGBRanker", "XGBRFRegressor", "XGBRFClassifier")
_ENTRIES = (*(entry for estimator in ESTIMATORS for entry in _xgboost(estimator)), *entries_boosting.ENTRIES)


def entries_of(backend: str) -> Iterable[Entry]:
    """Return the entries of one of XGBoost's engines."""
    return (entry for entry in _ENTRIES if entry.backend == backend)
