"""Transformers whose result is linear in a row, and what they make of second moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.columns.columns import ColumnMoments, ColumnReduction
from skdist_gpu.engines.reductions.columns.selection import CorrelationReduction, Correlations
from skdist_gpu.engines.reductions.core.moments import Moments, MomentsReduction
from skdist_gpu.engines.reductions.core.protocol import dot, namespace


@dataclass
class LinearStep:
    """What a transformer does to a row: (row - center)[columns] * factor, or times a matrix."""

    n_in: int
    center: Any = 0.0
    factor: Any = 1.0
    columns: np.ndarray | None = None
    matrix: np.ndarray | None = None

    def n_out(self, n: int) -> int:
        """Return the number of columns of the result."""
        if self.columns is not None:
            return len(self.columns)
        return n if self.matrix is None else self.matrix.shape[1]

    def rows(self, X: Any) -> Any:
        """Return a block of rows of X, on the host or on a GPU, as the transformer changes them."""
        xp = namespace(X)
        if self.columns is not None:
            return X[:, xp.asarray(self.columns)]
        rows = xp.subtract(X, xp.asarray(self.center), dtype=np.float64)
        if self.matrix is not None:
            return dot(rows, xp.asarray(self.matrix))
        return xp.multiply(rows, xp.asarray(self.factor), out=rows)

    def moments(self, moments: Moments) -> Moments:
        """Return the moments of [X y] with each row of X transformed; what is y stands behind the columns of X."""
        d = self.n_in
        if self.columns is not None:
            kept = np.append(self.columns, np.arange(d, len(moments.mean)))
            return Moments(moments.n_rows, moments.weight, moments.mean[kept], moments.scatter[np.ix_(kept, kept)])
        n_targets = len(moments.mean) - d
        mean = moments.mean.copy()
        mean[:d] -= self.center
        if self.matrix is None:
            factor = np.append(self.factor, np.ones(n_targets))
            return Moments(moments.n_rows, moments.weight, mean * factor, moments.scatter * factor[:, None] * factor)
        matrix = np.zeros((len(mean), self.matrix.shape[1] + n_targets))
        matrix[:d, : self.matrix.shape[1]] = self.matrix
        matrix[np.arange(d, len(mean)), np.arange(self.matrix.shape[1], matrix.shape[1])] = 1.0
        return Moments(moments.n_rows, moments.weight, mean @ matrix, matrix.T @ moments.scatter @ matrix)


def linear_step(fitted: Any) -> LinearStep | None:
    """Return what a fitted transformer does to a row, where that is linear."""
    name, d = type(fitted).__name__, fitted.n_features_in_
    if name == "StandardScaler":
        center = fitted.mean_ if fitted.with_mean else 0.0
        return LinearStep(d, center, np.ones(d) if fitted.scale_ is None else 1 / fitted.scale_)
    if name == "MaxAbsScaler" and not getattr(fitted, "clip", False):
        return LinearStep(d, 0.0, 1 / fitted.scale_)
    if name == "MinMaxScaler" and not fitted.clip:
        return LinearStep(d, -fitted.min_ / fitted.scale_, fitted.scale_)
    if name in ("PCA", "IncrementalPCA"):
        scale = np.sqrt(fitted.explained_variance_) if fitted.whiten else 1.0
        smallest = np.finfo(np.float64).eps
        matrix = (fitted.components_ / np.reshape(np.maximum(scale, smallest), (-1, 1))).T
        return LinearStep(d, fitted.mean_.astype(np.float64), matrix=matrix.astype(np.float64))
    if name == "TruncatedSVD":
        return LinearStep(d, 0.0, matrix=fitted.components_.T.astype(np.float64))
    if name in ("VarianceThreshold", "SelectKBest", "SelectPercentile", "SelectFromModel", "RFE", "SelectFpr"):
        return LinearStep(d, columns=fitted.get_support(indices=True))
    return None


def follows_from_moments(reduction: Any) -> bool:
    """Whether the total of a reduction is part of the second moments."""
    return type(reduction) in (MomentsReduction, ColumnReduction, CorrelationReduction)


def total_from(moments: Moments, reduction: Any, n_features: int, with_target: bool) -> Any:
    """Return the total of such a reduction over the `n_features` columns of X, with the target's behind them or not.

    What is returned shares no memory with the moments, since whoever asked may change it.
    """
    d, mean, diagonal = n_features, moments.mean, np.diag(moments.scatter)
    if type(reduction) is ColumnReduction:
        return ColumnMoments(moments.n_rows, np.full(d, float(moments.weight)), mean[:d].copy(), diagonal[:d].copy())
    if type(reduction) is CorrelationReduction:
        products = moments.scatter[d, :d].copy()
        return Correlations(moments.n_rows, mean[:d].copy(), mean[d], diagonal[:d].copy(), products, diagonal[d])
    n = len(mean) if with_target else d
    return Moments(moments.n_rows, moments.weight, mean[:n].copy(), moments.scatter[:n, :n].copy())
