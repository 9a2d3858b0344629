"""Fit to measured seconds the rates that plans are made with.

python benchmarks/timings.py fit FILE.jsonl …          (measures)
python benchmarks/rates.py FILE … --name "2 cores" --cores 2 [--gpu NAME] [--all] [--probes FILE] --output FILE.json
python benchmarks/rates.py FILE.jsonl … --table FILE.csv          (keeps measurements, in place of older ones)

A third of the workloads is kept out of the fit, and how well they are predicted is printed apart.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import pathlib
import time
import warnings
from collections import defaultdict
from contextlib import suppress
from typing import Any

import numpy as np
from scipy.optimize import nnls
from workloads import FAMILIES

# how much the rates of all estimators of a form weigh beside the measurements of one
PRIOR, LEAST_PRIOR = 0.02, 0.1
# seconds per byte from main memory to the GPU, by engine: 10 GB in 0.22 s by `gpus.py threads`, for cuML 1 s more
# than from the GPU by `few_pass.py gpu`; a shared machine's copies of little are too uneven to be fitted
COPY = {"reductions:gpu": 2.2e-11, "cuml:gpu": 1e-10, "xgboost:gpu": 1e-10, "device": 1e-10}
# seconds for a value of a frame that becomes an array, by StandardScaler on frames beside arrays: few fits are of
# frames, too few to tell it from their noise
GATHER = 2e-9
# seconds that a core takes at least for a value that it reads, by the fastest products: however few sizes were measured
LEAST_OF_A_VALUE, READ = 5e-12, ("values", "iterated_values")
# engines whose algorithms are scikit-learn's own
OWN = ("sklearn", "onedal")


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
    # cuML's two do the same work: few sizes of SVC were measured, half of them while kernels were compiled
    alike = ("SVC", "SVR") if row["engine"] == "cuml:gpu" and row["method"] == "fit" else ()
    return any(
        other["seconds"] < row["seconds"] / 8
        for other in rows
        if other["rows"] >= row["rows"]
        and other["columns"] >= row["columns"]
        and (
            all(other[k] == row[k] for k in same)
            or (row["estimator"] in alike and other["estimator"] in alike and other["engine"] == row["engine"])
        )
    )


def is_copied(row: dict[str, Any]) -> bool:
    """Whether a workload's time is mostly that of its copy to the GPU."""
    to_gpu = row["engine"].endswith(":gpu") or row["engine"] == "device"
    return to_gpu and row["container"] == "numpy" and row["rows"] * row["columns"] > 2e6 and row["method"] == "fit"


def is_kept_out(row: dict[str, Any]) -> bool:
    """Whether a workload is one of the third that no rate is fitted to."""
    key = f"{row['estimator']} {row['container']} {row['rows']} {row['columns']}"
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % 3 == 0


def mark_one_k(rows: list[dict[str, Any]]) -> None:
    """Mark the fits of clusters by an engine that was measured with one number of them.

    What grows with their number cannot be told there from what does not, and is taken for it.
    """
    known = defaultdict(set)
    for row in rows:
        known[row["engine"]].add(FAMILIES[row["estimator"]].params.get("n_clusters"))
    for row in rows:
        k = FAMILIES[row["estimator"]].params.get("n_clusters")
        if k is not None and len(known[row["engine"]] - {None}) == 1:
            row["without"] = ("cells", "iterated_cells", "samples", "seeds")


