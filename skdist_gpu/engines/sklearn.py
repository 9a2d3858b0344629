"""scikit-learn itself: every estimator, on data that fit in main memory."""

from __future__ import annotations

from skdist_gpu.data.convert import to_host
from skdist_gpu.engines.protocol import FitJob, Fitted


def fit(job: FitJob) -> Fitted:
    """Fit with scikit-learn; it validates, and raises its own errors."""
    fit_params = dict(job.fit_params)
    if job.sample_weight is not None:
        fit_params["sample_weight"] = to_host(job.sample_weight)
    X, y = to_host(job.X), to_host(job.y)
    job.progress.start(f"{type(job.estimator).__name__} with scikit-learn")
    job.estimator.fit(X, y, **fit_params)
    job.progress.finish()
    return Fitted(job.estimator)
