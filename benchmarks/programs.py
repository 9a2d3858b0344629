"""A program of many estimators as it is, under scikit-learn-intelex, under cuml.accel, and under skdist_gpu.

``python benchmarks/programs.py --rows 1000000`` runs the same script under each, in one process as a program would, or
with ``--each`` in a process for each estimator. Seconds are those of ``fit`` and of a prediction for 200 000 rows: of
the first time, which loads libraries and compiles kernels, and of the fastest. What each estimator says of the first
rows is compared with plain scikit-learn in float64. With ``--limit`` an estimator that takes longer is given up.
``--output`` adds to the file: a later call measures other estimators or ways, each with its own date.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = {
    "scikit-learn": [],
    "sklearnex": ["-m", "sklearnex"],
    "cuml.accel": ["-m", "cuml.accel"],
    "skdist_gpu": ["-m", "skdist_gpu"],
}
COLUMNS, PREDICTED, COMPARED = 50, 200_000, 1000


def estimators():
    """Yield name, estimator, what of the rows it gets, and the method that answers."""
    from sklearn.cluster import KMeans
    from sklearn.covariance import LedoitWolf
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_selection import SelectKBest, f_regression
    from sklearn.linear_model import (
        BayesianRidge,
        ElasticNet,
        Lasso,
        LassoCV,
        LinearRegression,
        LogisticRegression,
        PoissonRegressor,
        Ridge,
        RidgeClassifier,
        RidgeCV,
    )
    from sklearn.mixture import GaussianMixture
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler
    from sklearn.svm import SVC

    number, label, count, none = "number", "label", "count", None
    yield LinearRegression(), number, "predict", 1.0
    yield Ridge(), number, "predict", 1.0
    yield RidgeCV(), number, "predict", 1.0
    yield Lasso(alpha=0.01, tol=1e-8), number, "predict", 1.0
    yield ElasticNet(alpha=0.01, tol=1e-8), number, "predict", 1.0
    yield LassoCV(n_alphas=20) if "n_alphas" in LassoCV().get_params() else LassoCV(alphas=20), number, "predict", 0.25
    yield BayesianRidge(), number, "predict", 0.25
    yield PoissonRegressor(tol=1e-6), count, "predict", 0.25
    yield LogisticRegression(tol=1e-6, max_iter=500), label, "predict_proba", 1.0
    yield RidgeClassifier(), label, "decision_function", 1.0
    yield GaussianNB(), label, "predict_proba", 1.0
    yield LinearDiscriminantAnalysis(), label, "predict_proba", 1.0
    yield QuadraticDiscriminantAnalysis(), label, "predict_proba", 1.0
    yield StandardScaler(), none, "transform", 1.0
    yield MinMaxScaler(), none, "transform", 1.0
    yield RobustScaler(), none, "transform", 0.5
    yield QuantileTransformer(random_state=0), none, "transform", 0.5
    yield SelectKBest(f_regression, k=10), number, "transform", 1.0
    yield PCA(n_components=10), none, "transform", 1.0
    yield LedoitWolf(), none, "mahalanobis", 0.5
    yield KMeans(n_clusters=8, random_state=0, n_init=1), none, "score", 0.5
    yield GaussianMixture(n_components=4, random_state=0, max_iter=20), none, "score_samples", 0.1
    yield RandomForestClassifier(n_estimators=20, max_depth=8, random_state=0), label, "predict_proba", 0.05
    yield KNeighborsClassifier(), label, "predict", 0.02
    yield SVC(), label, "decision_function", 0.005


def program(rows: int, repeats: int, out: Path, names: list[str]) -> None:
    """Fit and predict; write seconds and answers. It imports nothing of what it runs under."""
    import warnings

    import numpy as np

    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, COLUMNS))
    X[:, 0] += 3 * (rng.random(rows) < 0.5)
    signal = X[:, :5] @ [1.0, -2.0, 0.5, 0.3, 0.1]
    y = {"number": signal + rng.standard_normal(rows), "label": (signal + rng.standard_normal(rows) > 0.5).astype(int)}
    y["count"] = rng.poisson(np.exp(np.clip(signal / 4, -3, 3))).astype(float)
    out.touch()  # the time of each estimator counts from here
    for estimator, kind, method, share in estimators():
        name = type(estimator).__name__
        if name not in names:
            continue
        n = int(share * rows)
        args = (X[:n],) if kind is None else (X[:n], y[kind][:n])
        predicted = X[: min(PREDICTED, n)]
        fits, predictions = [], []
        for _ in range(repeats):
            start = time.perf_counter()
            estimator.fit(*args)
            fits.append(time.perf_counter() - start)
            start = time.perf_counter()
            getattr(estimator, method)(predicted)
            predictions.append(time.perf_counter() - start)
        answer = np.asarray(getattr(estimator, method)(X[:COMPARED]), dtype=np.float64)
        with out.open("ab") as file:
            pickle.dump({"name": name, "rows": n, "fits": fits, "predictions": predictions, "answer": answer}, file)


def run(way: str, names: list[str], arguments: argparse.Namespace, folder: Path) -> dict[str, dict]:
    """Run the program in a process of its own, and in another one from where an estimator took too long."""
    found: dict[str, dict] = {}
    left = list(names)
    while left:
        out = folder / f"{way}-{left[0]}.pickle"
        now = left[:1] if arguments.each else left
        command = [sys.executable, *WAYS[way], __file__, "--program", str(out), "--rows", str(arguments.rows)]
        command += ["--repeats", str(arguments.repeats), "--only", *now]
        process = subprocess.Popen(command, env={**os.environ, "SKLEARNEX_VERBOSE": "ERROR"})
        size, since, limited = -1, time.monotonic(), False
        while process.poll() is None:
            time.sleep(0.05)
            if (new := out.stat().st_size if out.exists() else -1) != size:
                size, since = new, time.monotonic()
            elif arguments.limit and time.monotonic() - since > arguments.limit:
                process.kill()
                limited = True
                process.wait()
        lines = read(out)
        found.update({line["name"]: line for line in lines})
        done = [line["name"] for line in lines]
        left = [name for name in left if name not in done]
        if len(done) < len(now):  # given up, or failed
            why = f"more than {arguments.limit:g} s" if limited else f"exit status {process.returncode}"
            found[left.pop(0)] = {"given_up": why}
        for name in [*done, *(name for name in now if "given_up" in found.get(name, {}))]:
            line = found[name]
            text = line.get("given_up") or f"{min(line['fits']):9.3f}{min(line['predictions']):9.3f}"
            print(f"{way:<14}{name:<32}{text}", flush=True)
    return found


def read(path: Path) -> list[dict]:
    """Return what a process wrote before it ended."""
    lines: list[dict] = []
    if path.exists():
        with path.open("rb") as file:
            while True:
                try:
                    lines.append(pickle.load(file))
                except (EOFError, pickle.UnpicklingError):
                    break
    return lines


def compared(results: dict[str, dict[str, dict]]) -> list[dict]:
    """Return a line for each estimator and way: seconds, and how far its answer is from plain scikit-learn's."""
    import numpy as np

    table = []
    for way, lines in results.items():
        for name, line in lines.items():
            entry = {"name": name, "way": way, "date": time.strftime("%Y-%m-%d %H:%M")}
            if "given_up" in line:
                table.append({**entry, "given_up": line["given_up"]})
                continue
            for what in ("fits", "predictions"):
                entry[what] = [round(seconds, 4) for seconds in line[what]]
            plain = results.get("scikit-learn", {}).get(name, {}).get("answer")
            if plain is not None:
                # components have no sign of their own
                difference = np.abs(np.abs(line["answer"]) - np.abs(plain)).max() / np.abs(plain).max()
                entry["difference"] = float(difference)
            table.append({**entry, "rows": line["rows"]})
    return table