def info_of(row: dict[str, Any]) -> Any:
    """Return what a plan knows of the data of a workload."""
    from skdist_gpu.data.inspect import InputInfo

    sparse, n, d = row["container"] == "csr", row["rows"], row["columns"]
    names = {"csr": "scipy.sparse", "dask": "dask.array"}
    places = {"cupy": "gpu", "dask": "dask"}
    family, place = FAMILIES[row["estimator"]], places.get(row["container"], "host")
    return InputInfo(
        names.get(row["container"], row["container"]),
        n,
        d,
        location=place,
        sparse=sparse,
        n_stored=round(n * d * row["density"]) if sparse else None,
        block_sizes=(-(-n // 8),) * 8 if place == "dask" else (),
        n_targets=int(bool(family.target)),
        n_classes={"class": 2, "classes": 5}.get(family.target, 0) if place == "host" else 0,
    )


def terms_of(row: dict[str, Any]) -> dict[str, float]:
    """Return the work of a workload, by term."""
    from skdist_gpu.planning.forms import form_of
    from skdist_gpu.planning.forms import terms_of as terms_in_question
    from skdist_gpu.planning.scored import scoring_amounts
    from skdist_gpu.planning.work import amounts

    info, name = info_of(row), FAMILIES[row["estimator"]].class_name
    on_gpu = row["engine"].endswith(":gpu") or row["engine"] == "device"
    if row["method"] != "fit":
        model, kept = FAMILIES[row["estimator"]].make(), row["kept"]
        to_device = on_gpu and row["container"] != "cupy"
        found = scoring_amounts(model, kept, info, n_classes=info.n_classes, to_device=to_device)
        assert found is not None
        return {term: amount for term, amount in found.items() if amount and term not in row.get("without", ())}
    found = amounts(FAMILIES[row["estimator"]].make(), info, device="gpu" if on_gpu else "cpu")
    assert found is not None
    # oneDAL sorts all rows into bins before it grows trees
    own = row["engine"].startswith(OWN if form_of(name) != "trees" else "sklearn")
    terms = (*terms_in_question(name, own=own, sparse=info.sparse), "copied", "gathered")
    return {term: found[term] for term in terms if found[term] and term not in row.get("without", ())}


def fit_rates(
    rows: list[dict[str, Any]], prior: dict[str, float] | None = None, *, same: bool = False
) -> dict[str, float]:
    """Return the seconds per unit of each term, by non-negative least squares.

    What is made small is the square of (predicted - measured) / sqrt(predicted * measured), by reweighting, since half
    is as wrong as double. A weak `prior` decides what few workloads leave open: the rates of all estimators of the same
    form, of which this one is some times as fast, or those of the `same` work, which differ by the cost of a call. What
    threads do is the plain call's work some times as fast, with another cost of a call.
    """
    works = [terms_of(row) for row in rows]
    given = {"copied": COPY.get(rows[0]["engine"], 0.0)}
    if rows[0]["method"] == "fit" or not any(work.get("gathered") for work in works):
        given["gathered"] = GATHER
    moving = np.array([sum(rate * work.pop(term, 0.0) for term, rate in given.items()) for work in works])
    terms = sorted({term for work in works for term in work})
    seconds = np.array([row["seconds"] for row in rows])
    work = np.array([[w.get(term, 0.0) for term in terms] for w in works])
    on_cpu = not rows[0]["engine"].endswith(":gpu") and rows[0]["engine"] != "device"
    least = np.array([LEAST_OF_A_VALUE if on_cpu and term in READ else 0.0 for term in terms])
    seconds = np.maximum(seconds - moving - work @ least, 0.3 * seconds)
    scale = (work / seconds[:, None]).max(axis=0)
    start, times = np.array([(prior or {}).get(term, 0.0) for term in terms]), 1.0
    if prior and not same:
        known = work @ start
        times = float(np.exp(np.median(np.log((seconds / known)[known > 0])))) if known.any() else 1.0
        start *= times
    # a rate may differ from its prior by some factor, however little the term counts among these workloads
    strength = PRIOR * np.sqrt(len(rows)) / np.maximum(start * scale, LEAST_PRIOR) if prior else np.zeros(len(terms))
    own_calls = same or rows[0]["engine"] == "threads"
    strength *= np.array([term != "calls" for term in terms]) if own_calls else 1.0
    rates, guess = start * scale, seconds
    for _ in range(12):
        weight = 1 / np.sqrt(seconds * np.clip(guess, seconds / 30, seconds * 30))
        table = np.vstack([work / scale * weight[:, None], np.diag(strength)])
        rates, _ = nnls(table, np.concatenate([seconds * weight, strength * start * scale]), maxiter=1000)
        guess = np.maximum(work / scale @ rates, 1e-9)
    found = {t: float(f"{rate:.4g}") for t, rate in zip(terms, rates / scale + least, strict=True) if rate}
    if not rates[[term != "calls" for term in terms]].any() and len(terms) > 1 and "calls" in terms:
        # a fixed cost alone says nothing of more rows, so that it counts as work
        return fit_rates([row | {"without": (*row.get("without", ()), "calls")} for row in rows], prior)
    # other sizes take another way, which none of these did
    unseen = {t: float(f"{rate * times:.4g}") for t, rate in (prior or {}).items() if t not in (*terms, *given)}
    return unseen | found | {term: rate for term, rate in given.items() if rate}


def pool_of(row: dict[str, Any]) -> str:
    """Return the name of the rates of all estimators of a form, for fits or for whatever scores."""
    from skdist_gpu.planning.cost import rate_key
    from skdist_gpu.planning.forms import form_of

    form = form_of(FAMILIES[row["estimator"]].class_name)
    method = "fit" if row["method"] == "fit" else "score"
    return rate_key(f"*{form}", row["engine"], row["container"] == "csr", method)


def predicted(rates: dict[str, float], row: dict[str, Any]) -> float:
    """Return the seconds that rates predict for a workload."""
    return sum(rates.get(term, 0.0) * amount for term, amount in terms_of(row).items())


def fit(options: argparse.Namespace) -> None:
    """Fit the rates, write them, and print how well they predict."""
    from skdist_gpu.planning.cost import rate_key

    rows = [row for path in options.files for row in read(path)]
    rows = [row for row in rows if "seconds" in row and (options.gpu or row["cores"] in options.cores)]
    # a fit whose process has few cores copies large tables to the GPU slower than all cores do
    rows = [row for row in rows if not (is_copied(row) and row["cores"] < 16)]
    # what gathers Dask's blocks is another work, and what scores them one by one has no rates
    rows = [row for row in rows if row["container"] != "dask" or row["engine"].endswith(":dask")]
    rows = [row for row in rows if row["engine"] != "auto" and not is_cold(row, rows)]
    mark_one_k(rows)
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    pools: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        sparse = row["container"] == "csr"
        name = FAMILIES[row["estimator"]].class_name
        groups[rate_key(name, row["engine"], sparse, row["method"])].append(row)
        pools[pool_of(row)].append(row)
    rates: dict[str, dict[str, float]] = {}
    trials: dict[str, dict[str, float]] = {}
    errors: dict[str, list[tuple[float, str, dict[str, Any]]]] = {"fitted": [], "kept out": []}
    priors = {key: fit_rates([row for row in rows if not is_kept_out(row)] or rows) for key, rows in pools.items()}
    # what sums over Dask's blocks do is what they do over blocks in memory, which was measured on more sizes, and what
    # threads do for their blocks is what a plain call does
    for key, members in sorted(groups.items(), key=lambda item: ":dask|" in item[0] or "|threads|" in item[0]):
        if len(members) < 3 and members[0]["method"] == "fit":
            continue  # the rates of its form say more of other sizes
        used = [row for row in members if not is_kept_out(row)]
        if len(used) < 3:
            used = members
        in_memory = trials.get(key.replace(":dask", ":cpu")) if ":dask" in key else None
        plain = trials.get(key.replace("|threads|", "|plain|")) if "|threads|" in key else None
        prior = in_memory or plain or priors[pool_of(members[0])]
        trial = fit_rates(used, prior, same=bool(in_memory))
        for row in members:
            apart = is_kept_out(row) and len(used) < len(members)
            errors["kept out" if apart else "fitted"].append((predicted(trial, row) / row["seconds"], key, row))
        whole = rates.get(key.replace(":dask", ":cpu"), prior) if in_memory else prior
        trials[key], rates[key] = trial, fit_rates(members, whole, same=bool(in_memory)) if options.all else trial
    rates |= {key: fit_rates(members) for key, members in pools.items() if len(members) >= 3 and key.endswith("fit")}
    # of the first fits that a process made, the longest is the one that loaded the library
    first: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if "first" in row and "@" not in row["engine"]:
            longest = first[row["engine"]]
            day = row.get("source", "")
            longest[day] = max(row["first"], longest.get(day, 0.0))
    started = {engine: float(f"{np.median([*longest.values()]):.3g}") for engine, longest in first.items()}
    described = {"name": options.name, "date": time.strftime("%Y-%m-%d"), "n_cores": options.cores[0]}
    probes = json.loads(options.probes.read_text())["probes"] if options.probes else {}
    described |= {"gpu": options.gpu, "probes": probes, "first": started, "rates": dict(sorted(rates.items()))}
    if options.output:
        options.output.write_text(json.dumps(described, indent=1) + "\n")
    # last: a pipe that closes ends the script
    for what, found in errors.items():
        ratios = np.array([ratio for ratio, _, _ in found])
        within = np.mean((ratios > 0.5) & (ratios < 2)) if len(ratios) else np.nan
        print(f"{what}: {len(ratios)} predictions, {within:.1%} within a factor of 2")
    worst = sorted(errors["kept out"], key=lambda e: -abs(np.log(e[0])))[:20]
    for ratio, key, row in worst:
        print(f"  {ratio:8.2f} {key} {row['rows']}x{row['columns']} {row['seconds']:.4f}")


def keep(files: list[pathlib.Path], table: pathlib.Path) -> None:
    """Write measurements to a table, in place of older ones of the same workload and engine."""
    names = [
        "estimator",
        "container",
        "rows",
        "columns",
        "density",
        "method",
        "engine",
        "cores",
        "kept",
        "first",
        "seconds",
        "source",
    ]
    same = ("estimator", "container", "rows", "columns", "density", "method", "engine", "cores")
    kept: dict[tuple, dict[str, Any]] = {}
    for path in [*([table] if table.exists() else []), *files]:
        measured = time.strftime("%Y-%m-%d", time.localtime(path.stat().st_mtime))
        for row in read(path):
            by_blocks = row.get("container") == "dask" and row.get("method") != "fit"
            if "seconds" in row and row["engine"] != "auto" and not by_blocks:
                row = {"density": 0.0, "source": measured} | row
                row |= {name: f"{row[name]:.4g}" for name in ("first", "seconds") if name in row}
                kept[tuple(row[name] for name in same)] = row
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept.values())


def main() -> None:
    """Fit, write and print."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--table", type=pathlib.Path, help="keep the measurements there, and fit nothing")
    parser.add_argument("--name", default="")
    parser.add_argument("--gpu", default="")
    parser.add_argument("--cores", type=int, nargs="+", default=[2], help="of the measurements; the first is kept")
    parser.add_argument("--probes", type=pathlib.Path, help="a calibration of the machine")
    parser.add_argument("--all", action="store_true", help="fit to all workloads, once the third is judged")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    if options.table:
        keep(options.files, options.table)
    else:
        fit(options)


if __name__ == "__main__":
    main()
