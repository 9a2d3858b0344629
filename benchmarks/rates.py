"""Measure what each engine takes on many workloads, and fit to it the rates that plans are made with.

python benchmarks/rates.py measure NAME … [--containers numpy csr] [--engines cpu gpu] [--seconds 1] >> FILE.jsonl
python benchmarks/rates.py score NAME … [--ways plain threads device] >> FILE.jsonl
python benchmarks/rates.py fit FILE.jsonl --name "2 cores" [--gpu NAME] --output skdist_gpu/planning/rates/FILE.json

A third of the workloads is kept out of the fit, and how well they are predicted is printed apart.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import pathlib
import sys
import time
import warnings
from collections import defaultdict
from contextlib import suppress
from typing import Any

import numpy as np
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits
from workloads import DENSE, FAMILIES, SPARSE, TAKE_SPARSE, Family, in_container, make_rows

# how much the rates of all estimators of a form weigh beside the measurements of one
PRIOR = 0.1
# seconds per byte from main memory to the GPU, by engine: 10 GB in 0.28 s by `least_squares.py gpu`, for cuML 1 s more
# than from the GPU by `few_pass.py gpu`; a shared machine's copies of little are too uneven to be fitted
COPY = {"reductions:gpu": 2.8e-11, "cuml:gpu": 1e-10, "xgboost:gpu": 1e-10, "device": 1e-10}
CACHE = pathlib.Path("/dev/shm/skdist_gpu_rates")
SCORED = (1_000, 10_000, 100_000, 1_000_000)


def rows_of(family: Family, n: int, d: int, density: float) -> tuple[Any, Any]:
    """Return rows and target, kept in shared memory from one process to the next."""
    if density:
        return make_rows(family, n, d, density)
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"{n}x{d}{family.target}{family.positive}"
    try:
        X, y = np.load(f"{path}.npy"), np.load(f"{path}.y.npy")
    except (OSError, ValueError, EOFError):
        X, y = make_rows(family, n, d)
        y = np.zeros(0) if y is None else y
        for name, values in ((f"{path}.npy", X), (f"{path}.y.npy", y)):
            np.save(f"{name}.{os.getpid()}.npy", values)
            os.replace(f"{name}.{os.getpid()}.npy", name)
    return X, y if len(y) else None


def wait() -> None:
    """Wait until the GPU is done, if there is one in use."""
    cupy = sys.modules.get("cupy")
    if cupy is not None:
        cupy.cuda.runtime.deviceSynchronize()


def shortest(call: Any, limit: float) -> tuple[float, Any]:
    """Return the shortest time of up to three calls, and the last result."""
    best, spent, result = float("inf"), 0.0, None
    for _ in range(3):
        start = time.perf_counter()
        result = call()
        wait()
        seconds = time.perf_counter() - start
        best, spent = min(best, seconds), spent + seconds
        if spent > limit / 2:
            break
    return best, result


def measure(options: argparse.Namespace) -> None:
    """Print a line of JSON for each workload × engine × number of threads."""
    from skdist_gpu import autoscale

    for name in options.names:
        family = FAMILIES[name]
        known: dict[tuple[str, str], list[tuple[int, int, float]]] = defaultdict(list)  # rows, columns, seconds
        for container in options.containers:
            if container == "csr" and name not in TAKE_SPARSE:
                continue
            shapes = SPARSE if container == "csr" else [(n, d, 0.0) for n, d in DENSE]
            for n, d, density in sorted(shapes, key=lambda s: s[0] * s[1] * (s[2] or 1) * min(s[:2]) ** 0.5):
                if n * d > options.most_values:
                    continue
                X, y = in_container(*rows_of(family, n, d, density), container)
                plan = autoscale(family.make()).plan(X, y)
                engines = [c.name for c in plan.candidates if c.verdict != "refused"]
                engines = [e for e in engines if e.partition(":")[2] in options.engines]
                for engine in [f"{e}@1" for e in engines if e == "sklearn:cpu"] + engines:
                    measured = known[container, engine]
                    smaller = [
                        (n * d / (rows * columns)) ** 0.9 * took
                        for rows, columns, took in measured
                        if rows <= n and columns <= d and took > 0.02
                    ]
                    if max(smaller, default=0) > options.seconds:
                        continue
                    row = {"estimator": name, "container": container, "rows": n, "columns": d, "density": density}
                    row |= {"method": "fit", "engine": engine, "cores": len(os.sched_getaffinity(0))}
                    backend = engine.partition("@")[0]

                    def fit(X: Any = X, y: Any = y, backend: str = backend, family: Family = family) -> Any:
                        return autoscale(family.make(), backend=backend, fallback="raise").fit(X, y)

                    try:
                        with threadpool_limits(1 if engine.endswith("@1") else None):
                            if not measured:
                                first = time.perf_counter()
                                fit(X[:300], None if y is None else y[:300])
                                wait()
                                row["first"] = time.perf_counter() - first
                            seconds, model = shortest(fit, options.seconds)
                    except Exception as error:
                        print(json.dumps(row | {"error": f"{type(error).__name__}: {error}"[:200]}), flush=True)
                        continue
                    measured.append((n, d, seconds))
                    n_iter = np.max(getattr(model.estimator_, "n_iter_", 0))
                    print(json.dumps(row | {"seconds": seconds, "n_iter": int(n_iter or 0)}), flush=True)


def score(options: argparse.Namespace) -> None:
    """Print a line of JSON for each method × number of rows × way to call it."""
    from joblib import Parallel, delayed

    from skdist_gpu.engines.block_method import BlockMethod
    from skdist_gpu.planning.work import kept_size

    for name in options.names:
        family = FAMILIES[name]
        n_fit = 5_000 if name in ("SVC", "SVR") else 20_000
        X, y = rows_of(family, n_fit, 20, 0.0)
        model = family.make().fit(X) if y is None else family.make().fit(X, y)
        for method in family.methods:
            for n in SCORED:
                rows = np.resize(X, (n, 20))
                for way in options.ways:
                    function = BlockMethod(model, method)

                    def call(way: str = way, rows: Any = rows, function: Any = function) -> Any:
                        if way == "device":
                            return on_device(function, rows)
                        if way == "threads":
                            blocks = [rows[i : i + 8192] for i in range(0, len(rows), 8192)]
                            with threadpool_limits(1):
                                return Parallel(-1, require="sharedmem")(delayed(function)(b) for b in blocks)
                        return function(rows)

                    row = {"estimator": name, "container": "numpy", "rows": n, "columns": 20, "method": method}
                    row |= {"engine": way, "cores": len(os.sched_getaffinity(0)), "kept": kept_size(model)}
                    try:
                        seconds, _ = shortest(call, options.seconds)
                    except Exception as error:
                        print(json.dumps(row | {"error": f"{type(error).__name__}: {error}"[:200]}), flush=True)
                        break
                    print(json.dumps(row | {"seconds": seconds}), flush=True)
                    if way == "plain":
                        plain = seconds
                if plain > options.seconds:
                    break


def on_device(function: Any, rows: Any) -> Any:
    """Call a method of a model's copy on the GPU, with rows from main memory, and fetch the result."""
    import cupy

    from skdist_gpu.scoring.methods import apply_to_block

    result = apply_to_block(function, cupy.asarray(rows))
    parts = result if isinstance(result, (tuple, list)) else [result]
    return [part.get() if hasattr(part, "get") else part for part in parts]


