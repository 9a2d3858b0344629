"""Time and check LinearRegression and Ridge against scikit-learn, dask_ml and cuML in one run.

python benchmarks/least_squares.py cpu   [--rows 2000000] [--columns 100] [--output FILE]
python benchmarks/least_squares.py dask  [--rows 2000000] [--output FILE]
python benchmarks/least_squares.py gpu   [--rows 25000000] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import time

import numpy as np
import psutil
from measure import PeakMemory, report, timed
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge

from skdist_gpu import AutoScaleRegressor, autoscale


def relative(coef, reference):
    return float(np.abs(np.asarray(coef) - reference).max() / np.abs(reference).max())


def make_table(n_rows, n_columns=100, dtype=np.float64, noise=1.0):
    generator = np.random.default_rng(0)
    truth = generator.standard_normal(n_columns)
    X = np.empty((n_rows, n_columns), dtype)
    y = np.empty(n_rows, dtype)
    for start in range(0, n_rows, 100_000):
        rows = slice(start, start + 100_000)
        X[rows] = generator.standard_normal((len(X[rows]), n_columns), dtype=dtype)
        y[rows] = X[rows] @ truth + 3.0 + noise * generator.standard_normal(len(y[rows]))
    return X, y, truth


def cpu(n_rows, n_columns):
    X, y, _ = make_table(n_rows, n_columns)
    rows = []
    for estimator in (LinearRegression(), Ridge()):
        with PeakMemory() as memory:
            ours_seconds, ours = timed(lambda e=estimator: AutoScaleRegressor(e, backend="reductions").fit(X, y), 3)
        seconds, reference = timed(lambda e=estimator: type(e)(**e.get_params()).fit(X, y))
        rows.append(
            {
                "estimator": type(estimator).__name__,
                "reductions_seconds": ours_seconds,
                "sklearn_seconds": seconds,
                "ratio": seconds / ours_seconds,
                "relative_difference": relative(ours.coef_, reference.coef_),
                "extra_memory_MB": memory.extra / 1e6,
                "auto": str(AutoScaleRegressor(estimator).plan(X, y).backend),
            }
        )
    return rows


def dask_arrays(n_rows, limit):
    import dask.array as da
    from dask_ml.linear_model import LinearRegression as DaskLinearRegression

    rows = []
    for columns in ("independent", "correlated"):
        X, y, _ = make_table(n_rows)
        if columns == "correlated":
            X = X @ (np.eye(X.shape[1]) + 0.3 * np.random.default_rng(1).standard_normal((X.shape[1], X.shape[1])))
        dX, dy = (da.from_array(part, chunks=(n_rows // 16, *part.shape[1:])).persist() for part in (X, y))
        ours_seconds, ours = timed(lambda dX=dX, dy=dy: AutoScaleRegressor().fit(dX, dy), 3)
        rows.append({"columns": columns, "who": f"AutoScaleRegressor, {ours.plan_!r}", "seconds": ours_seconds})
        for solver in ("newton", "admm"):
            fit = DaskLinearRegression(solver=solver).fit
            seconds, model = limited(lambda fit=fit, dX=dX, dy=dy: fit(dX, dy), limit)
            row = {"columns": columns, "who": f"dask_ml LinearRegression(solver={solver!r})", "seconds": seconds}
            row |= {"stopped": model is None, "ratio": seconds / ours_seconds}
            if model is not None:
                row["relative_difference_from_ours"] = relative(model.coef_, ours.coef_)
            rows.append(row)
            print(row, flush=True)
    return rows


def limited(function, limit):
    """Run in a forked process that is stopped after `limit` seconds; None as result then."""
    import multiprocessing
    import queue as queues
    from concurrent.futures import ThreadPoolExecutor

    import dask

    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def work():
        # Dask's threads do not survive a fork
        with dask.config.set(pool=ThreadPoolExecutor(psutil.cpu_count())):
            queue.put(function())

    process = context.Process(target=work)
    start = time.perf_counter()
    process.start()
    try:
        result = queue.get(timeout=limit)
    except queues.Empty:
        result = None
    seconds = time.perf_counter() - start
    process.kill()
    return seconds, result


def make_table_on_gpu(n_rows, n_columns=100):
    """Return float32 X and y = X @ truth + 3 as CuPy arrays, and the truth."""
    import cupy

    truth = np.random.default_rng(0).standard_normal(n_columns)
    X = cupy.random.default_rng(0).standard_normal((n_rows, n_columns), dtype=np.float32)
    X *= cupy.linspace(1, 2, n_columns, dtype=np.float32)
    y = cupy.empty(n_rows, np.float32)
    for start in range(0, n_rows, 1_000_000):
        rows = slice(start, start + 1_000_000)
        y[rows] = X[rows].astype(np.float64) @ cupy.asarray(truth) + 3
    return X, y, truth


def variances_on_gpu(X, n_components):
    """Return the largest eigenvalues of the covariance of X, summed in float64 without a shift."""
    import cupy

    products, sums = 0, 0
    for start in range(0, len(X), 1_000_000):
        rows = X[start : start + 1_000_000].astype(np.float64)
        products, sums = products + rows.T @ rows, sums + rows.sum(axis=0)
    covariance = (products - cupy.outer(sums, sums) / len(X)) / (len(X) - 1)
    return np.linalg.eigvalsh(covariance.get())[::-1][:n_components]


def gpu(n_rows):
    import cuml
    import cupy

    def synchronised(fit, repeats):
        def run():
            model = fit()
            cupy.cuda.runtime.deviceSynchronize()
            return model

        run()  # the first call compiles and allocates
        return timed(run, repeats)

    X, y, truth = make_table_on_gpu(n_rows)
    host = (X.get(), y.get())
    variances = variances_on_gpu(X, 10)
    reading, _ = synchronised(lambda: X.sum(), 5)
    cases = [
        (LinearRegression(), cuml.LinearRegression(output_type="numpy"), "coef_", truth),
        (Ridge(), cuml.Ridge(output_type="numpy"), "coef_", truth),
        (PCA(10), cuml.PCA(n_components=10, output_type="numpy"), "explained_variance_", variances),
    ]
    rows = []
    for estimator, peer, attribute, expected in cases:
        for name, data in (("CuPy", (X, y)), ("NumPy", host)):
            seconds, model = synchronised(lambda e=estimator, d=data: autoscale(e, backend="reductions:gpu").fit(*d), 5)
            cuml_seconds, reference = synchronised(lambda p=peer, d=data: p.fit(*d), 2)
            row = {"estimator": repr(estimator), "from": name, "reductions_seconds": seconds}
            row |= {"cuml_seconds": cuml_seconds, "ratio": cuml_seconds / seconds}
            row |= {"times_reading_on_the_device": seconds / reading, "attribute": attribute}
            for who, fitted in (("largest_error", model), ("cuml_largest_error", reference)):
                row[who] = float(np.abs(np.asarray(getattr(fitted, attribute)) - expected).max())
            rows.append(row)
            print(row, flush=True)
    return [{"device_GB_per_second": X.nbytes / reading / 1e9}, *rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cpu", "dask", "gpu"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--columns", type=int, default=100, help="on the CPU alone")
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a peer over Dask is stopped")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    n_rows = arguments.rows or (25_000_000 if arguments.what == "gpu" else 2_000_000)
    run = {
        "cpu": lambda: cpu(n_rows, arguments.columns),
        "dask": lambda: dask_arrays(n_rows, arguments.limit),
        "gpu": lambda: gpu(n_rows),
    }[arguments.what]
    report(run(), arguments.output, n_rows=n_rows, n_columns=arguments.columns)


if __name__ == "__main__":
    main()
