"""The private names of scikit-learn by which its estimators get what was learned elsewhere."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils.multiclass import _ovr_decision_function


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
    # to clone the first for each of them would take longer than to convert the trees
    first = forest._make_estimator(append=False, random_state=generator)
    forest.estimators_ = [first, *(copy.copy(first) for _ in trees[1:])]
    for grown in forest.estimators_[1:]:
        grown.random_state = generator.randint(np.iinfo(np.int32).max)
    for grown, tree in zip(forest.estimators_, trees, strict=True):
        grown.tree_, grown.n_features_in_, grown.n_outputs_ = tree, n_features, 1
        grown.max_features_ = tree_features(grown.max_features, n_features)
        if classes is not None:
            grown.n_classes_ = len(classes)
            grown.classes_ = np.arange(len(classes))


def make_tree(n_features: int, n_classes: int, depth: int, fields: dict[str, Any], values: Any) -> Any:
    """Return a tree with these fields of its nodes, from which rows they were grown is not known.

    `values` has the shape (n_nodes, 1, n_classes); a regression has one class.
    """
    from sklearn.tree._tree import NODE_DTYPE, Tree  # takes time to import

    nodes = np.zeros(len(values), NODE_DTYPE)
    nodes["impurity"], nodes["weighted_n_node_samples"], nodes["n_node_samples"] = np.nan, np.nan, -1
    for name, column in fields.items():
        nodes[name] = column
    tree = Tree(n_features, np.array([n_classes], dtype=np.intp), 1)
    tree.__setstate__({"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": values})
    return tree


def remember_rows(forest: Any, n_rows: int, n_drawn: int) -> None:
    """Tell a forest how many rows it was grown from, and how many were drawn for each tree."""
    forest._n_samples, forest._n_samples_bootstrap = n_rows, n_drawn


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


def keep_rows(estimator: Any, X: Any) -> None:
    """Let a fitted estimator of neighbours keep other rows, as scikit-learn's own reads them."""
    estimator._fit_X = X if issparse(X) else np.ascontiguousarray(X)


def kept_rows(estimator: Any) -> tuple[Any, Any]:
    """Return the rows that a fitted estimator of neighbours keeps, and their targets; None without."""
    y, classes = getattr(estimator, "_y", None), getattr(estimator, "classes_", None)
    return estimator._fit_X, classes[y] if isinstance(classes, np.ndarray) else y


def remember_densities(estimator: Any, distances: Any, neighbours: Any) -> Any:
    """Give a LocalOutlierFactor its rows' distances and local densities, by its own formula; return the densities."""
    estimator._distances_fit_X_ = distances
    estimator._lrd = estimator._local_reachability_density(distances, neighbours)
    return estimator._lrd


def gamma_of(machine: Any) -> float:
    """Return the kernel coefficient that a support vector machine was fitted with."""
    return float(machine._gamma)


def vectors_of_classes(machine: Any) -> Any:
    """Return how many support vectors each class has."""
    return np.asarray(machine._n_support)


def remember_gamma(machine: Any, gamma: float) -> float:
    """Tell an SVC the kernel coefficient that it was fitted with, and return it."""
    machine._gamma = gamma
    return gamma


def remember_machines(estimator: Any, n_support: Any, coefficients: Any, intercepts: Any, sparse: bool) -> None:
    """Give an SVC what libsvm reads beside the public attributes, in libsvm's own signs."""
    estimator._n_support, estimator._num_iter = n_support.astype(np.int32), np.atleast_1d(np.int32(estimator.n_iter_))
    estimator._dual_coef_, estimator._intercept_ = coefficients, intercepts
    estimator._probA = estimator._probB = np.empty(0)
    estimator._sparse, estimator._effective_probability = sparse, False


def machine_of(estimator: Any) -> tuple[Any, float]:
    """Return the coefficients of the support vectors of an SVC of two classes, and its intercept, in libsvm's signs."""
    coefficients = estimator._dual_coef_.toarray() if estimator._sparse else estimator._dual_coef_
    return coefficients[0], float(estimator._intercept_[0])


def scores_of_classes(margins: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the score of each class from the margins of all pairs, above zero for the first of a pair."""
    scores: np.ndarray = _ovr_decision_function(margins < 0, -margins, n_classes)
    return scores


def remember_loss(regressor: Any) -> Any:
    """Give a generalised linear model the loss that its `score` reads, and return it."""
    regressor._base_loss = regressor._get_loss()
    return regressor._base_loss


def remember_counts(estimator: Any, counts: Any) -> None:
    """Tell a MiniBatchKMeans how much weight each cluster has seen, from which `partial_fit` goes on."""
    estimator._counts = counts.astype(estimator.cluster_centers_.dtype)


def remember_no_infrequent(encoder: Any) -> None:
    """Tell an encoder that no categories were put together."""
    encoder._infrequent_enabled = False


def remember_binarizer(estimator: Any, classes: Any) -> None:
    """Give a RidgeClassifier its classes, and the binarizer that `predict` reads."""
    from skdist_gpu._compat.sklearn_classes import LabelBinarizer

    estimator._label_binarizer = LabelBinarizer(pos_label=1, neg_label=-1).fit(classes)
    estimator.classes_ = estimator._label_binarizer.classes_


def remember_components(estimator: Any, n_components: int) -> None:
    """Tell a LinearDiscriminantAnalysis how many columns `transform` gives."""
    estimator._max_components = estimator._n_features_out = n_components


def remember_solver(estimator: Any, solver: str) -> None:
    """Tell a PCA which solver was chosen."""
    estimator._fit_svd_solver = solver


def smooth_counts(estimator: Any) -> None:
    """Give a discrete naive Bayes classifier that has its counts the probabilities that follow from them."""
    estimator._update_feature_log_prob(estimator._check_alpha())
    estimator._update_class_log_prior(class_prior=estimator.class_prior)
