"""scikit-learn itself: every estimator, on data that fit in main memory."""

from __future__ import annotations

from skdist_gpu.data.convert import to_host
from skdist_gpu.data.dataset import load, table_of
from skdist_gpu.engines.protocol import FitJob, Fitted


def fit(job: FitJob) -> Fitted:
    """Fit with scikit-learn; it validates, and raises its own errors."""
    fit_params = dict(job.fit_params)
    X, y, sample_weight = job.X, job.y, job.sample_weight
    if job.info.location == "disk":
        X, y, sample_weight = load(table_of(X, y, sample_weight, as_frames=True))
    if sample_weight is not None:
        fit_params["sample_weight"] = to_host(sample_weight)
    X, y = to_host(X), to_host(y)
    job.progress.start(f"{type(job.estimator).__name__} with scikit-learn")
    job.estimator.fit(X, y, **fit_params)
    job.progress.finish()
    return Fitted(job.estimator)
