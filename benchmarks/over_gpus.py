"""What cuML fits on one GPU and cuml.dask on all of them, each behind the wrapper.

python benchmarks/over_gpus.py {dbscan,forests} [--rows N ...] [--output FILE]

DBSCAN takes rows in main memory; forests take Dask's blocks on the GPUs, which one GPU has to fetch, too.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from measure import blocks_on_workers, report, timed
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import adjusted_rand_score

from skdist_gpu import autoscale, config_context
from skdist_gpu.hardware.cluster import start_cluster, visible_devices
from skdist_gpu.hardware.detect import detect_resources

ROWS = {"dbscan": (100_000, 300_000, 1_000_000, 2_000_000), "forests": (250_000, 1_000_000, 4_000_000, 16_000_000)}
FOREST = {"n_estimators": 100, "max_depth": 12, "random_state": 0}
BACKENDS = ("cuml", "cuml.dask")


def make_block(shape, number):
    import cupy

    return cupy.random.default_rng(1000 + number).standard_normal(shape, dtype=cupy.float32)


def dbscan(n_rows):
    """Yield the seconds of both, and whether they find the same clusters."""
    X = make_blobs(n_rows, 10, centers=12, random_state=0)[0].astype(np.float32)
    row, found = {"estimator": "DBSCAN", "rows": n_rows, "columns": 10}, {}

    def fit(backend):
        X[0, 0] += 1  # cuml.dask forgets rows that it has just seen
        return autoscale(DBSCAN(eps=1.5), backend=backend).fit(X)

    for backend in BACKENDS:
        seconds, model = timed(lambda b=backend: fit(b), 3 if n_rows < 1_000_000 else 1)
        row[f"{backend}_seconds"], found[backend] = seconds, model.labels_
    yield row | {"adjusted_rand": adjusted_rand_score(*found.values())}


def forests(n_rows, client):
    """Yield the seconds of both, and their scores on rows held out."""
    held_out = np.random.default_rng(0).standard_normal((100_000, 50), dtype=np.float32)
    X = blocks_on_workers(client, make_block, n_rows, 50, 1)
    for estimator in (RandomForestClassifier(**FOREST), RandomForestRegressor(**FOREST)):
        row = {"estimator": type(estimator).__name__, "rows": n_rows, "columns": 50}
        labels = isinstance(estimator, RandomForestClassifier)

        def target(rows, labels=labels):
            total = rows[:, :8].sum(axis=1)
            return (total > 0).astype(np.int32) if labels else total

        y = client.persist(target(X))
        for backend in BACKENDS:
            seconds, model = timed(lambda e=estimator, b=backend, t=y: autoscale(e, backend=b).fit(X, t), 2)
            row |= {f"{backend}_seconds": seconds, f"{backend}_score": model.score(held_out, target(held_out))}
        yield row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=list(ROWS))
    parser.add_argument("--rows", type=int, nargs="+")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    n_gpus, rows = len(detect_resources().gpus), []
    seconds, client = timed(lambda: start_cluster(visible_devices(n_gpus)))
    print(f"{seconds:.1f} s to start a cluster", flush=True)
    with config_context(client=client, fallback="raise"), client.as_current():
        for n_rows in arguments.rows or ROWS[arguments.what]:
            for row in dbscan(n_rows) if arguments.what == "dbscan" else forests(n_rows, client):
                rows.append({"gpus": n_gpus} | row)
                print(rows[-1], flush=True)
    report(rows, arguments.output, seconds_to_start_a_cluster=seconds)


if __name__ == "__main__":
    main()
