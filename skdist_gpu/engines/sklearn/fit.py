"""scikit-learn itself: every estimator, on data that fit in main memory."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import joblib
from sklearn.base import TransformerMixin

from skdist_gpu.config import format_bytes
from skdist_gpu.data.convert import count_rows, to_host
from skdist_gpu.data.dataset import read_all, table_of
from skdist_gpu.data.inspect import itemsize
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.sklearn.info import joblib_goes_to_dask
from skdist_gpu.engines.trees import grown_on_all_cores
from skdist_gpu.exceptions import EngineRefusal


def fit(job: FitJob) -> Fitted:
    """Fit with scikit-learn; it validates, and raises its own errors."""
    fit_params = dict(job.fit_params)
    X, y, sample_weight = job.X, job.y, job.sample_weight
    if job.info.location == "disk":
        X, y, sample_weight = read_all(table_of(X, y, sample_weight, as_frames=True))
    if job.info.location == "dask" and job.info.n_samples is None:
        _check_size(job)
    if sample_weight is not None:
        fit_params["sample_weight"] = to_host(sample_weight)
    X, y = to_host(X), to_host(y)
    job.progress.start(f"{type(job.estimator).__name__} with scikit-learn")
    fitted = Fitted(job.estimator)
    with _parallel_work(job):
        # rows that are read from files are transformed as they are read
        if job.transforms and job.info.location == "host" and _transforms_otherwise(job.estimator):
            fitted.transformed = job.estimator.fit_transform(X, y, **fit_params)
        else:
            job.estimator.fit(X, y, **fit_params)
    job.progress.finish()
    return fitted


def _transforms_otherwise(estimator: Any) -> bool:
    """Whether `fit_transform` may give something else than `transform` after `fit`, as of NMF or a TargetEncoder."""
    own = getattr(type(estimator), "fit_transform", None)
    return own is not None and own is not TransformerMixin.fit_transform


def _parallel_work(job: FitJob) -> AbstractContextManager:
    """Let joblib use the workers of Dask where they add cores; it sends data once, and nested work as well."""
    if job.client is not None and joblib_goes_to_dask(job.estimator, job.resources):
        return joblib.parallel_config("dask", client=job.client)
    return grown_on_all_cores(job.estimator) if job.all_threads else nullcontext()


def _check_size(job: FitJob) -> None:
    """Refuse to gather Dask blocks whose sizes nobody knew, if they turn out not to fit."""
    n_rows = count_rows(job.X)
    n_bytes = 2 * n_rows * (job.info.n_features or 1) * itemsize(job.info.dtype)
    free = job.resources.available_bytes if job.memory_budget is None else job.memory_budget
    if n_bytes > free:
        raise EngineRefusal(
            f"X has {n_rows} rows, which nobody knew before they were counted; to gather and fit them needs about "
            f"{format_bytes(n_bytes)} in main memory, {format_bytes(free)} are free"
        )
