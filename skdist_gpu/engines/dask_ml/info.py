"""What dask_ml fits with scikit-learn's answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skdist_gpu.engines.entry import Allowed, Entry
from skdist_gpu.engines.protocol import EngineInfo


def _dask_ml(estimator: str, accepts: dict[str, Allowed], **options: Any) -> Entry:
    return Entry(estimator, "dask_ml", "dask", accepts=accepts, multi_target=True, **options)


# what dask_ml has, too, and does otherwise than scikit-learn (benchmarks/dask_ml_answers.py)
_OTHERWISE = (
    ("KMeans", "finds worse centers of many clusters, and tells a wrong inertia_"),
    ("LinearRegression", "adds a penalty, on scaled columns and on the intercept, and is slower than one pass of sums"),
    ("LogisticRegression", "penalises scaled columns and the intercept, and takes no labels but 0 and 1"),
    ("PoissonRegressor", "penalises scaled columns and the intercept"),
    ("IncrementalPCA", "gives scikit-learn's components, thousands of times slower than one pass of sums"),
    ("GaussianNB", "trains again at each predict, and ignores priors"),
    ("RobustScaler", "takes quantiles of blocks for quantiles of all rows"),
    ("QuantileTransformer", "takes quantiles of blocks for quantiles of all rows"),
)
# what takes less than scikit-learn's
_LESS = (
    ("OneHotEncoder", "has no drop, no handle_unknown='ignore' and no infrequent categories"),
    ("OrdinalEncoder", "takes only frames whose categories Dask knows"),
)
_ENTRIES: tuple[Entry, ...] = (
    _dask_ml("StandardScaler", {}),
    _dask_ml("MinMaxScaler", {"clip": (False,)}),
    _dask_ml("TruncatedSVD", {"algorithm": ("randomized",)}, tolerance=1e-4),
    _dask_ml("PCA", {"svd_solver": ("full",), "n_components": lambda n: n is None or type(n) is int}),
    _dask_ml(
        "SpectralClustering",
        {"affinity": ("rbf", "polynomial", "sigmoid", "laplacian"), "assign_labels": ("kmeans",)},
        tolerance=1e-2,
        # below 200 000 values, scikit-learn's exact affinity matrix fits; dask_ml approximates it by Nyström's method
    ),
    *(_dask_ml(name, {}, refusal=f"dask_ml {why}") for name, why in _OTHERWISE),
    *(_dask_ml(name, {}, refusal=f"dask_ml {why}") for name, why in _LESS),
)


class DaskML(EngineInfo):
    """dask_ml where it gives scikit-learn's answer."""

    name = "dask_ml"
    rank = 40
    packages = {"dask": {"dask_ml": "2025.1", "dask": ""}}
    reads = {"dask": ("host", "gpu", "dask")}

    def entries(self) -> Iterable[Entry]:
        return _ENTRIES


INFO = DaskML()
