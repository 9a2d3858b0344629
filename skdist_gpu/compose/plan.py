"""The plan of an object that holds estimators: a line for each of them, and the sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.children import children, is_estimator
from skdist_gpu.compose.folding import Folding, foreseen, plan_of_step
from skdist_gpu.compose.foresee import chosen_columns, foresee, joined
from skdist_gpu.compose.rows import hands_on
from skdist_gpu.config import format_bytes, format_seconds
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.hardware.detect import Resources
from skdist_gpu.planning.plan import Plan
from skdist_gpu.planning.show import steps_html


@dataclass(frozen=True)
class StepPlan:
    """What one estimator inside another will do.

    Attributes
    ----------
    name : str
        Its name there, such as ``"ridge"`` or ``"estimator__ridge"``.
    estimator : str
        Its class.
    data, result : str
        The rows that it is fitted to, and those that it gives to the next step, in words.
    plan : Plan or None
        Its own plan; None where scikit-learn fits it without a choice.
    n_fits : int or None
        How often it is fitted; None where the rows decide.
    note : str
        What else is to be known.
    """

    name: str
    estimator: str
    data: str
    result: str
    plan: Plan | None
    n_fits: int | None = 1
    note: str = ""

    @property
    def seconds(self) -> float | None:
        """Predicted seconds of all its fits; None if not known."""
        chosen = self.plan.chosen if self.plan else None
        known = chosen is not None and chosen.seconds is not None and self.n_fits is not None
        return chosen.seconds * self.n_fits if known else None  # type: ignore[union-attr, operator]

    @property
    def n_bytes(self) -> int | None:
        """Predicted bytes at the peak of one fit; None if not known."""
        chosen = self.plan.chosen if self.plan else None
        return chosen.n_bytes if chosen else None

    @property
    def engine(self) -> str:
        """Engine and device of its fits."""
        if self.plan is None:
            return "as it is"
        return self.plan.chosen.name if self.plan.chosen else "none can"

    def cells(self) -> list[str]:
        """Return the texts of its line."""
        times = "" if self.n_fits == 1 else f"{'?' if self.n_fits is None else self.n_fits} ×"
        seconds = "? s" if self.seconds is None else format_seconds(self.seconds)
        n_bytes = "? B" if self.n_bytes is None else format_bytes(self.n_bytes)
        note = f"; {self.note}" if self.note else ""
        return [
            self.name or self.estimator,
            self.estimator,
            self.engine,
            times,
            seconds,
            n_bytes,
            f"{self.data} → {self.result}{note}",
        ]


@dataclass(frozen=True)
class CompositePlan:
    """What `fit` of an object that holds estimators will do, or another method: a line for each of them.

    Attributes
    ----------
    estimator : str
        Class of the object, and the method if that is not `fit`.
    data, machine : str
        What the plan was made for, in words.
    steps : tuple of StepPlan
        In the order of the fits or calls.
    counted : {"fits", "calls"}
        What the lines are.
    """

    estimator: str
    data: str
    machine: str
    steps: tuple[StepPlan, ...]
    counted: str = "fits"

    def __getitem__(self, name: str) -> StepPlan:
        return next(step for step in self.steps if step.name == name)

    @property
    def seconds(self) -> float:
        """Predicted seconds of all fits whose duration is known."""
        return sum(step.seconds for step in self.steps if step.seconds is not None)

    @property
    def n_bytes(self) -> int:
        """Predicted bytes at the highest peak."""
        return max((step.n_bytes for step in self.steps if step.n_bytes is not None), default=0)

    @property
    def total(self) -> str:
        """The sum in words."""
        least = "at least " if any(step.seconds is None for step in self.steps) else ""
        n_fits = sum(step.n_fits or 0 for step in self.steps)
        more = "at least " if any(step.n_fits is None for step in self.steps) else ""
        peak = format_bytes(self.n_bytes)
        return f"total: {more}{n_fits} {self.counted}, {least}{format_seconds(self.seconds)}, {peak} at the peak"

    def __repr__(self) -> str:
        return f"CompositePlan({', '.join(f'{step.name}: {step.engine}' for step in self.steps)})"

    def __str__(self) -> str:
        rows = [step.cells() for step in self.steps]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        head = [f"{self.estimator} on {self.data}", f"machine: {self.machine}"]
        return "\n".join([*head, *(f"  {line}" for line in lines), self.total])

    def _repr_html_(self) -> str:
        titles = ("step", "estimator", "engine", self.counted, "seconds", "bytes", "rows in and out")
        cells = [list(map(escape, step.cells())) for step in self.steps]
        return steps_html((self.estimator, self.data, self.machine), titles, cells, [self.total])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as numbers and texts, ready for JSON."""
        steps = [asdict(replace(s, plan=None)) | {"plan": s.plan.to_dict() if s.plan else None} for s in self.steps]
        described = {"estimator": self.estimator, "data": self.data, "machine": self.machine}
        return {**described, "steps": steps, "seconds": self.seconds, "n_bytes": self.n_bytes}


