"""Seconds of the import and of the first and second fit on a GPU in a fresh process, without and with compiled kernels.

python benchmarks/first_fit.py [--rows 1000000] [--columns 20] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from measure import report

ESTIMATORS = {
    "LinearRegression": "sklearn.linear_model",
    "StandardScaler": "sklearn.preprocessing",
    "RobustScaler": "sklearn.preprocessing",
    "HuberRegressor": "sklearn.linear_model",
    "LogisticRegression": "sklearn.linear_model",
    "KMeans": "sklearn.cluster",
}


def in_this_process(name, n_rows, n_columns):
    """Print how long import, first fit and second fit of an estimator take."""
    start = time.perf_counter()
    from importlib import import_module

    import numpy as np

    from skdist_gpu import autoscale

    estimator = getattr(import_module(ESTIMATORS[name]), name)()
    seconds = {"import": time.perf_counter() - start}
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n_rows, n_columns), dtype=np.float32)
    y = X[:, 0] + generator.standard_normal(n_rows)
    if name == "LogisticRegression":
        y = (y > 0).astype(int)
    for fit in ("first_fit", "second_fit"):
        start = time.perf_counter()
        autoscale(estimator, backend="reductions:gpu").fit(X, y)
        seconds[fit] = time.perf_counter() - start
    print(json.dumps(seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=list(ESTIMATORS))
    parser.add_argument("--here", choices=list(ESTIMATORS), help="measure this one in the process itself")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.here:
        in_this_process(arguments.here, arguments.rows, arguments.columns)
        return
    rows = []
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as cache:
            for kernels in ("to compile", "on disk"):
                command = [sys.executable, __file__, "--here", name, "--rows", str(arguments.rows)]
                command += ["--columns", str(arguments.columns)]
                environment = {**os.environ, "CUPY_CACHE_DIR": cache}
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                rows.append({"estimator": name, "kernels": kernels, **json.loads(done.stdout.splitlines()[-1])})
                print(rows[-1], flush=True)
    report(rows, arguments.output, n_rows=arguments.rows, n_columns=arguments.columns)


if __name__ == "__main__":
    main()
