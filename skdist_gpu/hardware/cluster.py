"""Use all GPUs of this machine without a cluster of one's own: start one, on loopback, when it serves."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from skdist_gpu.config import option
from skdist_gpu.data.containers import GPU
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.hardware.detect import Cluster, Resources, current_client, detect_resources

LOOPBACK = "127.0.0.1"
START_SECONDS = 60
# programs whose process was killed end by themselves
IDLE = "1 hour"

# tells of a machine with a worker on each GPU whether data in main memory are worth handing to all of them
Gains = Callable[[Resources], bool]

# the client of the cluster that this process started, by process: a fork must not use its parent's
_started: dict[int, Any] = {}


def find_machine(info: InputInfo, on_workers: bool, gains: Gains) -> tuple[Resources, Any]:
    """Return the machine and the Dask client to use, after starting a cluster where one is wanted."""
    client = current_client(option("client"))
    resources = detect_resources(client, cluster_needed=info.location == "dask")
    if resources.cluster is None:  # none, or none that answers
        client = None
    if client is None and wants_cluster(info, on_workers, gains, resources, option("auto_cluster")):
        client = start_cluster(visible_devices(len(resources.gpus)))
        resources = detect_resources(client)
    return resources, client


def wants_cluster(info: InputInfo, on_workers: bool, gains: Gains, resources: Resources, setting: str) -> bool:
    """Whether a fit should have a worker on each GPU: for Dask's blocks on GPUs, where it gains, or when asked for.

    `on_workers` says that the user asked for an engine that computes there. For any other, data in memory have to be
    copied to the workers, which few fits are worth, and Dask's blocks of NumPy have more cores in this process than in
    one worker for each GPU.
    """
    if (
        setting == "off"
        or len(resources.gpus) < 2
        or not all(name in resources.packages for name in ("dask", "distributed"))
    ):
        return False
    for_dask = info.location == "dask" and (info.backing in GPU or setting == "on")
    return for_dask or on_workers or gains(_with_workers(resources))


def with_cluster(info: InputInfo, on_workers: bool, gains: Gains, resources: Resources) -> Resources:
    """Return a machine with the cluster that a fit would start on it."""
    if resources.cluster or not wants_cluster(info, on_workers, gains, resources, option("auto_cluster")):
        return resources
    return _with_workers(resources)


def _with_workers(resources: Resources) -> Resources:
    n_gpus = len(resources.gpus)
    return replace(resources, cluster=Cluster(n_gpus, n_gpus, resources.memory_bytes, n_gpus=n_gpus))


def outside_the_pool(client: Any) -> AbstractContextManager[Any]:
    """Return a context in which a Dask task leaves its thread to those that it waits for; elsewhere it does nothing."""
    if client is None:
        return nullcontext()
    from distributed import get_worker, worker_client

    try:
        get_worker()
    except ValueError:  # this is no task
        return nullcontext()
    return worker_client()


def visible_devices(n_gpus: int) -> list[str]:
    """Return the names of the visible GPUs, as CUDA_VISIBLE_DEVICES has them."""
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [name.strip() for name in setting.split(",")] if setting else [str(i) for i in range(n_gpus)]


def start_cluster(devices: list[str]) -> Any:
    """Return the client of a cluster with one worker for each device; the same one at the next call.

    Scheduler and workers are programs of their own, so a script needs no ``if __name__ == "__main__"``.
    They listen on loopback alone, and end with this process.

    Raises
    ------
    TimeoutError
        If the workers do not come up.
    """
    client = _started.get(os.getpid())
    if client is not None and client.status == "running":
        return client
    from distributed import Client, SpecCluster
    from distributed.deploy.subprocess import SubprocessScheduler, SubprocessWorker

    listen = {"host": LOOPBACK, "dashboard_address": f"{LOOPBACK}:0"}
    options: dict[str, Any] = {**listen, "port": 0, "dashboard": False, "idle_timeout": IDLE}
    scheduler = {"cls": SubprocessScheduler, "options": {"scheduler_kwargs": options}}
    workers = {}
    for device in devices:
        # no limit on main memory: the machine has one already
        environment = {"CUDA_VISIBLE_DEVICES": device}
        options = {**listen, "name": device, "nthreads": 1, "memory_limit": None, "env": environment}
        workers[device] = {"cls": SubprocessWorker, "options": {"worker_kwargs": options}}
    with _warnings_only():
        cluster = SpecCluster(workers=workers, scheduler=scheduler, name="skdist_gpu", silence_logs=logging.WARNING)
    client = Client(cluster, set_as_default=False)
    client.wait_for_workers(len(devices), timeout=START_SECONDS)
    _started[os.getpid()] = client
    atexit.register(stop_cluster)
    return client


def stop_cluster() -> None:
    """End the cluster that this process started, if it did."""
    client = _started.pop(os.getpid(), None)
    if client is not None:
        cluster = client.cluster
        client.close()
        cluster.close()


@contextmanager
def _warnings_only() -> Iterator[None]:
    """Let the programs started inside log warnings alone."""
    name = "DASK_LOGGING__DISTRIBUTED"
    set_here = name not in os.environ
    os.environ.setdefault(name, "warning")
    try:
        yield
    finally:
        if set_here:
            del os.environ[name]
