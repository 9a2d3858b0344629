"""Measure scoring of NumPy rows on a GPU machine: as planned, by scikit-learn, and by cuML called directly.

python benchmarks/scoring_from_host.py [--rows 50000] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import time

import cuml
import numpy as np
from measure import save
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, SVR

from skdist_gpu import autoscale

TWINS = {
    "KNeighborsClassifier": cuml.neighbors.KNeighborsClassifier,
    "SVC": cuml.svm.SVC,
    "SVR": cuml.svm.SVR,
    "RandomForestClassifier": cuml.ensemble.RandomForestClassifier,
    "RandomForestRegressor": cuml.ensemble.RandomForestRegressor,
}
CASES = [
    (KNeighborsClassifier(), 500_000),
    (SVC(), 5_000),
    (SVR(), 5_000),
    (RandomForestClassifier(50, max_depth=12), 50_000),
    (RandomForestRegressor(50, max_depth=12), 50_000),
]


def shortest(call, repeats=3):
    """Return the shortest seconds of a call, once it has run."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--load", default="not stated")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    generator, results = np.random.default_rng(0), []
    queries = generator.normal(size=(options.rows, 20))
    for estimator, n_rows in CASES:
        X = generator.normal(size=(n_rows, 20))
        y = (X[:, 0] + X[:, 1] > 0).astype(int)
        model = autoscale(estimator, backend="sklearn").fit(X, y)
        twin = TWINS[type(estimator).__name__].from_sklearn(model.estimator_)
        twin.output_type = "numpy"
        given = queries.astype(np.float32) if "Forest" in type(estimator).__name__ else queries
        direct = shortest(lambda twin=twin, given=given: twin.predict(given))
        planned = shortest(lambda model=model: model.predict(queries))
        call = model.report_.last_call
        results.append(
            {
                "estimator": type(estimator).__name__,
                "cuml": direct,
                "planned": planned,
                "over_cuml": planned / direct,
                "ran_on": call.candidate.name,
                "predicted": call.candidate.seconds,
                "failures": list(call.failures),
            }
        )
        print(results[-1], flush=True)
    save(results, options.output, load=options.load)


if __name__ == "__main__":
    main()
