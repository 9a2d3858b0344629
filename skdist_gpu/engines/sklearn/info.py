"""scikit-learn itself fits every estimator, on data that fit in main memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import ANY_PACKAGE, EngineInfo

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources


class ScikitLearn(EngineInfo):
    """Estimators in this process; joblib may take the workers of Dask for their parallel work."""

    name = "sklearn"
    rank = 70
    packages = {"cpu": {}}
    reads = {"cpu": ("host", "gpu", "dask", "disk")}
    scores = {"cpu": ("sklearn", ANY_PACKAGE)}
    takes_fit_arguments = True
    continues = True
    calls_callbacks = True
    fits_anything = True

    def entry_for(self, estimator: str) -> Entry:
        return Entry(
            estimator,
            self.name,
            "cpu",
            sparse=True,
            weights=True,
            multi_target=True,
            native=True,
            tolerance=0.0,
        )

    def why(self, entry: Entry, estimator: Any, info: InputInfo, resources: Resources) -> list[str]:
        gathered = ", data gathered into this process" if info.location != "host" else ""
        return [f"scikit-learn itself{gathered}", *_where_joblib_runs(estimator, resources)]


def _where_joblib_runs(estimator: Any, resources: Resources) -> list[str]:
    if resources.cluster is None or not _uses_joblib(estimator):
        return []
    if joblib_goes_to_dask(estimator, resources):
        return [f"its parallel work goes to the {resources.cluster.n_workers} workers of Dask, through joblib"]
    return ["its parallel work stays with joblib's processes: the workers of Dask have no more cores than these"]


def _uses_joblib(estimator: Any) -> bool:
    """Whether an estimator, or what is inside it, has work that joblib spreads."""
    return any(name == "n_jobs" or name.endswith("__n_jobs") for name in estimator.get_params())


def joblib_goes_to_dask(estimator: Any, resources: Resources) -> bool:
    """Whether Dask's workers add to this machine: on the same cores they are slower (benchmarks/searches.py)."""
    cluster = resources.cluster
    added = cluster is not None and (cluster.n_elsewhere > 0 or cluster.n_threads > resources.n_cores)
    return added and _uses_joblib(estimator)


INFO = ScikitLearn()
