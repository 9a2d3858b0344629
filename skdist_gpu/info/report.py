"""What a fit did: predicted against measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from skdist_gpu.config import format_bytes
from skdist_gpu.planning.plan import Candidate, Plan


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
    """

    candidate: Candidate
    seconds: float
    failures: tuple[str, ...] = ()
    method: str = "fit"
    copies: Any = field(default=None, compare=False, repr=False)

    @property
    def last_call(self) -> Report | None:
        """The last call of a method that was planned; None before one, and where rows are few and need no plan."""
        return getattr(self.copies, "last_call", None)

    def __str__(self) -> str:
        lines = [f"ran on {self.candidate.name} in {self.seconds:.3g} s"]
        if self.method != "fit":
            lines[0] = f"{self.method} {lines[0]}"
        if self.candidate.seconds is not None:
            lines[0] += f" (predicted {self.candidate.seconds:.2g} s)"
        if self.candidate.n_bytes is not None:
            lines.append(f"predicted memory beside the data: {format_bytes(self.candidate.n_bytes)}")
        last = self.last_call
        return "\n".join([*lines, *self.failures, *([] if last is None else [str(last)])])


class Explanation(str):
    """A text that shows as it prints, in a console and in a notebook."""

    plan: Plan

    def __new__(cls, plan: Plan, report: Report) -> Explanation:
        self = super().__new__(cls, f"{plan}\n{report}")
        self.plan = plan
        return self

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.plan._repr_html_()
