"""Look at the machine: cores, memory, GPUs, Dask client, installed engines. Allocates nothing."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import joblib
import psutil

from skdist_gpu.config import get_config

MEMORY_SECONDS = 0.1


@dataclass(frozen=True)
class Gpu:
    """One visible GPU; memory in bytes."""

    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Cluster:
    """The Dask cluster that a client is connected to.

    Memory is in bytes; `n_gpus` are the GPUs that no two workers share, `n_elsewhere` the workers on
    other machines.
    """

    n_workers: int
    n_threads: int
    memory_bytes: int
    n_gpus: int = 0
    n_elsewhere: int = 0


@dataclass(frozen=True)
class Packages:
    """The packages of a machine that does not exist here: those named, or, where none are, all of any version."""

    names: frozenset[str] | None = None

    def __contains__(self, name: str) -> bool:
        return self.names is None or name in self.names

    def version(self, name: str) -> str | None:
        """Return the version of a package; None where it is not known."""
        return None


@dataclass(frozen=True)
class Installed(Packages):
    """The packages that this process can import, by their import names."""

    def __contains__(self, name: str) -> bool:
        return _is_installed(name)

    def version(self, name: str) -> str | None:
        return _version(name) if name in self else None


@dataclass(frozen=True)
class Resources:
    """What the planner may know of the machine.

    Attributes
    ----------
    n_cores : int
        Cores that this process may use (containers' limits respected).
    memory_bytes, available_bytes : int
        Main memory of the machine, and what of it is free now.
    gpus : tuple of Gpu
        Visible GPUs, as NVML tells and CUDA_VISIBLE_DEVICES allows, and at most ``max_gpus`` of the configuration.
    cluster : Cluster or None
        The Dask cluster of the current client.
    packages : Packages
        What is installed.
    """

    n_cores: int
    memory_bytes: int
    available_bytes: int
    gpus: tuple[Gpu, ...] = ()
    cluster: Cluster | None = None
    packages: Packages = Packages()


def detect_resources(client: Any = None) -> Resources:
    """Describe this machine; `client` is the Dask client to use, None for the current one."""
    total, available = _memory()
    return Resources(
        n_cores=_n_cores(),
        memory_bytes=total,
        available_bytes=available,
        gpus=_gpus()[: get_config()["max_gpus"]],
        cluster=_cluster(client),
        packages=Installed(),
    )


@lru_cache(maxsize=1)
def _n_cores() -> int:
    return joblib.cpu_count()


@cache
def _is_installed(name: str) -> bool:
    return find_spec(name) is not None


@cache
def _version(name: str) -> str | None:
    """Return the version of an installed package, whose distribution may have another name."""
    try:
        return version(name)
    except PackageNotFoundError:
        owners = packages_distributions().get(name)
        return version(owners[0]) if owners else None


def _memory() -> tuple[int, int]:
    """Total and available bytes, up to MEMORY_SECONDS old: to ask takes longer than the rest of a plan."""
    return _memory_in(int(time.monotonic() / MEMORY_SECONDS))


@lru_cache(maxsize=1)
def _memory_in(interval: int) -> tuple[int, int]:
    """Total and available bytes; a container's limit counts when it is below the machine's."""
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    try:
        with open("/sys/fs/cgroup/memory.max") as limit, open("/sys/fs/cgroup/memory.current") as used:
            cgroup_limit = int(limit.read())
            cgroup_free = cgroup_limit - int(used.read())
    except (OSError, ValueError):  # no cgroup, or no limit ("max")
        return total, available
    return min(total, cgroup_limit), min(available, cgroup_free)


def _visible(index: int, uuid: str) -> bool:
    """Whether CUDA_VISIBLE_DEVICES shows this GPU to the process."""
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if setting is None:
        return True
    names = [name.strip() for name in setting.split(",")]
    return str(index) in names or any(n.startswith("GPU-") and uuid.startswith(n) for n in names)


def _gpus() -> tuple[Gpu, ...]:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not _start_nvml(os.getpid()):
        return ()
    import pynvml

    found = []
    for index, (handle, uuid, name) in enumerate(_devices(os.getpid())):
        if _visible(index, uuid):
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            found.append(Gpu(name, int(memory.total), int(memory.free)))
    return tuple(found)


@lru_cache(maxsize=1)
def _devices(pid: int) -> tuple[tuple[Any, str, str], ...]:
    """Return NVML's handle, UUID and name of each GPU, asked once a process: free memory alone changes."""
    import pynvml

    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    return tuple((h, pynvml.nvmlDeviceGetUUID(h), pynvml.nvmlDeviceGetName(h)) for h in handles)


@lru_cache(maxsize=1)
def _start_nvml(pid: int) -> bool:
    """Start NVML once a process (a forked child needs its own); False without a driver."""
    if find_spec("pynvml") is None:
        return False
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, or no GPU
        return False
    return True


def driver_versions() -> dict[str, str]:
    """Return the NVIDIA driver's version and the newest CUDA it runs; empty without a driver."""
    if not _start_nvml(os.getpid()):
        return {}
    import pynvml

    cuda = pynvml.nvmlSystemGetCudaDriverVersion_v2()
    return {"driver": pynvml.nvmlSystemGetDriverVersion(), "CUDA": f"{cuda // 1000}.{cuda % 1000 // 10}"}


def current_client(client: Any = None) -> Any:
    """Return `client`, or the current Dask client, or None; imports nothing.

    Raises
    ------
    RuntimeError
        If the caller is the event loop of an asynchronous client, which cannot wait for workers.
    """
    distributed = sys.modules.get("distributed")
    if client is None and distributed is not None:
        try:
            client = distributed.get_client()
        except ValueError:  # no client in this process
            return None
    if client is not None and client.asynchronous:
        raise RuntimeError(
            "The Dask client is asynchronous, and its event loop cannot wait for the workers itself. Nothing was done. "
            "Call from a thread of its own, for example `await asyncio.to_thread(model.fit, X, y)`."
        )
    return client


def _cluster(client: Any) -> Cluster | None:
    client = current_client(client)
    if client is None:
        return None
    # asked directly: a refresh in the background may empty what client.scheduler_info() returns
    identity = client.sync(client.scheduler.identity, n_workers=-1)
    workers = identity["workers"]
    n_gpus = _count_gpus(client, identity["id"], tuple(workers))
    return Cluster(
        n_workers=len(workers),
        n_threads=sum(w["nthreads"] for w in workers.values()),
        memory_bytes=sum(w.get("memory_limit") or 0 for w in workers.values()),
        n_gpus=n_gpus,
        n_elsewhere=sum(w["host"] not in _own_addresses() for w in workers.values()),
    )


@lru_cache(maxsize=1)
def _own_addresses() -> frozenset[str]:
    """Addresses of this machine; a worker in this very process has none."""
    found = psutil.net_if_addrs().values()
    return frozenset(["", "localhost", "127.0.0.1", *(a.address for addresses in found for a in addresses)])


# (scheduler, workers) -> GPUs: asking the workers takes milliseconds
_counted: dict[tuple[str, tuple[str, ...]], int] = {}


def _count_gpus(client: Any, scheduler: str, workers: tuple[str, ...]) -> int:
    """Count the different GPUs that the workers have as their first.

    The workers tell by their environment, as dask-cuda sets it: they report a GPU to the scheduler only
    where NVML was started before them.
    """
    key = (scheduler, workers)
    if key not in _counted:
        _counted.clear()
        settings = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        devices = {
            (urlsplit(address).hostname, setting.partition(",")[0]) for address, setting in settings.items() if setting
        }
        _counted[key] = len({found for found in devices if found[1] != "-1"})
    return _counted[key]
