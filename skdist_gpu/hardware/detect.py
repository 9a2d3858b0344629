"""Look at the machine: cores, memory, GPUs, Dask client, installed engines. Allocates nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import joblib
import psutil

from skdist_gpu._compat.dask_client import is_of_this_process
from skdist_gpu.config import option
from skdist_gpu.hardware.lease import is_worker, lock_folder, own_device
from skdist_gpu.hardware.memory import memory_of

MEMORY_SECONDS = 0.1
# what follows a package's name in the names of its distributions for a version of CUDA or for none
BUILDS = ("", "-cuda13x", "-cuda12x", "-cu13", "-cu12", "-cpu")
# how long a scheduler may take to answer: one that is asked in passing, and one that has the data
LOOK_SECONDS, NEEDED_SECONDS = 2.0, 30.0


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

    def is_loaded(self, name: str) -> bool:
        """Whether the process has loaded a package, which may take seconds; a machine that is described has."""
        return True


@dataclass(frozen=True)
class Installed(Packages):
    """The packages that this process can import, by their import names."""

    def __contains__(self, name: str) -> bool:
        return _is_installed(name)

    def version(self, name: str) -> str | None:
        return _version(name) if name in self else None

    def is_loaded(self, name: str) -> bool:
        return name in sys.modules


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


def detect_resources(client: Any = None, *, cluster_needed: bool = False) -> Resources:
    """Describe this machine; `client` is the Dask client to use, None for the current one.

    With `cluster_needed`, since the data are in Dask, a scheduler that does not answer is an error; else it is as if
    there were none.

    Raises
    ------
    ConnectionError
        If the cluster is needed and cannot be reached.
    """
    total, available = _memory()
    return Resources(
        n_cores=_n_cores(),
        memory_bytes=total,
        available_bytes=_rounded(available),
        gpus=_gpus()[: option("max_gpus")],
        cluster=_cluster(client, cluster_needed),
        packages=Installed(),
    )


def _n_cores() -> int:
    """Return the cores that this process may use: joblib gives each of its workers a share, and OpenMP has a limit.

    A process that starts a cluster of Dask gets the limit of its workers in its own environment, which means nothing.
    """
    limit = "" if "distributed" in sys.modules else os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(_all_cores(), int(limit)) if limit.isdecimal() and int(limit) > 0 else _all_cores()


@lru_cache(maxsize=1)
def _all_cores() -> int:
    return joblib.cpu_count()


@cache
def _is_installed(name: str) -> bool:
    return find_spec(name) is not None


@cache
def _version(name: str) -> str | None:
    """Return the version of an installed package, whose distribution may have another name."""
    for build in BUILDS:
        with suppress(PackageNotFoundError):
            return version(name + build)
    # reads what every distribution holds, which takes seconds where there are hundreds
    owners = packages_distributions().get(name)
    return version(owners[0]) if owners else None


def _memory() -> tuple[int, int]:
    """Total and available bytes, up to MEMORY_SECONDS old: to ask takes longer than the rest of a plan."""
    return _memory_in(_interval())


def _interval() -> int:
    """Return the number of the time span in which figures of memory are kept."""
    return int(time.monotonic() / MEMORY_SECONDS)


def _rounded(n_bytes: int) -> int:
    """Round down by three per cent at most, so that a little more or less free memory is no reason for another plan."""
    return n_bytes >> (shift := max(0, n_bytes.bit_length() - 6)) << shift


@lru_cache(maxsize=1)
def _memory_in(interval: int) -> tuple[int, int]:
    return memory_of()


def _gpus() -> tuple[Gpu, ...]:
    """Return the visible GPUs; their free memory, too, is up to MEMORY_SECONDS old."""
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if setting in ("", "-1") or not _start_nvml(os.getpid()):
        return ()
    return _gpus_in(_interval(), os.getpid(), setting)


@lru_cache(maxsize=1)
def _gpus_in(interval: int, pid: int, setting: str | None) -> tuple[Gpu, ...]:
    import pynvml

    found = []
    for device in _own(visible(_devices(pid), setting)):
        # what other processes hold is not free
        memory = pynvml.nvmlDeviceGetMemoryInfo(device.handle)
        found.append(Gpu(device.name, int(memory.total), int(memory.free)))
    return tuple(found)


def _own(devices: list[Device]) -> list[Device]:
    """Return the devices that this process may use: of joblib's workers, each has one for itself."""
    if not devices or not is_worker():
        return devices
    uuid = own_device([device.uuid for device in devices], lock_folder())
    return [device for device in devices if device.uuid == uuid]


