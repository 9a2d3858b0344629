"""Our own exact block reductions: on threads, on one GPU, or over Dask."""

from __future__ import annotations

from typing import Any

from sklearn.utils import assert_all_finite

from skdist_gpu.data.convert import check_gpu_input, check_lazy_input, to_dask, to_host, validate
from skdist_gpu.data.kinds import DASK, GPU, HOST, container_of
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import NotFiniteError
from skdist_gpu.reductions.least_squares import fit_linear_regression, fit_ridge
from skdist_gpu.reductions.protocol import Reduce

_FITS: dict[str, Any] = {"LinearRegression": fit_linear_regression, "Ridge": fit_ridge}


def fit(job: FitJob) -> Fitted:
    """Fit the job's estimator from sums over row blocks."""
    X, y, sample_weight = _checked(job)
    name, one_target = type(job.estimator).__name__, getattr(y, "ndim", 1) == 1
    try:
        _FITS[name](job.estimator, _reduce(job, X, y, sample_weight), X.shape[1], one_target)
    except NotFiniteError:
        if container_of(job.X) in HOST:
            assert_all_finite(to_host(X), estimator_name=name, input_name="X")  # says more about what to do
        raise
    return Fitted(job.estimator)


def _checked(job: FitJob) -> tuple[Any, Any, Any]:
    """Return the data ready for an executor, or raise scikit-learn's error before any work."""
    data = (job.estimator, job.X, job.y, job.sample_weight)
    container = container_of(job.X)
    if container in DASK:
        return check_lazy_input(*data)
    if container in GPU:
        return check_gpu_input(*data)
    # the sums tell whether all values are finite
    X, y, sample_weight = validate(*data, sparse=job.device != "gpu", multi_target=True, finite=False)
    if job.device == "dask":
        return to_dask(X), to_dask(y), to_dask(sample_weight)
    return X, y, sample_weight


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
