"""Predict seconds: the sum of physical terms, each times its measured rate.

The rates come from `benchmarks/rates.py`, which fits them to what every engine took on many workloads, by non-negative
least squares of the relative error. Each file in ``planning/rates`` holds those of one machine, with date and versions.
Another machine is predicted from the file nearest to it, and, what that does not know, as a guess from the next; scaled
by a few probes where ``skdist-gpu calibrate`` has taken them, and by the number of cores elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.planning.calibrate import Calibration, own_calibration, probe_of
from skdist_gpu.planning.forms import SERIAL, form_of
from skdist_gpu.planning.scored import kept_size, number_of_classes, scoring_amounts
from skdist_gpu.planning.work import amounts
from skdist_gpu.protocols import Estimator

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

FOLDER = Path(__file__).parent / "rates"
# what an engine whose cost is a guess must beat scikit-learn's prediction by
GUESS = 2.0
# forms whose plain estimators score on all cores; the others take one, however many there are
_ON_EVERY_CORE = ("neighbours", "pairs", "clusters", "boosting")
# probes that use all cores themselves
_ON_ALL_CORES = ("blas",)
# methods that were measured
SCORING = ("predict", "predict_proba", "decision_function", "score_samples", "transform", "kneighbors")
# fits and calls over which the start of a library is spread, since a process that asks once asks again
CALLS_FORESEEN = 10
# numbers of threads that were measured beside all of them, and the share of the time with fewer, and the seconds, that
# more must save: threads that wait for each other are many times slower on cores that are busy with something else
LIMITS, MORE_THREADS, LEAST_SAVED = (1, 4), 0.75, 0.02
# estimators that were not measured, and the one whose trees are walked alike
_SCORED_LIKE = dict.fromkeys(("XGBClassifier", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"), "XGBRegressor")
# a form whose rates are a guess for an engine in which a form was not measured
_LIKE = {"cubes": "pairs", "trees": "boosting"}


@dataclass(frozen=True)
class Machine:
    """The rates that were measured on one machine.

    Attributes
    ----------
    name, date : str
        What the machine is, and when it was measured.
    n_cores : int
        Cores that the measurements used.
    gpu : str
        Name of its GPU; empty without one.
    probes : dict
        Seconds that each probe took.
    first : dict
        ``"engine:device"`` -> seconds of the first small fit in a process: to load libraries, and to compile.
    rates : dict
        ``"estimator|engine:device|dense or sparse|method"`` -> term -> seconds per unit; ``engine:device@1`` with one
        thread.
    """

    name: str
    date: str
    n_cores: int
    gpu: str = ""
    probes: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    rates: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What a fit is predicted to take.

    Attributes
    ----------
    seconds : float
        Duration.
    guess : bool
        Whether it comes from other estimators' rates, since this one was not measured.
    threads : int or None
        Number of BLAS and OpenMP threads that serves best; None for all.
    starting : float
        Seconds among them for a library that a call must load first.
    """

    seconds: float
    guess: bool = False
    threads: int | None = None
    starting: float = 0.0


def rate_key(estimator: str, engine: str, sparse: bool, method: str = "fit") -> str:
    """Return the name of a set of rates.

    Examples
    --------
    >>> rate_key("Ridge", "engine:cpu", False)
    'Ridge|engine:cpu|dense|fit'
    """
    return f"{estimator}|{engine}|{'sparse' if sparse else 'dense'}|{method}"


