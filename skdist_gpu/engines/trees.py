"""What engines share that grow trees, or bring them home."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import joblib
import numpy as np

from skdist_gpu.hardware.threads import free_cores

# their trees have random numbers of their own, drawn before, so that threads change nothing
GROWN_APART = {"RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"}


def grown_on_all_cores(estimator: Any) -> AbstractContextManager:
    """Return a context in which scikit-learn grows a forest on all cores, unless someone has said on how many.

    The trees are the same. An estimator that prints how it gets on, and of whose jobs, does so as before.
    """
    if type(estimator).__name__ not in GROWN_APART or estimator.n_jobs is not None or estimator.verbose:
        return nullcontext()
    n_cores = free_cores()
    return joblib.parallel_config("threading", n_jobs=n_cores) if n_cores > 1 else nullcontext()


def inner_levels(left: np.ndarray, right: np.ndarray) -> list[np.ndarray]:
    """Return the inner nodes of each level of a tree, the root first; as many levels as the tree is deep.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,)
        The children of each node; negative for a leaf.

    Examples
    --------
    >>> [nodes.tolist() for nodes in inner_levels(np.array([1, -1, 3, -1, -1]), np.array([2, -1, 4, -1, -1]))]
    [[0], [2]]
    """
    found, level = [], np.zeros(1, dtype=np.intp)
    while len(inner := level[left[level] >= 0]):
        found.append(inner)
        level = np.concatenate([left[inner], right[inner]])
    return found
