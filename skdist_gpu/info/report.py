"""What a fit did: predicted against measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from skdist_gpu.config import format_bytes, format_seconds
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.show import plan_html


@dataclass(frozen=True)
class Report:
    """What happened in `fit`.

    Attributes
    ----------
    candidate : Candidate
        The engine that ran, with its predicted seconds and bytes.
    seconds : float
        Measured duration of the engine's work.
    failures : tuple of str
        The engines tried before it, and why they failed.
    """

    candidate: Candidate
    seconds: float
    failures: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"ran on {self.candidate.name} in {format_seconds(self.seconds)}"]
        if self.candidate.seconds is not None:
            lines[0] += f" (predicted {format_seconds(self.candidate.seconds)})"
        if self.candidate.n_bytes is not None:
            lines.append(f"predicted memory: {format_bytes(self.candidate.n_bytes)}")
        return "\n".join([*lines, *self.failures])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as numbers and texts, ready for JSON.

        Returns
        -------
        dict
            ``ran_on``, ``seconds``, ``predicted_seconds``, ``predicted_bytes`` and ``failures``.
        """
        predicted = asdict(self.candidate)
        return {
            "ran_on": self.candidate.name,
            "seconds": self.seconds,
            "predicted_seconds": predicted["seconds"],
            "predicted_bytes": predicted["n_bytes"],
            "failures": list(self.failures),
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
        ran = str(self.report).splitlines()[0]
        measured = {self.report.candidate.name: self.report.seconds}
        return plan_html(self.plan, measured, [ran, *self.report.failures])

    def to_dict(self) -> dict[str, Any]:
        """Return plan and report as numbers and texts, ready for JSON.

        Returns
        -------
        dict
            ``plan``, as :meth:`Plan.to_dict` gives it, and ``report``.
        """
        return {"plan": self.plan.to_dict(), "report": self.report.to_dict()}
