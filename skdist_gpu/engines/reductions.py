"""Our own exact block reductions: on threads, on one GPU, or over Dask."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import assert_all_finite, get_tags

from skdist_gpu.data.convert import check_gpu_input, check_lazy_input, to_dask, to_host, validate
from skdist_gpu.data.kinds import DASK, GPU, HOST, container_of
from skdist_gpu.data.labels import encode
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import NotFiniteError
from skdist_gpu.reductions.protocol import Passes

# estimator -> the function of a module in skdist_gpu.reductions that fits it in place
FITS = {
    "LinearRegression": "least_squares.fit_linear_regression",
    "Ridge": "least_squares.fit_ridge",
}


def fit(job: FitJob) -> Fitted:
    """Fit the job's estimator from sums over row blocks."""
    X, y, sample_weight = _checked(job)
    classes = None
    if _takes_labels(job.estimator) and container_of(y) not in DASK:
        classes, y = encode(y)
    executor = _executor(job, X, y, sample_weight)
    if _takes_labels(job.estimator) and classes is None:
        classes = executor.find_classes()
    data = Passes(executor.reduce, X.shape[1], getattr(y, "ndim", 0), getattr(X, "dtype", np.float64), classes)
    module, _, function = FITS[type(job.estimator).__name__].partition(".")
    try:
        getattr(import_module(f"skdist_gpu.reductions.{module}"), function)(job.estimator, data)
    except NotFiniteError:
        if container_of(job.X) in HOST:
            # scikit-learn says more about what to do
            assert_all_finite(to_host(X), estimator_name=type(job.estimator).__name__, input_name="X")
        raise
    return Fitted(job.estimator)


def _takes_labels(estimator: Any) -> bool:
    """Whether `y` holds classes: of a classifier, or of a selection of features by classes."""
    score_function = getattr(getattr(estimator, "score_func", None), "__name__", "")
    return is_classifier(estimator) or score_function in ("f_classif", "chi2")


def _checked(job: FitJob) -> tuple[Any, Any, Any]:
    """Return the data ready for an executor, or raise scikit-learn's error before any work."""
    y = job.y if get_tags(job.estimator).target_tags.required else None
    data = (job.estimator, job.X, y, job.sample_weight)
    container = container_of(job.X)
    if container in DASK:
        return check_lazy_input(*data, labels=_takes_labels(job.estimator))
    if container in GPU:
        return check_gpu_input(*data)
    # the sums tell whether all values are finite
    X, y, sample_weight = validate(*data, sparse=job.device != "gpu", multi_target=True, finite=False)
    if job.device == "dask":
        return to_dask(X), to_dask(y), to_dask(sample_weight)
    return X, y, sample_weight


def _executor(job: FitJob, X: Any, y: Any, sample_weight: Any) -> Any:
    """Choose the executor, and import only what it needs."""
    if job.device == "dask":
        from skdist_gpu.engines.executors.dask import DaskExecutor

        return DaskExecutor(X, y, sample_weight, job.client, job.progress)
    if job.device == "gpu":
        from skdist_gpu.engines.executors.gpu import GpuExecutor

        return GpuExecutor(X, y, sample_weight, job.resources.n_cores, job.memory_budget, job.progress)
    from skdist_gpu.engines.executors.threads import ThreadsExecutor

    return ThreadsExecutor(X, y, sample_weight, job.resources.n_cores, job.progress)
