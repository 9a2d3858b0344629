"""Naive Bayes classifiers from sums over the rows of each class.

Sources: Zhang, "The Optimality of Naive Bayes", FLAIRS 2004; Manning, Raghavan & Schütze,
"Introduction to Information Retrieval", Cambridge 2008, chapter 13; Rennie et al., "Tackling the
Poor Assumptions of Naive Bayes Text Classifiers", ICML 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.multiclass import unique_labels

from skdist_gpu._compat.sklearn import number_of_categories
from skdist_gpu._compat.sklearn_learned import smooth_counts
from skdist_gpu.engines.reductions.classes.class_moments import ClassMoments, ClassReduction, class_sums
from skdist_gpu.engines.reductions.columns.columns import ColumnReduction, Together, check_finite, over_rows, total
from skdist_gpu.engines.reductions.core.moments import check_weight
from skdist_gpu.engines.reductions.core.protocol import Passes, namespace
from skdist_gpu.engines.reductions.entries import everywhere


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
    check_weight(moments.weight.sum())
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    variance = _variance_over_all(moments) if columns is None else columns.variance
    estimator.classes_ = unique_labels(data.classes)
    estimator.epsilon_ = dtype(estimator.var_smoothing * variance.max())
    estimator.theta_ = np.where(moments.weight[:, None] > 0, moments.mean, 0.0).astype(dtype)
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


@dataclass
class ClassCounts:
    """Sums over the rows of each class.

    Attributes
    ----------
    weight : ndarray of shape (n_classes,)
        Sum of the weights.
    counts : ndarray of shape (n_classes, n_columns)
        Weighted sum of the columns.
    smallest, largest : float
        Of all values; one of them is not finite if a value is not.
    """

    weight: Any
    counts: Any
    smallest: Any
    largest: Any

    @property
    def farthest(self) -> Any:
        """The largest absolute value."""
        return np.maximum(-self.smallest, self.largest)


class ClassCountReduction:
    """Reduce rows to :class:`ClassCounts`, of the values or of whether they exceed a threshold."""

    def __init__(self, n_classes: int, threshold: float | None = None) -> None:
        self.n_classes, self.threshold = n_classes, threshold

    def map(self, X: Any, y: Any, sample_weight: Any) -> ClassCounts:
        """Return the sums of a block."""
        xp = namespace(X)
        table = (X if self.threshold is None else self.threshold < X).astype(np.float64)
        weight = class_sums(xp.ones((X.shape[0], 1)), y, self.n_classes, sample_weight)[:, 0]
        counts = class_sums(table, y, self.n_classes, sample_weight)
        return ClassCounts(weight, counts, X.min(), X.max())

    def combine(self, a: ClassCounts, b: ClassCounts) -> ClassCounts:
        """Add the sums."""
        xp = namespace(a.counts)
        ends = xp.minimum(a.smallest, b.smallest), xp.maximum(a.largest, b.largest)
        return ClassCounts(a.weight + b.weight, a.counts + b.counts, *ends)


def fit_multinomial_nb(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``MultinomialNB`` in place.

    Parameters
    ----------
    estimator : MultinomialNB
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for values below zero or priors that are none.
    """
    sums = _count(estimator, data)
    _check_not_negative(estimator, sums.smallest)
    smooth_counts(estimator)


def fit_complement_nb(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``ComplementNB`` in place; parameters as in :func:`fit_multinomial_nb`."""
    sums = _count(estimator, data)
    _check_not_negative(estimator, sums.smallest)
    estimator.feature_all_ = sums.counts.sum(axis=0)
    smooth_counts(estimator)


def fit_bernoulli_nb(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``BernoulliNB`` in place; parameters as in :func:`fit_multinomial_nb`."""
    _count(estimator, data, estimator.binarize)
    smooth_counts(estimator)


class CategoryReduction:
    """Count, by class, how often each code 0, 1, 2 … occurs in each column.

    The counts are a list of arrays of shape (n_classes, n_codes), and None where a value is no code.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    def map(self, X: Any, y: Any, sample_weight: Any) -> ClassCounts:
        """Return the counts of a block."""
        xp = namespace(X)
        weight = class_sums(xp.ones((X.shape[0], 1)), y, self.n_classes, sample_weight)[:, 0]
        smallest, largest = X.min(), X.max()
        if not (smallest > -1 and xp.isfinite(largest)):
            return ClassCounts(weight, None, smallest, largest)
        counts = []
        for column, highest in zip(X.T, over_rows(partial(xp.max, axis=0), X).tolist(), strict=True):
            width = int(highest) + 1
            pairs = xp.bincount(y * width + column.astype(np.intp), sample_weight, minlength=self.n_classes * width)
            counts.append(pairs.reshape(self.n_classes, width).astype(np.float64))
        return ClassCounts(weight, counts, smallest, largest)

    def combine(self, a: ClassCounts, b: ClassCounts) -> ClassCounts:
        """Add the counts."""
        xp = namespace(a.weight)
        counts = None
        if a.counts is not None and b.counts is not None:
            counts = [_add_columns(left, right) for left, right in zip(a.counts, b.counts, strict=True)]
        ends = xp.minimum(a.smallest, b.smallest), xp.maximum(a.largest, b.largest)
        return ClassCounts(a.weight + b.weight, counts, *ends)


def fit_categorical_nb(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``CategoricalNB`` in place; parameters as in :func:`fit_multinomial_nb`."""
    assert data.classes is not None
    sums = total(data, CategoryReduction(len(data.classes)))
    check_finite(sums.farthest, data)
    check_weight(sums.weight.sum())
    _check_not_negative(estimator, np.trunc(sums.smallest))
    highest = np.array([counts.shape[1] - 1 for counts in sums.counts])
    estimator.classes_, estimator.class_count_ = unique_labels(data.classes), sums.weight
    estimator.n_categories_ = number_of_categories(estimator, highest)
    empty = [np.zeros((len(data.classes), n)) for n in estimator.n_categories_]
    estimator.category_count_ = [_add_columns(*each) for each in zip(sums.counts, empty, strict=True)]
    smooth_counts(estimator)


def _count(estimator: Any, data: Passes, threshold: float | None = None) -> ClassCounts:
    """Set classes and counts."""
    assert data.classes is not None
    sums = total(data, ClassCountReduction(len(data.classes), threshold))
    check_finite(sums.farthest, data)
    check_weight(sums.weight.sum())
    estimator.classes_ = unique_labels(data.classes)
    estimator.class_count_, estimator.feature_count_ = sums.weight, sums.counts
    return sums


def _check_not_negative(estimator: Any, smallest: float) -> None:
    if smallest < 0:
        raise ValueError(f"Negative values in data passed to {type(estimator).__name__} (input X).")


def _add_columns(a: Any, b: Any) -> Any:
    """Add two tables of which one may have more columns."""
    wide, narrow = (a, b) if a.shape[1] >= b.shape[1] else (b, a)
    added = wide.copy()
    added[:, : narrow.shape[1]] += narrow
    return added


ENTRIES = (
    *everywhere("GaussianNB", fit_gaussian_nb, sparse=(), multi_target=False),
    *everywhere("MultinomialNB", fit_multinomial_nb, sparse=("dask",), multi_target=False),
    *everywhere("ComplementNB", fit_complement_nb, sparse=("dask",), multi_target=False),
    *everywhere("BernoulliNB", fit_bernoulli_nb, sparse=("dask",), multi_target=False),
    *everywhere("CategoricalNB", fit_categorical_nb, sparse=(), multi_target=False),
)
