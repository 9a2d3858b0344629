"""The plan of a method of a fitted object that holds estimators: a line for each call inside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.children import is_estimator
from skdist_gpu.compose.foresee import chosen_columns, foresee
from skdist_gpu.compose.plain import unwrap
from skdist_gpu.compose.plan import CompositePlan, StepPlan, joined_name, side_by_side
from skdist_gpu.compose.report import fitted_parts
from skdist_gpu.compose.rows import scores_in
from skdist_gpu.config import configured_budget
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.hardware.detect import Resources, detect_resources
from skdist_gpu.planning.scoring import Call, make_scoring_plan

# what an ensemble calls of those inside it where they do not have its own method, the first that they have
_OTHERWISE = ("predict_proba", "decision_function", "predict", "transform")
_RESULTS = {"predict": "predictions", "predict_proba": "probabilities", "predict_log_proba": "log-probabilities"}


def scoring_plan_of(obj: Any, method: str, info: InputInfo, resources: Resources | None) -> CompositePlan:
    """Return the plan of a call of a fitted object's method for such rows.

    Raises
    ------
    AttributeError
        scikit-learn's own, if the object has no such method.
    """
    getattr(obj, method)
    steps = tuple(_Walk(resources or detect_resources()).visit(obj, info, "", method)[0])
    machines = [step.plan.machine for step in steps if step.plan]
    machine = machines[0] if machines else "this one"
    return CompositePlan(f"{obj.plain_class.__name__}.{method}", str(info), machine, steps, "calls")


class _Walk:
    """Go through a fitted object in the order of the calls; each visit gives lines, and what comes out."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources

    def visit(self, obj: Any, info: InputInfo, name: str, method: str) -> tuple[list[StepPlan], InputInfo]:
        """Return the lines of a call of an object's method, and the rows that it gives."""
        plain_class = getattr(type(obj), "plain_class", None)
        if plain_class is None or not scores_in(obj, info.container):
            return self._called(obj, info, name, method)
        by_class = getattr(self, f"visit_{plain_class.__name__}", None)
        if by_class is not None:
            return by_class(obj, info, name, method)
        inside = obj.estimator if plain_class.__name__ == "FrozenEstimator" else getattr(obj, "best_estimator_", None)
        if inside is not None:
            return self.visit(inside, info, name, method)
        if method == "transform" and hasattr(obj, "get_support"):  # it takes columns, and calls nothing
            return self._called(obj, info, name, method)
        lines = []
        for child, part in fitted_parts(obj, name):
            if method == "transform" and child.endswith("final_estimator"):  # the transformer is what comes before it
                continue
            rows = replace(info, n_features=getattr(part, "n_features_in_", None))
            lines += self.visit(part, rows, child, _method_inside(obj, child, part, method))[0]
        return lines, _given(unwrap(obj), info, method)

    def _called(self, obj: Any, info: InputInfo, name: str, method: str) -> tuple[list[StepPlan], InputInfo]:
        plain = obj._fitted() if isinstance(obj, AutoScaleBase) else unwrap(obj)
        result = _given(plain, info, method)
        plan = None
        if isinstance(obj, AutoScaleBase) or not scores_in(obj, info.container):
            budget = obj._budget() if isinstance(obj, AutoScaleBase) else configured_budget()
            plan = make_scoring_plan(Call(plain, method, memory_budget=budget), info, self.resources)
            known = info.location == "host" and info.n_bytes is not None and result.n_bytes is not None
            n_bytes = info.n_bytes + result.n_bytes if known else None  # type: ignore[operator]
            plan = replace(plan, candidates=tuple(replace(c, n_bytes=n_bytes) for c in plan.candidates))
        gives = str(result) if method == "transform" else _RESULTS.get(method, method)
        return [StepPlan(name, type(plain).__name__, str(info), gives, plan)], result

    def visit_Pipeline(self, obj: Any, info: InputInfo, name: str, method: str) -> Any:
        lines = []
        for i, (child, step) in enumerate(obj.steps):
            if is_estimator(step):
                asked = method if i == len(obj.steps) - 1 else "transform"
                found, info = self.visit(step, info, joined_name(name, child), asked)
                lines += found
        return lines, info

    def visit_FeatureUnion(self, obj: Any, info: InputInfo, name: str, method: str) -> Any:
        return side_by_side(
            self.visit, [(child, part, info) for child, part in obj.transformer_list], info, name, method
        )

    def visit_ColumnTransformer(self, obj: Any, info: InputInfo, name: str, method: str) -> Any:
        parts = [(child, part, chosen_columns(columns, info)) for child, part, columns in obj.transformers_]
        return side_by_side(self.visit, parts, info, name, method)


def _method_inside(obj: Any, child: str, part: Any, method: str) -> str:
    """Return the method of a part that an object's own method calls."""
    if child.rpartition("__")[2] == "transformer":  # of a TransformedTargetRegressor
        return "inverse_transform"
    stacked = dict(zip(getattr(obj, "named_estimators_", ()), getattr(obj, "stack_method_", ()), strict=False))
    wanted = stacked.get(child.rpartition("__")[2], method)
    return next(name for name in (wanted, *_OTHERWISE) if hasattr(part, name))


def _given(plain: Any, info: InputInfo, method: str) -> InputInfo:
    """Return what a method of a plain fitted object gives; `transform` the columns that it has learned."""
    if method == "transform":
        try:
            return replace(foresee(plain, info), n_features=len(plain.get_feature_names_out()))
        except (AttributeError, ValueError):  # it names none
            return foresee(plain, info)
    classes = getattr(plain, "classes_", None)
    several = method in ("predict_proba", "predict_log_proba") and isinstance(classes, np.ndarray)
    return replace(info, n_features=len(classes) if several else 1, dtype="float64")  # type: ignore[arg-type]
