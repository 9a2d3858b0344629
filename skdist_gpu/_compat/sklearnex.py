"""The private names of scikit-learn-intelex that the package uses, in one place (scikit-learn-intelex 2026.2)."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

# its module -> classes of scikit-learn that have a twin of the same name there
_MODULES = {
    "sklearnex.ensemble": ("RandomForestClassifier", "RandomForestRegressor"),
    "sklearnex.svm": ("SVC", "SVR", "NuSVC", "NuSVR"),
    "sklearnex.neighbors": ("KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors", "LocalOutlierFactor"),
    "sklearnex.cluster": ("DBSCAN", "KMeans"),
}
_TWINS = {name: module for module, names in _MODULES.items() for name in names}


class NotAccelerated(Exception):
    """Raised where scikit-learn-intelex would silently compute with scikit-learn, with its own reasons."""


class _NoFallback:
    """What its estimators would compute with scikit-learn, they raise."""

    def _onedal_cpu_supported(self, method_name: str, *data: Any) -> Any:
        conditions = super()._onedal_cpu_supported(method_name, *data)  # type: ignore[misc]
        if not conditions.get_status():
            raise NotAccelerated(" ".join(conditions.messages))
        return conditions


@cache
def _twin_class(name: str) -> type:
    """Return its class that raises where it would fall back, and leaves the number of threads to the caller."""
    cls = getattr(import_module(_TWINS[name]), name)
    unlimited = {method: getattr(cls, method).__wrapped__ for method in cls._n_jobs_supported_onedal_methods}
    return type(name, (_NoFallback, cls), unlimited)


def twin_of(estimator: Any, **changed: Any) -> Any:
    """Return an unfitted estimator of scikit-learn-intelex with the parameters of a scikit-learn estimator.

    Its methods raise :class:`NotAccelerated` where they would fall back to scikit-learn.
    """
    return _twin_class(type(estimator).__name__)(**{**estimator.get_params(deep=False), **changed})


def machine_from(svm: Any, gamma: float) -> Any:
    """Return its model of a support vector machine of numbers or of two classes that scikit-learn's estimator holds."""
    twin = twin_of(svm)
    for name in ("n_features_in_", "classes_", "support_vectors_", "dual_coef_", "intercept_"):
        if hasattr(svm, name):
            setattr(twin, name, getattr(svm, name))
    twin._gamma, twin._n_support, twin._sparse = gamma, svm.n_support_, False
    return twin


def kernel_of(svm: Any, gamma: float, X: Any, vectors: Any) -> Any:
    """Return the kernel of a support vector machine between each row and each vector."""
    kernels = import_module("onedal.primitives")
    of_products = {"gamma": gamma, "coef0": svm.coef0}
    compute, options = {
        "linear": (kernels.linear_kernel, {}),
        "rbf": (kernels.rbf_kernel, {"gamma": gamma}),
        "poly": (kernels.poly_kernel, of_products | {"degree": svm.degree}),
        "sigmoid": (kernels.sigmoid_kernel, of_products),
    }[svm.kernel]
    return compute(X, vectors, **options)


def trees_of(forest: Any) -> list[Any]:
    """Return the trees of its fitted forest in scikit-learn's arrays."""
    return [tree.tree_ for tree in forest.estimators_]


def iterations_limit(svm: Any) -> int:
    """Return the iterations after which its support vector machines stop although scikit-learn's would not."""
    return 10_000 if svm.max_iter == -1 else svm.max_iter


def original_class(cls: type) -> type:
    """Return scikit-learn's class that one of scikit-learn-intelex stands for; any other as it is."""
    if cls.__module__.partition(".")[0] not in ("sklearnex", "daal4py"):
        return cls
    replaced = import_module("sklearnex.dispatcher").get_patch_map().values()
    return next((original for _, _, twin, original in replaced if twin is cls and original is not None), cls)


def without_patch(estimator: Any) -> Any:
    """Return scikit-learn's own estimator where ``patch_sklearn()`` put its class in scikit-learn's place."""
    if "sklearnex" not in sys.modules:
        return estimator
    cls = original_class(type(estimator))
    if cls is type(estimator):
        return estimator
    known = cls._get_param_names()  # type: ignore[attr-defined]
    return cls(**{name: value for name, value in estimator.get_params(deep=False).items() if name in known})
