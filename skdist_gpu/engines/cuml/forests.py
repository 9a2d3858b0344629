"""Forests of cuML, brought home as scikit-learn's own trees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from skdist_gpu._compat.cuml import rows_of_forest
from skdist_gpu._compat.sklearn_learned import give_trees, make_tree, remember_rows
from skdist_gpu.data.convert import to_host
from skdist_gpu.engines.cuml.rebuild import fit_twin
from skdist_gpu.engines.trees import inner_levels

# field of a node of scikit-learn's trees -> the one of Treelite's that means the same
_FIELDS = {
    "left_child": "cleft",
    "right_child": "cright",
    "feature": "split_index",
    "threshold": "threshold",
    "missing_go_to_left": "default_left",
}
# nodes that are worth a thread, and threads beyond which they wait for the interpreter
NODES_OF_A_THREAD, MOST_THREADS = 500_000, 7
_OUT_OF_BAG = ("oob_score_", "oob_decision_function_", "oob_prediction_")


def fit_forest(estimator: Any, values: Any, y: Any, sample_weight: Any) -> Any:
    """Fit a scikit-learn random forest in place, and return cuML's.

    cuML's own conversion goes from node to node in Python: it took as long as to grow 50 trees of 170 000 nodes.
    """
    model = fit_twin(estimator, values, y, sample_weight)
    classes = to_host(model.classes_) if hasattr(model, "classes_") else None
    give_trees(estimator, plain_trees(model.as_treelite()), values.shape[1], classes)
    remember_rows(estimator, *rows_of_forest(model))
    for name in _OUT_OF_BAG:
        if hasattr(model, name):
            setattr(estimator, name, to_host(getattr(model, name)))
    return model


def plain_trees(forest: Any) -> list[Any]:
    """Return the trees of a random forest in Treelite's format in scikit-learn's arrays, many of them side by side."""
    header = forest.get_header_accessor()
    n_trees, n_features, n_classes = (int(header.get_field(f"num_{name}")[0]) for name in ("tree", "feature", "class"))

    def convert(number: int) -> Any:
        field = forest.get_tree_accessor(number).get_field
        values = np.zeros((int(field("num_nodes")[0]), 1, n_classes))
        if n_classes == 1:
            values[:, 0, 0] = field("leaf_value")
        else:
            starts = field("leaf_vector_begin").astype(np.intp)
            leaves = field("leaf_vector_end") > starts
            values[leaves, 0] = field("leaf_vector")[starts[leaves, None] + np.arange(n_classes)]
        fields = {name: field(other) for name, other in _FIELDS.items()}
        # Treelite's own depths are too small for deep trees, and scikit-learn's decision_path writes beyond its memory
        depth = len(inner_levels(fields["left_child"], fields["right_child"]))
        return make_tree(n_features, n_classes, depth, fields, values)

    # small trees are done before threads have started
    n_nodes = sum(int(forest.get_tree_accessor(number).get_field("num_nodes")[0]) for number in range(n_trees))
    with ThreadPoolExecutor(1 + min(MOST_THREADS, n_nodes // NODES_OF_A_THREAD)) as pool:
        return list(pool.map(convert, range(n_trees)))
