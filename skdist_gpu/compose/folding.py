"""Pipelines of steps that change each row by itself, fitted in the passes of the model behind them.

Nothing between the steps is made: second moments follow linear steps, and others are applied to each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sklearn import get_config as sklearn_config

from skdist_gpu._compat.sklearn import goes_on, has_callbacks, has_output_config, unfitted
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.foresee import foresee
from skdist_gpu.config import format_seconds, get_config
from skdist_gpu.data.inspect import InputInfo, inspect_input
from skdist_gpu.engines.protocol import Fitted
from skdist_gpu.engines.registry import engines, entries_for
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


def folding(pipeline: Any, info: InputInfo, plan: Plan, resources: Resources) -> Folding | str:
    """Return how to fit a pipeline in the passes of its last step, or why each step is better fitted by itself.

    Parameters
    ----------
    pipeline : Pipeline
        Its steps are wrapped.
    info : InputInfo
        The rows.
    plan : Plan
        That of the last step for the rows where they are widest.
    resources : Resources
        The machine.
    """
    *firsts, (_, last) = pipeline.steps
    estimators, model = [step._make_estimator() for _, step in firsts], last._make_estimator()
    able = [c for c in plan.ladder if engines()[c.backend].fits_before(c.device, estimators, model, info)]
    apart: float | None = 0.0
    for (_, step), rows in zip(pipeline.steps, rows_of_steps(pipeline, info), strict=True):
        own = step._plan_for(rows if step is last else replace(rows, weighted=False), resources)
        known = {entry.backend for entry in entries_for(step._make_estimator())}
        # what looks at the shape of rows only needs no engine, and no time
        able = [c for c in able if c.backend not in known or c.name in {fit.name for fit in own.ladder}]
        seconds = _least_seconds(own) if known & {c.backend for c in able} else 0.0
        apart = None if apart is None or seconds is None else apart + seconds
    if not able:
        return _refused(plan.ladder, estimators, model, info)
    best = able[0]
    forced = last._option("backend") != "auto"
    if not forced and (best.seconds is None or apart is None):
        return f"nobody knows how long {best.name} takes for all"
    if not forced and best.seconds > apart:  # type: ignore[operator]
        return f"{format_seconds(apart)} are predicted for them, {format_seconds(best.seconds)} for all at once"  # type: ignore[arg-type]
    reason = (
        f"the {len(firsts)} steps before {plan.estimator} change each row by itself: "
        "all are fitted in its passes over the rows"
    )
    chosen = replace(best, verdict="chosen", reasons=(reason,))
    others = tuple(
        replace(c, verdict="slower") if c.verdict == "chosen" else c for c in plan.candidates if c is not best
    )
    return Folding(tuple(name for name, _ in firsts), replace(plan, candidates=(chosen, *others)))


def _refused(ladder: Sequence[Candidate], steps: list[Any], model: Any, info: InputInfo) -> str:
    """Say which step of a pipeline keeps the engines from fitting all of them at once."""

    def takes(before: list[Any]) -> bool:
        return any(engines()[c.backend].fits_before(c.device, before, model, info) for c in ladder)

    if not takes([]):
        return f"{type(model).__name__} is not fitted from sums that steps can be applied for"
    alone = next((step for step in steps if not takes([step])), None)
    if alone is None:
        return "no engine takes all of them"
    return f"{type(alone).__name__} is no step that sums follow"


def rows_of_steps(pipeline: Any, info: InputInfo) -> list[InputInfo]:
    """Return the rows that each step of a pipeline is fitted to."""
    found = [info]
    for _, step in pipeline.steps[:-1]:
        behind = foresee(step._make_estimator(), found[-1])
        # a selection by the rows leaves as many columns at most
        found.append(replace(behind, n_features=behind.n_features or found[-1].n_features))
    return found


def widest(pipeline: Any, info: InputInfo) -> InputInfo:
    """Return the rows before the first step, with as many columns as they have behind any."""
    most = max(rows.n_features or 0 for rows in rows_of_steps(pipeline, info))
    return replace(info, n_features=most or None)


def _least_seconds(plan: Plan) -> float | None:
    """Return the predicted seconds of a plan's first choice; where nobody knows them, the least of another engine."""
    if plan.chosen is not None and plan.chosen.seconds is not None:
        return plan.chosen.seconds
    return min((c.seconds for c in plan.ladder if c.seconds is not None), default=None)


