"""Time the encoders and the most frequent values against scikit-learn in one run, and compare what they learn.

python benchmarks/categories.py [--rows 1000000] [--columns 10] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
from functools import partial

import numpy as np
import pandas as pd
from measure import PeakMemory, report, timed
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from skdist_gpu import autoscale

ESTIMATORS = [OneHotEncoder(min_frequency=2), OrdinalEncoder(), SimpleImputer(strategy="most_frequent")]


def make_tables(n_rows, n_columns):
    """Return columns of 30 integers, and of 200 words in an array of objects, as strings and as categories."""
    generator = np.random.default_rng(0)
    words = np.array([f"word {i}" for i in range(200)], dtype=object)
    text = words[generator.integers(0, 200, (n_rows, n_columns))]
    strings = pd.DataFrame(text).astype("str")
    return {
        "integers": generator.integers(0, 30, (n_rows, n_columns)),
        "objects": text,
        "strings": strings,
        "categories": strings.astype("category"),
    }


def same(model, reference):
    """Whether both learned the same."""
    name = "statistics_" if hasattr(reference, "statistics_") else "categories_"
    return all(np.array_equal(a, b) for a, b in zip(getattr(model, name), getattr(reference, name), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    rows = []
    for kind, X in make_tables(arguments.rows, arguments.columns).items():
        for estimator in ESTIMATORS:
            with PeakMemory() as memory:
                ours_seconds, model = timed(partial(autoscale(estimator, backend="reductions:cpu").fit, X), 3)
            seconds, reference = timed(partial(clone(estimator).fit, X))
            rows.append(
                {
                    "estimator": repr(estimator),
                    "values": kind,
                    "reductions_seconds": ours_seconds,
                    "sklearn_seconds": seconds,
                    "ratio": seconds / ours_seconds,
                    "same": same(model, reference),
                    "extra_memory_MB": memory.extra / 1e6,
                }
            )
            print(rows[-1], flush=True)
    report(rows, arguments.output, n_rows=arguments.rows, n_columns=arguments.columns)


if __name__ == "__main__":
    main()
