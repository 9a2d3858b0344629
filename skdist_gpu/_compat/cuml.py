"""The private names of cuML that the package uses, in one place (cuML 26.10)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# scikit-learn class name -> cuML module; the class has the same name there
_MODULES = {
    "LinearRegression": "cuml.linear_model",
    "Ridge": "cuml.linear_model",
    "Lasso": "cuml.linear_model",
    "ElasticNet": "cuml.linear_model",
    "LogisticRegression": "cuml.linear_model",
    "LinearSVC": "cuml.svm",
    "RandomForestClassifier": "cuml.ensemble",
    "RandomForestRegressor": "cuml.ensemble",
    "KNeighborsClassifier": "cuml.neighbors",
    "KNeighborsRegressor": "cuml.neighbors",
    "KMeans": "cuml.cluster",
    "PCA": "cuml.decomposition",
}


def cuml_class(estimator: Any) -> Any:
    """Return cuML's class for a scikit-learn estimator; None if there is none."""
    name = type(estimator).__name__
    return getattr(import_module(_MODULES[name]), name) if name in _MODULES else None


def make_cuml(estimator: Any) -> Any:
    """Return an unfitted cuML estimator with parameters converted by cuML's own rules.

    Raises
    ------
    UnsupportedOnGPU
        cuML's own error, for a parameter that it does not support.
    """
    cls = cuml_class(estimator)
    return cls(**cls._params_from_cpu(estimator), output_type="numpy")


def unsupported_errors() -> tuple[type[Exception], ...]:
    """Return the errors by which cuML says that it cannot, or cannot come home."""
    from cuml.internals.interop import UnsupportedOnCPU, UnsupportedOnGPU

    return UnsupportedOnGPU, UnsupportedOnCPU
