"""A program of many estimators as it is, under scikit-learn-intelex, under cuml.accel, and under skdist_gpu.

``python benchmarks/programs.py --rows 1000000 --repeats 1`` runs the same script in a process for each; seconds are
those of ``fit`` and of a prediction for 200 000 rows, of the fastest repeat. What each estimator says of the first rows
is compared with plain scikit-learn in float64.
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
from datetime import date
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
    yield PCA(n_components=10, svd_solver="full"), none, "transform", 1.0
    yield LedoitWolf(), none, "mahalanobis", 0.5
    yield KMeans(n_clusters=8, random_state=0, n_init=1), none, "predict", 0.5
    yield GaussianMixture(n_components=4, random_state=0, max_iter=20), none, "predict", 0.1
    yield RandomForestClassifier(n_estimators=20, max_depth=8, random_state=0), label, "predict_proba", 0.05
    yield KNeighborsClassifier(), label, "predict", 0.02
    yield SVC(), label, "decision_function", 0.005


def program(rows: int, repeats: int, out: Path, only: list[str]) -> None:
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
    for estimator, kind, method, share in estimators():
        name = type(estimator).__name__
        if only and name not in only:
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
        line = {"name": name, "rows": n, "fit": min(fits), "predict": min(predictions), "answer": answer}
        with out.open("ab") as file:
            pickle.dump(line, file)
        print(f"{name:<32}{min(fits):9.3f}{min(predictions):9.3f}", flush=True)


def run(way: str, arguments: argparse.Namespace, folder: Path) -> list[dict]:
    """Run the program in a process of its own."""
    out = folder / f"{way}.pickle"
    command = [sys.executable, *WAYS[way], __file__, "--program", str(out), "--rows", str(arguments.rows)]
    command += ["--repeats", str(arguments.repeats), "--only", *arguments.only]
    print(f"--- {way}", flush=True)
    subprocess.run(command, check=True, env={**os.environ, "SKLEARNEX_VERBOSE": "ERROR"})
    lines = []
    with out.open("rb") as file:
        while True:
            try:
                lines.append(pickle.load(file))
            except EOFError:
                return lines


def compared(results: dict[str, list[dict]]) -> list[dict]:
    """Return a line for each estimator: seconds of each way, and how far its answer is from plain scikit-learn's."""
    import numpy as np

    table = []
    for i, plain in enumerate(results["scikit-learn"]):
        line = {"name": plain["name"], "rows": plain["rows"]}
        for way, lines in results.items():
            ours = lines[i]
            scale = np.abs(plain["answer"]).max()
            line[way] = {
                "fit": round(ours["fit"], 4),
                "predict": round(ours["predict"], 4),
                "difference": float(np.abs(np.abs(ours["answer"]) - np.abs(plain["answer"])).max() / scale),
            }
        table.append(line)
    return table


def main() -> None:
    """Run every way that was asked for, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ways", nargs="+", default=["scikit-learn", "sklearnex", "skdist_gpu"], choices=list(WAYS))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--program", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.program:
        program(arguments.rows, arguments.repeats, arguments.program, arguments.only)
        return
    with tempfile.TemporaryDirectory() as folder:
        results = {way: run(way, arguments, Path(folder)) for way in arguments.ways}
    table = compared(results)
    for line in table:
        seconds = "".join(f"{line[way]['fit'] + line[way]['predict']:12.3f}" for way in arguments.ways)
        print(f"{line['name']:<32}{line['rows']:>9}{seconds}   {line[arguments.ways[-1]]['difference']:.1e}")
    for way in arguments.ways:
        print(f"{way}: {sum(line[way]['fit'] + line[way]['predict'] for line in table):.2f} s in all")
    if arguments.out:
        about = {"date": date.today().isoformat(), "cores": os.cpu_count(), "rows": arguments.rows}
        arguments.out.write_text(json.dumps({**about, "estimators": table}, indent=1))


if __name__ == "__main__":
    main()
