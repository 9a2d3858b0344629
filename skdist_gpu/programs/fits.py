"""Plan and run a fit of an object that scikit-learn's own class made, and leave in it what scikit-learn would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from inspect import Parameter, Signature, signature
from itertools import takewhile
from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn import shallow_copy
from skdist_gpu._compat.sklearn_parameters import parameter_names, validate_params
from skdist_gpu.config import configured_budget, get_config
from skdist_gpu.data.inspect import InputInfo, inspect_input
from skdist_gpu.engines.block_method import FittedState, ModelCopies
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.registry import entries_named, matches
from skdist_gpu.engines.trees import GROWN_APART
from skdist_gpu.exceptions import BackendError
from skdist_gpu.flow import choose, run
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.planning.cost import predict
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import Request
from skdist_gpu.programs.draws import draw_as_scikit_learn
from skdist_gpu.warned import WARNINGS, warn_as_of

# an engine of that name is scikit-learn, whose own method runs on the program's own object
OWN = "sklearn"
OWN_NAME = f"{OWN}:cpu"
# seconds of scikit-learn's own fit of which a plan, about 0.25 ms, would be more than a twentieth
QUICK = 5e-3


@dataclass(frozen=True)
class Given:
    """What a call of `fit` was given."""

    X: Any
    y: Any = None
    sample_weight: Any = None
    others: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """How a fit went.

    Attributes
    ----------
    plan : Plan or None
        All engines considered; None where none was.
    candidate : Candidate or None
        The engine that fitted; None where scikit-learn's own method is to.
    seconds : float
        Duration.
    failures : tuple of str
        The engines tried before, and why they failed.
    unplanned, data : str
        Why no plan was made, and for which data; empty where one was.
    """

    plan: Plan | None = None
    candidate: Candidate | None = None
    seconds: float = 0.0
    failures: tuple[str, ...] = ()
    unplanned: str = ""
    data: str = ""


def given_of(original: Callable[..., Any], estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Given:
    """Sort the arguments of a call as scikit-learn's method names them.

    Raises
    ------
    TypeError
        If the method does not take them.
    """
    of_method = _signature(original)
    bound = of_method.bind(estimator, *args, **kwargs).arguments
    named, others = {}, {}
    for name, value in list(bound.items())[1:]:
        parameter = of_method.parameters[name]
        if parameter.kind is Parameter.VAR_KEYWORD:
            others.update({key: each for key, each in value.items() if each is not None})
        elif name in ("X", "y", "sample_weight"):
            named[name] = value
        elif value is not parameter.default:
            others[name] = value
    if "sample_weight" in others:
        named["sample_weight"] = others.pop("sample_weight")
    return Given(**named, others=others)


@cache
def _signature(original: Callable[..., Any]) -> Signature:
    return signature(original)


@cache
def has_engine(name: str, backend: str) -> bool:
    """Whether any engine beside scikit-learn itself may fit a class, or it on more cores."""
    if name in GROWN_APART and backend == "auto":
        return True
    return any(e.backend != OWN and not e.refusal and matches(e, backend) for e in entries_named(name))


def fit_elsewhere(
    estimator: Any,
    given: Given,
    backend: str,
    own_method_fits: bool,
    copies_of: Callable[[Any], ModelCopies],
    strict: bool = False,
) -> Outcome:
    """Fit on the engine that the plan chooses, unless that is scikit-learn and its own method takes such data.

    What the engine learned is in `estimator` afterwards, and models of its own, if it left any to score with, are among
    the copies of the estimator. An error of an engine is no error of the program: where
    scikit-learn's own method takes the data, it decides what is one, and how it reads; unless `strict`.
    """
    try:
        info = inspect_input(given.X, given.y, given.sample_weight)
        if own_method_fits and _is_kept(info.dtype):
            return Outcome(unplanned=f"scikit-learn's results may be {info.dtype}, too", data=str(info))
        if own_method_fits and given.sample_weight is not None and np.ndim(given.sample_weight) == 0:
            return Outcome(unplanned="scikit-learn itself says what one weight for all rows means", data=str(info))
        quick = backend == "auto" and own_method_fits and _predicted(estimator, info)
        if quick and quick < QUICK:
            why = f"scikit-learn is predicted to take {1000 * quick:.2g} ms, which a plan would add to"
            return Outcome(unplanned=why, data=str(info))
        plan, resources, client = _choose(estimator, info, given, backend, own_method_fits)
    except Exception as error:
        if own_method_fits:
            return Outcome(unplanned=f"no plan could be made: {error!r:.200}")
        raise
    ladder = list(plan.ladder)
    if own_method_fits:
        ladder = list(takewhile(lambda candidate: candidate.backend != OWN, ladder))
    if not ladder and own_method_fits:
        return Outcome(plan)
    job = FitJob(
        estimator=estimator if ladder[0].backend == OWN else shallow_copy(estimator),
        X=given.X,
        y=given.y,
        sample_weight=given.sample_weight,
        info=info,
        resources=resources,
        client=client,
        memory_budget=configured_budget(),
        fit_params=given.others,
        same_answer=own_method_fits,
    )
    try:
        validate_params(estimator)
        with WARNINGS.held() as warned:
            fitted, candidate, seconds, failures = run(
                ladder, job, lambda: shallow_copy(estimator), plan=plan, automatic=backend == "auto"
            )
            warn_as_of(type(estimator), warned)
    except Exception as error:
        if own_method_fits and not (strict and not isinstance(error, BackendError)):
            return Outcome(plan, failures=(f"{ladder[0].name} failed: {error!r:.200}",))
        raise
    if own_method_fits:
        draw_as_scikit_learn(fitted.estimator, info)
    if fitted.estimator is not estimator:
        _learn(estimator, fitted.estimator)
    if fitted.copies:
        copies_of(estimator).put(fitted.copies, FittedState(estimator))
    return Outcome(plan, candidate, seconds, tuple(failures))


@cache
def _is_kept(dtype: str) -> bool:
    """Whether results of scikit-learn may have the dtype of the rows, which engines that compute in float64 lack."""
    if dtype in ("float32", "float64"):
        return False
    try:
        return np.dtype(dtype).kind == "f"  # half, or extended
    except TypeError:
        return False


def _predicted(estimator: Any, info: InputInfo) -> float | None:
    """Return the seconds that scikit-learn's own method is predicted to take; None where nothing is known of it."""
    prediction = predict(estimator, OWN_NAME, info, detect_resources())
    return None if prediction is None else prediction.seconds


def _choose(estimator: Any, info: InputInfo, given: Given, backend: str, own_method_fits: bool) -> Any:
    """Return plan, machine and client; a forced engine gives way where it cannot take what scikit-learn cannot."""
    options = get_config()
    request = Request(
        backend=backend,
        memory_budget=configured_budget(),
        fit_params=tuple(sorted(given.others)),
        precision=options["precision"],
        allow_ignored=options["allow_ignored_parameters"],
        all_gpus=options["auto_cluster"] == "on",
        same_answer=own_method_fits,
    )
    chosen = choose(estimator, info, request)
    if chosen[0].chosen is None and not own_method_fits and backend != "auto":
        return _choose(estimator, info, given, "auto", own_method_fits)
    return chosen


def _learn(estimator: Any, fitted: Any) -> None:
    """Leave in an object what another one of its class, with the same parameters, has learned."""
    kept = {*parameter_names(estimator.__class__), "_metadata_request", "_sklearn_output_config", "_skl_callbacks"}
    state = {name: value for name, value in vars(fitted).items() if name not in kept}
    if "feature_names_in_" not in state:  # of a fit before, to rows whose columns had names
        vars(estimator).pop("feature_names_in_", None)
    vars(estimator).update(state)
