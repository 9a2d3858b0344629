"""Score rows on a GPU with trees of XGBoost and random forests: as this package does, and with nvForest.

python benchmarks/tree_scoring.py [--rows 1000 100000 1000000] [--trees 100 500] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time

import cupy
import numpy as np
import nvforest
from measure import report, timed
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from skdist_gpu import AutoScaleXGBClassifier, AutoScaleXGBRegressor, autoscale

N_COLUMNS, TRAINING_ROWS, FOREST_ROWS = 50, 200_000, 20_000
REPEATS = 5


def make_data():
    generator = cupy.random.default_rng(0)
    X = generator.standard_normal((TRAINING_ROWS, N_COLUMNS), dtype=cupy.float32)
    y = X[:, 0] + X[:, 1] * X[:, 2] + cupy.sin(X[:, 3]) + 0.5 * generator.standard_normal(len(X), dtype=cupy.float32)
    return X, y


def models(trees):
    """Yield names, fitted models of this package, and the methods to call."""
    X, y = make_data()
    labels = cupy.digitize(y, cupy.array([-1.0, 1.0]))
    options = {"max_depth": 6, "backend": "xgboost:gpu"}
    for n_trees in trees:
        yield f"XGBRegressor({n_trees})", AutoScaleXGBRegressor(n_estimators=n_trees, **options).fit(X, y), "predict"
        model = AutoScaleXGBClassifier(n_estimators=n_trees, **options)
        yield f"XGBClassifier({n_trees}), 2 classes", model.fit(X, y > 0), "predict_proba"
    yield "XGBClassifier(100), 3 classes", AutoScaleXGBClassifier(**options).fit(X, labels), "predict_proba"
    X, y, labels = (part[:FOREST_ROWS].get() for part in (X, y, labels))
    for backend, threads in (("sklearn", -1), ("cuml", None)):
        for estimator, target in ((RandomForestRegressor, y), (RandomForestClassifier, labels)):
            forest = autoscale(estimator(100, max_depth=16, n_jobs=threads), backend=backend).fit(X, target)
            method = "predict" if target is y else "predict_proba"
            yield f"{estimator.__name__}(100) of {backend}", forest, method


def nvforest_of(model):
    """Return nvForest's copy of a fitted model."""
    plain = model.estimator_
    if not hasattr(plain, "get_booster"):
        return nvforest.load_from_sklearn(plain, device="gpu", precision="single")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.ubj"
        plain.get_booster().save_model(path)
        return nvforest.load_model(path, model_type="xgboost_ubj", device="gpu", precision="single")


def seconds_of(function, X):
    """Return the time of the first call, the shortest of those after it, and the result on the host."""
    first = timed(lambda: _finished(function(X)))[0]
    best, result = timed(lambda: _finished(function(X)), REPEATS)
    return first, best, cupy.asnumpy(result)


def _finished(result):
    cupy.cuda.runtime.deviceSynchronize()
    return result


def measure(name, model, method, n_rows):
    X = cupy.random.default_rng(1).standard_normal((n_rows, N_COLUMNS), dtype=cupy.float32)
    first, ours, expected = seconds_of(getattr(model, method), X)
    row = {"model": name, "method": method, "rows": n_rows, "first_seconds": first, "seconds": ours}
    start = time.perf_counter()
    forest = nvforest_of(model)
    row["nvforest_load_seconds"] = time.perf_counter() - start
    versions = {
        "nvforest": lambda: forest,
        "nvforest_optimized": lambda: forest.optimize(data=X, predict_method=method),
    }
    for version, make in versions.items():
        try:
            scorer = make()
            _, row[f"{version}_seconds"], found = seconds_of(getattr(scorer, method), X)
        except Exception as error:  # what nvForest cannot do is a result, too
            row[f"{version}_error"] = f"{type(error).__name__}: {error}"[:200]
            continue
        row[f"{version}_ratio"] = ours / row[f"{version}_seconds"]
        row[f"{version}_layout"] = (scorer.layout, scorer.default_chunk_size)
        found = found.reshape(len(X), -1)[:, -1]  # of two classes, nvForest may give the second alone
        row[f"{version}_largest_difference"] = float(np.abs(found - expected.reshape(len(X), -1)[:, -1]).max())
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 100_000, 1_000_000])
    parser.add_argument("--trees", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = []
    for name, model, method in models(arguments.trees):
        for n_rows in arguments.rows:
            rows.append(measure(name, model, method, n_rows))
            print(rows[-1], flush=True)
    report(rows, arguments.output, columns=N_COLUMNS, max_depth="6, of the forests 16")


if __name__ == "__main__":
    main()
