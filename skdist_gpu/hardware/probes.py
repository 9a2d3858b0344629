"""Short measurements of this machine, to which measured rates of another are scaled."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

SIDE, MEGABYTES, STEPS = 512, 64, 20_000


def probe_cpu(seconds: float = 5.0) -> dict[str, float]:
    """Measure the main processor.

    Parameters
    ----------
    seconds : float, default=5.0
        How long each measurement is repeated; the shortest counts, so that other load matters little.

    Returns
    -------
    dict
        ``blas``: seconds of a multiplication in a product of matrices, on all threads; ``memory``: seconds to copy a
        byte; ``interpreter``: seconds of a step of a loop in Python.

    Examples
    --------
    >>> sorted(probe_cpu(seconds=0.01))
    ['blas', 'interpreter', 'memory']
    """
    square = np.random.default_rng(0).random((SIDE, SIDE))
    product = np.empty_like(square)
    source = np.ones(MEGABYTES * 2**17)
    target = np.empty_like(source)
    return {
        "blas": shortest(lambda: np.dot(square, square, out=product), seconds) / SIDE**3,
        "memory": shortest(lambda: np.copyto(target, source), seconds) / source.nbytes,
        "interpreter": shortest(_loop, seconds) / STEPS,
    }


def _loop() -> int:
    total = 0
    for step in range(STEPS):
        total += step
    return total


def shortest(call: Callable[[], object], seconds: float) -> float:
    """Return the shortest duration of a call that is repeated for so long."""
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
