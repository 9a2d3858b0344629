"""Turn class labels into codes 0 … n-1, and say which classes there are."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from skdist_gpu.data.convert import to_host
from skdist_gpu.data.kinds import GPU, container_of

BLOCK = 2**18


def encode(y: Any) -> tuple[np.ndarray, Any]:
    """Return the sorted classes on the host, and the codes 0 … n-1 of the labels, where `y` is."""
    if container_of(y) in GPU and y.dtype.kind in "iufb":
        import cupy

        values = getattr(y, "values", y)
        classes, codes = cupy.unique(values, return_inverse=True)
        # each twice: labels that all differ look like a regression to scikit-learn
        check_classification_targets(np.repeat(classes.get(), 2))
        return classes.get(), codes.reshape(values.shape)
    y = np.asarray(to_host(y))
    check_classification_targets(y)
    # block by block: to sort all labels at once would take several copies of them
    blocks = [np.unique(y[start : start + BLOCK]) for start in range(0, len(y), BLOCK)]
    classes = np.unique(np.concatenate(blocks))
    return classes, np.searchsorted(classes, y)


def codes_of(y: Any, classes: np.ndarray) -> np.ndarray:
    """Return the codes of labels that `encode` has seen.

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    y = np.asarray(to_host(y))
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unseen = y[classes[codes] != y]
    if len(unseen):
        raise ValueError(
            f"there are labels {np.unique(unseen)[:8].tolist()} that y does not have; its classes are "
            f"{classes[:8].tolist()}. Nothing was fitted. Leave these rows out, from eval_set for example."
        )
    return codes
