"""The parameters of scikit-learn's and XGBoost's estimators: their names, their values, and what they may be."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import make_constraint, validate_parameter_constraints

from skdist_gpu.facts import PlainFacts, plain_facts


def validate_params(estimator: Any) -> None:
    """Raise scikit-learn's own error for a bad parameter, before any work starts."""
    facts = plain_facts(estimator)
    if facts is None:
        _validate(estimator)
    else:
        _validate_plain(facts)


@lru_cache(maxsize=64)
def _validate_plain(facts: PlainFacts) -> None:
    # what was valid once is valid again; an error is raised each time
    _validate(facts.estimator())


def _validate(estimator: Any) -> None:
    constraints = _constraints(estimator.__class__)
    values = parameters_of(estimator) if constraints else {}
    for name, allowed in constraints.items():
        if name in values and not any(constraint.is_satisfied_by(values[name]) for constraint in allowed):
            validate_parameter_constraints(estimator._parameter_constraints, values, type(estimator).__name__)


@cache
def _constraints(cls: Any) -> dict[str, list[Any]]:
    """Return what each parameter of a class may be; XGBoost's estimators declare nothing."""
    declared = getattr(cls, "_parameter_constraints", {})
    return {n: [make_constraint(c) for c in allowed] for n, allowed in declared.items() if allowed != "no_validation"}


def parameters_of(estimator: Any) -> dict[str, Any]:
    """Return name and value of each parameter of an estimator."""
    return {name: getattr(estimator, name) for name in parameter_names(estimator.__class__)}


def parameter_names(cls: Any) -> tuple[str, ...]:
    """Return the names of an estimator's parameters, read from its signature once."""
    return _parameter_names(cls)


@cache
def _parameter_names(cls: Any) -> tuple[str, ...]:
    if cls.__module__.startswith("xgboost."):  # each class names those that it adds
        classes = [base for base in reversed(cls.__mro__) if hasattr(base, "_get_param_names")]
        return tuple(dict.fromkeys(name for base in classes for name in base._get_param_names()))
    return tuple(cls._get_param_names()) if hasattr(cls, "_get_param_names") else ()


def shallow_parameters(estimator: Any) -> dict[str, Any]:
    """Return what ``get_params(deep=False)`` does, by names read once where the class has no way of its own."""
    cls, own = estimator.__class__, vars(estimator).get("kwargs")
    plain = getattr(cls, "get_params", None) is BaseEstimator.get_params
    if plain or (cls.__module__.startswith("xgboost.") and not own):
        return parameters_of(estimator)
    return estimator.get_params(deep=False)
