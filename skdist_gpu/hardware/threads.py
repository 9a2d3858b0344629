"""The threads of this process."""

from __future__ import annotations

import multiprocessing
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController


def at_most(n_threads: int | None) -> AbstractContextManager:
    """Return a context in which BLAS and OpenMP use at most so many threads; None for as many as now.

    What the user, or a worker of joblib, has limited to fewer stays so.

    Examples
    --------
    >>> with at_most(1):
    ...     pass
    """
    if n_threads is None:
        return nullcontext()
    controller, limits = _libraries(len(sys.modules)), dict[str, int]()
    for library in controller.lib_controllers:
        limits[library.user_api] = min(library.num_threads, limits.get(library.user_api, n_threads))
    return controller.limit(limits=limits)


def one_blas_thread() -> AbstractContextManager:
    """Return a context in which BLAS uses one thread, because other threads are the parallelism."""
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:
    # to look through the loaded libraries takes milliseconds, and there are no new ones without new modules
    return ThreadpoolController()


def free_cores() -> int:
    """Return the cores that parallel work may take here; 1 in a worker of joblib, or where the user has said how many.

    Examples
    --------
    >>> with joblib.parallel_config(n_jobs=2):
    ...     free_cores()
    1
    """
    backend, n_jobs = get_active_backend()
    is_told = n_jobs not in (None, 1) or bool(backend.nesting_level)
    return 1 if is_told or multiprocessing.parent_process() is not None else joblib.cpu_count()