def read(path: pathlib.Path) -> list[dict[str, Any]]:
    """Return the measurements in a file of JSON lines, less one that was cut off, or in a table of results."""
    if path.suffix == ".csv":
        numbers = {"rows": int, "columns": int, "density": float, "cores": int, "kept": int}
        numbers |= {"first": float, "seconds": float}
        with path.open() as file:
            rows = [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
        return [{name: numbers.get(name, str)(value) for name, value in row.items()} for row in rows]
    found = []
    for line in path.read_text().splitlines():
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def is_cold(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether more rows and columns took less than an eighth: then something was compiled or loaded meanwhile."""
    same = ("estimator", "engine", "container", "method", "cores")
    return any(
        other["seconds"] < row["seconds"] / 8
        for other in rows
        if other["rows"] >= row["rows"] and other["columns"] >= row["columns"] and all(other[k] == row[k] for k in same)
    )


def is_kept_out(row: dict[str, Any]) -> bool:
    """Whether a workload is one of the third that no rate is fitted to."""
    key = f"{row['estimator']} {row['container']} {row['rows']} {row['columns']}"
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 3 == 0


def terms_of(row: dict[str, Any]) -> dict[str, float]:
    """Return the work of a workload, by term."""
    from skdist_gpu.data.inspect import InputInfo
    from skdist_gpu.planning.work import FORMS, amounts, form_of, scoring_amounts

    sparse, n, d = row["container"] == "csr", row["rows"], row["columns"]
    stored = round(n * d * row["density"]) if sparse else None
    info = InputInfo("scipy.sparse" if sparse else "numpy", n, d, sparse=sparse, n_stored=stored)
    estimator = FAMILIES[row["estimator"]].make()
    on_gpu = row["engine"].endswith(":gpu") or row["engine"] == "device"
    to_device = on_gpu and row["container"] != "cupy"
    if row["method"] != "fit":
        found = scoring_amounts(row["estimator"], row["kept"], info, to_device=to_device)
        return {term: amount for term, amount in found.items() if amount}
    found = amounts(estimator, info, to_device=to_device)
    assert found is not None
    # scikit-learn's solvers form products along the shorter side only
    absent = ("gram", "solves") if row["engine"].startswith("sklearn") else ()
    terms = (*FORMS[form_of(row["estimator"])], "copied")
    return {term: found[term] for term in terms if found[term] and term not in absent}


def fit_rates(rows: list[dict[str, Any]], prior: dict[str, float] | None = None) -> dict[str, float]:
    """Return the seconds per unit of each term, by non-negative least squares.

    What is made small is the square of (predicted - measured) / sqrt(predicted * measured), by reweighting, since half
    is as wrong as double. A weak `prior`, the rates of all estimators of the same form, decides what few workloads
    leave open.
    """
    works = [terms_of(row) for row in rows]
    copy = COPY.get(rows[0]["engine"], 0.0)
    copying = np.array([copy * work.pop("copied", 0.0) for work in works])
    terms = sorted({term for work in works for term in work})
    seconds = np.array([row["seconds"] for row in rows])
    seconds = np.maximum(seconds - copying, 0.3 * seconds)
    work = np.array([[w.get(term, 0.0) for term in terms] for w in works])
    scale = (work / seconds[:, None]).max(axis=0)
    typical = np.exp(np.log(np.maximum(work / seconds[:, None] / scale, 1e-12)).mean(axis=0))
    start = np.array([(prior or {}).get(term, 0.0) for term in terms])
    if prior:
        start *= np.exp(np.median(np.log(seconds / np.maximum(work @ start, 1e-12))))
    strength = PRIOR * np.sqrt(len(rows)) * np.maximum(typical, 0.05) if prior else np.zeros(len(terms))
    rates, guess = start * scale, seconds
    for _ in range(12):
        weight = 1 / np.sqrt(seconds * np.clip(guess, seconds / 30, seconds * 30))
        table = np.vstack([work / scale * weight[:, None], np.diag(strength)])
        rates, _ = nnls(table, np.concatenate([seconds * weight, strength * start * scale]), maxiter=1000)
        guess = np.maximum(work / scale @ rates, 1e-9)
    found = {term: float(f"{rate / s:.4g}") for term, rate, s in zip(terms, rates, scale, strict=True) if rate}
    return found | ({"copied": copy} if copy else {})


def predicted(rates: dict[str, float], row: dict[str, Any]) -> float:
    """Return the seconds that rates predict for a workload."""
    return sum(rates.get(term, 0.0) * amount for term, amount in terms_of(row).items())


def fit(options: argparse.Namespace) -> None:
    """Fit the rates, print how well they predict, and write them."""
    from skdist_gpu.planning.cost import rate_key

    rows = [row for path in options.files for row in read(path)]
    rows = [row for row in rows if "seconds" in row and (options.gpu or row["cores"] in options.cores)]
    rows = [row for row in rows if not is_cold(row, rows)]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    pools: dict[str, list[dict[str, Any]]] = defaultdict(list)
    from skdist_gpu.planning.work import form_of

    for row in rows:
        sparse = row["container"] == "csr"
        groups[rate_key(row["estimator"], row["engine"], sparse, row["method"])].append(row)
        if row["method"] == "fit":
            pools[rate_key(f"*{form_of(row['estimator'])}", row["engine"], sparse)].append(row)
    rates: dict[str, dict[str, float]] = {}
    errors: dict[str, list[tuple[float, str, dict[str, Any]]]] = {"fitted": [], "kept out": []}
    priors = {key: fit_rates([row for row in rows if not is_kept_out(row)] or rows) for key, rows in pools.items()}
    for key, members in groups.items():
        used = [row for row in members if not is_kept_out(row)]
        if len(used) < 3:
            used = members
        row = members[0]
        prior = priors.get(rate_key(f"*{form_of(row['estimator'])}", row["engine"], row["container"] == "csr"))
        trial = fit_rates(used, prior if row["method"] == "fit" else None)
        for row in members:
            apart = is_kept_out(row) and len(used) < len(members)
            errors["kept out" if apart else "fitted"].append((predicted(trial, row) / row["seconds"], key, row))
        rates[key] = fit_rates(members, prior if row["method"] == "fit" else None) if options.all else trial
    for key, members in pools.items():
        rates[key] = fit_rates(members)
    for what, found in errors.items():
        ratios = np.array([ratio for ratio, _, _ in found])
        within = np.mean((ratios > 0.5) & (ratios < 2)) if len(ratios) else np.nan
        print(f"{what}: {len(ratios)} predictions, {within:.1%} within a factor of 2")
    worst = sorted(errors["kept out"], key=lambda e: -abs(np.log(e[0])))[:20]
    for ratio, key, row in worst:
        print(f"  {ratio:8.2f} {key} {row['rows']}x{row['columns']} {row['seconds']:.4f}")
    first: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if "first" in row:
            first[row["engine"]].append(row["first"])
    started = {engine: float(f"{np.median(seconds):.3g}") for engine, seconds in first.items() if "@" not in engine}
    described = {"name": options.name, "date": time.strftime("%Y-%m-%d"), "n_cores": options.cores[0]}
    described |= {"gpu": options.gpu, "probes": {}, "first": started, "rates": dict(sorted(rates.items()))}
    if options.output:
        options.output.write_text(json.dumps(described, indent=1) + "\n")


def main() -> None:
    """Run the part that is asked for."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    for part in ("measure", "score"):
        one = parts.add_parser(part)
        one.add_argument("names", nargs="*", default=list(FAMILIES))
        one.add_argument("--seconds", type=float, default=1)
        one.add_argument("--most-values", type=float, default=1e9)
        one.add_argument("--containers", nargs="+", default=["numpy", "csr"])
        one.add_argument("--engines", nargs="+", default=["cpu"])
        one.add_argument("--ways", nargs="+", default=["plain", "threads"])
    fitted = parts.add_parser("fit")
    fitted.add_argument("files", nargs="+", type=pathlib.Path)
    fitted.add_argument("--name", required=True)
    fitted.add_argument("--gpu", default="")
    fitted.add_argument("--cores", type=int, nargs="+", required=True, help="of the measurements; the first is kept")
    fitted.add_argument("--all", action="store_true", help="fit to all workloads, once the third is judged")
    fitted.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    {"measure": measure, "score": score, "fit": fit}[options.part](options)


if __name__ == "__main__":
    main()
