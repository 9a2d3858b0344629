"""What engines that bring trees home share."""

from __future__ import annotations

import numpy as np


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
