"""The catalogue: which engine can fit which estimator, with which parameters, and from what size.

One table that the planner, :func:`skdist_gpu.info.capabilities`, the documentation and the tests read. It asks each
engine's `info`, and imports no engine's library.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.engines.entry import Entry, catalogue_name
from skdist_gpu.engines.protocol import ANY_PACKAGE, EngineInfo
from skdist_gpu.protocols import Estimator

# other packages name their EngineInfo here
ENTRY_POINTS = "skdist_gpu.engines"
# of entries of engines that serve as well
_DEVICES = ("gpu", "cpu", "dask")
_registered: list[EngineInfo] = []


@cache
def engines() -> dict[str, EngineInfo]:
    """Return the engines by name: those of this package, those that other packages declare, and those registered.

    An engine of another package is an :class:`EngineInfo` that an entry point of the group ``skdist_gpu.engines``
    names.
    """
    folders = sorted(path.parent.name for path in Path(__file__).parent.glob("*/info.py"))
    found = [import_module(f"skdist_gpu.engines.{folder}.info").INFO for folder in folders]
    found.sort(key=lambda info: info.rank)
    declared = filter(None, map(_loaded, entry_points(group=ENTRY_POINTS)))
    return {info.name: info for info in [*found, *declared, *_registered]}


def _loaded(point: EntryPoint) -> EngineInfo | None:
    """Return the engine that another package declares; None, with a warning, where that cannot be loaded."""
    try:
        info = point.load()
        if isinstance(info, EngineInfo):
            return info
        reason = f"{point.value} is a {type(info).__name__} and no EngineInfo"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    package = point.dist.name if point.dist else "another package"
    warnings.warn(
        f"The engine {point.name!r} of {package} cannot be loaded: {reason}. It is left out; the other engines work. "
        f"pip install -U {package} may mend it, pip uninstall {package} takes the engine away.",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


def register(info: EngineInfo) -> None:
    """Add an engine for this process; one of the same name is replaced."""
    unregister(info.name)
    _registered.append(info)
    _forget()


def unregister(name: str) -> None:
    """Take an engine that was registered out again."""
    _registered[:] = [info for info in _registered if info.name != name]
    _forget()


def _forget() -> None:
    for known in (engines, edition, packages_asked_for, catalogue, entries_named, _scoring_engines, _method_class):
        known.cache_clear()


@cache
def edition() -> object:
    """Return an object that is another one as soon as an engine is registered or taken out."""
    return object()


@cache
def packages_asked_for() -> tuple[str, ...]:
    """Return the import names of all packages that an engine needs on one of its devices."""
    needed = (packages for info in engines().values() for packages in info.packages.values())
    return tuple(dict.fromkeys(name for packages in needed for name in packages))


@cache
def catalogue() -> tuple[Entry, ...]:
    """Return every entry, in the order of preference where several engines serve."""
    entries = [(info.rank, _DEVICES.index(e.device), e) for info in engines().values() for e in info.entries()]
    return tuple(entry for _, _, entry in sorted(entries, key=lambda ranked: ranked[:2]))


def entries_for(estimator: Estimator) -> tuple[Entry, ...]:
    """Return the entries for an estimator, in the order of preference.

    A subclass of a scikit-learn class may compute anything, so only the exact class has entries.
    """
    return entries_named(catalogue_name(type(estimator)))


@cache
def entries_named(estimator: str) -> tuple[Entry, ...]:
    """Return the entries for the name of a class, also of engines that fit anything, unless its own library fits it."""
    entries = [entry for entry in catalogue() if entry.estimator == estimator]
    if not any(entry.native for entry in entries):
        entries += [info.entry_for(estimator) for info in engines().values() if info.fits_anything]
    return tuple(sorted(entries, key=lambda entry: engines()[entry.backend].rank))


def matches(entry: Entry, backend: str) -> bool:
    """Whether an entry is meant by ``backend=``, such as ``"auto"``, ``"cuml"`` or ``"reductions:gpu"``."""
    name, _, device = str(backend).partition(":")
    if backend == "auto":
        return not entry.explicit
    return entry.backend == name and device in ("", entry.device)


def runs_on_workers(backend: str) -> bool:
    """Whether ``backend=`` asks for an engine, or for a device of one, that computes on Dask's workers."""
    name, _, device = backend.partition(":")
    if device or name not in engines():
        return device == "dask"
    return all("distributed" in packages for packages in engines()[name].packages.values())


def scoring_engines(estimator: Estimator, device: str) -> tuple[EngineInfo, ...]:
    """Return the engines that score a fitted estimator on a device, by rank; on the CPU the last is itself."""
    return _scoring_engines(type(estimator).__module__.partition(".")[0], device)


@cache
def _scoring_engines(package: str, device: str) -> tuple[EngineInfo, ...]:
    ranked = sorted(engines().values(), key=lambda info: info.rank)
    naming = [[info for info in ranked if who in info.scores.get(device, ())] for who in (package, ANY_PACKAGE)]
    return tuple(naming[0] or naming[1])


def method_class(estimator: Estimator, device: str) -> type[BlockMethod]:
    """Return the class that calls methods of a fitted estimator for rows on a device: an engine's, or the plain one."""
    return _method_class(type(estimator).__module__.partition(".")[0], device)


@cache
def _method_class(package: str, device: str) -> type[BlockMethod]:
    found = _scoring_engines(package, device)
    return found[-1 if device == "cpu" else 0].method_class(device) if found else BlockMethod