@dataclass(frozen=True)
class Device:
    """A GPU, or an instance of a divided one (MIG), as NVML names it; `index` is that of the whole GPU."""

    handle: Any
    index: int
    uuid: str
    name: str
    is_instance: bool = False


@lru_cache(maxsize=1)
def _devices(pid: int) -> tuple[Device, ...]:
    """Return the devices, asked once a process: free memory alone changes."""
    import pynvml

    return tuple(devices_of(pynvml))


def devices_of(nvml: Any) -> Iterator[Device]:
    """Yield the GPUs that NVML, which was started, knows; of a divided one its instances."""
    for index in range(nvml.nvmlDeviceGetCount()):
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        instances = list(_instances(nvml, gpu))
        for handle in instances or [gpu]:
            uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
            yield Device(handle, index, uuid, name, bool(instances))


def _instances(nvml: Any, gpu: Any) -> Iterator[Any]:
    """Yield the instances of a divided GPU; none of a whole one."""
    try:
        if nvml.nvmlDeviceGetMigMode(gpu)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return
        for i in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
            try:
                yield nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, i)
            except nvml.NVMLError:  # numbers need not be consecutive
                continue
    except nvml.NVMLError:  # a GPU that cannot be divided
        return


def visible(devices: Sequence[Device], setting: str | None) -> list[Device]:
    """Return the devices that CUDA shows for a value of CUDA_VISIBLE_DEVICES, in its order; None shows all.

    A process sees either whole GPUs or one instance of a divided one.
    """
    if setting is None:
        shown = list(devices)
    else:
        shown = []
        for name in setting.split(","):
            match = [d for d in devices if _is_named(d, name.strip())]
            if not match:  # CUDA ignores what follows a name that it does not know
                break
            shown.append(match[0])
    instances = [device for device in shown if device.is_instance]
    return instances[:1] or shown


def _is_named(device: Device, name: str) -> bool:
    return name == str(device.index) or (name.startswith(("GPU-", "MIG-")) and device.uuid.startswith(name))


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

    A client that was made before this process was forked has no thread here that could serve it, and counts for none.

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
    if client is None or not is_of_this_process(client):
        return None
    if client.asynchronous:
        raise RuntimeError(
            "The Dask client is asynchronous, and its event loop cannot wait for the workers itself. Nothing was done. "
            "Call from a thread of its own, for example `await asyncio.to_thread(model.fit, X, y)`."
        )
    return client


def _cluster(client: Any, needed: bool) -> Cluster | None:
    """Describe the cluster; None without one, and where it does not answer in time, unless it is needed."""
    client = current_client(client)
    if client is None:
        return None
    seconds = NEEDED_SECONDS if needed else LOOK_SECONDS
    try:
        if client.status != "running":
            raise ConnectionError(f"its status is {client.status!r}")
        return _look(client, seconds)
    except (OSError, RuntimeError) as error:  # TimeoutError and ConnectionError are OSErrors, CommClosedError one, too
        if not needed:
            return None
        why = f"no answer within {seconds:.0f} s" if isinstance(error, TimeoutError) else str(error)
        raise ConnectionError(
            f"The data are in Dask, and the scheduler of the client {client!r} cannot be reached: {why}. Nothing was "
            "computed. Make a new distributed.Client, or close this one to compute in this process."
        ) from error


def _look(client: Any, seconds: float) -> Cluster:
    # asked directly: a refresh in the background may empty what client.scheduler_info() returns
    identity = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=seconds)
    workers = identity["workers"]
    n_gpus = _count_gpus(client, identity["id"], tuple(workers), seconds)
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


# (scheduler, workers) -> GPUs: asking the workers takes milliseconds. A scheduler's name is its own in all processes.
_counted: dict[tuple[str, tuple[str, ...]], int] = {}


def _count_gpus(client: Any, scheduler: str, workers: tuple[str, ...], seconds: float) -> int:
    """Count the different GPUs that the workers have as their first.

    The workers tell by their environment, as dask-cuda sets it: they report a GPU to the scheduler only
    where NVML was started before them.
    """
    key = (scheduler, workers)
    if key not in _counted:
        ask = partial(client.run, os.getenv, "CUDA_VISIBLE_DEVICES", asynchronous=True)
        settings = client.sync(ask, callback_timeout=seconds)
        _counted.clear()
        devices = {
            (urlsplit(address).hostname, setting.partition(",")[0]) for address, setting in settings.items() if setting
        }
        _counted[key] = len({found for found in devices if found[1] != "-1"})
    return _counted[key]
