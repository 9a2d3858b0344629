"""Defaults for every AutoScale estimator of the current thread or task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

DEFAULTS: dict[str, Any] = {
    "backend": "auto",
    "fallback": "warn",
    "client": None,
    "auto_cluster": "auto",
    "memory_budget": None,
    "max_gpus": None,
    "precision": "auto",
    "allow_ignored_parameters": False,
    "collect_limit": "1GB",
}
AUTO_CLUSTER = ("auto", "on", "off")
_CONFIG: ContextVar[dict[str, Any]] = ContextVar("skdist_gpu_config", default=DEFAULTS)


def get_config() -> dict[str, Any]:
    """Return a copy of the current defaults.

    Returns
    -------
    dict
        Keys ``backend``, ``fallback``, ``client`` (the Dask client to use; None for the current
        one), ``memory_budget`` (bytes, or text such as ``"4GB"``; None for what is free),
        ``max_gpus`` (how many of the visible GPUs may be used; None for all, 0 for none),
        ``precision``, ``allow_ignored_parameters`` (whether an engine may ignore a parameter that
        changes the result, as cuML ignores some), ``collect_limit`` (bytes that a score may
        collect from Dask or from files, where it is no sum over rows), and ``auto_cluster``: with
        several GPUs and no client, start a Dask cluster of one worker on each, listening on
        loopback alone, ``"auto"`` for Dask's blocks on GPUs, for DBSCAN of millions of rows, or when an
        engine for Dask is asked for by name, ``"on"`` for all that is in Dask and DBSCAN of any size,
        ``"off"`` never. With ``"on"`` UMAP uses all GPUs, too, without a cluster.

    Examples
    --------
    >>> from skdist_gpu import get_config
    >>> get_config()["backend"]
    'auto'
    """
    return dict(_CONFIG.get())


def set_config(**options: Any) -> None:
    """Change defaults from here on.

    An estimator's own parameter, where it is not the default, wins.

    Parameters
    ----------
    **options : dict
        New values; see :func:`get_config` for the names.

    Raises
    ------
    ValueError
        If an option, or its value, does not exist.

    Examples
    --------
    >>> from skdist_gpu import set_config
    >>> set_config(fallback="warn")
    """
    _CONFIG.set(_merge(options))


@contextmanager
def config_context(**options: Any) -> Iterator[None]:
    """Change defaults inside a ``with`` block.

    Parameters
    ----------
    **options : dict
        New values; see :func:`get_config` for the names.

    Raises
    ------
    ValueError
        If an option, or its value, does not exist.

    Examples
    --------
    >>> from skdist_gpu import config_context, get_config
    >>> with config_context(backend="sklearn"):
    ...     get_config()["backend"]
    'sklearn'
    """
    token = _CONFIG.set(_merge(options))
    try:
        yield
    finally:
        _CONFIG.reset(token)


def _merge(options: dict[str, Any]) -> dict[str, Any]:
    unknown = set(options) - set(DEFAULTS)
    if unknown:
        raise ValueError(f"Unknown option {', '.join(sorted(unknown))}. Known are {', '.join(DEFAULTS)}.")
    if options.get("auto_cluster", "auto") not in AUTO_CLUSTER:
        raise ValueError(f"auto_cluster={options['auto_cluster']!r} is not known. Choose one of {AUTO_CLUSTER}.")
    return {**_CONFIG.get(), **options}
