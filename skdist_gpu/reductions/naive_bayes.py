"""Naive Bayes classifiers from sums over the rows of each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.reductions.class_moments import ClassMoments, ClassReduction
from skdist_gpu.reductions.columns import ColumnReduction, Together, check_finite, total
from skdist_gpu.reductions.protocol import Passes


def fit_gaussian_nb(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``GaussianNB`` in place.

    Parameters
    ----------
    estimator : GaussianNB
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for priors that are none.
    """
    assert data.classes is not None
    n_classes = len(data.classes)
    priors = (
        None if estimator.priors is None else _check_priors(np.asarray(estimator.priors, dtype=np.float64), n_classes)
    )
    moments, columns = total(data, Together(ClassReduction(n_classes, "columns"), _UnweightedColumns()))
    check_finite(moments.scatter, data)
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    variance = _variance_over_all(moments) if columns is None else columns.variance
    estimator.classes_ = data.classes
    estimator.epsilon_ = dtype(estimator.var_smoothing * variance.max())
    estimator.theta_ = moments.mean.astype(dtype)
    with np.errstate(invalid="ignore"):
        spread = np.maximum(moments.scatter, 0.0) / np.where(moments.weight > 0, moments.weight, 1.0)[:, None]
    estimator.var_ = (spread + estimator.epsilon_).astype(dtype)
    estimator.class_count_ = moments.weight.astype(dtype)
    found = moments.weight / moments.weight.sum()
    estimator.class_prior_ = (found if priors is None else priors).astype(dtype)


class _UnweightedColumns(ColumnReduction):
    """The moments that scikit-learn smooths with, which know no weights; None without weights."""

    def __init__(self) -> None:
        super().__init__(weighted=False)

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the moments of a block."""
        return None if sample_weight is None else super().map(X, y, sample_weight)

    def combine(self, a: Any, b: Any) -> Any:
        """Merge two sets of rows."""
        return None if a is None else super().combine(a, b)


def _variance_over_all(moments: ClassMoments) -> np.ndarray:
    """Return the population variance of each column over the rows of all classes."""
    n_rows = moments.weight.sum()
    mean = moments.weight @ moments.mean / n_rows
    return (moments.scatter.sum(axis=0) + moments.weight @ (moments.mean - mean) ** 2) / n_rows


def _check_priors(priors: np.ndarray, n_classes: int) -> np.ndarray:
    if len(priors) != n_classes:
        raise ValueError("Number of priors must match number of classes.")
    if not np.isclose(priors.sum(), 1.0):
        raise ValueError("The sum of the priors should be 1.")
    if np.any(priors < 0):
        raise ValueError("Priors must be non-negative.")
    return priors
