"""What fitted transformers do to a block of rows, and what those that are linear make of second moments."""

from __future__ import annotations

from copy import copy
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

    def then(self, step: LinearStep) -> LinearStep | None:
        """Return this step and one behind it as one; None where there is no such."""
        if self.columns is not None or self.matrix is not None or step.columns is not None:
            return None
        factor = np.asarray(self.factor, dtype=np.float64)
        center = self.center + step.center / factor
        if step.matrix is None:
            return LinearStep(self.n_in, center, factor * step.factor)
        return LinearStep(self.n_in, center, matrix=np.reshape(factor, (-1, 1)) * step.matrix)

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


@dataclass
class FillingStep:
    """What an imputer does to a row: NaN is filled."""

    filling: np.ndarray

    def n_out(self, n: int) -> int:
        """Return the number of columns of the result."""
        return n

    def rows(self, X: Any) -> Any:
        """Return a block of rows of X as the transformer changes them."""
        return np.where(np.isnan(X), self.filling.astype(X.dtype), X) if X.dtype.kind == "f" else X


@dataclass
class RowStep:
    """What another transformer does to a row, whose own `transform` each block goes through."""

    transformer: Any
    n_columns: int

    def n_out(self, n: int) -> int:
        """Return the number of columns of the result."""
        return self.n_columns

    def rows(self, X: Any) -> Any:
        """Return a block of rows of X as the transformer changes them."""
        return self.transformer.transform(X)


Step = LinearStep | FillingStep | RowStep


def merged(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return steps with linear ones behind each other as one, which reads a block once."""
    kept: list[Step] = []
    for step in steps:
        both = (
            kept[-1].then(step) if kept and isinstance(kept[-1], LinearStep) and isinstance(step, LinearStep) else None
        )
        if both is not None:
            kept.pop()
        kept.append(step if both is None else both)
    return tuple(kept)


def step_of(fitted: Any) -> Step:
    """Return what a fitted transformer of dense rows does to a row."""
    light = light_step(fitted)
    if light is not None:
        return light
    plain = copy(fitted)
    if hasattr(plain, "feature_names_in_"):  # blocks have no names
        del plain.feature_names_in_
    one_row = plain.transform(np.zeros((1, fitted.n_features_in_)))
    return RowStep(plain, one_row.shape[1])


def light_step(fitted: Any) -> LinearStep | FillingStep | None:
    """Return what a fitted transformer does to a row, where that takes little time."""
    if type(fitted).__name__ != "SimpleImputer":
        return linear_step(fitted)
    gap, filling = fitted.missing_values, fitted.statistics_
    if fitted.add_indicator or not isinstance(gap, float) or gap == gap:
        return None
    try:
        filling = filling.astype(np.float64)
    except (TypeError, ValueError):  # text
        return None
    # scikit-learn leaves out columns without a value, and warns of them
    return None if np.isnan(filling).any() else FillingStep(filling)


def linear_step(fitted: Any) -> LinearStep | None:
    """Return what a fitted transformer does to a row, where that is linear."""
    name, d = type(fitted).__name__, getattr(fitted, "n_features_in_", 0)
    if name == "StandardScaler":
        center = fitted.mean_ if fitted.with_mean else 0.0
        return LinearStep(d, center, np.ones(d) if fitted.scale_ is None else 1 / fitted.scale_)
    if name == "RobustScaler":
        center = fitted.center_ if fitted.with_centering else 0.0
        return LinearStep(d, center, 1 / fitted.scale_ if fitted.with_scaling else np.ones(d))
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
