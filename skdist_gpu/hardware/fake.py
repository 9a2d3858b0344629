"""Describe a machine that does not exist here: eight GPUs on a laptop, for plans and tests."""

from __future__ import annotations

from numbers import Integral

from skdist_gpu.config import parse_bytes
from skdist_gpu.hardware.detect import Cluster, Gpu, Packages, Resources


def make_resources(
    cpus: int = 16,
    memory: str | int = "128GB",
    gpus: int = 0,
    gpu_memory: str | int = "80GB",
    workers: int = 0,
    packages: tuple[str, ...] | None = None,
) -> Resources:
    """Describe a machine for :meth:`AutoScaleRegressor.plan`.

    Parameters
    ----------
    cpus : int
        Cores of the machine.
    memory, gpu_memory : str or int
        Main memory, and memory of each GPU, all of it free, in bytes or as ``"80GB"``.
    gpus : int
        Number of GPUs.
    workers : int
        Workers of a Dask cluster; 0 means no cluster. The machine is divided among them.
    packages : tuple of str, default=None
        Import names of the installed packages; None for all that engines ask for.

    Returns
    -------
    Resources

    Raises
    ------
    ValueError
        If there are no cores or no memory, or a number of GPUs or workers is negative.

    Examples
    --------
    >>> machine = make_resources(gpus=8)
    >>> len(machine.gpus), machine.gpus[0].free_bytes
    (8, 80000000000)
    """
    for name, number, least in (("cpus", cpus, 1), ("gpus", gpus, 0), ("workers", workers, 0)):
        if not isinstance(number, Integral) or isinstance(number, bool) or number < least:
            raise ValueError(f"{name}={number!r} is no whole number from {least} on.")
    memory_bytes, gpu_bytes = parse_bytes(memory), parse_bytes(gpu_memory)
    cluster = None
    if workers:
        cluster = Cluster(workers, cpus, memory_bytes, n_gpus=min(gpus, workers))
    return Resources(
        n_cores=cpus,
        memory_bytes=memory_bytes,
        available_bytes=memory_bytes,
        gpus=(Gpu("GPU", gpu_bytes, gpu_bytes),) * gpus,
        cluster=cluster,
        packages=Packages(None if packages is None else frozenset(packages)),
    )
