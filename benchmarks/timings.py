"""Measure what each engine takes, by name, on many workloads: one line of JSON for each workload × engine.

python benchmarks/timings.py fit FILE.jsonl [--only NAME …] [--shapes rates small seen unseen]
                                 [--containers numpy csr …] [--engines cpu gpu dask] [--seconds 1] [--auto] [--together]
python benchmarks/timings.py score FILE.jsonl [--only NAME …] [--shapes …] [--seconds 1] [--auto]

Each estimator is measured in a process of its own, or all `--together`, from small to large. The shortest of up to
three times counts. An engine is left out once it is foreseen to take longer than `--seconds`; the time foreseen is kept
in its place. For scikit-learn, "sklearn:cpu" is a fit with all threads, and "sklearn:cpu@1" one with a single thread;
"auto" is what skdist_gpu chooses, planning included.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits
from workloads import FAMILIES, SCORED, TAKE_SPARSE, Family, in_container, make_rows, scored_of, shapes_of

REPEATS = 3
# from a time shorter than this nothing is foreseen, since fixed costs are most of it, nor for so many times the work
TELLING, TELLING_SIZES = 0.1, 50
# times the seconds asked for from which a prediction is not called a second time
LONG = 5
# the share of values that sparse rows store when they are scored
SCORED_DENSITY = 0.05


class Stopwatch:
    """Time one engine after the other, and leave out what would take too long."""

    def __init__(self, limit: float, patience: float) -> None:
        self.limit, self.end = limit, time.perf_counter() + patience
        self.known: dict[tuple[str, ...], list[tuple[int, int, float, float]]] = {}  # rows, columns, size, seconds

    def foreseen(self, key: tuple[str, ...], n: int, d: int, size: float, predicted: float | None = None) -> float:
        """Return the seconds that a workload takes at least.

        By what is predicted, and by smaller workloads: of fewer rows and columns, or, where nothing is predicted, any.
        """
        smaller = [
            (size / s) ** 0.8 * took
            for rows, columns, s, took in self.known.get(key, [])
            if s <= size <= TELLING_SIZES * s and (predicted is None or (rows <= n and columns <= d))
        ]
        return max([*smaller, (predicted or 0.0) / 4], default=0.0)

    @property
    def is_late(self) -> bool:
        """Whether the time for all engines is over."""
        return time.perf_counter() > self.end

    def first(self, call: Callable[[], Any]) -> float:
        """Return the time of one call."""
        start = time.perf_counter()
        call()
        wait()
        return time.perf_counter() - start

    def __call__(self, call: Callable[[], Any], least: int = 1) -> tuple[float, Any]:
        """Return the shortest time of a few calls, at least so many, and the last result."""
        best, spent, result = float("inf"), 0.0, None
        for done in range(1, REPEATS + 1):
            start = time.perf_counter()
            result = call()
            wait()
            seconds = time.perf_counter() - start
            best, spent = min(best, seconds), spent + seconds
            if spent > self.limit and done >= least:
                break
        return best, result


def wait() -> None:
    """Wait until the GPU is done, if there is one in use."""
    cupy = sys.modules.get("cupy")
    if cupy is not None:
        cupy.cuda.runtime.deviceSynchronize()


@dataclass(frozen=True)
class Way:
    """A way to fit: what is called, with so many threads, and the seconds predicted."""

    call: Callable[[], Any]
    predicted: float | None = None
    n_threads: int | None = None


def ways_to_fit(family: Family, X: Any, y: Any, wanted: list[str], auto: bool) -> dict[str, Way]:
    """Return each engine that could run, by name."""
    from skdist_gpu import autoscale

    plan = autoscale(family.make()).plan(X, y)
    runnable = [c for c in plan.candidates if c.verdict != "refused" and {c.device, c.backend} & set(wanted)]
    in_memory = not hasattr(X, "dask") and type(X).__module__.partition(".")[0] != "cupy"
    ways = {}
    for candidate in runnable:
        if candidate.backend == "sklearn" and in_memory:
            for n in thread_numbers():
                name = f"{candidate.name}@{n}" if n else candidate.name
                ways[name] = Way(partial(fit_plain, family, X, y), candidate.seconds, n)
        else:
            model = autoscale(family.make(), backend=candidate.name, fallback="raise")
            ways[candidate.name] = Way(partial(model.fit, X, y), candidate.seconds)
    if auto:
        predicted = plan.chosen.seconds if plan.chosen else None
        ways["auto"] = Way(lambda: autoscale(family.make()).fit(X, y), predicted)
    return ways


def calls_at_least(engine: str, options: argparse.Namespace) -> int:
    """Return how many calls tell a time: on a GPU two, since the first of a shape may compile."""
    on_gpu = engine.endswith(":gpu") or engine == "device" or (engine == "auto" and "gpu" in options.engines)
    return 2 if on_gpu else 1


def thread_numbers() -> tuple[int, ...]:
    """Return the numbers of threads that scikit-learn is measured with; 0 for all."""
    n_cores = len(os.sched_getaffinity(0))
    return (*(n for n in (1, 4) if n < n_cores), 0)


def fit_plain(family: Family, X: Any, y: Any) -> Any:
    """Fit scikit-learn's own estimator."""
    estimator = family.make()
    return estimator.fit(X) if y is None else estimator.fit(X, y)


