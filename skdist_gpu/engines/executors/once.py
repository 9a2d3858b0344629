"""What is made once and kept, such as compiled kernels, also where several threads ask for it at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import update_wrapper
from threading import Lock, Thread
from typing import Any

import cupy


class Once:
    """A function that runs once for the same arguments, of which the first is the number of a GPU.

    Examples
    --------
    A decorator: threads that ask while another one compiles wait for it.

    >>> @Once  # doctest: +SKIP
    ... def kernel(device, n_columns):
    ...     return compiled(n_columns)
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.function = function
        self.results: dict[tuple[Any, ...], Future[Any]] = {}
        self.lock = Lock()

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function does, from the first call on."""
        with self.lock:
            is_first = arguments not in self.results
            result = self.results.setdefault(arguments, Future())
        if is_first:
            try:
                result.set_result(self.function(*arguments))
            except BaseException as error:
                with self.lock:
                    del self.results[arguments]  # the next one tries again
                result.set_exception(error)
        return result.result()

    def begin(self, *arguments: Any) -> None:
        """Let a thread of its own call it, if nobody has; an error waits for who needs the result."""
        if arguments not in self.results:
            with suppress(RuntimeError):  # where no more threads may start, who needs it calls it
                Thread(target=self._call_there, args=arguments).start()

    def _call_there(self, device: int, *arguments: Any) -> None:
        with suppress(Exception), cupy.cuda.Device(device):
            self(device, *arguments)
