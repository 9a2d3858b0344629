"""Measure every engine by name on many workloads, and how far the choice of "auto" is from the best of them.

python benchmarks/regret.py measure FILE.jsonl [--only NAME …] [--containers numpy csr …] [--seconds 5] [--auto]
python benchmarks/regret.py judge FILE.jsonl [--output FILE.json]

Each estimator is measured in a process of its own, from small to large; an engine is left out once it is predicted to
take longer than `--seconds` by its last time. The shortest of up to three times counts.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from typing import Any

import numpy as np
from workloads import DENSE, FAMILIES, SPARSE, TAKE_SPARSE, Family, in_container, make_rows

LEAST = 0.010  # seconds of the best engine from which a workload counts


def sizes(container: str) -> list[tuple[int, int, float]]:
    """Return rows, columns and density of the workloads in a container, from small to large."""
    if container == "csr":
        return list(SPARSE)
    return sorted(((n, d, 0.0) for n, d in DENSE), key=lambda size: size[0] * size[1] * min(size[:2]) ** 0.5)


def engines_for(family: Family, X: Any, y: Any) -> list[str]:
    """Name engine and device of each candidate that could run, scientifically refused ones left out."""
    from skdist_gpu import autoscale

    plan = autoscale(family.make()).plan(X, y)
    return [c.name for c in plan.candidates if c.verdict != "refused"]


def fit_seconds(family: Family, backend: str, X: Any, y: Any, limit: float) -> tuple[float, Any]:
    """Return the shortest time of a few fits with an engine, and the last model."""
    from skdist_gpu import autoscale

    best, spent, model = float("inf"), 0.0, None
    for _ in range(3):
        model = autoscale(family.make(), backend=backend, fallback="raise")
        start = time.perf_counter()
        model.fit(X, y)
        _wait()
        seconds = time.perf_counter() - start
        best, spent = min(best, seconds), spent + seconds
        if spent > min(1.0, limit / 3):
            break
    return best, model


def _wait() -> None:
    cupy = sys.modules.get("cupy")
    if cupy is not None:
        cupy.cuda.runtime.deviceSynchronize()


def measure_family(name: str, containers: list[str], limit: float, auto: bool) -> None:
    """Print one line of JSON for each workload × engine of an estimator."""
    warnings.simplefilter("ignore")
    family = FAMILIES[name]
    last: dict[tuple[str, str], tuple[float, float]] = {}  # (container, engine) -> size, seconds
    for container in containers:
        if container == "csr" and name not in TAKE_SPARSE:
            continue
        for n_rows, n_columns, density in sizes(container):
            size = n_rows * n_columns * (density or 1) * min(n_rows, n_columns) ** 0.5
            X = y = None
            known = [engine for (c, engine) in last if c == container] or ["?"]
            if all(_foreseen(last.get((container, e)), size) > limit for e in known):
                continue
            X, y = in_container(*make_rows(family, n_rows, n_columns, density), container)
            engines = [*engines_for(family, X, y), *(["auto"] if auto else [])]
            for engine in engines:
                if _foreseen(last.get((container, engine)), size) > limit:
                    continue
                row = {"estimator": name, "container": container, "rows": n_rows, "columns": n_columns}
                row |= {"density": density, "method": "fit", "engine": engine}
                try:
                    if (container, engine) not in last:
                        fit_seconds(family, engine, X[:300], None if y is None else y[:300], limit)  # imports, compiles
                    seconds, model = fit_seconds(family, engine, X, y, limit)
                except Exception as error:
                    print(json.dumps(row | {"error": f"{type(error).__name__}: {error}"[:200]}), flush=True)
                    continue
                last[container, engine] = (size, seconds)
                iterations = np.max(getattr(model.estimator_, "n_iter_", None) or 0, initial=0) if model else 0
                row |= {"seconds": seconds, "n_iter": int(iterations), "ran": model.report_.candidate.name}
                print(json.dumps(row), flush=True)


def _foreseen(last: tuple[float, float] | None, size: float) -> float:
    """Return what a larger workload takes at least, by the last one: as if seconds grew like size."""
    return 0.0 if last is None or last[1] < 0.05 else last[1] * size / last[0] * 0.7


def measure(options: argparse.Namespace) -> None:
    """Measure each estimator in a process of its own."""
    with options.file.open("a") as out:
        for name in options.only or FAMILIES:
            program = [sys.executable, __file__, "family", name, "--seconds", str(options.seconds)]
            program += ["--containers", *options.containers, *(["--auto"] if options.auto else [])]
            start = time.perf_counter()
            try:
                done = subprocess.run(program, stdout=out, stderr=subprocess.PIPE, timeout=options.patience, text=True)
                note = done.stderr.strip().splitlines()[-1:] if done.returncode else []
            except subprocess.TimeoutExpired:
                note = ["out of patience"]
            print(f"{name}: {time.perf_counter() - start:.0f} s", *note, flush=True)


def judge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many times the best engine's time "auto", scikit-learn and the GPU take."""
    by_workload: dict[tuple, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if "seconds" in row:
            key = (row["estimator"], row["container"], row["rows"], row["columns"], row["method"])
            by_workload[key][row["engine"]] = row["seconds"]
    regrets: dict[str, list[tuple[float, tuple]]] = defaultdict(list)
    for key, seconds in by_workload.items():
        named = {engine: s for engine, s in seconds.items() if engine != "auto"}
        if not named or min(named.values()) < LEAST:
            continue
        best = min(named.values())
        gpu = [s for engine, s in named.items() if engine.endswith(":gpu")]
        for policy, taken in {
            "auto": seconds.get("auto"),
            "always scikit-learn": named.get("sklearn:cpu"),
            "always GPU": min(gpu) if gpu else None,
        }.items():
            if taken is not None:
                regrets[policy].append((taken / best, key))
    return {policy: _summary(found) for policy, found in regrets.items()}


def _summary(found: list[tuple[float, tuple]]) -> dict[str, Any]:
    ratios = np.maximum(1, [ratio for ratio, _ in found])
    worst = sorted(found, reverse=True)[:15]
    return {
        "workloads": len(found),
        "geometric mean": float(np.exp(np.log(ratios).mean())),
        "95th percentile": float(np.percentile(ratios, 95)),
        "worst": [f"{ratio:.2f} {' '.join(map(str, key))}" for ratio, key in worst],
    }


def main() -> None:
    """Run the part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    for part in ("measure", "family"):
        one = parts.add_parser(part)
        one.add_argument("file" if part == "measure" else "name", type=pathlib.Path if part == "measure" else str)
        one.add_argument("--containers", nargs="+", default=["numpy", "csr"])
        one.add_argument("--seconds", type=float, default=5)
        one.add_argument("--auto", action="store_true")
        if part == "measure":
            one.add_argument("--only", nargs="*")
            one.add_argument("--patience", type=float, default=240)
    judged = parts.add_parser("judge")
    judged.add_argument("file", type=pathlib.Path)
    judged.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    if options.part == "measure":
        measure(options)
    elif options.part == "family":
        measure_family(options.name, options.containers, options.seconds, options.auto)
    else:
        result = judge([json.loads(line) for line in options.file.read_text().splitlines()])
        print(json.dumps(result, indent=1))
        if options.output:
            options.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
