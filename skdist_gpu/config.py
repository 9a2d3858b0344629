"""Defaults for every AutoScale estimator of the current thread or task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
CHOICES: dict[str, tuple[str, ...]] = {
    "fallback": ("warn", "silent", "raise"),
    "precision": ("auto", "float32"),
    "auto_cluster": ("auto", "on", "off"),
}
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "B": 1}
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


def option(name: str) -> Any:
    """Return one of the current defaults, by its name.

    Examples
    --------
    >>> option("backend")
    'auto'
    """
    return _CONFIG.get()[name]


def set_config(**options: Any) -> None:
    """Change defaults from here on.

    An estimator's own parameter, where it is not the default, wins.

    Parameters
    ----------
    **options : dict
        New values; see :func:`get_config` for the names.

    Raises
    ------
    ValueError, TypeError
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
    ValueError, TypeError
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
    for name, value in options.items():
        check_option(name, value)
    return {**_CONFIG.get(), **options}


# option -> what raises for a value of it, of modules that know more than this one
_CHECKS: dict[str, Callable[[Any], None]] = {}


def checks(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a function the check of an option's values, as a decorator."""

    def register(check: Callable[[Any], None]) -> Callable[[Any], None]:
        _CHECKS[name] = check
        return check

    return register


def check_option(name: str, value: Any) -> None:
    """Raise for a value that an option cannot have; estimators check their own parameters with it, too."""
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"{name}={value!r} is not known. Choose one of {CHOICES[name]}.")
    elif name in _CHECKS:
        _CHECKS[name](value)
    elif name == "collect_limit" or (name == "memory_budget" and value is not None):
        parse_bytes(value, name)
    elif name == "allow_ignored_parameters" and not isinstance(value, bool):
        raise TypeError(f"{name}={value!r} is neither True nor False.")
    elif name == "max_gpus" and value is not None and (type(value) is not int or value < 0):
        raise ValueError(f"{name}={value!r} is neither a whole number from 0 on nor None for all.")
    elif name == "client" and value is not None and not hasattr(value, "scheduler"):
        raise TypeError(
            f"client={value!r} is no Dask client. Give a distributed.Client, such as distributed.Client(address), or "
            "None for the current one."
        )


def configured_budget() -> int | None:
    """Return the bytes that ``memory_budget`` allows; None for what is free.

    Examples
    --------
    >>> with config_context(memory_budget="2GB"):
    ...     configured_budget()
    2000000000
    """
    budget = option("memory_budget")
    return None if budget is None else parse_bytes(budget)


def parse_bytes(text: str | int | float, name: str = "") -> int:
    """Return the number of bytes in a text such as ``"80GB"`` or ``"4 GiB"``; errors name the option `name`.

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
        what = f"{name}={text!r}" if name else repr(text)
        raise ValueError(f"{what} is no number of bytes above zero. Write it as in '80GB' or '512 MiB'.")
    return n_bytes


def listed(names: Sequence[str]) -> str:
    """Write names for people.

    Examples
    --------
    >>> listed(["one"]), listed(["one", "two", "three"])
    ('one', 'one, two and three')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def format_seconds(seconds: float) -> str:
    """Write a duration for people.

    Examples
    --------
    >>> format_seconds(0.0021), format_seconds(0.456), format_seconds(61), format_seconds(7200)
    ('2.1 ms', '0.46 s', '61 s', '2.0 h')
    """
    if seconds < 0.1:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def format_bytes(n_bytes: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> format_bytes(31_200_000_000), format_bytes(512)
    ('31.2 GB', '512 B')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} B"
