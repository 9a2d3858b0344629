"""What a fit did: predicted against measured."""

from __future__ import annotations

from dataclasses import dataclass

from skdist_gpu.config import format_bytes
from skdist_gpu.planning.plan import Candidate, Plan


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
        lines = [f"ran on {self.candidate.name} in {self.seconds:.3g} s"]
        if self.candidate.seconds is not None:
            lines[0] += f" (predicted {self.candidate.seconds:.2g} s)"
        if self.candidate.n_bytes is not None:
            lines.append(f"predicted memory beside the data: {format_bytes(self.candidate.n_bytes)}")
        return "\n".join([*lines, *self.failures])


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
