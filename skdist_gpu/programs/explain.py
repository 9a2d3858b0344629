"""Tell of an estimator that a program fitted which engines were considered, and what ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.info.report import Explanation, ExplanationOfParts, Report
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import describe
from skdist_gpu.programs.fits import OWN, Outcome
from skdist_gpu.programs.installation import OUTCOMES


def explain(model: Any) -> Explanation | ExplanationOfParts:
    """Return every engine considered for the last fit of an estimator, and what ran.

    Parameters
    ----------
    model : estimator
        One of scikit-learn that was fitted while :func:`install` was in force, or an AutoScale estimator. Of what holds
        other estimators, such as a pipeline or a search, those are told of.

    Returns
    -------
    Explanation or ExplanationOfParts
        Prints as a text, and shows as a table in a notebook.

    Raises
    ------
    NotFittedError
        If the estimator was not fitted while it was in force, nor any that it holds.

    Examples
    --------
    >>> import skdist_gpu
    >>> from sklearn.linear_model import Ridge
    >>> with skdist_gpu.installed():
    ...     model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    ...     print(skdist_gpu.explain(model))
    Ridge on 2 × 1 ...
    ran on sklearn:cpu in ...
    """
    if hasattr(model, "explain"):
        return model.explain()
    outcome = OUTCOMES.get(model)
    if outcome is not None:
        return _explained(model, outcome)
    parts = {name: _explained(part, OUTCOMES[part]) for name, part in _parts("", model, set())}
    if not parts:
        raise NotFittedError(
            f"Nothing is known of this {type(model).__name__}: it was not fitted while skdist_gpu.install() was in "
            "force, or is a copy of one that was, or the fits were in other processes. Fit it after install()."
        )
    return ExplanationOfParts(parts)


def _explained(model: Any, outcome: Outcome) -> Explanation:
    own = Candidate(OWN, "cpu", "chosen", (outcome.unplanned,))
    plan = outcome.plan or Plan(type(model).__name__, outcome.data, describe(detect_resources()), (own,))
    candidate = outcome.candidate or next((c for c in plan.candidates if c.backend == OWN), own)
    return Explanation(plan, Report(candidate, outcome.seconds, outcome.failures))


def _parts(name: str, held: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield name and object of each estimator of which something is known, in what an estimator holds."""
    if id(held) in seen:
        return
    seen.add(id(held))
    if isinstance(held, (list, tuple)):
        for i, each in enumerate(held):
            if isinstance(each, tuple) and len(each) > 1 and isinstance(each[0], str):
                yield from _parts(f"{name}.{each[0]}", each[1], seen)  # a step, and its name
            else:
                yield from _parts(f"{name}[{i}]", each, seen)
    elif isinstance(held, BaseEstimator):
        if held in OUTCOMES:
            yield name.removeprefix("."), held
        else:
            for key, value in vars(held).items():
                yield from _parts(name if key == "steps" else f"{name}.{key}", value, seen)
