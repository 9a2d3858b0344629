"""The threads that oneDAL may use, which are those of the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from joblib import effective_n_jobs

from skdist_gpu._compat.sklearn_learned import openmp_threads

# one at a time computes, on all the threads it may use: their number is the same for every caller
_one_at_a_time = RLock()


def thread_budget(estimator: Any, n_cores: int) -> int:
    """Return how many threads a fit or a method may use.

    They are no more than the cores of this process, than joblib or threadpoolctl leave to it, or than `n_jobs` of the
    estimator says; without it, all.
    """
    n_jobs = getattr(estimator, "n_jobs", None)
    wanted = n_cores if n_jobs is None else effective_n_jobs(n_jobs)
    return max(1, min(n_cores, openmp_threads(), wanted))


@contextmanager
def limited_threads(n_threads: int) -> Iterator[None]:
    """Let oneDAL use so many threads inside, and as many as before after it."""
    import daal4py

    with _one_at_a_time:
        before = daal4py.num_threads()
        if n_threads == before:
            yield
            return
        daal4py.daalinit(n_threads)
        try:
            yield
        finally:
            daal4py.daalinit(before)