def plan_of(obj: Any, info: InputInfo, resources: Resources | None) -> CompositePlan:
    """Return the plan of an object that holds estimators."""
    steps = tuple(_Walk(resources).visit(obj, info, "", 1)[0])
    machines = [step.plan.machine for step in steps if step.plan]
    return CompositePlan(obj.plain_class.__name__, str(info), machines[0] if machines else "this one", steps)


class _Walk:
    """Go through an object's estimators in the order of the fits; each visit gives lines, and what comes out."""

    def __init__(self, resources: Resources | None) -> None:
        self.resources = resources

    def visit(self, obj: Any, info: InputInfo, name: str, n_fits: int | None) -> tuple[list[StepPlan], InputInfo]:
        if isinstance(obj, AutoScaleBase):
            plain = obj._make_estimator()
            result = foresee(plain, info)
            plan = obj._plan_for(info, self.resources)
            return [_step(name, plain, info, result, plan, n_fits)], result
        plain_class = getattr(type(obj), "plain_class", None)
        if plain_class is None:
            result = foresee(obj, info)
            return [_step(name, obj, info, result, None, n_fits)] if is_estimator(obj) else [], result
        by_class = getattr(self, f"visit_{plain_class.__name__}", None)
        if by_class is not None:
            return by_class(obj, info, name, n_fits)
        lines = []
        note = "" if hands_on(obj) or info.location == "host" else f"{plain_class.__name__} gathers rows in main memory"
        inside = info if not note else replace(info, location="host", container="numpy", block_sizes=())
        for child, estimator, _ in children(obj):
            rows, times = _fits_of(obj, child, inside)
            total = None if n_fits is None or times is None else n_fits * times
            lines += self.visit(estimator, rows, joined_name(name, child), total)[0]
        if _is_search(obj):
            from skdist_gpu.compose.searches import refusal_of_steps  # takes scikit-learn's metrics

            reason = refusal_of_steps(obj.estimator, getattr(obj, "n_jobs", None))
            shared = "fits share what is computed of a fold" if reason is None else f"fits share nothing: {reason}"
            note = f"{note}; {shared}" if note else shared
        if lines and note:
            lines[0] = replace(lines[0], note=note)
        return lines, foresee(obj, inside)

    def visit_Pipeline(self, obj: Any, info: InputInfo, name: str, n_fits: int | None) -> Any:
        folding = foreseen(obj, info, self.resources)
        lines = []
        for child, step in obj.steps:
            if is_estimator(step):
                found, info = self.visit(step, info, joined_name(name, child), n_fits)
                last = child == obj.steps[-1][0]
                if isinstance(folding, Folding):
                    own = folding.plan if last else plan_of_step(step._make_estimator(), folding.plan)
                    found = [replace(found[0], plan=own, note="" if last else f"in the passes of {obj.steps[-1][0]}")]
                elif last and len(obj.steps) > 1 and found:
                    found[-1] = replace(found[-1], note=f"steps are fitted one by one: {folding}")
                lines += found
        return lines, info

    def visit_FeatureUnion(self, obj: Any, info: InputInfo, name: str, n_fits: int | None) -> Any:
        parts = [(child, part, info) for child, part in obj.transformer_list]
        return side_by_side(self.visit, parts, info, name, n_fits)

    def visit_ColumnTransformer(self, obj: Any, info: InputInfo, name: str, n_fits: int | None) -> Any:
        parts = [(child, part, chosen_columns(columns, info)) for child, part, columns in obj.transformers]
        taken = [rows.n_features for _, part, rows in parts]
        known = info.n_features is not None and None not in taken
        left = replace(info, n_features=info.n_features - sum(taken) if known else None)  # type: ignore[operator, arg-type]
        return side_by_side(self.visit, [*parts, ("remainder", obj.remainder, left)], info, name, n_fits)


