"""Measure the memory at the peak of a fit beside what the plan says, each estimator in a process of its own.

python benchmarks/peak_memory.py measure FILE.jsonl [--only NAME …]
python benchmarks/peak_memory.py fit FILE.jsonl [--output skdist_gpu/planning/rates/memory.json]

A first small fit loads and compiles what stays; then the kernel's high-water mark of resident memory is set back, and
what it rises to above the process with its rows is the fit's. A third of the workloads is kept out of the fit.
"""

from __future__ import annotations

import argparse
import gc
import json
import pathlib
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from rates import info_of, is_kept_out, read
from scipy.optimize import nnls
from workloads import FAMILIES, TAKE_SPARSE, in_container, make_rows

SHAPES = ((400_000, 25), (60_000, 150), (8_000, 1_000), (1_500, 2_000), (2_000_000, 10), (150_000, 60))
SPARSE = ((60_000, 1_000, 0.02), (400_000, 200, 0.05))
LIMIT = 6.0
# bytes below which nobody minds how many there are
LEAST = 4 * 2**20


def status(name: str) -> int:
    """Return a figure of this process's memory in bytes."""
    line = next(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def peak_of(call: Any) -> int:
    """Return by how much resident memory rises while a call runs."""
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    kept = call()
    del kept
    return status("VmHWM") - before


def measure_family(name: str) -> Iterator[dict[str, Any]]:
    """Yield the bytes of each engine's fit that is predicted to take a few seconds at most, and what the plan says."""
    from skdist_gpu import autoscale

    family = FAMILIES[name]
    shapes = [("numpy", (n, d, 0.0)) for n, d in SHAPES]
    for container, (n, d, density) in shapes + [("csr", shape) for shape in SPARSE if name in TAKE_SPARSE]:
        X, y = in_container(*make_rows(family, n, d, density), container)
        row = {"estimator": name, "container": container, "method": "fit", "rows": n, "columns": d, "density": density}
        for candidate in autoscale(family.make()).plan(X, y).ladder:
            if (candidate.seconds or 0.0) > LIMIT or (candidate.guess and n * d > 10**7):
                continue
            model = autoscale(family.make(), backend=candidate.name, fallback="raise")
            try:
                model.fit(X[:300], None if y is None else y[:300])
                yield row | {
                    "engine": candidate.name,
                    "bytes": peak_of(lambda model=model, X=X, y=y: model.fit(X, y)),
                    "predicted": candidate.n_bytes,
                }
            except Exception as error:
                print(name, candidate.name, n, d, f"{type(error).__name__}: {error}"[:100], file=sys.stderr)


def measure(options: argparse.Namespace) -> None:
    """Measure each estimator in a process of its own."""
    with options.file.open("a") as out:
        for name in options.only or FAMILIES:
            with suppress(subprocess.TimeoutExpired):
                subprocess.run([sys.executable, __file__, "one", name], stdout=out, timeout=200)


def terms_of(row: dict[str, Any]) -> dict[str, float]:
    """Return what memory may go with."""
    from skdist_gpu.planning.memory import held

    return held(info_of(row))


def fit_bytes(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the bytes for each unit of each term, by non-negative least squares of the relative error."""
    works = [terms_of(row) for row in rows]
    terms = sorted(works[0])
    table = np.array([[work[term] for term in terms] for work in works])
    taken = np.array([max(row["bytes"], LEAST) for row in rows], float)
    scale = np.maximum((table / taken[:, None]).max(axis=0), 1e-30)
    rates, _ = nnls(table / scale / taken[:, None], np.ones(len(rows)))
    return {term: float(f"{rate / s:.4g}") for term, rate, s in zip(terms, rates, scale, strict=True) if rate}


def fit(options: argparse.Namespace) -> None:
    """Fit the bytes of each engine, print how near they are, and write them."""
    from skdist_gpu.planning.cost import rate_key

    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read(options.file):
        groups[rate_key(row["estimator"], row["engine"], row["container"] == "csr")].append(row)
    near: dict[str, list[float]] = defaultdict(list)
    found = {}
    for key, rows in groups.items():
        used = [row for row in rows if not is_kept_out(row)]
        used = used if len(used) >= 2 else rows
        trial = fit_bytes(used)
        for row in rows:
            taken = max(row["bytes"], LEAST)
            kept_out = is_kept_out(row) and len(used) < len(rows)
            guess = sum(trial.get(term, 0.0) * amount for term, amount in terms_of(row).items())
            near["kept out" if kept_out else "fitted"].append(max(guess, LEAST) / taken)
            near["by the plan as it is"].append(max(row["predicted"] or 0, LEAST) / taken)
        found[key] = fit_bytes(rows)
    for what, ratios in near.items():
        within = np.mean(np.abs(np.array(ratios) - 1) <= 0.25)
        print(f"{what}: {len(ratios)} fits, {within:.1%} within 25 %")
    if options.output:
        described = {"date": time.strftime("%Y-%m-%d"), "bytes": dict(sorted(found.items()))}
        options.output.write_text(json.dumps(described, indent=1) + "\n")


def main() -> None:
    """Run the part that is asked for."""
    warnings.simplefilter("ignore")
    if sys.argv[1] == "one":
        for row in measure_family(sys.argv[2]):
            print(json.dumps(row), flush=True)
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["measure", "fit"])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    {"measure": measure, "fit": fit}[options.part](options)


if __name__ == "__main__":
    main()