def sets_output(step: Any) -> bool:
    """Whether `set_output` was called on a wrapper, or on the estimator that it wraps."""
    return has_output_config(step) or (isinstance(step, AutoScaleBase) and has_output_config(step._make_estimator()))


def obstacle(pipeline: Any, info: InputInfo) -> str | None:
    """Say why a pipeline is not worth a look, such as a step that something else wants to see; None if it is."""
    n_values = info.n_elements
    if n_values is not None and n_values < FEWEST_VALUES:
        return f"with {n_values} values a look for a better way takes longer than it could save"
    if info.sparse or info.container == "other":
        return f"rows in {info.container} are no dense table" if not info.sparse else "the rows are sparse"
    if len(pipeline.steps) < 2:
        return "there is one step"
    if pipeline.memory is not None or pipeline.verbose:
        return "the pipeline has a memory, or tells of each step"
    names, steps = zip(*pipeline.steps, strict=True)
    if len(set(names)) < len(names):
        return "two steps have one name"
    if sklearn_config()["transform_output"] != "default":
        return "set_output is on for all of scikit-learn"
    if has_callbacks(pipeline):
        return "callbacks hear of each step"
    return next(filter(None, (_stands_apart(step, steps[-1]) for step in reversed(steps))), None)


def _stands_apart(step: Any, last: Any) -> str | None:
    """Say why a step is fitted by itself; None if it need not be."""
    if not isinstance(step, AutoScaleBase):
        return f"{type(step).__name__} is no AutoScale estimator" if step != "passthrough" else "a step is left out"
    name = type(step._make_estimator()).__name__
    if (step.backend, step.memory_budget) != (last.backend, last.memory_budget):
        return f"{name} has a backend or a memory budget of its own"
    if sets_output(step):
        return f"set_output is set on {name}"
    if has_callbacks(step):
        return f"callbacks hear of {name}"
    return f"{name} goes on where its last fit ended" if goes_on(step._make_estimator()) else None


def foreseen(pipeline: Any, info: InputInfo, resources: Resources | None) -> Folding | str:
    """Return how a pipeline will be fitted in the passes of its last step, or why it will not be."""
    reason = obstacle(pipeline, info)
    if reason is not None:
        return reason
    resources = resources or detect_resources(
        current_client(get_config()["client"]), cluster_needed=info.location == "dask"
    )
    return folding(pipeline, info, pipeline.steps[-1][1]._plan_for(widest(pipeline, info), resources), resources)


def fit_folded(pipeline: Any, X: Any, y: Any = None, **params: Any) -> bool:
    """Fit a pipeline in place in the passes of its last step; tell whether that was done.

    Where an error comes up nothing is kept: step by step, it is raised in the words of the step that finds it.
    """
    if not pipeline.steps:  # which scikit-learn refuses
        return False
    last_name, last = pipeline.steps[-1]
    weight_name = f"{last_name}__sample_weight"
    if params.keys() - {weight_name}:
        return False
    sample_weight = params.get(weight_name)
    info = inspect_input(X, y, sample_weight)
    if obstacle(pipeline, info) is not None:
        return False
    steps = [step for _, step in pipeline.steps[:-1]]
    estimators = [unfitted(step._make_estimator()) for step in steps]
    estimator = last._start()
    for step, plain in zip((*steps, last), (*estimators, estimator), strict=True):
        step._check_parameters(plain)
    plan, resources, client = choose(estimator, widest(pipeline, info), last._request({}))
    found = folding(pipeline, info, plan, resources)
    if isinstance(found, str):
        return False
    place = {"info": info, "resources": resources, "client": client}
    job = last._job(estimator, X, y, sample_weight, before=tuple(estimators), **place)
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
    reason = f"changes each row by itself: fitted in the passes of {plan.estimator} over the rows"
    own = replace(plan.chosen, reasons=(reason,), seconds=0.0)
    return Plan(type(plain).__name__, plan.data, plan.machine, (own,))
