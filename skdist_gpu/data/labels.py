"""Turn class labels into codes 0 … n-1, and say which classes there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from skdist_gpu.data.containers import GPU, container_of, find
from skdist_gpu.data.convert import place_like, to_host

BLOCK = 2**18
# labels between so many whole numbers are looked up, others sorted
MOST_NUMBERS = 2**20


def encode(y: Any) -> tuple[np.ndarray, Any]:
    """Return the sorted classes on the host, and the codes 0 … n-1 of the labels, where `y` is."""
    from sklearn.utils.multiclass import check_classification_targets  # takes time to import

    if container_of(y) in GPU and y.dtype.kind in "iufb":
        import cupy

        values = cupy.asarray(getattr(y, "values", y))
        if (found := _encode_range(values, cupy)) is not None:
            return found
        classes, codes = cupy.unique(values, return_inverse=True)
        # each twice: labels that all differ look like a regression to scikit-learn
        check_classification_targets(np.repeat(classes.get(), 2))
        return classes.get(), codes.reshape(values.shape)
    y = np.asarray(to_host(y))
    if (found := _encode_range(y, np)) is not None:
        return found
    check_classification_targets(y)
    # block by block: to sort all labels at once would take several copies of them
    blocks = [np.unique(y[start : start + BLOCK]) for start in range(0, len(y), BLOCK)]
    classes = np.unique(np.concatenate(blocks))
    return classes, np.searchsorted(classes, y)


def _encode_range(values: Any, xp: Any) -> tuple[np.ndarray, Any] | None:
    """Return classes, on the host, and codes of whole numbers that lie close together, without sorting them."""
    if values.dtype.kind not in "iu" or values.ndim != 1 or not values.size:
        return None
    low, high = _ends(values, xp)
    if high - low >= MOST_NUMBERS or high > np.iinfo(np.intp).max:
        return None
    offsets = values.astype(np.intp, copy=False)
    offsets = offsets - low if low else offsets
    if high - low < 2:
        # both ends are there
        return np.array(sorted({low, high}), values.dtype), offsets
    present = xp.zeros(high - low + 1, dtype=bool)
    present[offsets] = True
    present = to_host(present)
    classes = (np.flatnonzero(present) + low).astype(values.dtype)
    return classes, offsets if len(classes) == len(present) else xp.asarray(np.cumsum(present) - 1)[offsets]


def _ends(values: Any, xp: Any) -> tuple[int, int]:
    """Return the smallest and the largest of whole numbers, with one copy from a GPU, each of which waits for it."""
    low, high = map(int, to_host(xp.stack([values.min(), values.max()])))
    return low, high


def _are_consecutive(classes: np.ndarray) -> bool:
    """Whether classes are whole numbers without a gap, whose codes are their distances from the first."""
    if classes.dtype.kind not in "iub":
        return False
    low, high = int(classes[0]), int(classes[-1])
    return high - low == len(classes) - 1 and high <= np.iinfo(np.intp).max


def labels_in(y: Any) -> np.ndarray:
    """Return the sorted labels of a block, on the host.

    Raises
    ------
    ValueError
        scikit-learn's own, if a label is missing.
    """
    if container_of(y) == "cupy" and y.dtype.kind in "iu":
        import cupy

        if (found := _encode_range(y, cupy)) is not None:
            return found[0]
    y = np.asarray(to_host(y))
    if y.dtype == object and pd.isna(y).any():
        raise ValueError("Input contains NaN")
    found = _encode_range(y, np)
    return np.unique(y) if found is None else found[0]


def classes_in(blocks: Iterable[Any]) -> np.ndarray:
    """Return the sorted classes of all blocks of labels, on the host.

    Raises
    ------
    ValueError
        scikit-learn's own, for what are no classes.
    """
    from sklearn.utils.multiclass import check_classification_targets  # takes time to import

    classes = np.array([])
    for block in blocks:
        found = labels_in(block)
        if found.dtype == object:  # text, or what scikit-learn knows no type for
            check_classification_targets(found)
        if len(found):  # an empty block may have any dtype
            classes = np.union1d(classes, found) if len(classes) else found
    # each twice: labels that all differ look like a regression to scikit-learn
    check_classification_targets(np.repeat(classes, 2))
    return classes


def codes_of(y: Any, classes: np.ndarray) -> np.ndarray:
    """Return the codes of labels that `encode` has seen.

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    y = np.asarray(to_host(y))
    alike = y.dtype == classes.dtype and y.size and _are_consecutive(classes)
    if alike and classes[0] <= y.min() <= y.max() <= classes[-1]:
        return np.asarray(y.astype(np.intp) - int(classes[0]))
    codes: np.ndarray = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    unseen = y[classes[codes] != y]
    if len(unseen):
        raise ValueError(
            f"there are labels {np.unique(unseen)[:8].tolist()} that y does not have; its classes are "
            f"{classes[:8].tolist()}. Nothing was fitted. Leave these rows out, from eval_set for example."
        )
    return codes


def codes_beside(X: Any, y: Any, classes: np.ndarray) -> Any:
    """Return the codes of labels where `X` is. Whole numbers on a GPU do not leave it: each pass needs them.

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    if container_of(X) in GPU and container_of(y) in GPU and y.dtype.kind in "iu" and len(y):
        values = find(y).numbers(y)
        if values.dtype == classes.dtype and _are_consecutive(classes):
            import cupy

            low, high = _ends(values, cupy)
            if classes[0] <= low and high <= classes[-1]:
                codes = values.astype(np.intp, copy=False)
                return codes - int(classes[0]) if classes[0] else codes
    return place_like(codes_of(y, classes), X)
