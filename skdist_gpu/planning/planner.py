"""Judge every engine for one estimator, one input and one machine. Pure: computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils.fixes import parse_version

from skdist_gpu._compat.sklearn import goes_on, has_callbacks
from skdist_gpu.config import checks, format_bytes, listed
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Allowed, Entry
from skdist_gpu.engines.protocol import EngineInfo
from skdist_gpu.engines.reason import ANOTHER_WAS_ASKED_FOR, LACKS_HARDWARE, LACKS_PACKAGE, Reason
from skdist_gpu.engines.registry import edition, engines, entries_for, matches, packages_asked_for
from skdist_gpu.exceptions import BackendError
from skdist_gpu.facts import PlainFacts, plain_facts
from skdist_gpu.hardware.detect import Resources
from skdist_gpu.planning.calibrate import own_calibration
from skdist_gpu.planning.choice import choose
from skdist_gpu.planning.cost import Prediction, predict
from skdist_gpu.planning.memory import memory_refusals, most_bytes, predict_bytes
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.protocols import Estimator


@dataclass(frozen=True)
class Request:
    """What the user asked of the planner.

    Attributes
    ----------
    backend : str
        ``"auto"``, the name of an engine, or engine and device such as ``"name:gpu"``.
    memory_budget : int or None
        Bytes that a fit may take on its device; None for what is free.
    fit_params : tuple of str
        Names of further arguments of `fit`, which few engines take.
    precision : {"auto", "float32"}
        ``"float32"`` accepts engines whose float32 sums are known to drift.
    allow_ignored : bool
        Whether an engine may ignore a parameter that changes the result.
    all_gpus : bool
        Whether an engine that can hand the data to every GPU goes first, whatever the number of rows.
    same_answer : bool
        Whether only scikit-learn's own answer will do, in all that a program may read of it.
    """

    backend: str = "auto"
    memory_budget: int | None = None
    fit_params: tuple[str, ...] = ()
    precision: str = "auto"
    allow_ignored: bool = False
    all_gpus: bool = False
    same_answer: bool = False


# characters of a parameter's value in a reason
MOST_SHOWN = 80
_PLACES = {"host": "in memory", "gpu": "on the GPU", "disk": "on this machine's disk", "dask": "in Dask"}


def make_plan(estimator: Estimator, info: InputInfo, resources: Resources, request: Request) -> Plan:
    """Judge every engine of the catalogue and choose one.

    Raises
    ------
    BackendError
        If ``request.backend`` is not the name of an engine.
    """
    check_backend(request.backend)
    estimator_facts = plain_facts(estimator)
    if estimator_facts is None:
        return _make_plan(estimator, info, resources, request)
    loaded = tuple(map(resources.packages.is_loaded, packages_asked_for()))
    return _remembered(estimator_facts, info, resources, request, loaded, own_calibration(), edition())


# as many as a search that goes through some sizes and estimators asks for in turn
@lru_cache(maxsize=64)
def _remembered(estimator_facts: PlainFacts, info: InputInfo, resources: Resources, request: Request, *_: Any) -> Plan:
    """Return the plan of an estimator whose parameters are plain: the same facts give the same plan.

    What follows the request is what a plan depends on beside it: packages that are loaded, the user's calibration and
    the engines that are registered.
    """
    return _make_plan(estimator_facts.estimator(), info, resources, request)


def _make_plan(estimator: Estimator, info: InputInfo, resources: Resources, request: Request) -> Plan:
    entries = entries_for(estimator)
    candidates = [_judge(entry, estimator, info, resources, request) for entry in entries]
    if not any(matches(entry, request.backend) for entry in entries):
        unknown = f"backend={request.backend!r} was asked for, which does not know {type(estimator).__name__}"
        reason = Reason(unknown, ANOTHER_WAS_ASKED_FOR)
        candidates = [replace(candidate, reasons=(reason,)) for candidate in candidates]
    spread = {entry.name for entry in entries if _is_spread(entry, info, request)}
    clustered, n_bytes = resources.cluster is not None and info.location == "dask", info.n_bytes or 0
    chosen = choose(candidates, info.location, spread, n_bytes=n_bytes, clustered=clustered, asked=request.backend)
    return Plan(
        estimator=type(estimator).__name__,
        data=str(info),
        machine=describe(resources),
        candidates=tuple(chosen),
    )


def gains_from_all_gpus(estimator: Estimator, info: InputInfo, request: Request, resources: Resources) -> bool:
    """Whether an engine hands the data to every GPU of a machine that has a worker on each."""
    spread = [entry for entry in entries_for(estimator) if _is_spread(entry, info, request)]
    judged = (_judge(entry, estimator, info, resources, request) for entry in spread)
    return request.backend == "auto" and any(candidate.verdict == "possible" for candidate in judged)


@checks("backend")
def check_backend(backend: str) -> None:
    """Raise :class:`BackendError` for a name that no engine has."""
    if backend == "auto":
        return
    name, colon, device = str(backend).partition(":")
    if name not in engines() or (colon and device not in ("cpu", "gpu", "dask")):
        known = ", ".join(repr(b) for b in ("auto", *engines()))
        raise BackendError(
            f"backend={backend!r} is not known. Choose one of {known}, with ':cpu', ':gpu' or ':dask' "
            "after the name to fix the device."
        )


def _judge(entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources, request: Request) -> Candidate:
    if not matches(entry, request.backend):
        asked = f"is another model, which only backend={entry.backend!r} asks for"
        another = Reason(f"backend={request.backend!r} was asked for", ANOTHER_WAS_ASKED_FOR)
        reason = asked if request.backend == "auto" else another
        return Candidate(entry.backend, entry.device, "refused", (reason,))
    n_bytes = predict_bytes(entry, estimator, info, resources)
    verdict, reasons = _verdict(entry, n_bytes, estimator, info, resources, request)
    predicted = None if verdict == "refused" else _predict(entry, estimator, info, resources)
    return Candidate(
        entry.backend,
        entry.device,
        verdict,
        tuple(reasons),
        n_bytes,
        seconds=predicted.seconds if predicted else None,
        guess=predicted.guess if predicted else False,
        threads=predicted.threads if predicted else None,
        most_bytes=most_bytes(estimator, info, n_bytes),
    )


def _predict(entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources) -> Prediction | None:
    """Predict the seconds of a fit, with those to load the engine's libraries where they are not loaded."""
    engine = engines()[entry.backend]
    started = all(resources.packages.is_loaded(name) for name in engine.packages[entry.device])
    predicted = predict(estimator, entry.name, info, resources, started=started)
    if predicted is None:
        own = engine.fit_seconds(entry, estimator, info, resources)
        return None if own is None else Prediction(own)
    return predicted


