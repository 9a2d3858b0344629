"""Show of an AutoScale estimator what the wrapped estimator has."""

from __future__ import annotations

from functools import partial, update_wrapper
from inspect import Signature, signature
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
        return update_wrapper(_BoundFit(self.function, instance), self.function)


class _BoundFit(partial):
    """`fit` of one instance; its signature is worked out when it is asked for, not at each fit."""

    @property
    def __signature__(self) -> Signature:
        whole, instance = signature(self.func), self.args[0]
        hidden = set() if instance._takes_weights() else {"sample_weight"}
        shown = [p for p in list(whole.parameters.values())[1:] if p.name not in hidden]
        return whole.replace(parameters=shown)
