"""What cuML fits without a target: clusters, components, embeddings, covariances, neighbours and transformers."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.cuml.entries_supervised import (
    DISTANCES,
    NEIGHBOURS,
    SPARSE_DISTANCES,
    SPARSE_NEIGHBOURS,
    cuml_entry,
)
from skdist_gpu.engines.entry import NEVER, Entry

# what cuML's float32 sums were off on an H100, 100 standard normal columns, variances known
_VARIANCE_DRIFT = ((1e7, 1.5e-2), (2.1e7, 4.5e-2), (2.5e7, 5.8e-2))
_NOT_MEASURED = "as KMeans; not measured for this estimator"
_GRAPHS = "measured on an H100 from 1 000 x 8 on, where HDBSCAN takes half the time, UMAP a fiftieth"
_ONE_PASS = "the same sums as our own in one pass"


def _is_name(init: Any) -> bool:
    return isinstance(init, str)


def _is_count(n_components: Any) -> bool:
    return n_components is None or (isinstance(n_components, int) and n_components > 0)


def _has_neighbours(value: Any) -> bool:
    """Whether HDBSCAN's `min_samples` leaves cuML, which counts the row itself, a neighbour."""
    return value is None or 2 <= value <= 1024


_DBSCAN: dict[str, Any] = {"metric": ("euclidean", "l2", "cosine"), "algorithm": ("auto", "brute")}
_HDBSCAN: dict[str, Any] = {
    "metric": ("euclidean", "l2"),
    "metric_params": (None,),
    "store_centers": (None,),
    "min_samples": _has_neighbours,
}
_LINKAGE: dict[str, Any] = {
    "linkage": ("single",),
    "metric": ("euclidean", "l2", "manhattan", "l1", "cosine"),
    "connectivity": (None,),
    "distance_threshold": (None,),
    "compute_distances": (False,),
}
_NEAREST: dict[str, Any] = {"affinity": ("nearest_neighbors",)}
_TSNE: dict[str, Any] = {
    "n_components": (2,),
    "init": ("pca", "random"),
    "metric": ("sqeuclidean", *DISTANCES),
    "metric_params": (None,),
}

# what cuML does not read; n_jobs, low_memory and the like change no result
_UMAP: dict[str, Any] = {
    "metric": SPARSE_DISTANCES,
    "densmap": (False,),
    "unique": (False,),
    "output_metric": ("euclidean",),
    "disconnection_distance": (None,),
    "transform_mode": ("embedding",),
}
_CONTRIB_HDBSCAN: dict[str, Any] = {
    "metric": ("euclidean", "l2"),
    "match_reference_implementation": (False,),
    "branch_detection_data": (False,),
    "cluster_selection_epsilon_max": (float("inf"),),
    "cluster_selection_persistence": (0.0,),
}

ENTRIES: tuple[Entry, ...] = (
    cuml_entry("KMeans", 2e5, accepts={"init": _is_name}, tolerance=1e-2),
    cuml_entry("DBSCAN", 2e4, accepts=_DBSCAN, ignores={"metric_params": (None,)}, tolerance=0.0),
    cuml_entry("HDBSCAN", 8e3, accepts=_HDBSCAN, weights=False, tolerance=1e-2, source=_GRAPHS),
    cuml_entry("hdbscan.HDBSCAN", 8e3, accepts=_CONTRIB_HDBSCAN, weights=False, tolerance=1e-2, source=_GRAPHS),
    cuml_entry(
        "SpectralClustering",
        2e4,
        accepts={**_NEAREST, "assign_labels": ("kmeans",)},
        weights=False,
        tolerance=1e-2,
    ),
    cuml_entry(
        "AgglomerativeClustering",
        2e5,
        accepts=_LINKAGE,
        weights=False,
        tolerance=0.0,
        pair_bytes=8,
        source=_NOT_MEASURED,
    ),
    cuml_entry(
        "PCA",
        NEVER,
        accepts={"svd_solver": ("auto", "full", "covariance_eigh"), "n_components": _is_count},
        sparse=True,
        sparse_accepts={"svd_solver": ("auto", "covariance_eigh")},
        weights=False,
        tolerance=1e-2,
        drift=_VARIANCE_DRIFT,
        source="cuML's PCA was slower than scikit-learn's at every size measured, 1e3 to 1e8 values",
    ),
    cuml_entry("IncrementalPCA", NEVER, sparse=True, weights=False, tolerance=1e-4, source=_ONE_PASS),
    cuml_entry("TruncatedSVD", NEVER, weights=False, tolerance=1e-4, source=_ONE_PASS),
    cuml_entry("EmpiricalCovariance", NEVER, weights=False, tolerance=1e-6, source=_ONE_PASS),
    cuml_entry("LedoitWolf", NEVER, weights=False, tolerance=1e-6, source=_ONE_PASS),
    cuml_entry("StandardScaler", NEVER, weights=False, tolerance=1e-6, source=_ONE_PASS),
    cuml_entry(
        "TSNE",
        2e4,
        accepts=_TSNE,
        weights=False,
        tolerance=1e-2,
        source="0.9 s for 3 000 x 8 on an H100, the first call, against some 3 s of scikit-learn",
    ),
    cuml_entry(
        "umap.UMAP",
        8e3,
        accepts=_UMAP,
        sparse=True,
        weights=False,
        multi_target=False,
        tolerance=1e-2,
        source=_GRAPHS,
    ),
    cuml_entry("SpectralEmbedding", 2e5, accepts=_NEAREST, weights=False, tolerance=1e-2, source=_NOT_MEASURED),
    cuml_entry(
        "NearestNeighbors",
        2e4,
        accepts=NEIGHBOURS,
        sparse=True,
        sparse_accepts=SPARSE_NEIGHBOURS,
        weights=False,
        tolerance=1e-4,
    ),
    cuml_entry(
        "KernelDensity", NEVER, tolerance=1e-6, source="scikit-learn fits its tree itself; the GPU scores CuPy rows"
    ),
    cuml_entry(
        "IsolationForest",
        NEVER,
        weights=False,
        tolerance=1e-2,
        memory=3.0,
        source="to convert 100 trees takes 1.2 s; scikit-learn fits them to 2e6 values in 0.4 s (H100 machine)",
    ),
    *(
        cuml_entry(
            name,
            NEVER,
            accepts={"compute_inverse_components": (False,)},
            sparse=True,
            weights=False,
            tolerance=0.0,
            source="to draw a matrix reads no row of X",
        )
        for name in ("GaussianRandomProjection", "SparseRandomProjection")
    ),
)