def _verdict(
    entry: Entry, n_bytes: int | None, estimator: Estimator, info: InputInfo, resources: Resources, request: Request
) -> tuple[str, list[str]]:
    engine = engines()[entry.backend]
    refusals = [
        *([entry.refusal] if entry.refusal else []),
        *_answer_refusals(entry, estimator, request),
        *machine_refusals(entry, resources),
        *parameter_refusals(entry, estimator, sparse=info.sparse),
        *_state_refusals(engine, estimator),
        *_ignored_refusals(entry, estimator, request),
        *_place_refusals(engine, entry, info, request),
        *engine.data_refusals(entry, info),
        *_data_refusals(engine, entry, info, request),
        *_row_number_refusals(entry, estimator, info),
        *_precision_refusals(entry, info, request),
    ]
    refusals = refusals or memory_refusals(entry, info, resources, n_bytes, request.memory_budget)
    if refusals:
        return "refused", refusals
    slower = _why_slower(engine, entry, info, request)
    if slower:
        return "slower", [slower]
    return "possible", _why(engine, entry, estimator, info, resources, request)


def machine_refusals(entry: Entry, resources: Resources) -> list[str]:
    """Tell what this machine lacks for an entry of the catalogue, hardware before packages; empty if nothing."""
    engine = engines()[entry.backend]
    refusals: list[str] = []
    if entry.device == "gpu" and not resources.gpus:
        refusals.append(Reason("needs a GPU; NVML and CUDA_VISIBLE_DEVICES show none", LACKS_HARDWARE, "a GPU"))
    refusals += engine.machine_refusals(entry, resources)
    packages, extra = engine.packages[entry.device], engine.extras.get(entry.device)
    missing = [name for name in packages if name not in resources.packages]
    if missing:
        install = f"pip install 'skdist_gpu[{extra}]'" if extra else f"pip install {' '.join(missing)}"
        refusals.append(Reason(f"needs {listed(missing)}, not installed; {install}", LACKS_PACKAGE, install))
    for name, lowest in packages.items():
        found = resources.packages.version(name) if lowest else None
        if found and parse_version(found) < parse_version(lowest):
            refusals.append(f"needs {name} {lowest} or newer, {found} is installed")
    return refusals


