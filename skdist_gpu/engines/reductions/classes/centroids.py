"""NearestCentroid from the means of the classes.

Source: Tibshirani, Hastie, Narasimhan & Chu, "Diagnosis of multiple cancer types by shrunken
centroids of gene expression", PNAS 99, 2002.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.classes.class_moments import ClassReduction
from skdist_gpu.engines.reductions.columns.columns import ExtremaReduction, Together, check_finite, total
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.entries import everywhere


def fit_nearest_centroid(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``NearestCentroid`` with ``metric="euclidean"`` in place.

    Parameters
    ----------
    estimator : NearestCentroid
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for a single class, constant data or priors that are none.
    """
    assert data.classes is not None
    n_classes = len(data.classes)
    if n_classes < 2:
        raise ValueError(f"The number of classes has to be greater than one; got {n_classes} class")
    moments, found = total(data, Together(ClassReduction(n_classes, "columns"), ExtremaReduction()))
    check_finite(moments.scatter, data)
    counts, n_rows = moments.weight, moments.weight.sum()
    estimator.classes_ = data.classes
    estimator.class_prior_ = _priors(estimator, counts / n_rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        variances = np.maximum(moments.scatter.sum(axis=0), 0.0) / (n_rows - n_classes)
    estimator.within_class_std_dev_ = np.sqrt(variances)
    if np.any(estimator.within_class_std_dev_ == 0):
        warnings.warn(
            "self.within_class_std_dev_ has at least 1 zero standard deviation."
            "Inputs within the same classes for at least 1 feature are identical.",
            stacklevel=2,
        )
    if np.all(found.low == found.high):
        raise ValueError("All features have zero variance. Division by zero.")

    center = counts @ moments.mean / n_rows
    spread = estimator.within_class_std_dev_ + np.median(estimator.within_class_std_dev_)
    scale = np.sqrt(1 / counts - 1 / n_rows)[:, None] * spread
    with np.errstate(divide="ignore", invalid="ignore"):
        estimator.deviations_ = (moments.mean - center) / scale
    estimator.centroids_ = moments.mean
    if estimator.shrink_threshold:
        sizes = np.maximum(np.abs(estimator.deviations_) - estimator.shrink_threshold, 0.0)
        estimator.deviations_ = np.sign(estimator.deviations_) * sizes
        estimator.centroids_ = center + scale * estimator.deviations_


def _priors(estimator: Any, shares: np.ndarray) -> np.ndarray:
    if isinstance(estimator.priors, str):
        return shares if estimator.priors == "empirical" else np.full(len(shares), 1 / len(shares))
    priors = np.asarray(estimator.priors)
    if np.any(priors < 0):
        raise ValueError("priors must be non-negative")
    if not np.isclose(priors.sum(), 1.0):
        text = "The priors do not sum to 1. Normalizing such that it sums to one."
        warnings.warn(text, UserWarning, stacklevel=2)
        priors = priors / priors.sum()
    return priors


ENTRIES = everywhere(
    "NearestCentroid", fit_nearest_centroid, accepts={"metric": ("euclidean",)}, multi_target=False, weights=False
)