def seconds_of(entry: dict, first: bool = False) -> float:
    """Return the seconds of a fit and a prediction: of the first, or of the fastest."""
    if "given_up" in entry:
        return float("nan")
    return sum(entry[what][0] if first else min(entry[what]) for what in ("fits", "predictions"))


def summary(table: list[dict]) -> str:
    """Return the table as text: the seconds of each way, how many times faster than scikit-learn, and sums."""
    from statistics import median

    by_name: dict[str, dict[str, dict]] = {}
    for entry in table:
        by_name.setdefault(entry["name"], {})[entry["way"]] = entry
    ways = [way for way in WAYS if any(entry["way"] == way for entry in table)]
    lines = [f"{'seconds':<32}" + "".join(f"{way:>14}" for way in ways) + "   times faster, difference of the last"]
    for name, entries in by_name.items():
        seconds = {way: seconds_of(entries[way]) for way in ways if way in entries}
        texts = "".join(f"{seconds.get(way, float('nan')):14.4f}" for way in ways)
        last = entries.get(ways[-1], {})
        ratio = seconds.get("scikit-learn", float("nan")) / seconds.get(ways[-1], float("nan"))
        lines.append(f"{name:<32}{texts}{ratio:9.2f}   {last.get('difference', float('nan')):.1e}")
    shared = [e for e in by_name.values() if all(way in e and "given_up" not in e[way] for way in ways)]
    for way in ways:
        sums = [sum(seconds_of(entries[way], first) for entries in shared) for first in (False, True)]
        ratios = [seconds_of(e["scikit-learn"]) / seconds_of(e[way]) for e in shared if "scikit-learn" in e]
        times = f"median {median(ratios):.2f} times scikit-learn, least {min(ratios):.2f}" if ratios else ""
        lines.append(f"{way}: {sums[0]:.2f} s for {len(shared)} estimators, {sums[1]:.2f} s the first time; {times}")
    return "\n".join(lines)


def main() -> None:
    """Run every way that was asked for, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--ways", nargs="+", default=["scikit-learn", "sklearnex", "skdist_gpu"], choices=list(WAYS))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--each", action="store_true", help="a process for each estimator")
    parser.add_argument("--limit", type=float, help="seconds after which an estimator is given up")
    parser.add_argument("--program", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    if arguments.program:
        program(arguments.rows, arguments.repeats, arguments.program, arguments.only)
        return
    names = [type(estimator).__name__ for estimator, *_ in estimators()]
    names = [name for name in names if not arguments.only or name in arguments.only]
    results: dict[str, dict[str, dict]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in arguments.ways:
            results[way] = run(way, names, arguments, Path(folder))
            table = with_earlier(compared(results), arguments.output)
            if arguments.output:
                from measure import commit, save

                facts = {"script": "benchmarks/programs.py", "largest": arguments.rows, "commit": commit()}
                save(table, arguments.output, **facts)
    print(summary(table))


def with_earlier(table: list[dict], output: Path | None) -> list[dict]:
    """Return the lines with those of the file that were measured before, and not now."""
    if output is None or not output.exists():
        return table
    now = {(entry["name"], entry["way"]) for entry in table}
    before = json.loads(output.read_text())["results"]
    return [entry for entry in before if (entry["name"], entry["way"]) not in now] + table


if __name__ == "__main__":
    main()
