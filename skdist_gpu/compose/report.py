"""What the fits of the estimators inside an object did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.children import may_hold_estimators
from skdist_gpu.compose.plan import joined_name
from skdist_gpu.config import format_seconds
from skdist_gpu.info.report import Report
from skdist_gpu.planning.plan import Plan
from skdist_gpu.planning.show import bar_html, steps_html
from skdist_gpu.scoring.mixin import came_fitted

# what holds fitted estimators by the names that the user gave them
_STEPS = ("steps", "transformer_list", "transformers_", "best_estimator_", "named_estimators_")


@dataclass(frozen=True)
class CompositeReport:
    """What happened in `fit` of an object that holds estimators.

    Attributes
    ----------
    steps : tuple of (str, Plan, Report)
        Name, plan and report of each estimator that was fitted and kept.
    note : str
        What was fitted and not kept, such as the folds of a search.
    """

    steps: tuple[tuple[str, Plan, Report], ...]
    note: str = ""

    @property
    def seconds(self) -> float:
        """Measured seconds of the fits that were kept."""
        return sum(report.seconds for _, _, report in self.steps)

    @property
    def total(self) -> str:
        """The sum in words."""
        return f"total: {len(self.steps)} fits kept, {format_seconds(self.seconds)}"

    def __str__(self) -> str:
        lines = [
            f"{name or plan.estimator}: {plan.estimator} on {plan.data}; {report}" for name, plan, report in self.steps
        ]
        return "\n".join([*lines, self.total, *([self.note] if self.note else [])])

    def _repr_html_(self) -> str:
        longest = max((max(report.seconds, report.candidate.seconds or 0) for _, _, report in self.steps), default=0.0)
        rows = [_cells(name, plan, report, longest) for name, plan, report in self.steps]
        failures = [failure for _, _, report in self.steps for failure in report.failures]
        titles = ("step", "estimator", "engine", "seconds", "rows")
        return steps_html(("What ran", "", ""), titles, rows, filter(None, (self.total, self.note, *failures)))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as numbers and texts, ready for JSON."""
        steps = [{"name": name, "plan": plan.to_dict(), **report.to_dict()} for name, plan, report in self.steps]
        return {"steps": steps, "seconds": self.seconds, "note": self.note}


def _cells(name: str, plan: Plan, report: Report, longest: float) -> list[str]:
    """Return the HTML of a line: what was fitted, where, and its seconds beside the predicted ones."""
    ran = report.candidate
    seconds = "" if ran.seconds is None else bar_html(ran.seconds, longest, "predicted", ran.guess)
    seconds += bar_html(report.seconds, longest, "measured")
    words = (name or plan.estimator, plan.estimator, ran.name)
    return [*map(escape, words), seconds, escape(plan.data)]


def report_of(obj: Any) -> CompositeReport:
    """Return what the fits did of the estimators that an object holds."""
    steps = tuple((name, step.plan_, step.report_) for name, step in fitted_steps(obj))
    results = getattr(obj, "cv_results_", None)
    if not isinstance(results, dict) or "mean_fit_time" not in results or not hasattr(obj, "n_splits_"):
        return CompositeReport(steps)
    seconds = float(sum(results["mean_fit_time"])) * obj.n_splits_
    candidates = len(results["mean_fit_time"])
    note = f"search: {candidates} candidates × {obj.n_splits_} folds, {format_seconds(seconds)} of fits"
    return CompositeReport(steps, note)


def fitted_steps(obj: Any) -> Iterator[tuple[str, AutoScaleBase]]:
    """Yield name and estimator of each AutoScale one that an object has fitted and kept, however deep inside."""
    seen: set[int] = set()

    def within(part: Any, name: str) -> Iterator[tuple[str, AutoScaleBase]]:
        for child, inside in fitted_parts(part, name, seen):
            if not isinstance(inside, AutoScaleBase):
                yield from within(inside, child)
            elif "report_" in vars(inside):
                yield child, inside

    return within(obj, "")


def fitted_parts(obj: Any, name: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield name and object of each wrapped estimator, or holder of such, that an object has fitted and kept itself."""
    seen = set() if seen is None else seen
    seen.add(id(obj))
    for child, part in _inside(obj, name):
        if id(part) in seen:
            continue
        if isinstance(part, AutoScaleBase) or hasattr(type(part), "plain_class"):
            seen.add(id(part))
            if came_fitted(part):
                yield child, part
        else:
            yield from fitted_parts(part, child, seen)


def _inside(obj: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield what a fitted object holds, with names, those that the user gave first."""
    if isinstance(obj, dict):
        yield from ((joined_name(name, str(key)), part) for key, part in obj.items())
    elif isinstance(obj, (list, tuple)):
        for i, part in enumerate(obj):
            named = isinstance(part, tuple) and len(part) > 1 and isinstance(part[0], str)
            yield joined_name(name, part[0] if named else str(i)), part[1] if named else part
    elif may_hold_estimators(obj):
        # an ensemble keeps the same ones by their names, and in a list
        for key, part in sorted(vars(obj).items(), key=lambda item: item[0] not in _STEPS):
            if key in _STEPS or key == "estimator" or (key.endswith("_") and not key.startswith("_")):
                yield name if key in _STEPS else joined_name(name, key.rstrip("_")), part
