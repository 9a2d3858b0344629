"""The private names of XGBoost that the package uses, in one place."""

from __future__ import annotations

from typing import Any


def adopt_booster(estimator: Any, booster: Any, n_classes: int | None, history: dict[str, Any]) -> None:
    """Make a plain XGBoost estimator a fitted one, as its own `fit` does with the booster it trained."""
    estimator._Booster = booster
    if n_classes is not None:
        estimator.n_classes_ = n_classes
    if history:
        estimator.evals_result_ = history
