"""What cuML fits without a target: clusters, components, embeddings, covariances, neighbours and transformers."""

from __future__ import annotations

from sys import float_info
from typing import Any

from skdist_gpu.engines.cuml.entries_supervised import (
    DISTANCES,
    NEIGHBOURS,
    NO_TREE,
    SPARSE_DISTANCES,
    SPARSE_NEIGHBOURS,
    cuml_entry,
    is_number,
)
from skdist_gpu.engines.entry import Entry

# what cuML's float32 sums were off on an H100, 100 standard normal columns, variances known
_VARIANCE_DRIFT = ((1e7, 1.5e-2), (2.1e7, 4.5e-2), (2.5e7, 5.8e-2))
_ONE_PASS = "the same sums as our own in one pass"


def _is_name(init: Any) -> bool:
    return isinstance(init, str)


def _is_above_rounding(tol: Any) -> bool:
    """Whether KMeans stops by its tolerance, not by the rounding of sums whose order is another one each time."""
    return is_number(tol) and tol > float_info.epsilon


def _are_several_steps(max_iter: Any) -> bool:
    return is_number(max_iter) and max_iter > 1


def _is_count(n_components: Any) -> bool:
    return n_components is None or (isinstance(n_components, int) and n_components > 0)


def _has_neighbours(value: Any) -> bool:
    """Whether HDBSCAN's `min_samples` leaves cuML, which counts the row itself, a neighbour."""
    return value is None or 2 <= value <= 1024


_KMEANS: dict[str, Any] = {"init": _is_name, "tol": _is_above_rounding}
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
_PARTS = "does not tell of a graph of neighbours in several parts, of which it finds other vectors"
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
    cuml_entry(
        "KMeans",
        accepts=_KMEANS,
        only_fits=("tol",),
        tolerance=1e-2,
        differs="begins with centres that are means of rows already, which one step shows",
        differs_unless={"max_iter": _are_several_steps},
    ),
    cuml_entry("DBSCAN", accepts=_DBSCAN, ignores={"metric_params": (None,)}, tolerance=0.0),
    cuml_entry("HDBSCAN", accepts=_HDBSCAN, weights=False, tolerance=1e-2),
    cuml_entry("hdbscan.HDBSCAN", accepts=_CONTRIB_HDBSCAN, weights=False, tolerance=1e-2),
    cuml_entry(
        "SpectralClustering",
        accepts={**_NEAREST, "assign_labels": ("kmeans",)},
        weights=False,
        tolerance=1e-2,
        differs=_PARTS,
    ),
    cuml_entry(
        "AgglomerativeClustering",
        accepts=_LINKAGE,
        weights=False,
        tolerance=0.0,
        pair_bytes=8,
    ),
    cuml_entry(
        "PCA",
        accepts={"svd_solver": ("auto", "full", "covariance_eigh"), "n_components": _is_count},
        sparse=True,
        sparse_accepts={"svd_solver": ("auto", "covariance_eigh")},
        weights=False,
        tolerance=1e-2,
        drift=_VARIANCE_DRIFT,
        slower="cuML's PCA was slower than scikit-learn's at every size measured, 1e3 to 1e8 values",
    ),
    cuml_entry("IncrementalPCA", sparse=True, weights=False, tolerance=1e-4, slower=_ONE_PASS),
    cuml_entry("TruncatedSVD", weights=False, tolerance=1e-4, slower=_ONE_PASS),
    cuml_entry("EmpiricalCovariance", weights=False, tolerance=1e-6, slower=_ONE_PASS),
    cuml_entry("LedoitWolf", weights=False, tolerance=1e-6, slower=_ONE_PASS),
    cuml_entry(
        "StandardScaler",
        weights=False,
        tolerance=1e-6,
        differs="divides by the deviation of a column that is constant but for rounding",
        slower=_ONE_PASS,
    ),
    cuml_entry(
        "TSNE",
        accepts=_TSNE,
        weights=False,
        tolerance=1e-2,
        differs="places rows elsewhere from the same random_state, and fifty of them worse: trustworthiness 0.54 to "
        "0.66, scikit-learn's is above 0.85",
    ),
    cuml_entry(
        "umap.UMAP",
        accepts=_UMAP,
        sparse=True,
        weights=False,
        multi_target=False,
        tolerance=1e-2,
    ),
    cuml_entry("SpectralEmbedding", accepts=_NEAREST, weights=False, tolerance=1e-2, differs=_PARTS),
    cuml_entry(
        "NearestNeighbors",
        accepts=NEIGHBOURS,
        sparse=True,
        sparse_accepts=SPARSE_NEIGHBOURS,
        weights=False,
        tolerance=1e-4,
        differs=NO_TREE,
        differs_unless={"algorithm": ("brute",)},
    ),
    cuml_entry("KernelDensity", tolerance=1e-6, slower="scikit-learn fits its tree itself; the GPU scores CuPy rows"),
    cuml_entry(
        "IsolationForest",
        weights=False,
        tolerance=1e-2,
        differs="grows other trees from the same random_state",
        memory=3.0,
        slower="to convert 100 trees takes 1.2 s; scikit-learn fits them to 2e6 values in 0.4 s (H100 machine)",
    ),
    *(
        cuml_entry(
            name,
            sparse=True,
            weights=False,
            tolerance=0.0,
            slower="to draw a matrix reads no row of X",
        )
        for name in ("GaussianRandomProjection", "SparseRandomProjection")
    ),
)
