"""Measure what the wrapper costs on small data: one row predicted, and a fit on scikit-learn's engine.

python benchmarks/overhead.py [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import timeit

import numpy as np
from measure import report
from sklearn.linear_model import LinearRegression

from skdist_gpu import AutoScaleRegressor


def microseconds(function):
    return min(timeit.repeat(function, number=500, repeat=9)) / 500 * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(200, 10)), generator.normal(size=200)
    model = AutoScaleRegressor(LinearRegression()).fit(X, y)
    row = X[:1]
    plain, wrapped = microseconds(lambda: model.estimator_.predict(row)), microseconds(lambda: model.predict(row))
    fit_plain = microseconds(lambda: LinearRegression().fit(X, y))
    fit_wrapped = microseconds(lambda: AutoScaleRegressor(LinearRegression()).fit(X, y))
    rows = [
        {"what": "predict one row", "plain_us": plain, "wrapped_us": wrapped, "overhead_us": wrapped - plain},
        {
            "what": "fit 200 × 10",
            "plain_us": fit_plain,
            "wrapped_us": fit_wrapped,
            "overhead_us": fit_wrapped - fit_plain,
        },
    ]
    report(rows, parser.parse_args().output)


if __name__ == "__main__":
    main()
