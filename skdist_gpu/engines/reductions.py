"""Our own exact block reductions: on threads, on one GPU, or over Dask."""

from __future__ import annotations

from typing import Any

from skdist_gpu.data.convert import check_gpu_input, check_lazy_input, to_dask, validate
from skdist_gpu.data.kinds import DASK, GPU, container_of
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.reductions.least_squares import fit_linear_regression, fit_ridge
from skdist_gpu.reductions.protocol import Reduce

_FITS: dict[str, Any] = {"LinearRegression": fit_linear_regression, "Ridge": fit_ridge}


def fit(job: FitJob) -> Fitted:
    """Fit the job's estimator from sums over row blocks."""
    X, y, sample_weight = _checked(job)
    one_target = getattr(y, "ndim", 1) == 1
    _FITS[type(job.estimator).__name__](job.estimator, _reduce(job, X, y, sample_weight), X.shape[1], one_target)
    return Fitted(job.estimator)


def _checked(job: FitJob) -> tuple[Any, Any, Any]:
    """Return the data ready for an executor, or raise scikit-learn's error before any work."""
    data = (job.estimator, job.X, job.y, job.sample_weight)
    container = container_of(job.X)
    if container in DASK:
        return check_lazy_input(*data)
    if container in GPU:
        return check_gpu_input(*data)
    checked = validate(*data, sparse=job.device != "gpu", multi_target=True)
    return tuple(map(to_dask, checked)) if job.device == "dask" else checked  # type: ignore[return-value]


def _reduce(job: FitJob, X: Any, y: Any, sample_weight: Any) -> Reduce:
    """Choose the executor, and import only what it needs."""
    if job.device == "dask":
        from skdist_gpu.engines.executors.dask import DaskExecutor

        return DaskExecutor(X, y, sample_weight, job.client, job.progress).reduce
    if job.device == "gpu":
        from skdist_gpu.engines.executors.gpu import GpuExecutor

        return GpuExecutor(X, y, sample_weight, job.resources.n_cores, job.memory_budget, job.progress).reduce
    from skdist_gpu.engines.executors.threads import ThreadsExecutor

    return ThreadsExecutor(X, y, sample_weight, job.resources.n_cores, job.progress).reduce
