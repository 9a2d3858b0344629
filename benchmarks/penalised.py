"""Time penalised and cross-validated least squares against scikit-learn in one run, on the CPU.

python benchmarks/penalised.py [--rows 2000000] [--columns 100] [--only NAME ...] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from least_squares import make_table, relative
from measure import PeakMemory, report, timed
from sklearn.linear_model import BayesianRidge, ElasticNet, Lars, Lasso, LassoCV, RidgeClassifier, RidgeCV

from skdist_gpu import autoscale

PENALTIES = np.logspace(-3, 5, 100)


def compare(estimator, X, y):
    with PeakMemory() as memory:
        seconds, model = timed(lambda: autoscale(estimator, backend="reductions").fit(X, y), 2)
    sklearn_seconds, reference = timed(lambda: type(estimator)(**estimator.get_params()).fit(X, y))
    row = {
        "estimator": repr(estimator)[:60],
        "shape": X.shape,
        "reductions_seconds": seconds,
        "sklearn_seconds": sklearn_seconds,
        "ratio": sklearn_seconds / seconds,
        "relative_difference": relative(model.coef_, reference.coef_),
        "extra_memory_MB": memory.extra / 1e6,
    }
    print(row, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    X, y, _ = make_table(arguments.rows, arguments.columns)
    half = arguments.rows // 2
    # scikit-learn's RidgeCV with folds fits 500 models, which takes half an hour
    cases = [
        *((estimator, X, y) for estimator in (Lasso(0.1), ElasticNet(0.1), Lars(), BayesianRidge())),
        (RidgeClassifier(), X, (y > 0).astype(int)),
        *((cv, X[:half], y[:half]) for cv in (LassoCV(cv=5, alphas=100), RidgeCV(PENALTIES), RidgeCV(PENALTIES, cv=5))),
    ]
    rows = [compare(*case) for case in cases if not arguments.only or type(case[0]).__name__ in arguments.only]
    report(rows, arguments.output, n_rows=arguments.rows, n_columns=arguments.columns)


if __name__ == "__main__":
    main()
