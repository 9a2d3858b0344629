"""Weak scaling of LinearRegression over GPUs of one machine, and against cuml.dask on the same blocks.

python benchmarks/multi_gpu.py --gpus 1 2 4 [--rows 20000000] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
from functools import partial

import cupy
import numpy as np
from dask.distributed import Client, wait
from dask_cuda import LocalCUDACluster
from measure import blocks_on_workers, report, timed

from skdist_gpu import AutoScaleRegressor

N_COLUMNS = 100


def make_block(shape, number, truth):
    """Return a block of [X y] on the GPU of the worker."""
    generator = cupy.random.default_rng(number)
    table = cupy.empty(shape, cupy.float32)
    table[:, :-1] = generator.standard_normal((len(table), N_COLUMNS), dtype=cupy.float32)
    table[:, -1] = table[:, :-1].astype(cupy.float64) @ cupy.asarray(truth) + 3
    return table


def make_blocks(client, n_rows, n_each):
    truth = np.random.default_rng(0).standard_normal(N_COLUMNS)
    table = blocks_on_workers(client, partial(make_block, truth=truth), n_rows, N_COLUMNS + 1, n_each)
    X, y = client.persist([table[:, :-1].map_blocks(cupy.ascontiguousarray), table[:, -1]])
    wait([X, y])
    return X, y, truth


def fit_cuml(client, X, y):
    from cuml.dask.linear_model import LinearRegression

    return LinearRegression(client=client).fit(X, y)


def measure(n_gpus, rows_each):
    devices = ",".join(map(str, range(n_gpus)))
    with (
        LocalCUDACluster(CUDA_VISIBLE_DEVICES=devices, protocol="tcp", memory_limit=None) as cluster,
        Client(cluster) as client,
    ):
        X, y, truth = make_blocks(client, n_gpus * rows_each, 4)
        AutoScaleRegressor().fit(X, y)
        seconds, model = timed(lambda: AutoScaleRegressor().fit(X, y), 5)
        row = {
            "gpus": n_gpus,
            "rows": n_gpus * rows_each,
            "chosen": repr(model.plan_),
            "seconds": seconds,
            "largest_error": float(np.abs(model.coef_ - truth).max()),
        }
        fit_cuml(client, X, y)
        cuml_seconds, peer = timed(lambda: fit_cuml(client, X, y), 2)
        coef = np.asarray(cupy.asnumpy(peer.coef_)).ravel()
        row |= {
            "cuml_dask_seconds": cuml_seconds,
            "ratio": cuml_seconds / seconds,
            "cuml_dask_largest_error": float(np.abs(coef - truth).max()),
        }
        print(row, flush=True)
        return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpus", type=int, nargs="+", default=[1])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = [measure(n_gpus, arguments.rows) for n_gpus in arguments.gpus]
    for row in rows:
        row["weak_scaling"] = rows[0]["seconds"] / row["seconds"]
    report(rows, arguments.output)


if __name__ == "__main__":
    main()