@cache
def shipped_machines() -> tuple[Machine, ...]:
    """Return the machines whose rates come with the package."""
    return tuple(Machine(**json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json")))


def machines_for(device: str, n_cores: int, machines: tuple[Machine, ...] | None = None) -> tuple[Machine, ...]:
    """Return the machines whose rates predict a device, best first: with a GPU for GPUs, else the nearest by cores."""
    if machines is None:
        return _shipped_for(device == "gpu", n_cores)
    return _by_nearness(machines, device == "gpu", n_cores)


@cache
def _shipped_for(on_gpu: bool, n_cores: int) -> tuple[Machine, ...]:
    return _by_nearness(shipped_machines(), on_gpu, n_cores)


def _by_nearness(machines: tuple[Machine, ...], on_gpu: bool, n_cores: int) -> tuple[Machine, ...]:
    fitting = [machine for machine in machines if bool(machine.gpu) == on_gpu]
    return tuple(sorted(fitting, key=lambda m: abs(_log_ratio(m.n_cores, n_cores))))


def _log_ratio(a: int, b: int) -> float:
    return math.log(max(1, a) / max(1, b))


def predict(
    estimator: Estimator,
    engine: str,
    info: InputInfo,
    resources: Resources,
    *,
    started: bool = True,
    machines: tuple[Machine, ...] | None = None,
) -> Prediction | None:
    """Predict the duration of a fit, with the number of threads that serves best.

    Parameters
    ----------
    estimator : estimator
        Unfitted; its class and parameters tell the work.
    engine : str
        Engine and device, such as ``"name:cpu"``.
    info : InputInfo
        The data.
    resources : Resources
        The machine.
    started : bool, default=True
        Whether this process has loaded the engine's library; if not, a share of that is counted.
    machines : tuple of Machine, default=None
        Measured machines; None for those shipped, and the user's own.

    Returns
    -------
    Prediction or None
        None where no rate of the engine was measured, or the number of columns is not known.
    """
    backend, _, device = engine.partition(":")
    if device == "dask" and resources.cluster is not None and resources.cluster.n_gpus:
        return None
    # where blocks of Dask were not measured: the same work on the same cores
    engines = (engine, f"{backend}:cpu") if device == "dask" else (engine,)
    known = machines_for(device, resources.n_cores, machines)
    of_such, of_dense = _rates_in_question(type(estimator).__name__, info)
    for machine, rates_of, measured in [*product(known, of_such, engines), *product(known, of_dense, engines)]:
        rates = machine.rates.get(rates_of.key(measured))
        work = amounts(estimator, rates_of.info, device=device)
        if rates is not None and work is not None:
            # another number of cores than the nearest machine's says less
            guess = rates_of.guess or machine is not known[0]
            start = 0.0 if started else machine.first.get(engine, 0.0) / CALLS_FORESEEN
            best = Prediction(start + _sum(rates, work, machine, resources.n_cores), guess)
            for n_threads in sorted(LIMITS, reverse=True):
                fewer = machine.rates.get(rates_of.key(f"{measured}@{n_threads}"))
                if fewer is not None and n_threads < resources.n_cores:
                    seconds = start + _sum(fewer, work, machine, machine.n_cores)
                    if best.seconds > min(MORE_THREADS * seconds, seconds - LEAST_SAVED):
                        best = Prediction(seconds, guess, n_threads)
            return best
    return None


@dataclass(frozen=True)
class _RatesOf:
    """Whose rates predict a fit, for the data as those rates count them."""

    who: str
    info: InputInfo
    guess: bool

    def key(self, engine: str) -> str:
        return rate_key(self.who, engine, self.info.sparse)


def _rates_in_question(estimator: str, info: InputInfo) -> tuple[list[_RatesOf], list[_RatesOf]]:
    """Return the estimator's own rates, those of its form and of one like it; and, for sparse data, those of dense."""
    form = form_of(estimator)
    forms = [f"*{each}" for each in (form, _LIKE.get(form)) if each]
    found = [_RatesOf(estimator, info, False), *(_RatesOf(each, info, True) for each in forms)]
    if not info.sparse:
        return found, []
    # as if the stored values were a dense table of as many rows
    n_columns = max(1, round((info.n_values or 0) / max(1, info.n_samples or 1)))
    dense = replace(info, sparse=False, n_stored=None, n_features=n_columns)
    return found, [_RatesOf(each, dense, True) for each in (estimator, *forms)]


def predict_scoring(
    model: Estimator,
    method: str,
    way: str,
    info: InputInfo,
    resources: Resources,
    *,
    device: str = "cpu",
    start: str = "",
    machines: tuple[Machine, ...] | None = None,
) -> Prediction | None:
    """Predict the duration of a call of a fitted model's method, in one of the ways that rates name.

    Parameters
    ----------
    model : estimator
        Fitted; its class and what it keeps tell the work.
    method : str
        Name of the method; where it was not measured, the rates of another method of the estimator are a guess.
    way : str
        As rates name it: ``"plain"``, ``"threads"``, ``"device"``, or an engine and its device.
    info : InputInfo
        The rows.
    resources : Resources
        The machine.
    device : {"cpu", "gpu"}, default="cpu"
        Where it computes.
    start : str, default=""
        Engine and device whose library this process must load first; a share of that is counted, since a model that is
        asked once is asked again.
    machines : tuple of Machine, default=None
        Measured machines; None for those shipped.

    Returns
    -------
    Prediction or None
        None where no rate was measured, or the number of rows is not known.
    """
    to_device = device == "gpu" and info.location != "gpu"
    n_classes, kept = number_of_classes(model), kept_size(model)
    work = scoring_amounts(model, kept, info, n_classes=n_classes, to_device=to_device, with_model=to_device)
    if work is None:
        return None
    machines = machines_for(device, resources.n_cores, machines)
    on_one_core = way == "plain" and form_of(type(model).__name__) not in _ON_EVERY_CORE
    for machine in machines:
        known = scoring_rates(machine, type(model).__name__, way, info.sparse)
        rates = [known[method]] if method in known else list(known.values())
        if rates:
            serial = tuple(work) if on_one_core else SERIAL
            seconds = max(_sum(each, work, machine, resources.n_cores, serial) for each in rates)
            starting = machine.first.get(start, 0.0) / CALLS_FORESEEN
            guess = method not in known or machine is not machines[0] or type(model).__name__ in _SCORED_LIKE
            return Prediction(starting + seconds, guess, starting=starting)
    return None


def scoring_rates(machine: Machine, estimator: str, way: str, sparse: bool = False) -> dict[str, dict[str, float]]:
    """Return the rates of an estimator's methods, or of one like it, in one way of calling them, by method."""
    measured = _SCORED_LIKE.get(estimator, estimator)
    keys = {method: rate_key(measured, way, sparse, method) for method in SCORING}
    return {method: machine.rates[key] for method, key in keys.items() if key in machine.rates}


def _sum(
    rates: Mapping[str, float],
    work: Mapping[str, float],
    machine: Machine,
    n_cores: int,
    serial: tuple[str, ...] = SERIAL,
) -> float:
    """Return the seconds of all terms; a unit takes longer here than where it was measured, as probes or cores tell.

    The `serial` terms are what one thread does, such as the fixed cost of a call: they do not depend on the number of
    cores, nor does what a GPU does.
    """
    own = own_calibration()
    if own is not None and own.n_cores == n_cores:
        return sum(
            r * work.get(term, 0.0) * _slowness(term, machine, n_cores, own, serial) for term, r in rates.items()
        )
    seconds = sum([rate * work.get(term, 0.0) for term, rate in rates.items()])
    if machine.gpu or n_cores == machine.n_cores:
        return seconds
    alone = sum([rates.get(term, 0.0) * work.get(term, 0.0) for term in serial])
    return alone + (seconds - alone) * machine.n_cores / n_cores


def _slowness(term: str, machine: Machine, n_cores: int, own: Calibration, serial: tuple[str, ...]) -> float:
    """Return how much longer a unit of a term takes here than where it was measured, by the probes of both."""
    probe = probe_of(term, bool(machine.gpu))
    known = probe in own.probes and probe in machine.probes
    ratio = own.probes[probe] / machine.probes[probe] if known else 1.0
    if machine.gpu or term in serial or (known and probe in _ON_ALL_CORES):
        return ratio
    return ratio * machine.n_cores / n_cores
