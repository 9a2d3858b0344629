"""Measure the memory at the peak of a fit beside what the plan says, each fit in a process of its own.

python benchmarks/peak_memory.py measure FILE.jsonl [--only NAME …]
python benchmarks/peak_memory.py fit FILE.jsonl [--output skdist_gpu/planning/rates/memory.json]

A small fit loads and compiles what stays; then the kernel's high-water mark of resident memory is set back, and what it
rises to above the process with its rows is the fit's. A third of the workloads is kept out of the fit.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import multiprocessing
import pathlib
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from rates import info_of, is_kept_out, read
from scipy.optimize import nnls
from sklearn.base import clone
from workloads import FAMILIES, TAKE_SPARSE, in_container, make_rows

SHAPES = (
    *((40_000, 60), (1_500, 2_000), (300_000, 10), (8_000, 400), (20_000, 15), (120_000, 30), (4_000, 1_000)),
    *((6_000, 40), (800_000, 10), (30_000, 150), (3_000, 200), (60_000, 20), (2_000, 3_000), (1_000_000, 40)),
)
SPARSE = ((60_000, 1_000, 0.02), (20_000, 5_000, 0.01), (150_000, 400, 0.05), (300_000, 100, 0.1))
# containers, dtypes and parameters beside NumPy's float64 and the families' own
OTHERS = (("pandas", 40_000, 60), ("pandas", 300_000, 10), ("pandas", 8_000, 400), ("float32", 300_000, 10))
OTHERS += (("float32", 60_000, 60), ("float32", 8_000, 800), ("classes", 40_000, 60), ("classes", 8_000, 400))
N_CLASSES = 6
PARAMS: dict[str, dict[str, Any]] = {
    "KMeans": {"n_clusters": 60},
    "MiniBatchKMeans": {"n_clusters": 60},
    "GaussianMixture": {"n_components": 10},
    "PCA": {"n_components": 30},
    "TruncatedSVD": {"n_components": 30},
    "RandomForestClassifier": {"n_estimators": 5, "max_depth": 8},
    "RandomForestRegressor": {"n_estimators": 5, "max_depth": 8},
    "ExtraTreesClassifier": {"n_estimators": 60},
    "HistGradientBoostingClassifier": {"max_iter": 20},
    "XGBRegressor": {"n_estimators": 60, "max_depth": 8},
    "NearestNeighbors": {"algorithm": "brute"},
    "KNeighborsClassifier": {"algorithm": "ball_tree"},
    "LogisticRegressionCV": {"Cs": 8, "cv": 5, "l1_ratios": (0,)},
    "LassoCV": {"cv": 3},
    "RidgeCV": {"cv": 4},
    "LocalOutlierFactor": {"n_neighbors": 60, "novelty": True},
    "QuantileTransformer": {"n_quantiles": 100, "subsample": None},
    "SVC": {"cache_size": 50},
    "SVR": {"cache_size": 50},
}
CHANGED = ((40_000, 60), (20_000, 15), (6_000, 40), (30_000, 150))
LIMIT, TIMEOUT, UNPRICED = 2.0, 200.0, 4_000_000
# bytes below which nobody minds how many there are
LEAST = 4 * 2**20
PRELOADED = ["workloads", "skdist_gpu", "pandas", "sklearnex", "xgboost", "sklearn.ensemble", "sklearn.cluster"]


def status(name: str) -> int:
    """Return a figure of this process's memory in bytes."""
    line = next(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def peak_of(call: Any) -> int:
    """Return by how much resident memory rises while a call runs."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    kept = call()
    del kept
    return status("VmHWM") - before


def rows_of(work: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the estimator of a workload, its rows and its target."""
    family = FAMILIES[work["estimator"]]
    X, y = make_rows(family, work["rows"], work["columns"], work["density"])
    if work["container"] == "classes" and family.target == "class":
        y = np.random.default_rng(2).integers(0, N_CLASSES // 2, len(y)) + y * (N_CLASSES // 2)
    if work["container"] == "float32":
        X = X.astype(np.float32)
    X, y = in_container(X, y, work["container"])
    return family.make().set_params(**work.get("params", {})), X, y


def workloads(only: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the workloads, every estimator at one size before the next size."""
    sizes = [("numpy", n, d, 0.0) for n, d in SHAPES]
    others = [(*other, 0.0) for other in OTHERS] + [("csr", *shape) for shape in SPARSE]
    for container, n, d, density in [*sizes[:5], *others, *sizes[5:]]:
        for name in only:
            if (container == "csr" and name not in TAKE_SPARSE) or (
                container == "classes" and FAMILIES[name].target != "class"
            ):
                continue
            work = {"estimator": name, "container": container, "rows": n, "columns": d, "density": density}
            yield work
            if name in PARAMS and container == "numpy" and (n, d) in CHANGED:
                yield work | {"params": PARAMS[name]}


def measure_one(work: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the bytes and the seconds of each engine's fit that takes a few seconds, and what the plan says of it."""
    from skdist_gpu import autoscale

    estimator, X, y = rows_of(work)
    few = slice(None, None, max(1, work["rows"] // 400))
    small = X.iloc[few] if hasattr(X, "iloc") else X[few]
    for candidate in autoscale(estimator).plan(X, y).ladder:
        unpriced = candidate.seconds is None or candidate.guess
        if work["rows"] * work["columns"] > UNPRICED if unpriced else candidate.seconds > LIMIT:
            continue
        model = autoscale(estimator, backend=candidate.name, fallback="raise")
        try:
            model.fit(small, None if y is None else y[few])
            start = time.perf_counter()
            n_bytes = peak_of(lambda model=model: clone(model).fit(X, y))
        except Exception as error:
            print(work, candidate.name, f"{type(error).__name__}: {error}"[:100], file=sys.stderr)
            continue
        seconds = round(time.perf_counter() - start, 4)
        told = {"engine": candidate.name, "predicted": candidate.n_bytes, "threads": candidate.threads}
        yield work | told | {"bytes": n_bytes, "seconds": seconds}


def write_one(work: dict[str, Any], file: pathlib.Path) -> None:
    """Append a line for each fit of a workload to a file."""
    warnings.simplefilter("ignore")
    with file.open("a") as out:
        for row in measure_one(work):
            print(json.dumps(row), file=out, flush=True)


def measure(options: argparse.Namespace) -> None:
    """Measure each workload in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    for work in workloads(options.only or list(FAMILIES)):
        process = context.Process(target=write_one, args=(work, options.file))
        process.start()
        process.join(TIMEOUT)
        if process.is_alive():
            print("takes too long:", work, file=sys.stderr)
            process.kill()
            process.join()


def main() -> None:
    """Run the part that is asked for."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["measure", "fit"])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    {"measure": measure, "fit": measure}[options.part](options)


if __name__ == "__main__":
    main()
