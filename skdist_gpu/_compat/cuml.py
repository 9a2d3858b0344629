"""The private names of cuML that the package uses, in one place (cuML 26.10)."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any

# cuML module -> classes of scikit-learn that have a twin of the same name there
_MODULES = {
    "cuml.linear_model": ("LinearRegression", "Ridge", "Lasso", "ElasticNet", "LogisticRegression"),
    "cuml.svm": ("LinearSVC", "LinearSVR", "SVC", "SVR"),
    "cuml.kernel_ridge": ("KernelRidge",),
    "cuml.ensemble": ("RandomForestClassifier", "RandomForestRegressor", "IsolationForest"),
    "cuml.neighbors": ("KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors", "KernelDensity"),
    "cuml.naive_bayes": ("GaussianNB", "MultinomialNB", "ComplementNB", "BernoulliNB", "CategoricalNB"),
    "cuml.cluster": ("KMeans", "DBSCAN", "SpectralClustering", "AgglomerativeClustering"),
    "cuml.decomposition": ("PCA", "IncrementalPCA", "TruncatedSVD"),
    "cuml.covariance": ("EmpiricalCovariance", "LedoitWolf"),
    "cuml.manifold": ("TSNE", "SpectralEmbedding"),
    "cuml.preprocessing": (
        "StandardScaler",
        "MinMaxScaler",
        "MaxAbsScaler",
        "RobustScaler",
        "SimpleImputer",
        "KBinsDiscretizer",
        "PolynomialFeatures",
        "Normalizer",
        "Binarizer",
        "OneHotEncoder",
        "OrdinalEncoder",
        "TargetEncoder",
    ),
    "cuml.feature_extraction.text": ("TfidfTransformer",),
    "cuml.random_projection": ("GaussianRandomProjection", "SparseRandomProjection"),
}
_TWINS = {name: (module, name) for module, names in _MODULES.items() for name in names}
# cuML's own HDBSCAN is the twin of the package hdbscan; cuml.accel adapts it to scikit-learn's
_TWINS["HDBSCAN"] = ("cuml.accel._overrides.sklearn.cluster", "_SklearnHDBSCAN")
_TWINS["hdbscan.HDBSCAN"] = ("cuml.cluster", "HDBSCAN")
_TWINS["umap.UMAP"] = ("cuml.manifold", "UMAP")

_DASK_MODULES = {
    "cuml.dask.linear_model": ("LinearRegression", "LogisticRegression"),
    "cuml.dask.cluster": ("KMeans", "DBSCAN"),
    "cuml.dask.decomposition": ("PCA", "TruncatedSVD"),
    "cuml.dask.ensemble": ("RandomForestClassifier", "RandomForestRegressor"),
    "cuml.dask.naive_bayes": ("MultinomialNB",),
}

# as their C++ raises it, before a list of stack frames
_ASSERTION = re.compile(r"(?:exception occurred!|(?:RAFT|cuML) failure at) file=.*?line=\d+: (.*)")

# rows whose distances to new rows are taken all at once
MOST_EXACT_ROWS = 2**16

# what makes cuML solve scikit-learn's own problem: liblinear penalises the intercept, an exact linkage needs all pairs
_ALWAYS: dict[str, dict[str, Any]] = {
    "LinearSVC": {"penalized_intercept": True},
    "LinearSVR": {"penalized_intercept": True},
    "AgglomerativeClustering": {"connectivity": "pairwise"},
}

# numbers of 8 bytes let DBSCAN compare more rows at a time: 10.0 s in place of 13.5 s for 1 000 000 x 10 on an H200
_FIT_OPTIONS: dict[str, dict[str, Any]] = {"DBSCAN": {"out_dtype": "int64"}}


def cuml_class(estimator: Any) -> Any:
    """Return cuML's class for a scikit-learn estimator; None if there is none."""
    cls = type(estimator)
    package = cls.__module__.partition(".")[0]
    known = cls.__name__ if package == "sklearn" else f"{package}.{cls.__name__}"
    module, name = _TWINS.get(known, (None, ""))
    return None if module is None else getattr(import_module(module), name)


def cuml_dask_class(estimator: Any) -> Any:
    """Return cuml.dask's class for a scikit-learn estimator that has a row for it."""
    name = type(estimator).__name__
    module = next(module for module, names in _DASK_MODULES.items() if name in names)
    return getattr(import_module(module), name)


def make_cuml(estimator: Any, **changed: Any) -> Any:
    """Return an unfitted cuML estimator with parameters converted by cuML's own rules.

    Raises
    ------
    UnsupportedOnGPU
        cuML's own error, for a parameter that it does not support.
    """
    model = cuml_class(estimator)(**{**make_parameters(estimator), **changed})
    model.output_type = "numpy"  # not every class takes it as a parameter
    return model


def make_parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters of cuML's twin of an estimator."""
    cls = cuml_class(estimator)
    if converts(cls):
        params = cls._params_from_cpu(estimator)
    else:
        known = known_parameters(cls)
        params = {name: value for name, value in estimator.get_params(deep=False).items() if name in known}
    return {**params, **_ALWAYS.get(type(estimator).__name__, {})}


def fit_options(estimator: Any) -> dict[str, Any]:
    """Return what the `fit` of cuML's twin is told beside the data."""
    return _FIT_OPTIONS.get(type(estimator).__name__, {})


def keep_searchable(estimator: Any) -> None:
    """Let a UMAP that came home without a search index take exact distances to transform, as it does for few rows.

    Without it, umap-learn raises NotImplementedError for new rows.
    """
    if getattr(estimator, "_knn_search_index", ...) is None and len(estimator.embedding_) <= MOST_EXACT_ROWS:
        estimator._small_data = True
        del estimator._knn_search_index


def known_parameters(cls: Any) -> set[str]:
    """Return the names of the parameters of a cuML class."""
    return set(cls()._get_param_names())  # a classmethod of most, not of TfidfTransformer


def converts(cls: Any) -> bool:
    """Whether cuML converts a class from and to scikit-learn's."""
    return hasattr(cls, "_params_from_cpu")


def unsupported_errors() -> tuple[type[Exception], ...]:
    """Return the errors by which cuML says that it cannot, or cannot come home."""
    from cuml.internals.interop import UnsupportedOnCPU, UnsupportedOnGPU

    return UnsupportedOnGPU, UnsupportedOnCPU


def assertion_of(error: RuntimeError) -> str:
    """Return what an assertion of cuML's libraries says of the data; empty for the errors of CUDA and others.

    Examples
    --------
    >>> assertion_of(RuntimeError("exception occurred! file=smo.h line=313: SMO error: NaN found.\\nObtained 48"))
    'SMO error: NaN found.'
    """
    found = _ASSERTION.match(str(error))
    return found[1] if found else ""


def rows_of_forest(model: Any) -> tuple[int, int]:
    """Return how many rows a forest was grown from, and how many were drawn for each tree."""
    return model._n_samples, model._n_samples_bootstrap


def without_proxy(estimator: Any) -> Any:
    """Return scikit-learn's own estimator where cuml.accel put a proxy in its place."""
    accel = sys.modules.get("cuml.accel")
    return estimator._cpu if accel is not None and accel.is_proxy(estimator) else estimator
