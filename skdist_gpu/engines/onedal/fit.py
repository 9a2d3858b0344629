"""oneDAL on the CPU, brought home as the plain scikit-learn estimator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.cluster import kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets

from skdist_gpu._compat.sklearn import check_clusters, keep_kmeans_state
from skdist_gpu._compat.sklearn_learned import (
    gamma_of,
    index_neighbours,
    remember_densities,
    remember_gamma,
    remember_machines,
    vectors_of_classes,
)
from skdist_gpu._compat.sklearnex import NotAccelerated, iterations_limit, twin_of
from skdist_gpu.data.convert import validate
from skdist_gpu.engines.onedal.forests import FORESTS, fit_forest
from skdist_gpu.engines.onedal.info import NEIGHBOURS, VECTORS
from skdist_gpu.engines.onedal.threads import limited_threads, thread_budget
from skdist_gpu.engines.parameters import check_as_scikit_learn, warn_of_few_clusters
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import EngineRefusal


def fit(job: FitJob) -> Fitted:
    """Fit with oneDAL and carry the result over to the job's scikit-learn estimator."""
    estimator, name = job.estimator, type(job.estimator).__name__
    check_as_scikit_learn(job)
    y = job.y if get_tags(estimator).target_tags.required else None
    # whose predictions have the form of their targets, a column or not
    columns = name in NEIGHBOURS
    X, y, sample_weight = validate(estimator, job.X, y, job.sample_weight, sparse=False, multi_target=columns)
    if is_classifier(estimator):
        check_classification_targets(y)
        if name not in _MARGINS and (y == y[0]).all():
            raise EngineRefusal("y has only one class, and oneDAL needs two")
    job.progress.start(f"{name} with oneDAL")
    try:
        with limited_threads(thread_budget(estimator, job.resources.n_cores)):
            twin = _FITS[name](estimator, X, y, sample_weight)
    except NotAccelerated as error:
        raise EngineRefusal(f"oneDAL refuses: {error}") from error
    except RuntimeError as error:
        if "alloc" in str(error).lower():
            raise MemoryError(str(error)) from error
        raise
    job.progress.finish()
    return Fitted(estimator, copies={} if twin is None else {"onedal": twin})


def _fit_vectors(estimator: Any, X: np.ndarray, y: np.ndarray, sample_weight: Any) -> None:
    """Fit a support vector machine in place, in float64 as scikit-learn does; its vectors make the model to score."""
    if len(X) < 2:
        raise EngineRefusal("X has 1 sample, and oneDAL needs two to begin with")
    X = X.astype(np.float64, copy=False)
    try:
        twin = twin_of(estimator).fit(X, y, sample_weight)
    except ZeroDivisionError as error:
        raise EngineRefusal("the variance of X is too large for gamma, which is its inverse") from error
    limit = iterations_limit(estimator)
    if np.max(twin.n_iter_) >= limit:
        raise EngineRefusal(f"oneDAL stopped after {limit} iterations, before its support vectors had settled")
    labels = getattr(twin, "classes_", None)
    order = np.arange(len(twin.support_))
    if labels is not None:
        # scikit-learn's are in the order of their classes
        order = np.lexsort((twin.support_, np.searchsorted(labels, y[twin.support_])))
        estimator.classes_, estimator.class_weight_ = labels, _class_weights(twin)
        n_support = vectors_of_classes(twin)
    else:
        n_support = np.full(2, len(order))
    estimator.support_ = np.asarray(twin.support_, dtype=np.int32)[order]
    estimator.support_vectors_ = np.ascontiguousarray(X[estimator.support_])
    estimator.dual_coef_ = np.ascontiguousarray(np.asarray(twin.dual_coef_, dtype=np.float64)[:, order])
    estimator.intercept_ = np.array(twin.intercept_, dtype=np.float64)
    sign = -1.0 if labels is not None and len(labels) == 2 else 1.0
    estimator.fit_status_, estimator.shape_fit_ = 0, X.shape
    iterations = np.asarray(twin.n_iter_, dtype=np.int32).reshape(-1)
    estimator.n_iter_ = iterations if labels is not None else int(iterations[0])
    remember_machines(estimator, n_support, sign * estimator.dual_coef_, sign * estimator.intercept_, sparse=False)
    remember_gamma(estimator, gamma_of(twin))


def _class_weights(twin: Any) -> np.ndarray:
    return np.ones(len(twin.classes_)) if twin.class_weight_ is None else np.asarray(twin.class_weight_)


