"""What XGBoost fits."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.entry import Allowed, Entry


def _xgboost(estimator: str) -> list[Entry]:
    gpu = "XGBoost's GPU pays from about a million rows (GBM-perf)"
    packages = ("xgboost",)
    histograms: dict[str, Allowed] = {
        "tree_method": (None, "auto", "hist", "approx"),
        "booster": (None, "gbtree", "dart"),
    }
    pages: dict[str, Allowed] = {"tree_method": (None, "auto", "hist"), "booster": (None, "gbtree", "dart")}
    on_gpu: dict[str, Allowed] = {"device": lambda d: d != "cpu"}
    on_cpu: dict[str, Allowed] = {"device": lambda d: not _is_gpu(d)}
    on_dask: dict[str, Allowed] = {"device": _has_no_number}
    cluster = ("xgboost", "dask", "distributed")
    return [
        Entry(
            estimator,
            "xgboost",
            "gpu",
            accepts=histograms | on_gpu,
            sparse=True,
            break_even=2e7,
            source=gpu,
            packages=packages,
        ),
        Entry(
            estimator,
            "xgboost.external",
            "gpu",
            accepts=pages | on_gpu,
            break_even=2e7,
            source="10 GB of Parquet: 50 rounds in 29 s on an H100, 20 rounds in 2500 s on two busy cores",
            packages=(*packages, "cupy"),
        ),
        Entry(
            estimator,
            "xgboost.dask",
            "dask",
            accepts=histograms | on_dask,
            sparse=True,
            packages=cluster,
        ),
        Entry(estimator, "xgboost", "cpu", accepts=on_cpu, sparse=True, packages=packages),
        Entry(estimator, "xgboost.external", "cpu", accepts=pages | on_cpu, sparse=True, packages=packages),
    ]


def _is_gpu(device: Any) -> bool:
    return str(device).startswith(("cuda", "gpu"))


def _has_no_number(device: Any) -> bool:
    return ":" not in str(device)  # XGBoost's workers each take the GPU that Dask shows them


ESTIMATORS = ("XGBRegressor", "XGBClassifier", "XGBRanker", "XGBRFRegressor", "XGBRFClassifier")
ROWS: tuple[Entry, ...] = tuple(row for estimator in ESTIMATORS for row in _xgboost(estimator))
