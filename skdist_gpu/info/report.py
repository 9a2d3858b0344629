"""What a fit did: predicted against measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from skdist_gpu.config import format_bytes, format_seconds
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.show import plan_html


@dataclass(frozen=True)
class Report:
    """What happened in `fit`, or in a call of another method.

    Attributes
    ----------
    candidate : Candidate
        The engine that ran, with its predicted seconds and bytes.
    seconds : float
        Measured duration of the engine's work.
    failures : tuple of str
        The engines tried before it, and why they failed.
    method : str
        Name of the method.
    copies : ModelCopies or None
        The copies of the fitted model, of a fit.
    n_bytes : int or None
        By how much a large fit raised the memory of this process; None where that was not seen.
    """

    candidate: Candidate
    seconds: float
    failures: tuple[str, ...] = ()
    method: str = "fit"
    copies: Any = field(default=None, compare=False, repr=False)
    n_bytes: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the copies, which belong to this process."""
        return {name: value for name, value in vars(self).items() if name != "copies"}

    @property
    def last_call(self) -> Report | None:
        """The last call of a method that was planned; None before one, and where rows are few and need no plan."""
        return getattr(self.copies, "last_call", None)

    def __str__(self) -> str:
        side_by_side = f", {self.candidate.n_gpus} GPUs," if self.candidate.n_gpus > 1 else ""
        lines = [f"ran on {self.candidate.name}{side_by_side} in {format_seconds(self.seconds)}"]
        if self.method != "fit":
            lines[0] = f"{self.method} {lines[0]}"
        if self.candidate.seconds is not None:
            lines[0] += f" (predicted {format_seconds(self.candidate.seconds)})"
        if self.candidate.n_bytes is not None:
            measured = "" if self.n_bytes is None else f", {format_bytes(self.n_bytes)} measured"
            lines.append(f"predicted memory: {format_bytes(self.candidate.n_bytes)}{measured}")
        last = self.last_call
        return "\n".join([*lines, *self.failures, *([] if last is None else [str(last)])])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as numbers and texts, ready for JSON.

        Returns
        -------
        dict
            ``method``, ``ran_on``, ``seconds``, ``predicted_seconds``, ``predicted_bytes``, ``measured_bytes``,
            ``failures`` and ``last_call``, which is such a dict or None.
        """
        predicted = asdict(self.candidate)
        return {
            "method": self.method,
            "ran_on": self.candidate.name,
            "seconds": self.seconds,
            "predicted_seconds": predicted["seconds"],
            "predicted_bytes": predicted["n_bytes"],
            "measured_bytes": self.n_bytes,
            "failures": list(self.failures),
            "last_call": None if self.last_call is None else self.last_call.to_dict(),
        }


class Explanation(str):
    """A text that shows as it prints, in a console and in a notebook.

    Attributes
    ----------
    plan : Plan
        What was foreseen.
    report : Report
        What happened.
    """

    plan: Plan
    report: Report

    def __new__(cls, plan: Plan, report: Report) -> Explanation:
        self = super().__new__(cls, f"{plan}\n{report}")
        self.plan, self.report = plan, report
        return self

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        ran, *more = str(self.report).splitlines()
        measured = {self.report.candidate.name: self.report.seconds}
        memory = [line for line in more[:1] if self.report.n_bytes is not None]
        return plan_html(self.plan, measured, [ran, *memory, *self.report.failures])

    def to_dict(self) -> dict[str, Any]:
        """Return plan and report as numbers and texts, ready for JSON.

        Returns
        -------
        dict
            ``plan``, as :meth:`Plan.to_dict` gives it, and ``report``.
        """
        return {"plan": self.plan.to_dict(), "report": self.report.to_dict()}


class ExplanationOfParts(str):
    """The explanations of the estimators that another one holds, as one text.

    Attributes
    ----------
    parts : dict of str to Explanation
        By where the estimator is held, such as the name of a step.
    """

    parts: dict[str, Explanation]

    def __new__(cls, parts: dict[str, Explanation]) -> ExplanationOfParts:
        self = super().__new__(cls, "\n\n".join(f"{name}: {each}" for name, each in parts.items()))
        self.parts = parts
        return self

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return "".join(f"<h4>{escape(name)}</h4>{each._repr_html_()}" for name, each in self.parts.items())

    def to_dict(self) -> dict[str, Any]:
        """Return each part's plan and report as numbers and texts, ready for JSON.

        Returns
        -------
        dict
            Name of the part -> what `Explanation.to_dict` gives.
        """
        return {name: each.to_dict() for name, each in self.parts.items()}
