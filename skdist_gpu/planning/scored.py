"""Say how much work a prediction is, by what the fitted model keeps."""

from __future__ import annotations

import math
from typing import Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.planning.forms import form_of
from skdist_gpu.planning.numbers import number_of
from skdist_gpu.planning.work import XGBOOST_TREES, gathered_values, is_searched_in_tree
from skdist_gpu.protocols import Estimator

# what a prediction is beside calls and copies: rows compared with those kept, or searched for in a k-d tree, rows sent
# through trees, or rows and values of them that are read
_SCORED_AS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("neighbours", "pairs"), ("queries", "leaves", "searched")),
    **dict.fromkeys(("kernels", "cubes", "clusters"), ("queries", "leaves")),
    **dict.fromkeys(("trees", "boosting"), ("leaves", "far_leaves", "values")),
}
# levels of trees, and values of rows, that a core's caches hold
_NEAR_LEVELS, _NEAR_VALUES = 11, 1e6
# where fitted models say how many rows, support vectors, trees or clusters they keep
_KEPT = ("support_", "estimators_", "cluster_centers_", "means_", "X_fit_", "X_train_", "core_sample_indices_")


def kept_size(model: Estimator) -> int:
    """Return how many rows, support vectors, levels of trees or clusters a fitted model keeps; 1 where it sums them up.

    Examples
    --------
    >>> from sklearn.neighbors import NearestNeighbors
    >>> kept_size(NearestNeighbors().fit([[0.0], [1.0], [2.0]]))
    3
    """
    held = vars(model)
    for name in _KEPT:
        if name in held:
            kept = held[name]
            return max(1, round(_levels(kept)) or (kept.shape[0] if hasattr(kept, "shape") else len(kept)))
    if held.get("n_estimators", 0) is None:
        return XGBOOST_TREES
    if "base_estimator_" in held:
        # a Gaussian process of classes: one for each of them, or one for both
        inner = held["base_estimator_"]
        return sum(map(kept_size, getattr(inner, "estimators_", [inner])))
    name = "n_samples_fit_" if "n_samples_fit_" in held else "n_estimators"
    return max(1, int(number_of(model, name) or (number_of(model, "n_iter_") if "max_leaf_nodes" in held else 0)))


def _levels(kept: Any) -> float:
    """Return the levels that a row passes in a list of trees, by the nodes of the first; 0 for what are no trees."""
    tree = getattr(kept[0], "tree_", None) if isinstance(kept, list) and kept else None
    return 0.0 if tree is None else len(kept) * math.log2(1 + tree.node_count)


def scored_row_bytes(model: Estimator, info: InputInfo) -> float:
    """Return the bytes that a row takes while it is scored: as an array, if it is none yet, and compared with all kept.

    Examples
    --------
    >>> from sklearn.kernel_ridge import KernelRidge
    >>> from skdist_gpu.data.inspect import described_input
    >>> scored_row_bytes(KernelRidge().fit([[0.0], [1.0]], [0.0, 1.0]), described_input((100, 1), "float64"))
    24.0
    """
    as_array = gathered_values(info) / (info.n_samples or 1) if info.exists else 0.0
    compared = kept_size(model) if form_of(type(model).__name__) == "cubes" else 0
    return 8.0 * (as_array + compared + max(1, number_of_classes(model)))


def number_of_classes(model: Estimator) -> int:
    """Return the number of classes that a fitted model tells apart; 0 for one that tells none."""
    return len(getattr(model, "classes_", ()))


def scoring_amounts(
    estimator: Estimator,
    kept: int,
    info: InputInfo,
    *,
    n_classes: int = 0,
    to_device: bool = False,
    with_model: bool = False,
) -> dict[str, float] | None:
    """Return how much of each term a prediction is, for a model that keeps so many rows, trees or clusters.

    The rows are copied where they go to a device, and so are those of the model the first time.

    Examples
    --------
    >>> from sklearn.svm import SVC
    >>> from skdist_gpu.data.inspect import described_input
    >>> scoring_amounts(SVC(), 50, described_input((100, 20), "float64"))
    {'calls': 1.0, 'queries': 100000.0, 'leaves': 5000.0, 'copied': 0.0, 'gathered': 0.0}
    """
    n, stored = info.n_samples, info.n_values
    if n is None or stored is None:
        return None
    form = form_of(type(estimator).__name__)
    terms = _SCORED_AS.get(form, ("rows", "values", "far_values"))
    # a support vector has a weight for each other class
    weights = max(1, n_classes - 1) if form == "kernels" else 1
    in_tree = "searched" in terms and is_searched_in_tree(estimator, info)
    compared = 0.0 if in_tree else float(kept)
    amounts = {
        "rows": float(n) * max(1, n_classes),  # a result for each class
        "values": float(stored),
        "far_values": max(0.0, stored - _NEAR_VALUES),
        "queries": stored * compared,
        "leaves": n * compared * weights,
        "far_leaves": n * max(0.0, kept - _NEAR_LEVELS * (number_of(estimator, "n_estimators") or 1)),
        "searched": stored * math.log2(max(2, kept)) * in_tree,
    }
    copied = float(info.n_bytes or 8 * stored) if to_device else 0.0
    if with_model and "queries" in terms:
        copied += 8.0 * kept * (info.n_features or 1)
    found = {term: amounts[term] for term in terms if amounts[term]}
    return {"calls": 1.0, **found, "copied": copied, "gathered": gathered_values(info)}
