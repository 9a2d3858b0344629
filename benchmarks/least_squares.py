"""Time and check LinearRegression and Ridge against scikit-learn, dask_ml and cuML in one run.

python benchmarks/least_squares.py cpu   [--rows 2000000] [--output FILE]
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
from sklearn.linear_model import LinearRegression, Ridge

from skdist_gpu import AutoScaleRegressor


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


def cpu(n_rows):
    X, y, _ = make_table(n_rows)
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


def gpu(n_rows):
    import cupy
    from cuml.linear_model import LinearRegression as CumlLinearRegression
    from cuml.linear_model import Ridge as CumlRidge

    X, y, truth = make_table(n_rows, dtype=np.float32, noise=0.0)
    dX, dy = cupy.asarray(X), cupy.asarray(y)
    rows = []
    for estimator, peer in ((LinearRegression(), CumlLinearRegression), (Ridge(), CumlRidge)):
        for name, data in (("CuPy", (dX, dy)), ("NumPy", (X, y))):

            def ours(e=estimator, data=data):
                model = AutoScaleRegressor(e, backend="reductions:gpu").fit(*data)
                cupy.cuda.runtime.deviceSynchronize()
                return model

            def theirs(cls=peer, data=data):
                model = cls(output_type="numpy").fit(*data)
                cupy.cuda.runtime.deviceSynchronize()
                return model

            ours()
            ours_seconds, model = timed(ours, 5)
            theirs()
            seconds, reference = timed(theirs, 3)
            rows.append(
                {
                    "estimator": type(estimator).__name__,
                    "from": name,
                    "reductions_seconds": ours_seconds,
                    "cuml_seconds": seconds,
                    "ratio": seconds / ours_seconds,
                    "largest_error": float(np.abs(model.coef_ - truth).max()),
                    "cuml_largest_error": float(np.abs(np.asarray(reference.coef_) - truth).max()),
                }
            )
            print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cpu", "dask", "gpu"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a peer over Dask is stopped")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    n_rows = arguments.rows or (25_000_000 if arguments.what == "gpu" else 2_000_000)
    rows = {"cpu": cpu, "dask": lambda n: dask_arrays(n, arguments.limit), "gpu": gpu}[arguments.what](n_rows)
    report(rows, arguments.output, n_rows=n_rows)


if __name__ == "__main__":
    main()
