"""Searches: fits that share the sums of each fold against scikit-learn's, and joblib's processes against Dask.

python benchmarks/searches.py shared [--cases NAME...] [--output FILE]
python benchmarks/searches.py fresh [--output FILE]       the first search of a process, of 100 candidates on 1000 rows
python benchmarks/searches.py readings [--output FILE]    how often a search reads the rows of a Dask array
python benchmarks/searches.py dask [--output FILE]

With `shared`, scikit-learn's search tries a few of the candidates, and its time is multiplied by their share, since
its fits share nothing: a row says by how much.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
from unittest import mock

import joblib
import numpy as np
import psutil
from distributed import Client, LocalCluster
from measure import report, timed
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV, SGDClassifier
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleRegressor, autoscale

N_ROWS, N_COLUMNS = 20_000, 30


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["shared", "fresh", "readings", "dask"])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = {"shared": lambda: shared_rows(arguments.cases), "fresh": fresh_rows, "readings": readings_rows}
    report(rows.get(arguments.what, lambda: [dask_row()])(), arguments.output)


def _regression(n_rows, n_columns):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n_rows, n_columns))
    return X, X @ generator.standard_normal(n_columns) + 5 * generator.standard_normal(n_rows)


def _classes(n_rows, n_columns):
    X, y = _regression(n_rows, n_columns)
    return X, (y > 0).astype(int)


def _with_gaps(n_rows, n_columns):
    X, y = _regression(n_rows, n_columns)
    X[np.random.default_rng(1).random(X.shape) < 0.05] = np.nan
    return X, y


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
    "imputer, scaler, ridge, 20 x 5": (
        _with_gaps,
        (300_000, 54),
        make_pipeline(SimpleImputer(), StandardScaler(), Ridge()),
        {"ridge__alpha": _penalties(20)},
        {"ridge__alpha": _penalties(20)[:1]},
    ),
    "small ridge, 100 x 5": (_regression, (1000, 10), Ridge(), {"alpha": _penalties(100)}, {"alpha": _penalties(100)}),
}


def shared_rows(cases):
    """Return a row for each case: our search, scikit-learn's, and our RidgeCV's one pass over the same folds."""
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
            cv = AutoScaleRegressor(RidgeCV(alphas=grid["alpha"], cv=5), backend="reductions")
            row["ridge_cv_seconds"], _ = timed(lambda: cv.fit(X, y))  # noqa: B023
            row["over_ridge_cv"] = seconds / row["ridge_cv_seconds"]
        print(row, flush=True)
        rows.append(row)
    return rows


_FIRST = """
import time
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from skdist_gpu import autoscale
generator = np.random.default_rng(0)
X = generator.standard_normal((1000, 10))
y = X @ generator.standard_normal(10) + 5 * generator.standard_normal(1000)
search = {wrap}(GridSearchCV(Ridge(), {{"alpha": list(np.logspace(-3, 6, 100))}}, cv=5))
for _ in range(2):
    start, cpu = time.perf_counter(), time.process_time()
    search.fit(X, y)
    print(time.perf_counter() - start, time.process_time() - cpu)
"""


def fresh_rows():
    """Return the seconds of a small search, ours and scikit-learn's, in processes of their own, in turns."""
    found = {"autoscale": [], "": []}
    for _ in range(5):
        for wrap, times in found.items():
            command = [sys.executable, "-c", _FIRST.format(wrap=wrap)]
            lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            times.append([float(number) for number in lines])
    rows = []
    for place, what in enumerate(("first", "second")):
        row = {"case": f"{what} search of a process, 100 x 5 on 1000 x 10"}
        for wrap, name in (("autoscale", "seconds"), ("", "sklearn_seconds")):
            row[name] = min(times[2 * place] for times in found[wrap])
            row[f"{name}_of_processors"] = min(times[2 * place + 1] for times in found[wrap])
        rows.append(row | {"over_sklearn": row["seconds"] / row["sklearn_seconds"]})
    return rows


def readings_rows():
    """Return how often searches over 10 candidates x 5 folds read the rows of a Dask array."""
    import dask.array as da

    from skdist_gpu.data import gather
    from skdist_gpu.model_selection import GridSearchCV as OfAnyRows

    X, y = _classes(20_000, 20)
    read = []

    def counted(block):
        read.append(len(block))
        return block

    models = {
        "ridge": (Ridge(), {"alpha": _penalties(10)}),
        "scaler, PCA, ridge": (make_pipeline(StandardScaler(), PCA(5), Ridge()), {"ridge__alpha": _penalties(10)}),
        "scaler, PCA, logistic": (
            make_pipeline(StandardScaler(), PCA(5), LogisticRegression()),
            {"logisticregression__C": list(np.logspace(-3, 3, 10))},
        ),
    }
    ways = {
        "autoscale": (lambda *a, **o: autoscale(GridSearchCV(*a, **o)), gather.COPIES),
        "skdist_gpu.model_selection": (OfAnyRows, gather.COPIES),
        "skdist_gpu.model_selection, rows that do not fit": (OfAnyRows, 1e12),
    }
    rows = []
    for name, (model, grid) in models.items():
        for way, (make, copies) in ways.items():
            blocks = da.from_array(X, chunks=(5000, -1)).map_blocks(counted, dtype=X.dtype, meta=np.empty((0, 0)))
            read.clear()
            with mock.patch.object(gather, "COPIES", copies):
                make(model, grid, cv=5).fit(blocks, da.from_array(y, chunks=5000))
            rows.append({"case": f"{name}, 10 x 5", "search": way, "readings": sum(read) / len(X)})
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
