"""Forests of oneDAL, brought home as scikit-learn's own trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.class_weight import compute_sample_weight

from skdist_gpu._compat.sklearn_learned import give_trees
from skdist_gpu._compat.sklearnex import trees_of, twin_of
from skdist_gpu.engines.trees import inner_levels

FORESTS = ("RandomForestClassifier", "RandomForestRegressor")
# impurity that only rounding leaves in a leaf with rows of one class
PURE = 1e-12


def rounded(X: np.ndarray) -> np.ndarray:
    """Return rows as scikit-learn's trees see them, which is in float32, so that both send them the same way."""
    with np.errstate(over="ignore"):
        return X.astype(np.float32).astype(np.float64)


def fit_forest(estimator: Any, X: np.ndarray, y: np.ndarray, sample_weight: Any) -> Any:
    """Fit a scikit-learn forest in place; return oneDAL's where both give the same answers, else None."""
    X = rounded(X)
    assert_all_finite(X, allow_nan=True, estimator_name=type(estimator).__name__, input_name="X")
    twin = twin_of(estimator).fit(X, y, sample_weight)
    trees, classes = trees_of(twin), getattr(twin, "classes_", None)
    give_trees(estimator, trees, X.shape[1], classes)
    exact = True
    if classes is not None:
        exact = fill_leaves(estimator, X, y)
    for tree in trees:
        sum_up(tree)
    return twin if exact else None


def fill_leaves(estimator: Any, X: np.ndarray, y: np.ndarray) -> bool:
    """Give leaves with rows of several classes the shares of these; tell whether they are those of oneDAL's forest.

    The converted trees know the most frequent class of a leaf only, and its impurity. From the latter the shares of
    two classes follow. Of more classes, the shares are counted among the rows that come to the leaf; since oneDAL cuts
    between bins of values, and draws rows for a tree, these are not quite the rows that it counted itself.
    """
    if all(_is_pure(tree.tree_) for tree in estimator.estimators_):
        return True
    n_classes, weighted = len(estimator.classes_), estimator.class_weight is not None
    weight = compute_sample_weight(estimator.class_weight, y) if weighted else None
    codes, rows = np.searchsorted(estimator.classes_, y), X.astype(np.float32)
    for tree in (tree.tree_ for tree in estimator.estimators_):
        leaves = np.flatnonzero(tree.children_left < 0)
        counts = tree.value[leaves, 0]
        if weighted or n_classes > 2:
            cells = np.bincount(tree.apply(rows) * n_classes + codes, weight, tree.node_count * n_classes)
            counts = cells.reshape(tree.node_count, n_classes)[leaves]
            reached = counts.sum(axis=1) > 0
            leaves, counts = leaves[reached], counts[reached]
            if weighted:
                tree.weighted_n_node_samples[leaves] = counts.sum(axis=1)
        mixed = tree.impurity[leaves] > PURE
        leaves, counts = leaves[mixed], counts[mixed]
        if n_classes == 2:
            counts = _shares_of_two(tree.impurity[leaves], counts[:, 0] > counts[:, 1])
        tree.value[leaves, 0] = counts / counts.sum(axis=1, keepdims=True)
    return n_classes == 2 and not weighted


def _is_pure(tree: Any) -> bool:
    return bool((tree.impurity[tree.children_left < 0] <= PURE).all())


def _shares_of_two(impurity: np.ndarray, first_is_larger: np.ndarray) -> np.ndarray:
    """Return the shares of two classes: where one has the share p, the impurity is 2 p (1 - p)."""
    larger = 0.5 + 0.5 * np.sqrt(np.maximum(0.0, 1.0 - 2.0 * impurity))
    first = np.where(first_is_larger, larger, 1.0 - larger)
    return np.stack([first, 1.0 - first], axis=1)


def sum_up(tree: Any) -> None:
    """Set the value of each inner node to the mean of its leaves, by their weights, which oneDAL leaves out."""
    weight = tree.weighted_n_node_samples
    for parents in reversed(inner_levels(tree.children_left, tree.children_right)):
        left, right = tree.children_left[parents], tree.children_right[parents]
        weight[parents] = weight[left] + weight[right]
        share = (weight[left] / weight[parents])[:, None, None]
        tree.value[parents] = share * tree.value[left] + (1 - share) * tree.value[right]
