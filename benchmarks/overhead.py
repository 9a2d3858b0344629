"""Measure what the wrapper costs on small data: one row predicted, and the fixed cost of a fit.

The fits are scikit-learn's own, so what they take more is the wrapper's: its clones, checks and plan.

python benchmarks/overhead.py [--load TEXT] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import timeit

import numpy as np
from measure import save
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdist_gpu import autoscale

N_ROWS, N_COLUMNS = 200, 10
FITTED = (LinearRegression(), Ridge(), StandardScaler(), PCA(3), GaussianNB())
CALLS, REPEATS = 50, 21


def microseconds(plain, wrapped):
    """Return the shortest times of two functions, called in turn so that other load meets both."""
    pairs = [[timeit.timeit(f, number=CALLS) / CALLS * 1e6 for f in (plain, wrapped)] for _ in range(REPEATS)]
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
            return autoscale(estimator, backend="sklearn").fit(X, y)

        what = f"fit {N_ROWS} × {N_COLUMNS}"
        yield {"what": what, "estimator": type(estimator).__name__, **microseconds(plain, wrapped)}


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
