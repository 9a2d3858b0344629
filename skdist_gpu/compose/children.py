"""The estimators inside an estimator: the steps of a pipeline, what a search tries, what an ensemble repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from skdist_gpu._compat.sklearn_parameters import shallow_parameters

# what calls only `transform` of what is inside it
_TRANSFORM = ("transformers", "transformer_list", "transformer", "remainder")


def is_estimator(value: Any) -> bool:
    """Whether a value is an estimator, and no class, kernel or splitter.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> is_estimator(Ridge()), is_estimator(Ridge), is_estimator("passthrough")
    (True, False, False)
    """
    return not isinstance(value, type) and hasattr(value, "fit") and hasattr(value, "get_params")


def _is_named_list(value: Any) -> bool:
    """Whether a value is a list such as ``steps``: of tuples of a name, an estimator, and maybe more."""
    named = isinstance(value, (list, tuple)) and len(value) > 0
    return named and all(isinstance(part, tuple) and len(part) >= 2 and isinstance(part[0], str) for part in value)


def children(obj: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield name, estimator, and whether only its `transform` is called, of each one among an object's parameters."""
    for parameter, value in shallow_parameters(obj).items():
        if is_estimator(value):
            yield parameter, value, parameter in _TRANSFORM
        elif _is_named_list(value):
            for i, part in enumerate(value):
                if is_estimator(part[1]):
                    yield part[0], part[1], _only_transforms(parameter, i, len(value))


def _only_transforms(parameter: str, position: int, n_parts: int) -> bool:
    return parameter in _TRANSFORM or (parameter == "steps" and position < n_parts - 1)


def replace_children(obj: Any, new: Callable[[Any, bool], Any]) -> None:
    """Set each estimator among an object's parameters to ``new(estimator, only_transforms)``; lists become new ones."""
    for parameter, value in shallow_parameters(obj).items():
        if is_estimator(value):
            setattr(obj, parameter, new(value, parameter in _TRANSFORM))
        elif _is_named_list(value):
            parts = [
                (part[0], new(part[1], _only_transforms(parameter, i, len(value))), *part[2:])
                if is_estimator(part[1])
                else part
                for i, part in enumerate(value)
            ]
            setattr(obj, parameter, parts)


def may_hold_estimators(value: Any) -> bool:
    """Whether a value is an estimator, or part of a fitted one, such as the calibrated classifier of a fold."""
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        return False
    part_of_scikit_learn = type(value).__module__.partition(".")[0] == "sklearn"
    return part_of_scikit_learn or any(hasattr(value, name) for name in ("get_params", "predict", "transform"))
