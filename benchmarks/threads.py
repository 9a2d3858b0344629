"""How well passes over rows in memory use two threads: products by NumPy's ``@`` and ``dot``, and longer steps.

python benchmarks/threads.py [--rows 2000000] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from measure import report, timed

from skdist_gpu.engines.executors.threads import ThreadsExecutor
from skdist_gpu.engines.reductions.linear.linear import Design, ScoreReduction
from skdist_gpu.engines.reductions.linear.logistic import BinomialLoss
from skdist_gpu.hardware.threads import one_blas_thread
from skdist_gpu.progress import Progress

COLUMNS, REPEATS, MEGABYTES = (20, 100), 5, (1, 2, 4, 8, 16)


def seconds_of_product(multiply, X, n_threads):
    """Return the seconds that threads take to multiply rows, 10 000 at a time, by a number for each."""
    numbers, starts = np.ones(len(X)), range(0, len(X), 10_000)

    def part(start):
        rows = slice(start, start + 10_000)
        multiply(numbers[rows], X[rows])

    with one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        return timed(lambda: list(pool.map(part, starts)), REPEATS)[0]


def seconds_of_pass(megabytes, X, y, n_threads):
    """Return the seconds of a pass for value and gradient of a logistic regression."""
    reduction = ScoreReduction(BinomialLoss(None), Design(X.shape[1], 1.0), np.full(X.shape[1] + 1, 0.1), every=0)
    reduction.rows_at_once = megabytes * 2**20 // (8 * X.shape[1])
    executor = ThreadsExecutor(X, y, None, n_threads, Progress(False))
    return timed(lambda: executor.reduce(reduction), REPEATS)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    generator, rows = np.random.default_rng(0), []
    for n_columns in COLUMNS:
        X = generator.standard_normal((arguments.rows, n_columns))
        y = (X[:, 0] > 0).astype(np.int64)
        cases = {f"product by {f.__name__}": partial(seconds_of_product, f, X) for f in (np.matmul, np.dot)}
        cases |= {f"pass in steps of {size} MB": partial(seconds_of_pass, size, X, y) for size in MEGABYTES}
        for name, seconds in cases.items():
            one, two = seconds(1), seconds(2)
            rows.append({"what": name, "columns": n_columns, "one_thread": one, "two_threads": two, "ratio": one / two})
    report(rows, arguments.output, n_rows=arguments.rows)


if __name__ == "__main__":
    main()
