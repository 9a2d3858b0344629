"""Searches: fits that share the sums of each fold against scikit-learn's, and joblib's processes against Dask.

python benchmarks/searches.py shared [--output FILE]
python benchmarks/searches.py dask [--output FILE]

With `shared`, scikit-learn's search tries a few of the candidates, and its time is multiplied by their share, since
its fits share nothing: a row says by how much.
"""

from __future__ import annotations

import argparse
import pathlib

import joblib
import numpy as np
import psutil
from distributed import Client, LocalCluster
from measure import report, timed
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV, SGDClassifier
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleRegressor, autoscale

N_ROWS, N_COLUMNS = 20_000, 30


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["shared", "dask"])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    report(shared_rows(arguments.cases) if arguments.what == "shared" else [dask_row()], arguments.output)


def _regression(n_rows, n_columns):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n_rows, n_columns))
    return X, X @ generator.standard_normal(n_columns) + 5 * generator.standard_normal(n_rows)


def _classes(n_rows, n_columns):
    X, y = _regression(n_rows, n_columns)
    return X, (y > 0).astype(int)


def _penalties(n):
    return list(np.logspace(-3, 6, n))


# name -> rows, model, all candidates, those that scikit-learn tries
CASES = {
    "ridge, 50 x 5": (_regression, (300_000, 60), Ridge(), {"alpha": _penalties(50)}, {"alpha": _penalties(50)[::49]}),
    "scaler, PCA, ridge, 20 x 5": (
        _regression,
        (300_000, 54),
        make_pipeline(StandardScaler(), PCA(), Ridge()),
        {"pca__n_components": [5, 10, 20, 30, 50], "ridge__alpha": [0.1, 1.0, 10.0, 100.0]},
        {"pca__n_components": [5, 50], "ridge__alpha": [1.0]},
    ),
    "scaler, PCA, logistic, 20 x 5": (
        _classes,
        (100_000, 54),
        make_pipeline(StandardScaler(), PCA(), LogisticRegression()),
        {"pca__n_components": [5, 10, 20, 30, 50], "logisticregression__C": [0.01, 0.1, 1.0, 10.0]},
        {"pca__n_components": [20], "logisticregression__C": [1.0]},
    ),
    "logistic, 10 x 5": (
        _classes,
        (100_000, 54),
        LogisticRegression(max_iter=1000),
        {"C": list(np.logspace(-4, 4, 10))},
        {"C": [list(np.logspace(-4, 4, 10))[4]]},
    ),
    "small ridge, 100 x 5": (_regression, (1000, 10), Ridge(), {"alpha": _penalties(100)}, {"alpha": _penalties(100)}),
}


def shared_rows(cases):
    """Return a row for each case: our search, scikit-learn's, and our RidgeCV over the same folds."""
    rows = []
    for name in cases:
        make, shape, model, grid, tried = CASES[name]
        X, y = make(*shape)
        share = len(ParameterGrid(grid)) / len(ParameterGrid(tried))
        ours = autoscale(GridSearchCV(model, grid, cv=5, refit=False))
        autoscale(GridSearchCV(model, grid, cv=5, refit=False)).fit(X[:2000], y[:2000])  # imports
        seconds, _ = timed(lambda: ours.fit(X, y))  # noqa: B023  called at once
        theirs = GridSearchCV(model, tried, cv=5, refit=False)
        plain_seconds, _ = timed(lambda: theirs.fit(X, y))  # noqa: B023
        scores = {
            str(p): s for p, s in zip(ours.cv_results_["params"], ours.cv_results_["mean_test_score"], strict=True)
        }
        pairs = zip(theirs.cv_results_["params"], theirs.cv_results_["mean_test_score"], strict=True)
        row = {
            "case": name,
            "rows": shape[0],
            "columns": shape[1],
            "seconds": seconds,
            "sklearn_seconds_of_the_candidates_it_tried": plain_seconds,
            "sklearn_seconds_times": share,
            "times_faster": plain_seconds * share / seconds,
            "largest_difference_of_a_score": max(float(abs(scores[str(p)] - score)) for p, score in pairs),
        }
        if isinstance(model, Ridge):
            cv = AutoScaleRegressor(RidgeCV(alphas=grid["alpha"], cv=5))
            row["ridge_cv_seconds"], _ = timed(lambda: cv.fit(X, y))  # noqa: B023
            row["over_ridge_cv"] = seconds / row["ridge_cv_seconds"]
        print(row, flush=True)
        rows.append(row)
    return rows


def dask_row():
    """Return the seconds of a search of 100 candidates by processes of joblib, and by workers of Dask."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((N_ROWS, N_COLUMNS))
    y = (X[:, 0] + generator.standard_normal(N_ROWS) > 0).astype(int)
    search = GridSearchCV(
        SGDClassifier(random_state=0, max_iter=20, tol=None), {"alpha": np.logspace(-6, 0, 100)}, cv=3, n_jobs=-1
    )
    cores = joblib.cpu_count()
    results = {"loky": [], "dask": []}
    with LocalCluster(n_workers=cores, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        for _ in range(4):  # in turns, since the machine may be shared; the first starts processes
            for backend in results:
                before = psutil.net_io_counters(pernic=True)["lo"].bytes_sent
                with joblib.parallel_config(backend):
                    seconds, _ = timed(lambda: search.fit(X, y))
                sent = psutil.net_io_counters(pernic=True)["lo"].bytes_sent - before
                results[backend].append((seconds, sent))
                print(backend, seconds, sent, flush=True)
    fastest = {backend: min(found[1:]) for backend, found in results.items()}
    return {
        "candidates": 100,
        "fits": 300,
        "data_bytes": X.nbytes + y.nbytes,
        "loky_seconds": fastest["loky"][0],
        "dask_seconds": fastest["dask"][0],
        "dask_over_loky": fastest["dask"][0] / fastest["loky"][0],
        "dask_bytes_over_loopback": fastest["dask"][1],
    }


if __name__ == "__main__":
    main()
