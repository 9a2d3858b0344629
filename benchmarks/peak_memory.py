"""Measure the memory at the peak of a fit beside what the plan says, each fit in a process of its own.

python benchmarks/peak_memory.py measure FILE.jsonl [--only NAME …]
python benchmarks/peak_memory.py fit FILE [--output skdist_gpu/planning/held.json]

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
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
from rates import is_kept_out, read
from scipy.optimize import nnls
from sklearn.base import clone
from workloads import FAMILIES, TAKE_SPARSE, Family, in_container, make_rows

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.planning.cost import rate_key
from skdist_gpu.planning.forms import form_of
from skdist_gpu.planning.memory import held_by
from skdist_gpu.testing import make_resources

SHAPES = (
    *((40_000, 60), (1_500, 2_000), (300_000, 10), (8_000, 400), (20_000, 15), (120_000, 30), (4_000, 1_000)),
    *((6_000, 40), (800_000, 10), (30_000, 150), (3_000, 200), (60_000, 20), (2_000, 3_000), (1_000_000, 40)),
    *((25_000, 90), (200_000, 25), (12_000, 250), (5_000, 80), (70_000, 45), (500_000, 15)),
)
LARGE = ((300_000, 60), (40_000, 500), (2_000_000, 25), (12_000, 3_000), (120_000, 300))
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
WORK = ("estimator", "container", "rows", "columns", "density", "params")
LIMIT, TIMEOUT, UNPRICED = 1.5, 60.0, 4_000_000
# estimators that no rate of time was measured of, with what they hold for each pair of rows, or in trees
MORE = {
    family.name: family
    for family in (
        Family("sklearn.kernel_ridge.KernelRidge", {"kernel": "rbf"}, "number"),
        Family("sklearn.gaussian_process.GaussianProcessRegressor", {"optimizer": None, "alpha": 0.1}, "number"),
        Family("sklearn.cluster.AgglomerativeClustering", {}),
        Family("sklearn.cluster.SpectralClustering", {"random_state": 0}),
        Family("sklearn.cluster.AffinityPropagation", {"max_iter": 10, "random_state": 0}),
        Family("sklearn.tree.DecisionTreeRegressor", {}, "number"),
        Family("sklearn.ensemble.GradientBoostingRegressor", {"n_estimators": 10}, "number"),
        Family("sklearn.ensemble.IsolationForest", {}),
        Family("sklearn.neural_network.MLPRegressor", {"max_iter": 2}, "number"),
    )
}
MEASURED = FAMILIES | MORE
# rows of which some of them keep all pairs
MOST_PAIRED = 8_000
# how much what is not told follows what is like it
PULL, N_CORES = 0.01, 2
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
    family = MEASURED[work["estimator"]]
    X, y = make_rows(family, work["rows"], work["columns"], work["density"])
    if work["container"] == "classes" and family.target == "class":
        y = np.random.default_rng(2).integers(0, N_CLASSES // 2, len(y)) + y * (N_CLASSES // 2)
    if work["container"] == "float32":
        X = X.astype(np.float32)
    X, y = in_container(X, y, work["container"])
    return family.make().set_params(**work.get("params", {})), X, y


def workloads(only: list[str], large: bool) -> Iterator[dict[str, Any]]:
    """Yield the workloads, every estimator at one size before the next size."""
    sizes = [("numpy", n, d, 0.0) for n, d in SHAPES]
    others = [(*other, 0.0) for other in OTHERS] + [("csr", *shape) for shape in SPARSE]
    usual = [*sizes[:5], *others, *sizes[5:]]
    for container, n, d, density in [("numpy", n, d, 0.0) for n, d in LARGE] if large else usual:
        for name in only:
            if name in MORE and (container != "numpy" or n > MOST_PAIRED):
                continue
            if container == "csr" and name not in TAKE_SPARSE:
                continue
            if container == "classes" and MEASURED[name].target != "class":
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
    """Measure each workload in a process of its own, less those that the file has already."""
    measured = read(options.file) if options.file.exists() else []
    done = [{name: row.get(name) for name in WORK} for row in measured]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    for work in workloads(options.only or list(MEASURED), options.large):
        if {name: work.get(name) for name in WORK} in done:
            continue
        process = context.Process(target=write_one, args=(work, options.file))
        process.start()
        process.join(TIMEOUT)
        if process.is_alive():
            print("takes too long:", work, file=sys.stderr)
            process.kill()
            process.join()


def key_of(row: dict[str, Any], who: str = "") -> str:
    """Return the name of the numbers that a fit goes by: of its estimator, or of all of its form."""
    return rate_key(who or row["estimator"], row["engine"], row["container"] == "csr")


def terms_of(row: dict[str, Any]) -> dict[str, float]:
    """Return what the fit may hold, in bytes."""
    sparse, n, d = row["container"] == "csr", row["rows"], row["columns"]
    classes = {"class": N_CLASSES if row["container"] == "classes" else 2}
    info = InputInfo(
        {"csr": "scipy.sparse", "pandas": "pandas"}.get(row["container"], "numpy"),
        n,
        d,
        dtype="float32" if row["container"] == "float32" else "float64",
        sparse=sparse,
        n_stored=round(n * d * row["density"]) if sparse else None,
        n_classes=classes.get(MEASURED[row["estimator"]].target, 0),
    )
    estimator = MEASURED[row["estimator"]].make().set_params(**row.get("params") or {})
    name, _, device = row["engine"].partition(":")
    entry = next(e for e in entries_for(estimator) if (e.backend, e.device) == (name, device))
    return held_by(entry, estimator, info, make_resources(cpus=N_CORES))


def fit_numbers(
    rows: list[dict[str, Any]], like: dict[str, float] | None = None, alike: list[dict[str, Any]] | None = None
) -> dict[str, float]:
    """Return how many of each term fits hold, by non-negative least squares of relative errors; far ones weigh less.

    What the rows do not tell follows those of the same form, which are given as `like` and `alike`.
    """
    works = [terms_of(row) for row in rows]
    terms = sorted({term for work in works for term in work})
    taken = np.array([max(row["bytes"], LEAST) for row in rows], float)
    table = np.array([[work.get(term, 0.0) for term in terms] for work in works]) / taken[:, None]
    extra, wanted = np.zeros((0, len(terms))), np.zeros(0)
    if like is not None and alike is not None:
        shares = [{t: v / max(row["bytes"], LEAST) for t, v in terms_of(row).items()} for row in alike]
        usual = [np.mean([share.get(term, 0.0) for share in shares]) for term in terms]
        extra = np.diag(np.sqrt(PULL) * np.array(usual))
        wanted = extra @ np.array([like.get(term, 0.0) for term in terms])
    scale, weights = np.maximum(table.max(axis=0), 1e-30), np.ones(len(rows))
    for _ in range(8):
        A = np.vstack([table * weights[:, None], extra]) / scale
        numbers = nnls(A, np.concatenate([weights, wanted]))[0] / scale
        weights = np.maximum(np.abs(table @ numbers - 1), 0.05) ** -0.5
    return {term: float(f"{number:.4g}") for term, number in zip(terms, numbers, strict=True) if number}


def rows_in(path: pathlib.Path) -> list[dict[str, Any]]:
    """Return the measurements in a file of JSON lines, or in a table of results."""
    rows = read(path)
    for row in rows if path.suffix == ".csv" else ():
        whole = {name: int(row[name]) for name in ("bytes", "predicted", "threads") if name in row}
        row.update(whole, **({"params": json.loads(row["params"])} if "params" in row else {}))
    return rows


def fit(options: argparse.Namespace) -> None:
    """Fit the numbers of each engine, write them, and print how near they are."""
    rows = [row for row in rows_in(options.file) if row["bytes"] > 0]
    groups, forms = defaultdict(list), defaultdict(list)
    for row in rows:
        groups[key_of(row)].append(row)
        forms[key_of(row, f"*{form_of(row['estimator'])}")].append(row)

    def numbers(rows: list[dict[str, Any]], known: Callable[[dict[str, Any]], bool]) -> dict[str, float]:
        alike = [row for row in forms[key_of(rows[0], f"*{form_of(rows[0]['estimator'])}")] if known(row)]
        return fit_numbers([row for row in rows if known(row)], fit_numbers(alike), alike)

    if options.output:
        found = {key: numbers(measured, lambda row: True) for key, measured in groups.items() if len(measured) > 2}
        found |= {key: fit_numbers(alike) for key, alike in forms.items() if "*pairs" not in key}
        described = {"name": "2 cores", "date": time.strftime("%Y-%m-%d"), "versions": versions()}
        options.output.write_text(json.dumps(described | {"held": dict(sorted(found.items()))}, indent=1) + "\n")
    near: dict[str, list[float]] = defaultdict(list)
    for key, measured in groups.items():
        used = [row for row in measured if not is_kept_out(row)]
        if len(used) < 3:
            continue
        trial, whole = numbers(measured, lambda row: not is_kept_out(row)), numbers(measured, lambda row: True)
        for row in measured:
            taken = max(row["bytes"], LEAST)
            for what, found in (("kept out" if is_kept_out(row) else "fitted", trial), ("as written", whole)):
                guess = max(sum(found.get(term, 0.0) * amount for term, amount in terms_of(row).items()), LEAST)
                near[what].append(guess / taken)
                if options.verbose and abs(guess / taken - 1) > 0.25 and what != "fitted":
                    print(f"{what}: {key} {row['container']} {row['rows']} × {row['columns']}: {guess / taken:.2f}")
            near["by the plan as it was"].append(max(row["predicted"] or 0, LEAST) / taken)
    for what, ratios in near.items():
        within = np.mean(np.abs(np.array(ratios) - 1) <= 0.25)
        print(f"{what}: {len(ratios)} fits, {within:.1%} within 25 %")


def versions() -> dict[str, str]:
    """Return the versions of what was measured."""
    return {name: version(name) for name in ("scikit-learn", "scikit-learn-intelex", "xgboost-cpu", "numpy", "scipy")}


def main() -> None:
    """Run the part that is asked for."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["measure", "fit"])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--large", action="store_true", help="measure tables of 144 to 400 MB")
    parser.add_argument("--verbose", action="store_true", help="name the fits that are far off")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    {"measure": measure, "fit": fit}[options.part](options)


if __name__ == "__main__":
    main()
