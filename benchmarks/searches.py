"""A search of 100 candidates on one machine: joblib's processes against joblib over Dask.

python benchmarks/searches.py [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib

import joblib
import numpy as np
import psutil
from distributed import Client, LocalCluster
from measure import report, timed
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV

N_ROWS, N_COLUMNS = 20_000, 30


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
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
    row = {
        "candidates": 100,
        "fits": 300,
        "data_bytes": X.nbytes + y.nbytes,
        "loky_seconds": fastest["loky"][0],
        "dask_seconds": fastest["dask"][0],
        "dask_over_loky": fastest["dask"][0] / fastest["loky"][0],
        "dask_bytes_over_loopback": fastest["dask"][1],
    }
    report([row], arguments.output)


if __name__ == "__main__":
    main()