def parameter_refusals(entry: Entry, estimator: Estimator, *, sparse: bool) -> list[str]:
    """Name each parameter that an engine does not support, for dense or for sparse `X`."""
    accepts, where = (entry.accepts | entry.sparse_accepts, " for sparse X") if sparse else (entry.accepts, "")
    return [f"{what} is not supported{where}{only}" for what, only in _outside(accepts, estimator)]


def _ignored_refusals(entry: Entry, estimator: Estimator, request: Request) -> list[str]:
    if request.allow_ignored:
        return []
    remedy = "set_config(allow_ignored_parameters=True) accepts that"
    return [
        f"{what} changes the result and {entry.backend} does not read it; {remedy}"
        for what, _ in _outside(entry.ignores, estimator)
    ]


def _outside(allowed_values: dict[str, Allowed], estimator: Estimator) -> list[tuple[str, str]]:
    """Name each parameter whose value is not among those allowed, and those that are."""
    found = []
    for name, allowed in allowed_values.items():
        if not hasattr(estimator, name):
            continue
        value = getattr(estimator, name)
        if callable(allowed):
            if not _meets(allowed, value):
                found.append((f"{name}={_shown(value)}", ""))
        elif not any(_equals(value, a) for a in allowed):
            found.append((f"{name}={_shown(value)}", f", only {' or '.join(repr(a) for a in allowed)}"))
    return found


def _meets(condition: Callable[[Any], bool], value: Any) -> bool:
    """Whether a parameter meets a condition; a value of another kind, such as an array for a number, does not."""
    try:
        return bool(condition(value))
    except (TypeError, ValueError):
        return False


def _equals(value: Any, allowed: Any) -> bool:
    """Whether a parameter has a value that the catalogue names; an array or any other object has none of them."""
    is_scalar = isinstance(value, (str, Number, np.bool_)) and not isinstance(value, bool)
    return value is allowed or (is_scalar and bool(value == allowed))


def _shown(value: Any) -> str:
    """Write a parameter for a sentence: arrays and whatever else takes more than that by their type."""
    text = repr(value)
    if len(text) <= MOST_SHOWN and "\n" not in text:
        return text
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def _answer_refusals(entry: Entry, estimator: Estimator, request: Request) -> list[str]:
    differs = entry.differs and (not entry.differs_unless or _outside(entry.differs_unless, estimator))
    if not (request.same_answer and differs):
        return []
    return [f"{entry.differs}; a program that stays as it is gets scikit-learn's own, autoscale(model) takes this one"]


def _precision_refusals(entry: Entry, info: InputInfo, request: Request) -> list[str]:
    drift = _known_drift(entry, info)
    if not drift or request.precision == "float32" or request.backend != "auto":
        return []
    return [f"{drift}, beyond the {entry.tolerance:.0e} that counts as its answer; precision='float32' accepts that"]


def _known_drift(entry: Entry, info: InputInfo) -> str:
    """Say how far float32 sums were off at such a number of rows; empty where they were right."""
    measured = entry.drift_at(info.n_samples) if info.dtype == "float32" else None
    if measured is None or measured[1] <= entry.tolerance:
        return ""
    n_rows, difference = measured
    return f"its float32 sums were {difference:.1e} off scikit-learn's in float64 at {n_rows:.1e} rows"


def _state_refusals(engine: EngineInfo, estimator: Estimator) -> list[str]:
    """Tell what the estimator carries beside its parameters and the engine would ignore."""
    refusals = []
    if goes_on(estimator) and not engine.continues:
        refusals.append("warm_start=True goes on from the last fit, which it cannot")
    if has_callbacks(estimator) and not engine.calls_callbacks:
        refusals.append("calls no callbacks, which the estimator was given by set_callbacks()")
    return refusals


