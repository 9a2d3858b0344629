"""What cuML fits on one GPU and cuml.dask on all of them, from rows in main memory, each behind the wrapper.

python benchmarks/over_gpus.py [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from measure import report, timed
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import adjusted_rand_score

from skdist_gpu import autoscale, config_context
from skdist_gpu.hardware.cluster import start_cluster, visible_devices
from skdist_gpu.hardware.detect import detect_resources

DBSCAN_ROWS = (50_000, 100_000, 300_000, 1_000_000)
FOREST_ROWS = (100_000, 300_000, 1_000_000, 4_000_000)
HELD_OUT = 100_000
FOREST = {"n_estimators": 100, "max_depth": 12, "random_state": 0}


def dbscan(row):
    """Add the seconds of both to a row, and whether they find the same clusters."""
    X = make_blobs(row["rows"], 10, centers=12, random_state=0)[0].astype(np.float32)
    found = {}

    def fit(backend):
        X[0, 0] += 1  # cuml.dask forgets rows that it has just seen
        return autoscale(DBSCAN(eps=1.5), backend=backend).fit(X)

    for backend in ("cuml", "cuml.dask"):
        seconds, model = timed(lambda b=backend: fit(b), 2)
        row[f"{backend}_seconds"], found[backend] = seconds, model.labels_
    row["adjusted_rand"] = adjusted_rand_score(*found.values())


def forest(row, estimator):
    """Add the seconds of both to a row, and their scores on rows held out."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((row["rows"] + HELD_OUT, 50), dtype=np.float32)
    y = X[:, :8].sum(axis=1) + generator.standard_normal(len(X), dtype=np.float32)
    y = (y > 0).astype(np.int32) if isinstance(estimator, RandomForestClassifier) else y
    fitted, held_out = slice(HELD_OUT, None), slice(HELD_OUT)
    for backend in ("cuml", "cuml.dask"):
        seconds, model = timed(lambda b=backend: autoscale(estimator, backend=b).fit(X[fitted], y[fitted]), 2)
        row[f"{backend}_seconds"], row[f"{backend}_score"] = seconds, model.score(X[held_out], y[held_out])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    n_gpus = len(detect_resources().gpus)
    cases = [(DBSCAN(), DBSCAN_ROWS)]
    cases += [
        (estimator, FOREST_ROWS) for estimator in (RandomForestClassifier(**FOREST), RandomForestRegressor(**FOREST))
    ]
    rows = []
    with config_context(client=start_cluster(visible_devices(n_gpus)), fallback="raise"):
        for estimator, sizes in cases:
            for n_rows in sizes:
                row = {"estimator": type(estimator).__name__, "gpus": n_gpus, "rows": n_rows}
                try:
                    dbscan(row) if isinstance(estimator, DBSCAN) else forest(row, estimator)
                except Exception as error:
                    row["error"] = f"{type(error).__name__}: {error}"[:300]
                rows.append(row)
                print(row, flush=True)
    report(rows, arguments.output)


if __name__ == "__main__":
    main()
