"""One GPU for each worker process of joblib: the first that no other worker has; the others compute on the CPU.

Several processes on one GPU would each hold a context of hundreds of megabytes, and wait for each other.
"""

from __future__ import annotations

import getpass
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# what the processes are called that joblib starts
_WORKERS = ("LokyProcess", "PoolWorker")


@dataclass
class Lease:
    """The GPU that this process has for itself until it ends, when its lock is gone; None where all were taken."""

    uuid: str | None = None
    lock: Any = None
    is_settled: bool = False

    def settle(self, uuids: Sequence[str], folder: Path) -> None:
        """Take the first GPU that no other process has."""
        import fcntl  # POSIX, as CUDA with several processes is

        self.is_settled = True
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for uuid in uuids:
            lock = (folder / f"{uuid}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
            else:
                self.uuid, self.lock = uuid, lock
                return


def is_worker() -> bool:
    """Whether this process is one of several that joblib has started."""
    return any(name in multiprocessing.current_process().name for name in _WORKERS)


def lock_folder() -> Path:
    """Return the folder of the locks that processes of this user hold on GPUs."""
    return Path(tempfile.gettempdir()) / f"skdist_gpu-{getpass.getuser()}"


def own_device(uuids: Sequence[str], folder: Path) -> str | None:
    """Return the GPU that this process has for itself, the same at each call; None where others have all.

    Libraries that load later see no other one.
    """
    lease = _lease(os.getpid())
    if not lease.is_settled:  # from then on the process sees this one only
        lease.settle(uuids, folder)
    os.environ["CUDA_VISIBLE_DEVICES"] = lease.uuid or "-1"
    return lease.uuid


@lru_cache(maxsize=1)
def _lease(pid: int) -> Lease:
    return Lease()