def _place_refusals(engine: EngineInfo, entry: Entry, info: InputInfo, request: Request) -> list[str]:
    """Tell why data that are where they are do not get to the engine."""
    if info.location not in engine.reads[entry.device]:
        better = [f"{engine.name}:{device}" for device, places in engine.reads.items() if info.location in places]
        if better:
            return [f"the data are {_PLACES[info.location]}, see {' and '.join(better)}"]
        if info.location == "disk":
            return ["reads no files; pyarrow's dataset.to_table() loads them"]
        return [f"reads no data {_PLACES[info.location]}"]
    for_dask = entry.device == "dask" and info.location != "dask"
    if for_dask and request.backend == "auto" and not _is_spread(entry, info, request):
        return [f"is for Dask input; these data are {_PLACES[info.location]} already"]
    return []


def _data_refusals(engine: EngineInfo, entry: Entry, info: InputInfo, request: Request) -> list[str]:
    refusals = []
    if info.sparse and not entry.sparse:
        refusals.append("sparse X is not supported; X.toarray(), or X.sparse.to_dense() of a frame, makes it dense")
    if info.n_features is not None and info.n_features > entry.most_columns:
        most = f"{entry.most_columns:.0f}"
        refusals.append(f"{info.n_features} columns are too many for sums over all pairs, at most {most} are worth it")
    if info.weighted and not entry.weights:
        refusals.append("sample_weight is not supported")
    if info.n_targets > 1 and not entry.multi_target:
        refusals.append(f"y with {info.n_targets} columns is not supported, only one")
    if request.fit_params and not engine.takes_fit_arguments:
        refusals.append(f"the fit arguments {', '.join(request.fit_params)} are only for scikit-learn itself")
    return refusals


def _row_number_refusals(entry: Entry, estimator: Estimator, info: InputInfo) -> list[str]:
    n_passes = entry.numbered_passes(estimator)
    if n_passes and info.location == "dask" and info.n_samples is None:
        remedy = "compute_chunk_sizes() of a Dask array finds it"
        return [f"folds need the number of each row, which Dask blocks of unknown size do not tell; {remedy}"]
    if n_passes > 1 and not info.rows_keep_order:
        remedy = "sink_parquet() writes files, whose rows have one order"
        return [f"folds need the number of each row in several passes, and a query may change their order; {remedy}"]
    return []


def _why_slower(engine: EngineInfo, entry: Entry, info: InputInfo, request: Request) -> str | None:
    """Say why another engine is faster for this size or place; None if none is known to be."""
    if _is_spread(entry, info, request):
        return None
    if entry.device == "dask" and info.location != "dask":
        return f"the data are {_PLACES[info.location]} already; to hand them to Dask costs a copy"
    return engine.why_slower(entry, info)


def _is_spread(entry: Entry, info: InputInfo, request: Request) -> bool:
    """Whether rows in main memory, or in Dask, are so many that all GPUs are faster than one, or all are asked for."""
    enough = request.all_gpus or (info.n_samples or 0) >= entry.spread_from
    return isfinite(entry.spread_from) and info.location in ("host", "dask") and enough


def _why(
    engine: EngineInfo, entry: Entry, estimator: Estimator, info: InputInfo, resources: Resources, request: Request
) -> list[str]:
    if entry.explicit:
        return [entry.explicit]
    if _is_spread(entry, info, request):
        return [f"on all GPUs, which are faster than one from {entry.spread_from:.0e} rows on"]
    first, *further = engine.why(entry, estimator, info, resources)
    drift = _known_drift(entry, info)
    return [f"{first}{'; ' if drift else ''}{drift}", *further]


def describe(resources: Resources) -> str:
    parts = [
        f"{resources.n_cores} core{'s' * (resources.n_cores > 1)}",
        f"{format_bytes(resources.available_bytes)} free",
    ]
    if resources.gpus:
        gpu = resources.gpus[0]
        parts.append(f"{len(resources.gpus)} × {gpu.name} with {format_bytes(gpu.free_bytes)} free")
    else:
        parts.append("no GPU")
    if resources.cluster:
        parts.append(f"Dask cluster of {resources.cluster.n_workers} workers")
    return ", ".join(parts)
