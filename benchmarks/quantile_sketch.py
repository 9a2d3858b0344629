"""How far the ranks of quantiles are off: of the sketch that one pass fills, and of scikit-learn's random rows.

python benchmarks/quantile_sketch.py [--rows 1000000] [--output FILE]

A rank error is a share of all rows: 0.001 where a quantile asked for at 0.500 is found at 0.501. The largest over all
quantiles and columns is printed.
"""

from __future__ import annotations

import argparse
import math
import pathlib

import joblib
import numpy as np
from measure import report, timed
from sklearn.preprocessing import QuantileTransformer

from skdist_gpu.engines.executors.threads import ThreadsExecutor
from skdist_gpu.engines.reductions.columns.quantile_sketch import SKETCH_ROWS, sketched_quantiles
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.progress import Progress

N_COLUMNS, N_QUANTILES = 8, 1000


def rank_error(X, quantiles, shares):
    """Return the largest distance between the share of rows below a quantile and the share asked for."""
    found = [np.searchsorted(np.sort(column), quantiles[:, i]) for i, column in enumerate(X.T)]
    return float(np.abs(np.array(found) / (len(X) - 1) - shares).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    n_rows = arguments.rows
    X = np.random.default_rng(0).standard_normal((n_rows, N_COLUMNS))
    shares = np.linspace(0, 1, N_QUANTILES)
    executor = ThreadsExecutor(X, None, None, joblib.cpu_count(), Progress())
    passes = Passes(executor.reduce, N_COLUMNS, 0, X.dtype, n_rows=n_rows)
    rows = []
    for name, fit in (
        ("sketch", lambda: sketched_quantiles(passes, shares)),
        ("scikit-learn, subsample=10_000", lambda: QuantileTransformer(random_state=0).fit(X).quantiles_),
    ):
        seconds, quantiles = timed(fit)
        rows.append({"who": name, "rank_error": rank_error(X, quantiles, shares), "seconds": seconds})
        print(rows[-1], flush=True)
    most = (math.log2(n_rows / SKETCH_ROWS) + 1) / (2 * SKETCH_ROWS)
    report(rows, arguments.output, n_rows=n_rows, n_columns=N_COLUMNS, stated_rank_error=most)


if __name__ == "__main__":
    main()
