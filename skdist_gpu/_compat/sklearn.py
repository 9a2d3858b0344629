"""The private names of scikit-learn that the package uses, in one place."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import _check_sample_weight as check_sample_weight


def validate_params(estimator: Any) -> None:
    """Raise scikit-learn's own error for a bad parameter, before any work starts."""
    if hasattr(estimator, "_parameter_constraints"):  # XGBoost's estimators declare none
        estimator._validate_params()


__all__ = ["check_sample_weight", "validate_params"]
