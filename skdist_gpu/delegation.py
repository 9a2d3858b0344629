"""Show of an AutoScale estimator what the wrapped estimator has."""

from __future__ import annotations

from functools import partial, update_wrapper
from inspect import signature
from typing import Any


def estimator_has(method: str) -> Any:
    """Make a check for ``available_if``: the wrapped estimator has the method."""

    def check(self: Any) -> bool:
        return hasattr(self.__dict__.get("estimator_") or self._make_estimator(), method)

    return check


class FitMethod:
    """`fit`, showing ``sample_weight`` in its signature only where the wrapped estimator takes it.

    scikit-learn's meta-estimators read that signature to decide whether to pass weights.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        update_wrapper(self, function)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.function
        bound = partial(self.function, instance)
        update_wrapper(bound, self.function)
        shown = list(signature(self.function).parameters.values())[1:]
        if not instance._takes_weights():
            shown = [p for p in shown if p.name != "sample_weight"]
        bound.__signature__ = signature(self.function).replace(parameters=shown)  # type: ignore[attr-defined]
        return bound
