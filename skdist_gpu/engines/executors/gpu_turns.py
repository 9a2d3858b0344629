"""Call a function of rows on one GPU or several, in turns where their memory does not hold all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import cupy
import joblib
import numpy as np

from skdist_gpu.data.blocks import take_rows, with_quick_rows
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.engines.executors.pool import devices
from skdist_gpu.hardware.threads import take_turns

# a turn takes rows as they come, as a copy of the model takes them, and the result
TIMES_ROWS = 3
# share of a GPU's free memory that a turn may take, since the model works in what is left
MOST_OF_FREE = 0.5
# so few bytes fit, and the driver may take milliseconds to tell what is free
FEW_BYTES = 2**26


def in_turns(function: Callable[[Any, int], Any], X: Any, n_gpus: int = 1, memory_budget: int | None = None) -> Any:
    """Return the function's result for rows in main memory, an array or several with a row for each of `X`.

    Parameters
    ----------
    function : callable
        Computes on the current GPU, from some rows and the number of threads that may copy, and returns NumPy arrays.
    X : container of shape (n_rows, n_columns)
        Rows in main memory.
    n_gpus : int, default=1
        Among how many GPUs to divide the rows; the current one is the first.
    memory_budget : int or None
        Bytes that rows and work may take on each GPU; None for what is free.
    """
    numbers = devices(n_gpus)
    n_rows, n_threads = X.shape[0], max(1, joblib.effective_n_jobs(-1) // len(numbers))
    step = min(-(-n_rows // len(numbers)), rows_at_once(X, n_gpus, memory_budget))
    if step >= n_rows:
        return function(X, n_threads)
    X, starts = with_quick_rows(X), iter(range(0, n_rows, step))  # whose next one goes to the GPU that asks first
    whole: list[np.ndarray] = []
    kinds: list[type] = []
    beginning = Lock()

    def work(number: int) -> None:
        with cupy.cuda.Device(number):
            for start in starts:
                rows = slice(start, start + step)
                result = function(take_rows(X, rows), n_threads)
                parts = list(result) if isinstance(result, (tuple, list)) else [result]
                with beginning:
                    if not kinds:
                        kinds.append(type(result))
                        whole.extend(np.empty((n_rows, *part.shape[1:]), part.dtype) for part in parts)
                for target, part in zip(whole, parts, strict=True):
                    target[rows] = part

    with ThreadPoolExecutor(len(numbers)) as pool:
        take_turns(pool, work, numbers, starts)
    return kinds[0](whole) if kinds[0] in (tuple, list) else whole[0]


def rows_at_once(X: Any, n_gpus: int = 1, memory_budget: int | None = None) -> int:
    """Return how many rows of those in main memory each of so many GPUs can hold and work on."""
    n_rows, n_bytes = X.shape[0], inspect_input(X).n_bytes or 0
    if n_bytes <= FEW_BYTES and memory_budget is None:
        return n_rows
    free = min([*map(_free_bytes, devices(n_gpus)), *([] if memory_budget is None else [memory_budget])])
    return max(1, min(n_rows, int(n_rows * MOST_OF_FREE * free / (TIMES_ROWS * n_bytes))))


def _free_bytes(number: int) -> int:
    with cupy.cuda.Device(number):
        free: int = cupy.cuda.runtime.memGetInfo()[0]
        return free
