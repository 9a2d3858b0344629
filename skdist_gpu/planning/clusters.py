"""Say how much work it is to find clusters, on all rows or on a sample."""

from __future__ import annotations

import math

from skdist_gpu.planning.numbers import number_of
from skdist_gpu.protocols import Estimator

# rows of the sample on which clusters are begun, and at least for each of them, and starts there if one was asked for
_SAMPLE, _SAMPLE_OF_A_CLUSTER, _SAMPLE_STARTS, _BATCHES_STARTS = 50_000, 200, 2, 5
# steps on all rows that are left after the sample: few where few clusters were found there, most of them where many are
_LEAST_FURTHER, _LEFT, _MANY_STEPS = 2.0, 0.8, 100.0
# rows that a processor of a GPU holds at once, with the centres, how many numbers that may be, and how many sums
_ROWS_HELD, _NUMBERS_HELD, _SUMS_HELD = 64, 28_500, 2**14
# batches that are taken at least
_LEAST_BATCHES = 20.0
# steps of Lloyd's algorithm grow with the clusters, fewer where they are far apart and more in one cloud, and with the
# rows of each, as they did on the workloads of benchmarks/workloads.py
_LLOYD, _LLOYD_POWER, _LLOYD_ROWS = 5.0, 0.75, 3.0


def cluster_amounts(estimator: Estimator, n: int, d: int, stored: float, *, on_gpu: bool) -> dict[str, float]:
    """Return the work of clustering all rows from the start, and of doing so on a sample and going on with all.

    Seeds are compared with a few candidates each; batches are drawn until as many rows were seen as there are.
    """
    k, starts = max(1.0, number_of(estimator, "n_clusters")), number_of(estimator, "n_init")
    init = getattr(estimator, "init", None)
    # given centres are an array
    starts = starts or (10.0 if isinstance(init, str) and init == "random" else 1.0)
    most = number_of(estimator, "max_iter") or math.inf
    n_sampled = min(n, max(_SAMPLE, _SAMPLE_OF_A_CLUSTER * k))
    steps = min(_steps(n, k), most)
    scans, sampled_scans = (2 + math.log(k) + min(_steps(rows, k), most) for rows in (n, n_sampled))
    batch, batches, again = number_of(estimator, "batch_size"), 0.0, _SAMPLE_STARTS
    further = max(_LEAST_FURTHER, steps * min(_LEFT, steps / _MANY_STEPS))
    own = starts * scans
    if batch:
        # seeds come from three batches, the last look labels all rows
        batches, again, further = max(_LEAST_BATCHES, n / batch), _BATCHES_STARTS, 2.0
        own = (batches * min(batch, n) + (2 + math.log(k)) * min(3 * batch, n)) / max(1, n) + 1
    all_sampled = n_sampled == n
    sampled = n_sampled / max(1, n) * sampled_scans * (starts if all_sampled and not batch else max(starts, again))
    full = 1.0 if all_sampled else 1.0 + further
    is_held = d * (_ROWS_HELD + k) <= _NUMBERS_HELD and d * k <= _SUMS_HELD
    return {
        "samples": float(n),
        "seeds": k * starts,
        "rows": n * k * full,
        "values": stored * k * full,
        "cells": float(n) * d * (full + sampled),
        "iterated_cells": float(n) * d * own,
        "sampled_rows": n * k * sampled,
        "sampled_values": stored * k * sampled,
        "unheld_values": stored * k * sampled * (on_gpu and not is_held),
        "iterated_rows": n * k * own,
        "iterated_values": stored * k * own,
        "batches": batches,
        "drawn": batches * n,
    }


def _steps(n: float, k: float) -> float:
    return min(_LLOYD * math.pow(k, _LLOYD_POWER), _LLOYD_ROWS * math.sqrt(n / k))
