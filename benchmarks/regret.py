"""How far the choice is from the best engine in hindsight, on workloads that no rate was fitted to.

python benchmarks/timings.py fit FILE.jsonl --shapes unseen --auto …        (measures every engine by name)
python benchmarks/regret.py FILE … [--cores 2] [--gpu NAME] [--output FILE.json]

The choice is that of the plan for a machine with so many cores and that GPU, with the rates as they are now, and its
time that of the engine it names. Where "auto" was measured, planning included, that is told beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import warnings
from collections import defaultdict
from typing import Any

import numpy as np
from measure import save
from rates import info_of, read
from timings import fit_plain, way_of
from workloads import FAMILIES, make_rows

from skdist_gpu.engines.registry import engines, entries_named
from skdist_gpu.planning.calibrate import VARIABLE
from skdist_gpu.planning.planner import Request, make_plan
from skdist_gpu.planning.scoring import Call, make_scoring_plan
from skdist_gpu.testing import make_resources

LEAST = 0.010  # seconds of the best engine from which a workload counts
# "gathered" is scikit-learn, called once Dask's blocks are in memory
SCIKIT_LEARN = ("sklearn:cpu", "gathered", "plain")


class Chooser:
    """Plan for workloads that were measured on a machine."""

    def __init__(self, n_cores: int, gpu: str) -> None:
        self.resources = make_resources(cpus=n_cores, gpus=int(bool(gpu)), memory="128GB")
        self.models: dict[tuple, Any] = {}

    def seconds(self, row: dict[str, Any]) -> tuple[dict[str, float], str]:
        """Return the seconds predicted for each engine that may be chosen, and the name of the one that is."""
        family, info = FAMILIES[row["estimator"]], info_of(row)
        if row["method"] == "fit":
            plan = make_plan(family.make(), info, self.resources, Request())
            return {name_of(c): c.seconds for c in plan.ladder if c.seconds}, name_of(
                plan.chosen
            ) if plan.chosen else ""
        plan = make_scoring_plan(Call(self._model(row), row["method"]), info, self.resources)
        return {way_of(c): c.seconds for c in plan.ladder if c.seconds}, way_of(plan.chosen)

    def _model(self, row: dict[str, Any]) -> Any:
        family, shape = FAMILIES[row["estimator"]], (row["fitted"], row["columns"], row.get("density", 0.0))
        if (family.name, shape) not in self.models:
            self.models[family.name, shape] = fit_plain(family, *make_rows(family, *shape))
        return self.models[family.name, shape]


def name_of(candidate: Any) -> str:
    """Return the name that measurements have for a candidate with its threads."""
    alone = engines()[candidate.backend].fits_anything and candidate.threads
    return f"{candidate.name}@{candidate.threads}" if alone else candidate.name


def judge(rows: list[dict[str, Any]], chooser: Chooser) -> dict[str, Any]:
    """Return how many times the best engine's time each policy takes, and how near the predictions are."""
    workloads: dict[tuple, dict[str, float]] = defaultdict(dict)
    samples = {}
    for row in rows:
        if "error" not in row:
            key = tuple(row[k] for k in ("estimator", "container", "rows", "columns", "method"))
            samples[key] = row
            workloads[key][row["engine"]] = row.get("seconds") or row["foreseen"]
    measured = {(*key_of(row), row["engine"]) for row in rows if row.get("seconds")}
    regrets: dict[str, list[tuple[float, str]]] = defaultdict(list)
    errors: list[float] = []
    for key, found in workloads.items():
        named = {
            engine: s
            for engine, s in found.items()
            if engine not in ("auto", "gathered") and not gives_way(samples[key], engine)
        }
        predicted, chosen = chooser.seconds(samples[key])
        if samples[key]["method"] != "fit":
            # the model was not fitted by an engine whose own copy alone can score it
            named = {engine: s for engine, s in named.items() if engine in predicted or engine == chosen}
        if len(named) < 2:
            continue
        best = min((e for e in named if (*key, e) in measured), key=named.__getitem__, default=None)
        if best is None or named[best] < LEAST:
            continue
        errors += [
            np.log(predicted[engine] / s)
            for engine, s in named.items()
            if engine in predicted and (*key, engine) in measured
        ]
        plain = {e: s for e, s in found.items() if e.partition("@")[0] in SCIKIT_LEARN}
        gpu = [s for e, s in named.items() if e.endswith(":gpu") or e == "device"]
        policies = {
            "the choice": named.get(chosen, named.get(chosen.partition("@")[0])),
            "auto, measured": found.get("auto") if (*key, "auto") in measured else None,
            "always scikit-learn": next((found[e] for e in SCIKIT_LEARN if e in found), None),
            "always scikit-learn, best threads": min(plain.values(), default=None),
            "always GPU": min(gpu, default=None),
        }
        for policy, seconds in policies.items():
            if seconds is not None:
                what = f"{' '.join(map(str, key))}: best {best} {named[best]:.4f} s"
                what += f", chosen {chosen} {seconds:.4f} s" if policy == "the choice" else f", {seconds:.4f} s"
                regrets[policy].append((max(1.0, seconds / named[best]), what))
    within = float(np.mean(np.abs(errors) < np.log(2))) if errors else 1.0
    return {
        "workloads": len(regrets["the choice"]),
        "predictions": len(errors),
        "within a factor of 2": round(within, 3),
        "policies": {policy: summary(found) for policy, found in regrets.items() if found},
    }


def gives_way(row: dict[str, Any], engine: str) -> bool:
    """Whether an engine is only taken by name, since its answer is another one."""
    entry = next((e for e in entries_named(FAMILIES[row["estimator"]].class_name) if e.name == engine), None)
    return (
        row["method"] == "fit" and entry is not None and bool(engines()[entry.backend].why_slower(entry, info_of(row)))
    )


def key_of(row: dict[str, Any]) -> tuple:
    """Return what names a workload."""
    return tuple(row[k] for k in ("estimator", "container", "rows", "columns", "method"))


def summary(found: list[tuple[float, str]]) -> dict[str, Any]:
    """Return the mean, the tail and the worst of some ratios."""
    ratios = np.array([ratio for ratio, _ in found])
    return {
        "workloads": len(found),
        "geometric mean": round(float(np.exp(np.log(ratios).mean())), 3),
        "95th percentile": round(float(np.percentile(ratios, 95)), 2),
        "worst": [f"{ratio:.2f} {what}" for ratio, what in sorted(found, reverse=True)[:15]],
    }


def main() -> None:
    """Judge, print and write."""
    warnings.simplefilter("ignore")
    os.environ[VARIABLE] = os.devnull  # the rates as they are shipped
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--gpu", default="")
    parser.add_argument("--worst", type=int, default=15)
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    rows = [row for path in options.files for row in read(path)]
    chooser, kinds = Chooser(options.cores, options.gpu), {"fits and scoring": rows}
    kinds |= {"fits": [row for row in rows if row["method"] == "fit"]}
    kinds |= {"scoring": [row for row in rows if row["method"] != "fit"]}
    kinds |= {f"of {c}": [row for row in rows if row["container"] == c] for c in {row["container"]: 0 for row in rows}}
    found = [{"of": kind, **judge(some, chooser)} for kind, some in kinds.items()]
    print(json.dumps(found, indent=1))
    save(found, options.output, cores=options.cores, gpu=options.gpu)


if __name__ == "__main__":
    main()
