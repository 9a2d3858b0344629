"""The threads of this process."""

from __future__ import annotations

from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> Any:
    """Return a context in which BLAS uses one thread, because other threads are the parallelism."""
    return _blas().limit(limits=1)


@cache
def _blas() -> ThreadpoolController:
    # to look through the loaded libraries takes milliseconds
    return ThreadpoolController()
