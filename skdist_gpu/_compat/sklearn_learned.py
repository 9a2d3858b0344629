"""The private names of scikit-learn by which its estimators get what was learned elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads


def openmp_threads() -> int:
    """Return the threads that OpenMP's loops would use here: limits of joblib and of threadpoolctl count."""
    return _openmp_effective_n_threads()


def give_trees(forest: Any, trees: list[Any], n_features: int, classes: Any) -> None:
    """Make a forest of trees whose arrays were grown elsewhere.

    Which rows each tree was grown from is not known: `estimators_samples_` raises an AttributeError.
    """
    forest._validate_estimator()
    generator = check_random_state(forest.random_state)
    forest.n_outputs_ = 1
    if classes is not None:
        forest.classes_, forest.n_classes_ = classes, len(classes)
    forest.estimators_ = [forest._make_estimator(append=False, random_state=generator) for _ in trees]
    for grown, tree in zip(forest.estimators_, trees, strict=True):
        grown.tree_, grown.n_features_in_, grown.n_outputs_ = tree, n_features, 1
        grown.max_features_ = tree_features(grown.max_features, n_features)
        if classes is not None:
            grown.n_classes_ = len(classes)
            grown.classes_ = np.arange(len(classes))


def tree_features(max_features: Any, n_features: int) -> int:
    """Return how many features scikit-learn's trees look at to split a node."""
    if max_features is None:
        return n_features
    if isinstance(max_features, str):
        return max(1, int({"sqrt": np.sqrt, "log2": np.log2}[max_features](n_features)))
    whole = isinstance(max_features, (int, np.integer))
    return int(max_features) if whole else max(1, int(max_features * n_features))


def index_neighbours(estimator: Any, X: Any) -> None:
    """Let an estimator of neighbours keep its rows as scikit-learn's own does, with the tree that it would build."""
    estimator._fit(X)


def local_density(estimator: Any, distances: Any, neighbours: Any) -> Any:
    """Return the local reachability density of rows from their neighbours, by scikit-learn's own formula."""
    return estimator._local_reachability_density(distances, neighbours)
