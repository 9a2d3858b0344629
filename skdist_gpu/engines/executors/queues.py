"""Work that a GPU gets again and again, handed over by one call of the driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy


class Queue:
    """Kernels and copies that start one after another, with the same arguments each time.

    The host takes longer to start a small kernel than the GPU to run it; from the second time on many of them are
    started as one graph. The first time they start by themselves, since the driver may have to load them.

    Parameters
    ----------
    launches : list of callable
        Each starts a kernel or a copy on the current stream; none allocates memory.
    """

    def __init__(self, launches: list[Callable[[], Any]]) -> None:
        self.launches = launches
        self._started = False
        self._graph: Any = None

    def start(self) -> None:
        """Start all of them on the current stream."""
        if self._started and self._graph is None and len(self.launches) > 1:
            with cupy.cuda.Stream(non_blocking=True) as stream:
                stream.begin_capture()
                self._launch()
                self._graph = stream.end_capture()
        if self._graph is None:
            self._launch()
        else:
            self._graph.launch()
        self._started = True

    def _launch(self) -> None:
        for launch in self.launches:
            launch()
