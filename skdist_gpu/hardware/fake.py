"""Describe a machine that does not exist here: eight GPUs on a laptop, for plans and tests."""

from __future__ import annotations

from skdist_gpu.hardware.detect import Cluster, Gpu, Packages, Resources

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "B": 1}


def parse_bytes(text: str | int | float) -> int:
    """Return the number of bytes in a text such as ``"80GB"`` or ``"4 GiB"``.

    Raises
    ------
    ValueError
        If the text is no number above zero with a unit of bytes.

    Examples
    --------
    >>> parse_bytes("80GB"), parse_bytes("1.5 KiB"), parse_bytes(12)
    (80000000000, 1536, 12)
    """
    number = str(text).strip().rstrip("BbKkMmGgTtIi ")
    unit = str(text).strip()[len(number) :].strip().upper() or "B"
    try:
        n_bytes = int(float(number) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        n_bytes = 0
    if n_bytes <= 0:
        raise ValueError(f"{text!r} is no number of bytes above zero. Write it as in '80GB' or '512 MiB'.")
    return n_bytes


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

    Examples
    --------
    >>> machine = make_resources(gpus=8)
    >>> len(machine.gpus), machine.gpus[0].free_bytes
    (8, 80000000000)
    """
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