def _step(name: str, plain: Any, info: InputInfo, result: InputInfo, plan: Plan | None, n_fits: int | None) -> StepPlan:
    gives = str(result) if hasattr(plain, "transform") else "fitted model"
    return StepPlan(name, type(plain).__name__, str(info), gives, plan, n_fits)


def side_by_side(visit: Callable[..., Any], parts: list[Any], info: InputInfo, name: str, asked: Any) -> Any:
    """Visit the parts of a union, each a name, a part and its rows; return all lines, and what the parts give together.

    What is asked of the union, a number of fits or a method, is asked of each part.
    """
    lines, results = [], []
    for child, part, rows in parts:
        if is_estimator(part):
            found, result = visit(part, rows, joined_name(name, child), asked)
            lines += found
            results.append(result)
        elif part == "passthrough":
            results.append(rows)
    return lines, joined(results, info)


def joined_name(path: str, name: str) -> str:
    return f"{path}__{name}" if path else name


def _fits_of(obj: Any, child: str, info: InputInfo) -> tuple[InputInfo, int | None]:
    """Return the rows of each fit of an estimator inside another, and how many fits there are; None if not known."""
    kind = obj.plain_class.__name__
    n_folds = _n_folds(obj)
    of_a_fold = info
    if n_folds and info.n_samples:
        of_a_fold = replace(info, n_samples=info.n_samples - info.n_samples // n_folds, block_sizes=())
    if hasattr(obj, "cv") and child == "estimator" and _is_search(obj):
        n_candidates = _n_candidates(obj)
        known = n_folds is not None and n_candidates is not None
        return of_a_fold, n_candidates * n_folds + bool(obj.refit) if known else None  # type: ignore[operator]
    if kind.startswith(("Bagging", "AdaBoost")):
        return info, obj.n_estimators
    if kind.startswith(("MultiOutput", "RegressorChain", "ClassifierChain")):
        return info, info.n_targets or None
    if kind.startswith(("OneVs", "OutputCode", "RFE", "Sequential", "SelfTraining", "RANSAC", "Halving")):
        return info, None
    if child == "final_estimator":
        return replace(info, n_features=None), 1
    if kind.startswith(("Stacking", "TunedThreshold")) or kind == "CalibratedClassifierCV":
        averaged = kind == "CalibratedClassifierCV" and obj.ensemble is not False
        return of_a_fold, None if n_folds is None else n_folds + (not averaged)
    return info, 1


def _is_search(obj: Any) -> bool:
    return any(hasattr(obj, name) for name in ("param_grid", "param_distributions"))


def _n_candidates(search: Any) -> int | None:
    from sklearn.model_selection import ParameterGrid  # takes time to import

    if "Halving" in search.plain_class.__name__:
        return None
    return len(ParameterGrid(search.param_grid)) if hasattr(search, "param_grid") else getattr(search, "n_iter", None)


def _n_folds(obj: Any) -> int | None:
    """Return the number of folds; None where the rows decide, or there are none."""
    if not hasattr(obj, "cv"):
        return None
    from sklearn.model_selection import check_cv  # takes time to import

    try:
        return check_cv(obj.cv).get_n_splits()
    except (TypeError, ValueError):  # it must see the rows, or is fitted already
        return None
