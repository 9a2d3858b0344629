"""One pass over rows on a GPU, and over rows in main memory on one GPU and on all of a machine, in one process.

python benchmarks/gpus.py resident [--rows 25000000] [--output FILE]
python benchmarks/gpus.py host     [--rows 25000000] [--output FILE]
python benchmarks/gpus.py threads  [--rows 25000000] [--output FILE]

The last one compares ways to bring rows from main memory to one GPU, in turns, since such times vary: threads that send
what Arrow's threads have copied, or that copy by NumPy themselves, and the bytes that each sends at once.
"""

from __future__ import annotations

import argparse
import pathlib
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import cupy
import cupyx
import numpy as np
import pyarrow
from measure import report, timed
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge

from skdist_gpu import autoscale, config_context
from skdist_gpu.engines.executors import gpu, gpu_streams
from skdist_gpu.engines.executors.kernels import map_block
from skdist_gpu.engines.reductions import gpus
from skdist_gpu.engines.reductions.core.moments import MomentsReduction

N_COLUMNS = 100
BLOCK = 500_000
TURNS = 7


def make_on_gpu(n_rows):
    """Return X of float32 and y of float64 on the current GPU."""
    generator = cupy.random.default_rng(0)
    X = generator.standard_normal((n_rows, N_COLUMNS), dtype=cupy.float32)
    X += cupy.arange(N_COLUMNS, dtype=cupy.float32) / 10
    y = generator.standard_normal(n_rows)
    for start in range(0, n_rows, BLOCK):
        rows = slice(start, start + BLOCK)
        y[rows] += X[rows].astype(cupy.float64) @ cupy.arange(N_COLUMNS, dtype=cupy.float64)
    return X, y


def make_on_host(n_rows):
    """Return X of float32 and y of float64 in main memory, filled by threads."""
    X, y = np.empty((n_rows, N_COLUMNS), np.float32), np.empty(n_rows)

    def fill(start):
        generator = np.random.default_rng(start)
        rows = slice(start, start + BLOCK)
        generator.standard_normal(out=X[rows], dtype=np.float32)
        y[rows] = X[rows] @ np.arange(N_COLUMNS, dtype=np.float32) + generator.standard_normal(len(y[rows]))

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, range(0, n_rows, BLOCK)))
    return X, y


def products(X, y):
    """Return the mean and the centred products of [X y] from float64 copies of its blocks."""
    mean, total = 0.0, 0.0
    for step in ("mean", "products"):
        for start in range(0, len(X), BLOCK):
            rows = slice(start, start + BLOCK)
            table = cupy.column_stack([X[rows].astype(cupy.float64), y[rows]])
            if step == "mean":
                mean = mean + table.sum(axis=0) / len(X)
            else:
                total = total + (table - mean).T @ (table - mean)
    return mean.get(), total.get()


def synchronised(estimator, data, repeats=5):
    def fit():
        model = autoscale(estimator, backend="reductions:gpu").fit(*data)
        cupy.cuda.runtime.deviceSynchronize()
        return model

    fit()
    return timed(fit, repeats)


def resident(n_rows):
    """Return the seconds of fits to rows on the GPU, and how far sums and results are from those of float64 blocks.

    Rows of float32 give results of float32, as in scikit-learn: they are compared with the expected ones so rounded.
    """
    X, y = make_on_gpu(n_rows)
    _, scatter = products(X, y)
    sums = map_block(MomentsReduction(), X, y, None).scatter.get()
    sums_difference = float(np.abs(sums - scatter).max() / np.abs(scatter).max())
    gram, cross = scatter[:-1, :-1], scatter[:-1, -1]
    expected = {
        "LinearRegression": ("coef_", np.linalg.solve(gram, cross)),
        "Ridge": ("coef_", np.linalg.solve(gram + np.eye(len(gram)), cross)),
        "PCA": ("explained_variance_", np.linalg.eigvalsh(gram)[::-1] / (n_rows - 1)),
    }
    rows = []
    for estimator in (LinearRegression(), Ridge(), PCA()):
        name = type(estimator).__name__
        seconds, model = synchronised(estimator, (X,) if name == "PCA" else (X, y))
        attribute, value = expected[name]
        found = getattr(model, attribute)
        error = np.abs(found - value.astype(found.dtype)).max() / np.abs(value).max()
        row = {"estimator": name, "from": "CuPy", "seconds": seconds, "dtype": found.dtype.name}
        rows.append(row | {"relative_difference": float(error), "relative_difference_of_sums": sums_difference})
    return rows


def pinned_bandwidth():
    """Return the bytes a second of one copy from pinned memory to the current GPU."""
    host, target = cupyx.empty_pinned(2**30, np.uint8), cupy.empty(2**30, np.uint8)

    def copy():
        target.set(host)
        cupy.cuda.runtime.deviceSynchronize()

    copy()
    return 2**30 / timed(copy, 3)[0]


def host(n_rows):
    X, y = make_on_host(n_rows)
    bandwidth, rows = pinned_bandwidth(), []
    n_gpus = cupy.cuda.runtime.getDeviceCount()
    for share in (1, 1 / n_gpus):
        part = slice(0, int(share * n_rows))
        for used in range(1, n_gpus + 1):
            with config_context(max_gpus=used), mock.patch.object(gpus, "ROOM_FOR_ROWS", 1e-9):
                seconds, _ = synchronised(LinearRegression(), (X[part], y[part]))
            n_bytes = X[part].nbytes + y[part].nbytes
            row = {"estimator": "LinearRegression", "from": "NumPy", "rows": len(X[part]), "gpus": used}
            row |= {"seconds": seconds, "share_of_pinned_bandwidth": n_bytes / seconds / bandwidth / used}
            rows.append(row)
    return rows


def threads(n_rows):
    X, y = make_on_host(n_rows)
    model, bandwidth = autoscale(LinearRegression(), backend="reductions:gpu"), pinned_bandwidth()
    kinds = {("Arrow", n, megabytes): [] for n in (2, 3, 4) for megabytes in (8, 16)}
    kinds |= {("NumPy", n, 8): [] for n in (8, 12)}
    most, all_threads = gpu.MOST_THREADS, pyarrow.cpu_count()
    for _ in range(TURNS):
        for (by, n, megabytes), found in kinds.items():
            n_bytes = megabytes * 2**20
            patches = {"N_SENDERS": n, "SENT_BYTES": n_bytes, "CARRIED_BYTES": n_bytes}
            pyarrow.set_cpu_count(all_threads if by == "Arrow" else 1)
            own = mock.patch.object(gpu, "MOST_THREADS", most if by == "Arrow" else n)
            with config_context(max_gpus=1), own, mock.patch.multiple(gpu_streams, **patches):
                found.append(timed(lambda: model.fit(X, y))[0])
    return [
        {"copied_by": by, "threads": n, "megabytes": megabytes}
        | {"seconds": float(np.median(found[1:])), "least": min(found)}
        | {"share_of_pinned_bandwidth": (X.nbytes + y.nbytes) / float(np.median(found[1:])) / bandwidth}
        for (by, n, megabytes), found in kinds.items()
    ]


KINDS = {"resident": resident, "host": host, "threads": threads}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=list(KINDS))
    parser.add_argument("--rows", type=int, default=25_000_000)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = KINDS[arguments.what](arguments.rows)
    report(rows, arguments.output, n_rows=arguments.rows, n_columns=N_COLUMNS)


if __name__ == "__main__":
    main()
