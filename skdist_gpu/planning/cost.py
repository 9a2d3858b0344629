"""Predict seconds: the sum of physical terms, each times its measured rate.

The rates come from `benchmarks/rates.py`, which measures every engine on many workloads and fits them by non-negative
least squares of the relative error. Each file in ``planning/rates`` holds those of one machine, with date and versions.
Another machine is predicted from the file that is nearest to it, scaled by a few probes where ``skdist-gpu calibrate``
has taken them, and by the number of cores elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.planning.work import amounts, form_of

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

FOLDER = Path(__file__).parent / "rates"
# what an engine whose cost is a guess must beat scikit-learn's prediction by
GUESS = 2.0
# all threads are taken unless one is predicted to take less than this share of their time
ONE_THREAD = 0.9


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
        ``"estimator|engine:device|dense or sparse|method"`` -> term -> seconds per unit.
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
    """

    seconds: float
    guess: bool = False
    threads: int | None = None


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


def machine_for(device: str, n_cores: int, machines: tuple[Machine, ...] | None = None) -> Machine | None:
    """Return the machine whose rates predict a device best: one with a GPU for GPUs, else the nearest by cores."""
    machines = shipped_machines() if machines is None else machines
    fitting = [machine for machine in machines if bool(machine.gpu) == (device == "gpu")]
    return min(fitting, key=lambda m: abs(_log_ratio(m.n_cores, n_cores)), default=None)


def _log_ratio(a: int, b: int) -> float:
    return math.log(max(1, a) / max(1, b))


def predict(
    estimator: Any,
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
        Whether this process has loaded the engine's library; if not, that is counted.
    machines : tuple of Machine, default=None
        Measured machines; None for those shipped, and the user's own.

    Returns
    -------
    Prediction or None
        None where no rate of the engine was measured, or the number of columns is not known.
    """
    device = engine.partition(":")[2]
    machine = machine_for(device, resources.n_cores, machines)
    work = amounts(estimator, info, to_device=device == "gpu" and info.location != "gpu")
    if machine is None or work is None:
        return None
    start = 0.0 if started else machine.first.get(engine, 0.0)
    name = type(estimator).__name__
    known = [(False, name, info.sparse), (True, f"*{form_of(name)}", info.sparse)]
    if info.sparse:
        # as if the stored values were a dense table of as many rows
        known += [(True, name, False), (True, f"*{form_of(name)}", False)]
    for guess, who, sparse in known:
        rates = machine.rates.get(rate_key(who, engine, sparse))
        if rates is not None:
            if info.sparse and not sparse:
                dense = replace(info, sparse=False, n_stored=None, n_features=max(1, _columns_stored(info)))
                work = amounts(estimator, dense, to_device=device == "gpu" and info.location != "gpu") or work
            seconds = start + _sum(rates, work, machine, resources.n_cores)
            alone = machine.rates.get(rate_key(who, f"{engine}@1", sparse))
            if (
                alone is not None
                and (one := start + _sum(alone, work, machine, machine.n_cores)) < ONE_THREAD * seconds
            ):
                return Prediction(one, guess, 1)
            return Prediction(seconds, guess)
    return None


def _columns_stored(info: InputInfo) -> int:
    """Return how many columns a dense table of the stored values would have."""
    return round((info.n_values or 0) / max(1, info.n_samples or 1))


def _sum(rates: Mapping[str, float], work: Mapping[str, float], machine: Machine, n_cores: int) -> float:
    return sum(rate * work.get(term, 0.0) * _slowness(term, machine, n_cores) for term, rate in rates.items())


def _slowness(term: str, machine: Machine, n_cores: int) -> float:
    """Return how much longer a unit of a term takes here than where it was measured."""
    if machine.gpu or term == "calls":
        return 1.0
    return machine.n_cores / max(1, n_cores) if machine.n_cores and n_cores else 1.0
