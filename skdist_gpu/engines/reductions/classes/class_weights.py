"""The weights that classifiers give to classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from skdist_gpu.engines.reductions.core.protocol import Passes, namespace
from skdist_gpu.engines.reductions.core.sample import Overview


def check_classes(data: Passes) -> np.ndarray:
    """Return the classes.

    Raises
    ------
    ValueError
        scikit-learn's own, if there is one class only.
    """
    assert data.classes is not None
    if len(data.classes) < 2:
        raise ValueError(
            "This solver needs samples of at least 2 classes in the data, but the data contains only one"
            f" class: {data.classes[0]!r}"
        )
    return data.classes


def class_weights(class_weight: Any, classes: np.ndarray, view: Overview) -> np.ndarray | None:
    """Return the weight of each class; None where all are one."""
    if class_weight is None:
        return None
    return compute_class_weight(class_weight, classes=classes, y=classes, sample_weight=view.class_weight)


def weights_of_rows(class_weight: np.ndarray | None, y: Any, sample_weight: Any) -> Any:
    """Return the product of the weights of each row and its class; None where all are one."""
    if class_weight is None:
        return sample_weight
    weight = namespace(y).asarray(class_weight)[y]
    return weight if sample_weight is None else weight * sample_weight
