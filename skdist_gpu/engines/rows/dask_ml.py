"""What dask_ml fits with scikit-learn's answer."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.entry import Allowed, Entry


def _dask_ml(estimator: str, accepts: dict[str, Allowed], **options: Any) -> Entry:
    packages = ("dask_ml", "dask")
    return Entry(estimator, "dask_ml", "dask", accepts=accepts, weights=False, packages=packages, **options)


ROWS: tuple[Entry, ...] = (
    _dask_ml("StandardScaler", {}),
    _dask_ml("MinMaxScaler", {"clip": (False,)}),
    _dask_ml("TruncatedSVD", {"algorithm": ("randomized",)}, tolerance=1e-4),
    _dask_ml("PCA", {"svd_solver": ("full",), "n_components": lambda n: n is None or type(n) is int}),
    _dask_ml(
        "SpectralClustering",
        {"affinity": ("rbf", "polynomial", "sigmoid", "laplacian"), "assign_labels": ("kmeans",)},
        tolerance=1e-2,
        break_even=2e5,
        source="below, scikit-learn's exact affinity matrix fits; dask_ml approximates it by Nyström's method",
    ),
)
