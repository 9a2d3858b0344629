"""Pipelines of linear steps before a model, fitted in the passes of the model: nothing between the steps is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sklearn import get_config as sklearn_config

from skdist_gpu._compat.sklearn import goes_on, has_callbacks, has_output_config, unfitted
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.foresee import foresee
from skdist_gpu.config import get_config
from skdist_gpu.data.inspect import InputInfo, inspect_input
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.registry import engines
from skdist_gpu.exceptions import BackendError
from skdist_gpu.flow import choose, run
from skdist_gpu.hardware.detect import Resources, current_client, detect_resources
from skdist_gpu.planning.plan import Candidate, Plan

# values of X below which a look for a better way takes longer than it could save
FEWEST_VALUES = 2**17


@dataclass(frozen=True)
class Folding:
    """The steps of a pipeline, and the engine that fits them in the passes of the last one.

    Attributes
    ----------
    names : tuple of str
        The steps before the last one.
    plan : Plan
        That of the last step for the rows before the first, its first choice fitting all steps.
    """

    names: tuple[str, ...]
    plan: Plan

    @property
    def candidate(self) -> Candidate:
        """The engine."""
        assert self.plan.chosen is not None
        return self.plan.chosen


def folding(pipeline: Any, info: InputInfo, plan: Plan, resources: Resources) -> Folding | None:
    """Return how to fit a pipeline in the passes of its last step; None where each step is better fitted by itself.

    Parameters
    ----------
    pipeline : Pipeline
        Its steps are wrapped.
    info : InputInfo
        The rows.
    plan : Plan
        That of the last step for these rows.
    resources : Resources
        The machine.
    """
    *firsts, (_, last) = pipeline.steps
    estimators = [step._make_estimator() for _, step in firsts]
    able = [c for c in plan.ladder if engines()[c.backend].fits_before(estimators, last._make_estimator())]
    apart: float | None = 0.0
    for _, step in pipeline.steps:
        own = step._plan_for(info if step is last else replace(info, weighted=False), resources)
        able = [c for c in able if c.name in {fit.name for fit in own.ladder}]
        seconds = _least_seconds(own)
        apart = None if apart is None or seconds is None else apart + seconds
        behind = foresee(step._make_estimator(), info)
        # a selection by the rows leaves as many columns at most
        info = replace(behind, n_features=behind.n_features or info.n_features)
    if not able:
        return None
    best = min(able, key=lambda c: float("inf") if c.seconds is None else c.seconds)
    forced = last._option("backend") != "auto"
    if not forced and (best.seconds is None or apart is None or best.seconds > apart):
        return None
    reason = f"the {len(firsts)} steps before {plan.estimator} are linear: all are fitted in its passes over the rows"
    chosen = replace(best, verdict="chosen", reasons=(reason,))
    others = tuple(
        replace(c, verdict="slower") if c.verdict == "chosen" else c for c in plan.candidates if c is not best
    )
    return Folding(tuple(name for name, _ in firsts), replace(plan, candidates=(chosen, *others)))


def _least_seconds(plan: Plan) -> float | None:
    """Return the predicted seconds of a plan's first choice; where nobody knows them, the least of another engine."""
    if plan.chosen is not None and plan.chosen.seconds is not None:
        return plan.chosen.seconds
    return min((c.seconds for c in plan.ladder if c.seconds is not None), default=None)


def sets_output(step: Any) -> bool:
    """Whether `set_output` was called on a wrapper, or on the estimator that it wraps."""
    return has_output_config(step) or (isinstance(step, AutoScaleBase) and has_output_config(step._make_estimator()))


def can_fold(pipeline: Any, info: InputInfo) -> bool:
    """Whether a pipeline is worth a look: large enough, of wrapped steps that nothing else wants to see."""
    n_values = info.n_elements
    small = n_values is not None and n_values < FEWEST_VALUES
    if small or info.sparse or info.container == "other":
        return False
    if len(pipeline.steps) < 2 or pipeline.memory is not None or pipeline.verbose:
        return False
    names, steps = zip(*pipeline.steps, strict=True)
    if len(set(names)) < len(names) or sklearn_config()["transform_output"] != "default":
        return False
    last = steps[-1]
    return not has_callbacks(pipeline) and all(
        isinstance(step, AutoScaleBase)
        and step.backend == last.backend
        and step.memory_budget == last.memory_budget
        and not (sets_output(step) or has_callbacks(step) or goes_on(step._make_estimator()))
        for step in steps
    )


def foreseen(pipeline: Any, info: InputInfo, resources: Resources | None) -> Folding | None:
    """Return how a pipeline will be fitted in the passes of its last step; None if it will not be."""
    if not can_fold(pipeline, info):
        return None
    resources = resources or detect_resources(
        current_client(get_config()["client"]), cluster_needed=info.location == "dask"
    )
    return folding(pipeline, info, pipeline.steps[-1][1]._plan_for(info, resources), resources)


def fit_folded(pipeline: Any, X: Any, y: Any = None, **params: Any) -> bool:
    """Fit a pipeline in place in the passes of its last step; tell whether that was done.

    Where an error comes up nothing is kept: step by step, it is raised in the words of the step that finds it.
    """
    last_name, last = pipeline.steps[-1]
    weight_name = f"{last_name}__sample_weight"
    if params.keys() - {weight_name}:
        return False
    sample_weight = params.get(weight_name)
    info = inspect_input(X, y, sample_weight)
    if not can_fold(pipeline, info):
        return False
    steps = [step for _, step in pipeline.steps[:-1]]
    estimators = [unfitted(step._make_estimator()) for step in steps]
    estimator = last._start()
    for step, plain in zip((*steps, last), (*estimators, estimator), strict=True):
        step._check_parameters(plain)
    plan, resources, client = choose(estimator, info, last._request({}))
    found = folding(pipeline, info, plan, resources)
    if found is None:
        return False
    job = FitJob(
        estimator=estimator,
        X=X,
        y=y,
        sample_weight=sample_weight,
        info=info,
        resources=resources,
        client=client,
        memory_budget=last._budget(),
        before=tuple(estimators),
    )
    try:
        fitted, candidate, seconds, _ = run([found.candidate], job, last._start, plan=found.plan, visible=last.progress)
    except (BackendError, MemoryError, ValueError):
        return False
    for step, plain in zip(steps, estimators, strict=True):
        own = plan_of_step(plain, found.plan)
        step._keep(own, Fitted(plain), own.candidates[0], 0.0, [])
    last._keep(found.plan, fitted, candidate, seconds, [])
    return True


def plan_of_step(plain: Any, plan: Plan) -> Plan:
    """Return the plan of a step that is fitted in the passes of the last one, whose plan is given."""
    assert plan.chosen is not None
    reason = f"linear: fitted in the passes of {plan.estimator} over the rows"
    own = replace(plan.chosen, reasons=(reason,), seconds=0.0)
    return Plan(type(plain).__name__, plan.data, plan.machine, (own,))
