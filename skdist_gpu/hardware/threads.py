"""The threads of this process."""

from __future__ import annotations

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

import joblib
from joblib.parallel import get_active_backend
from threadpoolctl import ThreadpoolController


@contextmanager
def at_most(n_threads: int | None, apis: tuple[str, ...] = ("blas", "openmp")) -> Iterator[None]:
    """Let BLAS and OpenMP, or one of them, use at most so many threads; None for as many as now.

    What the user, or a worker of joblib, has limited to fewer stays so.

    Examples
    --------
    >>> with at_most(1):
    ...     pass
    """
    libraries = [] if n_threads is None else _libraries(len(sys.modules)).lib_controllers
    before = [(library, library.num_threads) for library in libraries if library.user_api in apis]
    more = [(library, n) for library, n in before if n is not None and n > n_threads]
    for library, _ in more:
        library.set_num_threads(n_threads)
    try:
        yield
    finally:
        for library, n in more:
            library.set_num_threads(n)


def one_blas_thread() -> AbstractContextManager:
    """Return a context in which BLAS uses one thread, because other threads are the parallelism."""
    return _libraries(len(sys.modules)).limit(limits=1)


@lru_cache(maxsize=1)
def _libraries(n_modules: int) -> ThreadpoolController:
    # to look through the loaded libraries takes milliseconds, and there are no new ones without new modules
    return ThreadpoolController()


def take_turns(pool: ThreadPoolExecutor, work: Callable[[Any], None], workers: Iterable[Any], turns: Iterator) -> None:
    """Call a function for each worker on the threads of a pool, which ask for the next of `turns` until all are done.

    The first error is raised; after it, or an interrupt, none begins another turn.

    Examples
    --------
    >>> turns, done = iter(range(5)), []
    >>> with ThreadPoolExecutor(2) as pool:
    ...     take_turns(pool, lambda worker: done.extend(turns), ["one", "another"], turns)
    >>> sorted(done)
    [0, 1, 2, 3, 4]
    """
    working = [pool.submit(work, worker) for worker in workers]
    try:
        wait(working, return_when=FIRST_EXCEPTION)
    finally:
        deque(turns, maxlen=0)
    for done in working:
        done.result()


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
