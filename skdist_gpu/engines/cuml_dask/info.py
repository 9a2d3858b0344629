"""What cuml.dask fits over several GPUs, and why it is not used for the rest of what it has (cuML 26.10)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from skdist_gpu.engines.cuml import entries_supervised, entries_unsupervised
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo
from skdist_gpu.engines.reason import LACKS_HARDWARE, Reason

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

_ON_ONE_GPU = {e.estimator: e for e in (*entries_supervised.ENTRIES, *entries_unsupervised.ENTRIES)}
_NEIGHBOURS = "its index stays on the workers, and no model comes home; the plain one's lazy predict asks every GPU"
_CATEGORIES = "our own counts over the blocks find the same categories, of text, too"
_LEFT_OUT = {
    "LinearRegression": "its coefficients came out 64 times too large once on two H200, as if a division had not been "
    "waited for; our own sums over the blocks fit it",
    "Ridge": "it has no coef_; our own sums over the blocks fit it",
    "Lasso": "it leaves l1_ratio at 0.15, and is no lasso; our own sums over the blocks fit it",
    "ElasticNet": "it leaves l1_ratio at 0.15; our own sums over the blocks fit it",
    "NearestNeighbors": _NEIGHBOURS,
    "KNeighborsClassifier": _NEIGHBOURS,
    "KNeighborsRegressor": _NEIGHBOURS,
    "OneHotEncoder": _CATEGORIES,
    "OrdinalEncoder": _CATEGORIES,
}
_OWN_SUMS = "our own sums over the blocks took 0.043 s against 1.34 s on two H200, 4e7 x 100"


def _over_gpus(estimator: str, slower: str = _OWN_SUMS, **options: Any) -> Entry:
    """Return an entry that knows what cuML's own does of parameters and answers: on each GPU the same code runs."""
    one_gpu = _ON_ONE_GPU[estimator]
    options["accepts"] = {**one_gpu.accepts, **options.get("accepts", {})}
    less: dict[str, Any] = {"sparse": False, "sparse_accepts": {}, "weights": False, "multi_target": False}
    return replace(one_gpu, backend="cuml.dask", device="dask", slower=slower, **less, **options)


_ENTRIES: tuple[Entry, ...] = (
    _over_gpus("LogisticRegression", tolerance=1e-3, memory=3.0, accepts={"class_weight": (None,)}),
    _over_gpus("KMeans", tolerance=1e-2),
    _over_gpus("PCA", tolerance=1e-2),
    _over_gpus("TruncatedSVD", tolerance=1e-4),
    _over_gpus("MultinomialNB", tolerance=1e-6),
    *(
        _over_gpus(
            name,
            # every GPU has its share of the rows and all of the trees, which grow one after another
            "on two H200 5.1 s, on one 5.5 s at 4 000 000 x 50, 2.4 and 2.1 s at 1 000 000 x 50",
            tolerance=1e-2,
            memory=4.0,
            # cuml.dask weighs no bootstrapped rows
            accepts={"class_weight": (None,)} if name.endswith("Classifier") else {},
        )
        for name in ("RandomForestClassifier", "RandomForestRegressor")
    ),
    _over_gpus(
        "DBSCAN",
        slower="",
        # each has a copy of all rows and labels its share; on two H200 21.7 s, on one 40.8 s at 2 000 000 x 10,
        # 6.0 and 10.0 s at 1 000 000 x 10, 1.3 and 0.8 s at 300 000 x 10;
        # below, a cluster that has yet to be started, and its workers to import cuML, takes longer than it saves
        spread_from=3e6,
        tolerance=0.0,
    ),
    *(Entry(name, "cuml.dask", "dask", refusal=f"cuml.dask is not used: {why}") for name, why in _LEFT_OUT.items()),
)


class CuMLOverDask(EngineInfo):
    """cuML on all GPUs, each with a worker of Dask."""

    name = "cuml.dask"
    rank = 30
    packages = {"dask": {"cuml": "26.10", "cupy": "14", "dask": "", "distributed": "", "raft_dask": ""}}
    extras = {"dask": "gpu"}
    reads = {"dask": ("host", "gpu", "dask")}

    def entries(self) -> Iterable[Entry]:
        return _ENTRIES

    def machine_refusals(self, entry: Entry, resources: Resources) -> list[str]:
        cluster = resources.cluster
        if cluster is None:
            what = "a Dask client whose workers have GPUs"
            return [Reason(f"needs {what}; with several GPUs here, fit starts one", LACKS_HARDWARE, what)]
        if cluster.n_gpus != cluster.n_workers:
            what = "a GPU of its own for each worker"
            have = f"{cluster.n_workers} workers have {cluster.n_gpus}, by their CUDA_VISIBLE_DEVICES"
            return [Reason(f"needs {what}; {have}", LACKS_HARDWARE, what)]
        return []

    def free_bytes(self, entry: Entry, resources: Resources) -> int:
        if resources.cluster and resources.gpus:
            return int(0.95 * resources.gpus[0].free_bytes) * resources.cluster.n_gpus  # GPUs alike
        return super().free_bytes(entry, resources)


INFO = CuMLOverDask()
