"""The private names of XGBoost that the package uses, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def adopt_booster(estimator: Any, booster: Any, n_classes: int | None, history: dict[str, Any]) -> None:
    """Make a plain XGBoost estimator a fitted one, as its own `fit` does with the booster it trained."""
    estimator._Booster = booster
    if n_classes is not None:
        estimator.n_classes_ = n_classes
    if history:
        estimator.evals_result_ = history


def fit_from(estimator: Any, training: dict[str, Any] | Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Call an estimator's own `fit`, which then trains on another matrix than `arguments` say.

    `training` replaces columns of the training data, or is a function that returns matrices, None for XGBoost's own.
    """
    hooks = [name for name in ("_create_dmatrix", "_create_ltr_dmatrix") if hasattr(estimator, name)]
    for name in hooks:
        own = getattr(estimator, name)

        def create(ref: Any, own: Any = own, **columns: Any) -> Any:
            if not callable(training):
                return own(ref=ref, **(columns if ref is not None else columns | training))
            made = training(ref=ref, **columns)
            return own(ref=ref, **columns) if made is None else made

        setattr(estimator, name, create)
    try:
        estimator.fit(**arguments)
    finally:
        for name in hooks:
            delattr(estimator, name)