@contextmanager
def threads(family: Family, n_threads: int | None) -> Iterator[None]:
    """Limit the threads of BLAS and OpenMP; 0 for all. Forests grow their trees on as many; None changes nothing."""
    from skdist_gpu.engines.trees import GROWN_APART

    forest = n_threads is not None and n_threads != 1 and type(family.make()).__name__ in GROWN_APART
    jobs = joblib.parallel_config("threading", n_jobs=n_threads or -1) if forest else nullcontext()
    with jobs, threadpool_limits(n_threads or None):
        yield


def measure_fits(family: Family, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the seconds of each engine's fits."""
    clock = Stopwatch(options.seconds, options.patience)
    for container in options.containers:
        if container == "csr" and family.name not in TAKE_SPARSE:
            continue
        for n, d, density in shapes_of(options.shapes, container, family, options.seed):
            size = n * d * (density or 1) * (n**0.8 if family.pairwise else min(n, d) ** 0.5)
            seen = {key[1] for key in clock.known if key[0] == container}
            if clock.is_late:
                return
            times = [clock.foreseen((container, engine), n, d, size) for engine in seen - {"auto"}]
            if n * d * (density or 1) > options.most_values or min(times, default=0.0) > options.seconds:
                continue
            X, y = in_container(*make_rows(family, n, d, density), container)
            for engine, way in ways_to_fit(family, X, y, options.engines, options.auto).items():
                row = {"estimator": family.name, "container": container, "rows": n, "columns": d, "density": density}
                row |= {"method": "fit", "engine": engine, "cores": len(os.sched_getaffinity(0))}
                is_first = (container, engine) not in clock.known
                clock.known.setdefault((container, engine), [])
                foreseen = clock.foreseen((container, engine), n, d, size, way.predicted)
                # the first fit loads the library, which is part of what was predicted
                if foreseen > options.seconds and not is_first:
                    yield row | {"foreseen": foreseen}
                    continue
                try:
                    with threads(family, way.n_threads):
                        if is_first:
                            few, few_y = X[:300], None if y is None else y[:300]
                            small = ways_to_fit(family, few, few_y, options.engines, options.auto)
                            row["first"] = clock.first(small.get(engine, way).call)
                        seconds, model = clock(way.call, calls_at_least(engine, options))
                except Exception as error:
                    yield row | {"error": f"{type(error).__name__}: {error}"[:200]}
                    continue
                if seconds > TELLING:
                    clock.known[container, engine].append((n, d, size, seconds))
                model = getattr(model, "estimator_", model)
                n_iter = getattr(model, "n_iter_", None)
                yield row | {"seconds": seconds, "n_iter": 0 if n_iter is None else int(np.max(n_iter, initial=0))}


def measure_scoring(family: Family, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the seconds of each way to call a fitted model's methods."""
    from skdist_gpu import autoscale
    from skdist_gpu.planning.plan import Candidate
    from skdist_gpu.planning.scored import kept_size

    for container in options.containers:
        if container == "csr" and family.name not in TAKE_SPARSE:
            continue
        for n_fit, d, lengths in scored_of(options.shapes, family, options.seed):
            n_fit = min(n_fit, 5_000) if family.pairwise else n_fit
            density = SCORED_DENSITY if container == "csr" else 0.0
            # a model is fitted in main memory, wherever the rows are that it scores
            place = "numpy" if container == "dask" else container
            X, y = in_container(*make_rows(family, n_fit, d, density), place)
            model = fit_plain(family, X, y)
            able = copying_engines(model, options) if container in ("numpy", "pandas") else []
            copies = {name: autoscale(family.make(), backend=name).fit(X, y) for name in able}
            for method in family.methods:
                clock = Stopwatch(options.seconds, options.patience)
                for n in lengths:
                    rows = scored_rows(X, n, container)
                    row = {"estimator": family.name, "container": container, "rows": n, "columns": d, "method": method}
                    row |= {"density": density, "fitted": n_fit, "kept": kept_size(model)}
                    row |= {"cores": len(os.sched_getaffinity(0))}
                    calls = ways_to_score(model, method, rows, options)
                    for name, fitted in copies.items():
                        copy = Candidate(*name.split(":"), "possible", ())
                        calls[name] = caller(copy, fitted._block_method(method), rows), None
                    for engine, (call, predicted) in calls.items():
                        foreseen = clock.foreseen((engine,), n, d, n, predicted)
                        if foreseen > options.seconds:
                            yield row | {"engine": engine, "foreseen": foreseen}
                            continue
                        try:
                            seconds = clock.first(call)  # makes copies of the model, compiles, takes memory
                            again = seconds < LONG * options.seconds or calls_at_least(engine, options) > 1
                            seconds = clock(call)[0] if again else seconds
                        except Exception as error:
                            yield row | {"engine": engine, "error": f"{type(error).__name__}: {error}"[:200]}
                            continue
                        clock.known.setdefault((engine,), []).append((n, d, n, seconds))
                        yield row | {"engine": engine, "seconds": seconds}


def scored_rows(X: Any, n_rows: int, container: str) -> Any:
    """Return so many rows in a container, those of `X` over and over."""
    taken = np.arange(n_rows) % X.shape[0]
    if container == "dask":
        return in_container(X[taken], None, container)[0]
    return X.iloc[taken].reset_index(drop=True) if container == "pandas" else X[taken]


def ways_to_score(model: Any, method: str, rows: Any, options: argparse.Namespace) -> dict[str, tuple[Any, Any]]:
    """Return each way to call a method, by the name that rates have for it, with the seconds predicted.

    Dask's blocks are scored by one way; beside it stands what gathers them first.
    """
    from skdist_gpu import autoscale
    from skdist_gpu.engines.block_method import BlockMethod

    wrapped, function = autoscale(model), BlockMethod(model, method)
    if hasattr(rows, "dask"):
        ways = {"plain": lambda: getattr(wrapped, method)(rows), "gathered": lambda: function(rows.compute())}
        return {name: (partial(computed, way), None) for name, way in ways.items()}
    plan = wrapped.plan(rows, method=method)
    ways = [c for c in plan.ladder if c.device in options.engines]
    calls = {way_of(c): (caller(c, function, rows), c.seconds) for c in ways}
    if options.auto:
        calls["auto"] = partial(getattr(wrapped, method), rows), plan.chosen.seconds if plan.chosen else None
    return calls


def computed(call: Callable[[], Any]) -> Any:
    """Return what a call gives, with all of Dask's blocks."""
    import dask

    return dask.compute(call())


def copying_engines(model: Any, options: argparse.Namespace) -> list[str]:
    """Return the engines on the CPU that score with what their own fits leave beside the plain estimator."""
    from skdist_gpu.engines.registry import entries_for, scoring_engines

    able = {entry.name for entry in entries_for(model) if not entry.refusal}
    names = [f"{engine.name}:cpu" for engine in scoring_engines(model, "cpu")[:-1]]
    return [name for name in names if name in able and "cpu" in options.engines]


def way_of(candidate: Any) -> str:
    """Return the name that rates have for a way of scoring."""
    if candidate.device == "gpu":
        return "device"
    # scikit-learn's and XGBoost's estimators are the plain ones
    return {"sklearn": "plain", "xgboost": "plain", "threads": "threads"}.get(candidate.backend, candidate.name)


def caller(candidate: Any, function: Any, rows: Any) -> Callable[[], Any]:
    """Return a call of a method in one way."""
    from skdist_gpu.scoring.planned import by_copy, in_threads

    if way_of(candidate) == "plain":
        return lambda: function(rows)
    if way_of(candidate) == "threads":
        return lambda: in_threads(function, rows)
    return lambda: by_copy(function, candidate, rows)


def measure(options: argparse.Namespace) -> None:
    """Measure each estimator in a process of its own; one that takes too long is cut off."""
    for name in options.only or FAMILIES:
        start = time.perf_counter()
        try:
            program = [sys.executable, __file__, *sys.argv[1:], "--together", "--only", name]
            done = subprocess.run(program, stderr=subprocess.PIPE, timeout=2 * options.patience, text=True)
            note = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        except subprocess.TimeoutExpired:
            note = ["out of patience"]
        print(f"{name}: {time.perf_counter() - start:.0f} s", *note, flush=True)


def main() -> None:
    """Run the part that is asked for."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=["fit", "score"])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--together", action="store_true", help="measure all estimators in this process")
    parser.add_argument("--shapes", choices=[*SCORED, "unseen"], default="rates")
    parser.add_argument("--seed", type=int, default=0, help="by which unseen shapes are drawn")
    parser.add_argument("--containers", nargs="+", default=["numpy", "csr"])
    parser.add_argument("--engines", nargs="+", default=["cpu"], help="devices, or names of engines")
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--most-values", type=float, default=2e8)
    parser.add_argument("--patience", type=float, default=60, help="seconds for one estimator")
    parser.add_argument("--auto", action="store_true")
    options = parser.parse_args()
    if not options.together:
        measure(options)
        return
    measure_part = measure_fits if options.part == "fit" else measure_scoring
    with options.file.open("a") as out:
        for name in options.only or FAMILIES:
            for row in measure_part(FAMILIES[name], options):
                print(json.dumps(row), file=out, flush=True)


if __name__ == "__main__":
    main()
