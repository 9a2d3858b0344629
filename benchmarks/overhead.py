"""Measure what the package costs on small data: a row predicted, the fixed cost of a fit, a plan, and the import.

The fits are scikit-learn's and XGBoost's own, so what they take more is the wrapper's: its clones, checks and plan; or,
under ``installed()``, that of the methods in place of scikit-learn's.

python benchmarks/overhead.py [--load TEXT] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import timeit

import dask.dataframe as dd
import numpy as np
import pandas as pd
from measure import save
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from xgboost import XGBRegressor

from skdist_gpu import autoscale, install, uninstall

N_ROWS, N_COLUMNS, N_PARTITIONS = 1000, 10, 10_000
FITTED = (LinearRegression(), Ridge(), StandardScaler(), PCA(3), GaussianNB(), XGBRegressor(n_estimators=3, n_jobs=1))
PROGRAM = (*FITTED[:-1], LogisticRegression(), KMeans(3, n_init=1, random_state=0), SVC(), KNeighborsClassifier())
CALLS, REPEATS = 20, 31
IMPORTS = {"plain": "import sklearn.base", "wrapped": "import skdist_gpu"}


def microseconds(plain, wrapped, calls=CALLS, repeats=REPEATS, setups=("pass", "pass")):
    """Return the shortest times of two functions, called in turn so that other load meets both."""
    both = tuple(zip((plain, wrapped), setups, strict=True))
    pairs = [[timeit.timeit(f, setup, number=calls) / calls * 1e6 for f, setup in both] for _ in range(repeats)]
    plain_us, wrapped_us = np.min(pairs, axis=0).round(1).tolist()
    return {"plain_us": plain_us, "wrapped_us": wrapped_us, "overhead_us": round(wrapped_us - plain_us, 1)}


def measured():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(N_ROWS, N_COLUMNS))
    y = (X[:, 0] + generator.normal(size=N_ROWS) > 0).astype(int)
    model = autoscale(LinearRegression()).fit(X, y)
    row = X[:1]
    times = microseconds(lambda: model.estimator_.predict(row), lambda: model.predict(row))
    yield {"what": "predict one row", "estimator": "LinearRegression", **times}
    for estimator in FITTED:

        def plain(estimator=estimator):
            return clone(estimator).fit(X, y)

        def wrapped(estimator=estimator):
            return autoscale(estimator, backend=type(estimator).__module__.partition(".")[0]).fit(X, y)

        what = f"fit {N_ROWS} × {N_COLUMNS}"
        yield {"what": what, "estimator": type(estimator).__name__, **microseconds(plain, wrapped)}
    yield from unchanged(X, y)
    frame = dd.from_pandas(pd.DataFrame(np.zeros((N_PARTITIONS, N_COLUMNS))), npartitions=N_PARTITIONS)
    for place, rows, repeats in (("in memory", X, REPEATS), (f"Dask frame, {frame.npartitions} partitions", frame, 5)):
        wrapper = autoscale(Ridge())
        wrapper.plan(rows)
        calls = CALLS if rows is X else 1
        best = min(timeit.repeat(lambda w=wrapper, rows=rows: w.plan(rows), number=calls, repeat=repeats)) / calls
        yield {"what": f"plan, {place}", "estimator": "Ridge", "wrapped_us": round(best * 1e6, 1)}

    def imports(name):
        return lambda: subprocess.run([sys.executable, "-c", IMPORTS[name]], check=True)

    times = microseconds(imports("plain"), imports("wrapped"), calls=1, repeats=4)
    yield {"what": "import skdist_gpu, beside sklearn.base", "estimator": "", **times}


def unchanged(X, y):
    """Yield what small fits and a prediction take in a program that stays as it is, without and under `install`."""
    for estimator in PROGRAM:

        def fit(estimator=estimator):
            return clone(estimator).fit(X, y)

        what = f"fit {N_ROWS} × {N_COLUMNS}, unchanged program"
        yield {"what": what, "estimator": type(estimator).__name__, **switched(fit)}
    model, row = LinearRegression().fit(X, y), X[:1]
    yield {
        "what": "predict one row, unchanged program",
        "estimator": "LinearRegression",
        **switched(lambda: model.predict(row)),
    }


def switched(function):
    """Return the times of a function without and under `install`, after a call of each that is not counted."""
    without, under = lambda: (uninstall(), function()), lambda: (install(), function())
    times = microseconds(function, function, calls=5, repeats=120, setups=(without, under))
    uninstall()
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", default="not stated", help="what else the machine did meanwhile")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = []
    with threadpool_limits(1):  # threads on so few rows would measure the load of the other cores
        for row in measured():
            print(row, flush=True)
            rows.append(row)
    save(rows, arguments.output, load=arguments.load)


if __name__ == "__main__":
    main()
