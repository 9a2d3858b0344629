"""The plan: every engine considered, its verdict and the reasons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from skdist_gpu.planning.show import plan_html, plan_text


@dataclass(frozen=True)
class Candidate:
    """One engine, as the planner judged it.

    Attributes
    ----------
    backend : str
        The engine's name, as ``backend=`` takes it.
    device : {"cpu", "gpu", "dask"}
        What it would run on.
    verdict : {"chosen", "possible", "slower", "refused"}
        ``"possible"`` candidates take over, in order, if the chosen one runs out of memory;
        ``"slower"`` ones too, after them; ``"refused"`` ones cannot run.
    reasons : tuple of str
        Why; one sentence for each failed condition of a refusal.
    n_bytes : int or None
        Predicted peak of memory on the device, with the data.
    seconds : float or None
        Predicted duration; None where nothing was measured yet.
    guess : bool
        Whether the duration comes from the rates of other estimators, since this one's were not measured.
    threads : int or None
        Number of BLAS and OpenMP threads that serves best; None for all.
    most_bytes : int or None
        Peak of memory at most, where it depends on the values of the rows; None where it does not.
    n_gpus : int
        GPUs of the machine that score rows side by side.
    n_rows : int or None
        Rows that a call scores at a time, where a budget of memory says so.
    """

    backend: str
    device: str
    verdict: str
    reasons: tuple[str, ...] = ()
    n_bytes: int | None = None
    seconds: float | None = None
    guess: bool = False
    threads: int | None = None
    most_bytes: int | None = None
    n_gpus: int = 1
    n_rows: int | None = None

    @property
    def name(self) -> str:
        """Engine and device as one word, such as ``"name:gpu"``."""
        return f"{self.backend}:{self.device}"


@dataclass(frozen=True)
class Plan:
    """What `fit` will do, and why.

    Attributes
    ----------
    estimator : str
        Class name of the wrapped estimator.
    data, machine : str
        What the plan was made for, in words.
    candidates : tuple of Candidate
        All engines considered, in the order of preference.
    """

    estimator: str
    data: str
    machine: str
    candidates: tuple[Candidate, ...]

    @property
    def chosen(self) -> Candidate | None:
        """The first choice; None if every engine refused."""
        return next((c for c in self.candidates if c.verdict == "chosen"), None)

    @property
    def backend(self) -> str | None:
        """Name of the chosen engine."""
        return self.chosen.backend if self.chosen else None

    @property
    def device(self) -> str | None:
        """Device of the chosen engine: ``"cpu"``, ``"gpu"`` or ``"dask"``."""
        return self.chosen.device if self.chosen else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the chosen engine was chosen."""
        return self.chosen.reasons if self.chosen else ()

    @property
    def ladder(self) -> tuple[Candidate, ...]:
        """The candidates to try, in order: the chosen one, the possible, the slower ones."""
        order = ("chosen", "possible", "slower")
        runnable = [c for c in self.candidates if c.verdict in order]
        return tuple(sorted(runnable, key=lambda c: order.index(c.verdict)))

    def __repr__(self) -> str:
        chosen = self.chosen
        return f"Plan({chosen.name if chosen else 'none'})"

    def __str__(self) -> str:
        return plan_text(self)

    def _repr_html_(self) -> str:
        return plan_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as numbers and texts, ready for JSON.

        Returns
        -------
        dict
            ``estimator``, ``data`` and ``machine`` in words; ``chosen``, engine and device as one word, or None;
            ``candidates``, a list of dicts with ``backend``, ``device``, ``verdict``, ``reasons``, ``n_bytes`` (bytes),
            ``seconds``, ``guess``, ``threads``, ``most_bytes``, ``n_gpus`` and ``n_rows``.

        Examples
        --------
        >>> from skdist_gpu import AutoScaleRegressor
        >>> plan = AutoScaleRegressor().plan(shape=(1000, 5)).to_dict()
        >>> sorted(plan), plan["candidates"][0]["verdict"]
        (['candidates', 'chosen', 'data', 'estimator', 'machine'], 'chosen')
        """
        chosen = self.chosen.name if self.chosen else None
        candidates = [{**asdict(c), "reasons": list(c.reasons)} for c in self.candidates]
        described = {"estimator": self.estimator, "data": self.data, "machine": self.machine}
        return {**described, "chosen": chosen, "candidates": candidates}