@contextmanager
def _names_kept(estimator: Any) -> Iterator[None]:
    """Let an estimator that learns from an array keep the names of the frame's columns."""
    names = getattr(estimator, "feature_names_in_", None)
    yield
    if names is not None:
        estimator.feature_names_in_ = names


def _fit_neighbours(estimator: Any, X: np.ndarray, y: Any, sample_weight: Any) -> Any:
    """Let scikit-learn keep the rows, and oneDAL look for their neighbours."""
    with _names_kept(estimator):
        estimator.fit(X) if y is None else estimator.fit(X, y)
    return twin_of(estimator).fit(X.astype(np.float64, copy=False), None if y is None else y.ravel())


def _fit_outlier_factor(estimator: Any, X: np.ndarray, y: Any, sample_weight: Any) -> Any:
    """Fit a local outlier factor in place by scikit-learn's formulas, from the neighbours that oneDAL finds."""
    twin = twin_of(estimator).fit(X.astype(np.float64, copy=False))
    with _names_kept(estimator):
        index_neighbours(estimator, X)
    estimator.n_neighbors_ = twin.n_neighbors_
    distances, neighbours = twin.kneighbors(n_neighbors=estimator.n_neighbors_)
    density = remember_densities(estimator, distances.astype(X.dtype, copy=False), neighbours)
    estimator.negative_outlier_factor_ = -np.mean(density[neighbours] / density[:, None], axis=1)
    estimator.offset_ = -1.5
    if estimator.contamination != "auto":
        estimator.offset_ = np.percentile(estimator.negative_outlier_factor_, 100.0 * estimator.contamination)
    return twin


def _fit_dbscan(estimator: Any, X: np.ndarray, y: Any, sample_weight: Any) -> None:
    """Fit a DBSCAN in place."""
    twin = twin_of(estimator).fit(X.astype(np.float64, copy=False), sample_weight=sample_weight)
    estimator.labels_ = np.asarray(twin.labels_, dtype=np.intp)
    estimator.core_sample_indices_ = np.asarray(twin.core_sample_indices_, dtype=np.intp)
    estimator.components_ = X[estimator.core_sample_indices_].copy()


def _fit_kmeans(estimator: Any, X: np.ndarray, y: Any, sample_weight: Any) -> None:
    """Fit a KMeans in place by Lloyd's steps from the centres that scikit-learn would begin with."""
    origin = X.mean(axis=0)
    rows = X - origin
    n_rows, n_features = rows.shape
    check_clusters(estimator, n_rows, n_features, estimator.tol * float(np.vdot(rows, rows)) / rows.size)
    generator = check_random_state(estimator.random_state)
    starts = (_first_centres(estimator, rows, origin, generator) for _ in range(_starts_of(estimator)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of each start; as of the best, it is told below
        twins = [twin_of(estimator, init=start, n_init=1, random_state=0).fit(rows) for start in starts]
    best = min(twins, key=lambda twin: twin.inertia_)
    keep_kmeans_state(estimator, best.cluster_centers_)
    estimator.cluster_centers_ = np.asarray(best.cluster_centers_, dtype=X.dtype) + origin
    estimator.labels_ = np.asarray(best.labels_, dtype=np.int32).reshape(-1)
    estimator.inertia_, estimator.n_iter_ = float(best.inertia_), int(best.n_iter_)
    warn_of_few_clusters(len(np.unique(estimator.labels_)), estimator.n_clusters)


def _starts_of(estimator: Any) -> int:
    if not isinstance(estimator.init, str):
        return 1
    return (1 if estimator.init == "k-means++" else 10) if estimator.n_init == "auto" else estimator.n_init


def _first_centres(estimator: Any, rows: np.ndarray, origin: np.ndarray, generator: Any) -> np.ndarray:
    if not isinstance(estimator.init, str):
        return np.ascontiguousarray(estimator.init, dtype=rows.dtype) - origin
    if estimator.init == "k-means++":
        return kmeans_plusplus(rows, estimator.n_clusters, random_state=generator)[0]
    equally = np.full(len(rows), 1 / len(rows))
    return rows[generator.choice(len(rows), size=estimator.n_clusters, replace=False, p=equally)]


# whose own fit says what scikit-learn's says of one class
_MARGINS = ("SVC", "NuSVC")
_FITS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(FORESTS, fit_forest),
    **dict.fromkeys(VECTORS, _fit_vectors),
    **dict.fromkeys(NEIGHBOURS, _fit_neighbours),
    "LocalOutlierFactor": _fit_outlier_factor,
    "DBSCAN": _fit_dbscan,
    "KMeans": _fit_kmeans,
}
