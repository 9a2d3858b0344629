"""dask_ml, for the estimators whose answer was found to be scikit-learn's, on Dask input.

dask_ml breaks with releases of Dask and scikit-learn, so each class has to pass a probe, a tiny
fit compared with scikit-learn, before it is used in a process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import dask
import numpy as np
from dask.array import from_array, isnan, nanmin, where
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils.extmath import svd_flip

from skdist_gpu.data.convert import as_dask_array
from skdist_gpu.engines.parameters import check_as_scikit_learn
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import EngineRefusal

# estimator -> the attributes that it learns
_LEARNED = {
    "MinMaxScaler": ("data_min_", "data_max_", "data_range_", "scale_", "min_"),
    "TruncatedSVD": ("components_", "explained_variance_", "explained_variance_ratio_", "singular_values_"),
    "PCA": (
        "components_",
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
        "mean_",
        "noise_variance_",
    ),
}
# rows from which the Nyström method of SpectralClustering approximates the affinity matrix
NYSTROM_ROWS = 100


def fit(job: FitJob) -> Fitted:
    """Fit with dask_ml and carry the result over to the plain scikit-learn estimator."""
    name = type(job.estimator).__name__
    problem = _probe(name)
    if problem:
        raise EngineRefusal(f"the installed dask_ml fails on {name}: {problem}")
    check_as_scikit_learn(job)
    X = as_dask_array(job.estimator, job.X)
    job.progress.start(f"{name} with dask_ml")
    with config_context(array_api_dispatch=False):  # dask_ml hands Dask arrays to scikit-learn
        _FITS[name](job.estimator, X)
    job.progress.finish()
    return Fitted(job.estimator)


def _fit_min_max_scaler(estimator: Any, X: Any) -> None:
    # dask_ml's extrema are NaN where a value is missing, scikit-learn's are not
    filled = where(isnan(X), nanmin(X, axis=0), X)
    _learn(estimator, _twin(estimator).fit(filled), X)
    estimator.n_samples_seen_ = X.shape[0]


def _fit_standard_scaler(estimator: Any, X: Any) -> None:
    # dask_ml learns only what it needs; scikit-learn always knows the mean
    model = _twin(estimator).set_params(with_mean=True).fit(X)
    estimator.mean_ = np.asarray(model.mean_)
    estimator.var_ = estimator.scale_ = None
    if estimator.with_std:
        estimator.var_, estimator.scale_ = np.asarray(model.var_), np.asarray(model.scale_)
    estimator.n_samples_seen_ = np.int64(X.shape[0])


def _fit_truncated_svd(estimator: Any, X: Any) -> None:
    from dask_ml.decomposition import TruncatedSVD

    if estimator.n_components >= X.shape[1]:
        raise EngineRefusal(f"dask_ml needs n_components={estimator.n_components} below n_features = {X.shape[1]}")
    # an exact decomposition: scikit-learn's randomised one is an approximation of it
    model = TruncatedSVD(n_components=estimator.n_components, algorithm="tsqr").fit(X)
    _learn(estimator, model, X)
    estimator.components_ = _flipped(estimator.components_)


def _fit_pca(estimator: Any, X: Any) -> None:
    model = _twin(estimator).fit(X)
    _learn(estimator, model, X)
    estimator.components_ = _flipped(estimator.components_)
    estimator.n_components_ = len(estimator.components_)
    estimator.n_samples_ = X.shape[0]


def _fit_spectral_clustering(estimator: Any, X: Any) -> None:
    from dask_ml.cluster import SpectralClustering

    if X.shape[0] < 2:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) (shape={X.shape}) while a minimum of 2 is required "
            "by SpectralClustering."
        )
    names = ("n_clusters", "random_state", "gamma", "affinity", "degree", "coef0", "kernel_params", "n_init")
    params = {name: getattr(estimator, name) for name in names}
    n_rows = min(NYSTROM_ROWS, X.shape[0] - 1)
    model = SpectralClustering(**params, n_components=n_rows, assign_labels="sklearn-kmeans").fit(X)
    estimator.labels_ = np.asarray(model.labels_).astype(np.int32)


_FITS: dict[str, Callable[[Any, Any], None]] = {
    "StandardScaler": _fit_standard_scaler,
    "MinMaxScaler": _fit_min_max_scaler,
    "TruncatedSVD": _fit_truncated_svd,
    "PCA": _fit_pca,
    "SpectralClustering": _fit_spectral_clustering,
}


def _twin(estimator: Any) -> Any:
    """Return dask_ml's estimator of the same name with the same parameters."""
    import dask_ml.decomposition
    import dask_ml.preprocessing

    name = type(estimator).__name__
    module = dask_ml.decomposition if name == "PCA" else dask_ml.preprocessing
    cls = getattr(module, name)
    known = set(cls().get_params())
    return cls(**{key: value for key, value in estimator.get_params().items() if key in known})


def _learn(estimator: Any, model: Any, X: Any) -> None:
    """Copy what was learned, computing all of it at once, in the dtype that scikit-learn would give it."""
    names = _LEARNED[type(estimator).__name__]
    values = dask.compute(*(getattr(model, name) for name in names))
    for name, value in zip(names, values, strict=True):
        value = np.asarray(value, dtype=X.dtype)
        setattr(estimator, name, value if value.ndim else value[()])


def _flipped(components: np.ndarray) -> np.ndarray:
    """Give the components scikit-learn's signs."""
    return svd_flip(None, components, u_based_decision=False)[1]


@lru_cache
def _probe(name: str) -> str | None:
    """Return why dask_ml's class does not give scikit-learn's answer here; None if it does."""
    X = np.random.default_rng(0).normal(size=(60, 4)) * [1.0, 2.0, 3.0, 4.0]
    if name == "SpectralClustering":
        X[30:] += 100
    estimator = _EXAMPLES[name]()
    expected = clone(estimator).fit(X)
    try:
        _FITS[name](estimator, from_array(X, chunks=(20, 4)))
    except Exception as error:  # whatever an incompatible release raises
        return f"{type(error).__name__}: {error}"
    for attribute in _LEARNED.get(name, ("mean_", "scale_") if name == "StandardScaler" else ()):
        if not np.allclose(getattr(estimator, attribute), getattr(expected, attribute), rtol=1e-6):
            return f"{attribute} differs from scikit-learn's"
    return None


def _examples() -> dict[str, Callable[[], Any]]:
    from sklearn.cluster import SpectralClustering
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    return {
        "StandardScaler": StandardScaler,
        "MinMaxScaler": MinMaxScaler,
        "TruncatedSVD": lambda: TruncatedSVD(2, algorithm="arpack"),
        "PCA": lambda: PCA(2, svd_solver="full"),
        "SpectralClustering": lambda: SpectralClustering(2, random_state=0),
    }


_EXAMPLES = _examples()
