"""`import skdist_gpu` is light: no engine, and hardly more time than scikit-learn's base."""

import subprocess
import sys

HEAVY = ("cupy", "cudf", "cuml", "dask", "distributed", "dask_ml", "xgboost", "rich", "click")


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def _seconds(module: str) -> float:
    return float(_python(f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"))


def test_import_loads_no_engine():
    loaded = _python(f"import sys, skdist_gpu; print([m for m in {HEAVY} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_import_costs_little_more_than_scikit_learn():
    ours, base = [], []
    for _ in range(5):  # interleaved, and the fastest of each: what else runs here only makes both slower
        base.append(_seconds("sklearn.base"))
        ours.append(_seconds("skdist_gpu"))
    assert min(ours) <= 1.1 * min(base) + 0.060
