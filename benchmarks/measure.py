"""What the benchmarks share: time, memory, and results with the machine that they were measured on."""

from __future__ import annotations

import json
import pathlib
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from skdist_gpu.info.versions import describe_system


class PeakMemory:
    """Measure by how much resident memory rises, in bytes, each 5 ms; with `children` that of child processes, too."""

    def __init__(self, children: bool = False) -> None:
        this = psutil.Process()
        self.processes = [this, *this.children(recursive=True)] if children else [this]

    def __enter__(self) -> PeakMemory:
        self.stop = threading.Event()
        self.base = self.peak = self._resident()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.stop.wait(0.005):
            self.peak = max(self.peak, self._resident())

    def _resident(self) -> int:
        return sum(process.memory_info().rss for process in self.processes)

    def cpu_seconds(self) -> float:
        """Return the processor time of the processes so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def __exit__(self, *exc_info: object) -> None:
        self.stop.set()
        self.thread.join()
        self.extra = self.peak - self.base


def timed(function: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Return the shortest time in seconds of `repeats` calls, and the last result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(pathlib.Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def blocks_on_workers(client: Any, make: Callable[..., Any], n_rows: int, n_columns: int, n_each: int) -> Any:
    """Return a persisted Dask array of float32 blocks ``make(shape, number)``, as many on each worker.

    Left to itself, Dask gives some workers more blocks than others.
    """
    import cupy
    import dask
    import dask.array as da
    from dask.distributed import wait

    workers = sorted(client.nthreads())
    shape = (n_rows // (n_each * len(workers)), n_columns)
    places = [worker for worker in workers for _ in range(n_each)]
    made = [client.submit(make, shape, i, workers=[worker], pure=False) for i, worker in enumerate(places)]
    meta = cupy.empty((0, 0), cupy.float32)
    blocks = client.persist(da.concatenate([da.from_delayed(dask.delayed(block), shape, meta=meta) for block in made]))
    # before the futures of what was made are gone
    wait(blocks)
    return blocks


def report(rows: list[dict[str, Any]], output: pathlib.Path | None, **facts: Any) -> None:
    """Write the rows with date, versions and machine, and print them: a pipe that closes loses no results."""
    save(rows, output, **facts)
    for row in rows:
        print(row, flush=True)


def save(rows: list[dict[str, Any]], output: pathlib.Path | None, **facts: Any) -> None:
    """Write the rows with date, commit, versions and machine; nothing without a place to write to."""
    if output:
        described = {"date": time.strftime("%Y-%m-%d"), "commit": commit(), **facts, "results": rows}
        described |= describe_system()
        output.write_text(json.dumps(described, indent=1))
