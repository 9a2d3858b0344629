"""Main memory that this process may use: what the machine has, and what a container leaves of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

# how versions 2 and 1 of Linux' control groups name the limit, what is used of it, and what of that are
# copies of files, which the kernel gives up when memory is short
_NAMES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def memory_of(root: Path = Path("/")) -> tuple[int, int]:
    """Return total and available bytes; a limit of the process's control groups counts where it is lower.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.
    """
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    for limit, free in _limits(root):
        total, available = min(total, limit), min(available, free)
    return total, available


class PeakMemory:
    """By how much a block of code raises the resident memory of this process, where that is known.

    The kernel keeps the highest figure of the process's life: a rise that stays below an earlier one is not seen.

    Parameters
    ----------
    wanted : bool
        Whether to look; it takes some microseconds.

    Examples
    --------
    >>> with PeakMemory(wanted=False) as peak:
    ...     pass
    >>> peak.n_bytes is None
    True
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted and sys.platform == "linux"
        self.n_bytes: int | None = None

    def __enter__(self) -> PeakMemory:
        if self.wanted:
            self._highest, self._before = _highest_bytes(), psutil.Process().memory_info().rss
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.wanted and _highest_bytes() > self._highest:
            self.n_bytes = max(0, _highest_bytes() - self._before)


def _highest_bytes() -> int:
    # not `ru_maxrss`, which a program inherits from the process that started it
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def _limits(root: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and free bytes of each control group that the process is in, and of those around it."""
    for version, mount, group in _groups(root):
        # a container may see its own group as the top, under the path that it has outside
        for folder in (mount / group, *(mount / group).parents):
            if folder != mount and mount not in folder.parents:
                break
            found = _limit(folder, version)
            if found is not None:
                yield found


def _groups(root: Path) -> Iterator[tuple[int, Path, str]]:
    """Yield version, mount and path of the control groups that limit the memory of this process."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().split()
    except OSError:  # not Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield 1, mount / "memory", path.lstrip("/")
        elif number == "0" and not controllers:
            # beside version 1, version 2 is mounted elsewhere and limits no memory
            yield 2, mount, path.lstrip("/")


def _limit(folder: Path, version: int) -> tuple[int, int] | None:
    """Return limit and free bytes of one control group; None if it has no limit."""
    limit_name, used_name, files_name = _NAMES[version]
    try:
        limit, used = int((folder / limit_name).read_text()), int((folder / used_name).read_text())
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return None
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        lines = []
    files = sum(int(line.split()[1]) for line in lines if line.split()[:1] == [files_name])
    return limit, max(0, min(limit, limit - used + files))
