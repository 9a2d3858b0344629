"""What is installed here, for bug reports."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any

from skdist_gpu.config import format_bytes, option
from skdist_gpu.engines.registry import engines
from skdist_gpu.hardware.detect import Cluster, current_client, detect_resources, driver_versions

# import names; those that engines need follow
PACKAGES = ("skdist_gpu", "sklearn", "numpy", "scipy", "pandas", "polars", "pyarrow", "narwhals", "joblib", "skops")


def show_versions() -> None:
    """Print packages, cores, memory, GPUs, driver and Dask client; imports no engine.

    Examples
    --------
    >>> from skdist_gpu import show_versions
    >>> show_versions()  # doctest: +ELLIPSIS
    system
      python       ...
    """
    print(format_system(describe_system()))


def format_system(system: dict[str, dict[str, str]]) -> str:
    """Write what :func:`describe_system` returns as lines of text."""
    lines = []
    for title, facts in system.items():
        lines += [title, *(f"  {name:<12} {fact}" for name, fact in facts.items())]
    return "\n".join(lines)


def describe_system() -> dict[str, dict[str, str]]:
    """Return what :func:`show_versions` prints: title -> name -> fact."""
    client = current_client(option("client"))
    resources = detect_resources(client)
    system = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": str(resources.n_cores),
        "memory": f"{format_bytes(resources.memory_bytes)}, {format_bytes(resources.available_bytes)} free",
    }
    gpus = {
        f"GPU {i}": f"{gpu.name}, {format_bytes(gpu.total_bytes)}, {format_bytes(gpu.free_bytes)} free"
        for i, gpu in enumerate(resources.gpus)
    }
    return {
        "system": system,
        "packages": _package_versions(),
        "GPUs": {**gpus, **driver_versions()} or {"none": "NVML and CUDA_VISIBLE_DEVICES show none"},
        "Dask client": _describe_client(client, resources.cluster),
    }


def _package_versions() -> dict[str, str]:
    distributions = packages_distributions()
    found = {}
    needed = (name for engine in engines().values() for packages in engine.packages.values() for name in packages)
    for name in dict.fromkeys([*PACKAGES, *sorted(needed)]):
        # an editable install may list no modules; its distribution has the module's name
        owners = sorted(set(distributions.get(name, [name])))
        try:
            found[name] = ", ".join(f"{version(owner)} ({owner})" for owner in owners)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _describe_client(client: Any, cluster: Cluster | None) -> dict[str, str]:
    if client is None or cluster is None:
        return {"none": "no client in this process"}
    return {"scheduler": client.scheduler.address, "workers": str(cluster.n_workers)}
