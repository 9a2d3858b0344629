"""Return the plain scikit-learn object that an AutoScale one stands for."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn import unfitted
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.children import may_hold_estimators


def unwrap(obj: Any) -> Any:
    """Return an object as scikit-learn or XGBoost has it, fitted if it was, with nothing of this package in it.

    Parameters
    ----------
    obj : estimator
        An AutoScale estimator, or a pipeline, search, ensemble … that holds some.

    Returns
    -------
    estimator
        It shares what was learned with `obj`, which is left as it was, and loads where this package is not installed.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdist_gpu import autoscale, unwrap
    >>> model = autoscale(make_pipeline(StandardScaler(), Ridge())).fit([[0.0], [1.0]], [0.0, 2.0])
    >>> unwrap(model)
    Pipeline(steps=[('standardscaler', StandardScaler()), ('ridge', Ridge())])
    """
    return _plain(obj, {})


def _plain(value: Any, seen: dict[int, tuple[Any, Any]]) -> Any:
    """Return a value without wrappers: itself where there are none, a copy of what holds some otherwise."""
    if id(value) in seen:
        return seen[id(value)][1]
    # the value is kept too, so that its id is not given to another one
    seen[id(value)] = value, value
    found = _without_wrappers(value, seen)
    seen[id(value)] = value, found
    return found


def _without_wrappers(value: Any, seen: dict[int, tuple[Any, Any]]) -> Any:
    if isinstance(value, AutoScaleBase):
        fitted = value._known_fitted()
        return unfitted(value._make_estimator()) if fitted is None else _plain(fitted, seen)
    if isinstance(value, dict):
        parts = {key: _plain(part, seen) for key, part in value.items()}
        return _like(value, parts) if _differ(parts.values(), value.values()) else value
    if type(value) in (list, tuple):
        items = [_plain(part, seen) for part in value]
        return type(value)(items) if _differ(items, value) else value
    if isinstance(value, np.ndarray):
        if value.dtype != object:
            return value
        items = [_plain(part, seen) for part in value.flat]
        return _filled(value, items) if _differ(items, value.flat) else value
    if not may_hold_estimators(value):
        return value
    state = {name: _plain(part, seen) for name, part in vars(value).items()}
    plain_class = getattr(type(value), "plain_class", None)
    if plain_class is None and not _differ(state.values(), vars(value).values()):
        return value
    plain = object.__new__(plain_class or type(value))
    vars(plain).update(state)
    return plain


def _differ(new: Any, old: Any) -> bool:
    return any(a is not b for a, b in zip(new, old, strict=True))


def _like(mapping: Any, parts: dict[Any, Any]) -> Any:
    """Return a mapping of the same type, such as a Bunch, with other values."""
    new = copy(mapping)
    new.update(parts)
    return new


def _filled(array: np.ndarray, items: list[Any]) -> np.ndarray:
    new = np.empty_like(array)
    new.flat[:] = items
    return new
