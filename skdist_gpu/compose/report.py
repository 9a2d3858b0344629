"""What the fits of the estimators inside an object did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.children import may_hold_estimators
from skdist_gpu.compose.plan import joined_name
from skdist_gpu.config import format_seconds
from skdist_gpu.info.report import Report
from skdist_gpu.planning.plan import Plan

# what holds fitted estimators by the names that the user gave them
_STEPS = ("steps", "transformer_list", "transformers_", "best_estimator_")


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

    def __str__(self) -> str:
        lines = [
            f"{name or plan.estimator}: {plan.estimator} on {plan.data}; {report}" for name, plan, report in self.steps
        ]
        total = f"total: {len(lines)} fits kept, {format_seconds(self.seconds)}"
        return "\n".join([*lines, total, *([self.note] if self.note else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as numbers and texts, ready for JSON."""
        steps = [{"name": name, "plan": plan.to_dict(), **report.to_dict()} for name, plan, report in self.steps]
        return {"steps": steps, "seconds": self.seconds, "note": self.note}


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


def fitted_steps(obj: Any, name: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, AutoScaleBase]]:
    """Yield name and fitted estimator of each one that an object has fitted and kept."""
    seen = set() if seen is None else seen
    if id(obj) in seen:
        return
    seen.add(id(obj))
    if isinstance(obj, AutoScaleBase):
        if "report_" in vars(obj):
            yield name, obj
    elif isinstance(obj, dict):
        for key, part in obj.items():
            yield from fitted_steps(part, joined_name(name, str(key)), seen)
    elif isinstance(obj, (list, tuple)):
        for i, part in enumerate(obj):
            named = isinstance(part, tuple) and len(part) > 1 and isinstance(part[0], str)
            yield from fitted_steps(part[1] if named else part, joined_name(name, part[0] if named else str(i)), seen)
    elif may_hold_estimators(obj):
        for key, part in vars(obj).items():
            if key in _STEPS or key == "estimator" or (key.endswith("_") and not key.startswith("_")):
                yield from fitted_steps(part, name if key in _STEPS else joined_name(name, key), seen)
