"""SelectKBest and SelectPercentile: the scores of the columns from sums over the rows.

Sources: Heiman, "Research Methods in Statistics", 2002, pp. 394-397 (analysis of variance);
Fisher's z and the F test of a correlation in any text on linear regression.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from skdist_gpu._compat.sklearn import check_selection
from skdist_gpu.engines.reductions.classes.class_moments import class_moments
from skdist_gpu.engines.reductions.classes.naive_bayes import ClassCountReduction
from skdist_gpu.engines.reductions.columns.columns import check_finite, column_pilot, total
from skdist_gpu.engines.reductions.core.moments import NOISE
from skdist_gpu.engines.reductions.core.protocol import Passes, column_sums, dot, namespace
from skdist_gpu.engines.reductions.entries import SPARSE_BLOCKS, everywhere


def fit_univariate_selection(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``SelectKBest`` or ``SelectPercentile`` in place.

    Parameters
    ----------
    estimator : SelectKBest or SelectPercentile
        Unfitted, with one of scikit-learn's own score functions.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for values below zero with ``chi2``.
    """
    check_selection(estimator, np.empty((0, data.n_features)))
    scores, pvalues = _SCORES[estimator.score_func.__name__](data)
    estimator.scores_, estimator.pvalues_ = scores, pvalues


@dataclass
class Correlations:
    """Centred products of each column with itself and with the target."""

    n_rows: int
    mean: Any
    target_mean: Any
    squares: Any
    products: Any
    target_squares: Any


class CorrelationReduction:
    """Reduce rows to :class:`Correlations`, merged as Chan, Golub & LeVeque do (COMPSTAT 1982)."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Correlations:
        """Return the products of a block."""
        xp = namespace(X)
        n_rows, y = X.shape[0], y.astype(np.float64)
        pilot = column_pilot(X)
        table = xp.subtract(X, pilot, dtype=np.float64)
        target_mean = y.mean()
        target = y - target_mean
        shift = column_sums(table) / n_rows
        products = dot(target, table)
        squares = column_sums(xp.multiply(table, table, out=table)) - n_rows * shift**2
        return Correlations(n_rows, pilot + shift, target_mean, squares, products, dot(target, target))

    def combine(self, a: Correlations, b: Correlations) -> Correlations:
        """Merge two sets of rows."""
        n_rows = a.n_rows + b.n_rows
        share = b.n_rows / n_rows
        delta, target_delta = b.mean - a.mean, b.target_mean - a.target_mean
        between = a.n_rows * share
        return Correlations(
            n_rows,
            a.mean + delta * share,
            a.target_mean + target_delta * share,
            a.squares + b.squares + between * delta**2,
            a.products + b.products + between * target_delta * delta,
            a.target_squares + b.target_squares + between * target_delta**2,
        )


def _r_regression(data: Passes) -> tuple[np.ndarray, None]:
    return _correlations(data)[0], None


def _f_regression(data: Passes) -> tuple[np.ndarray, np.ndarray]:
    correlation, n_rows = _correlations(data)
    squared, freedom = correlation**2, n_rows - 2
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = squared / (1 - squared) * freedom
        pvalues = special.fdtrc(1, freedom, scores)
    pvalues[np.isinf(scores)] = 0.0
    scores[np.isinf(scores)] = np.finfo(np.float64).max
    pvalues[np.isnan(scores)], scores[np.isnan(scores)] = 1.0, 0.0
    return scores, pvalues


def _f_classif(data: Passes) -> tuple[np.ndarray, np.ndarray]:
    moments = class_moments(data, "columns")
    n_classes, n_rows = len(moments.weight), moments.weight.sum()
    mean = moments.weight @ moments.mean / n_rows
    between = _clear(moments.weight @ (moments.mean - mean) ** 2, mean, n_rows) / (n_classes - 1)
    within = _clear(moments.scatter.sum(axis=0), mean, n_rows) / (n_rows - n_classes)
    constant = np.where(within == 0.0)[0]
    if np.any(between == 0) and constant.size:
        warnings.warn(f"Features {constant} are constant.", UserWarning, stacklevel=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = between / within
    return scores, special.fdtrc(n_classes - 1, n_rows - n_classes, scores)


def _chi2(data: Passes) -> tuple[np.ndarray, np.ndarray]:
    assert data.classes is not None
    sums = total(data, ClassCountReduction(len(data.classes)))
    check_finite(sums.farthest, data)
    if sums.smallest < 0:
        raise ValueError("Input X must be non-negative.")
    expected = np.outer(sums.weight / sums.weight.sum(), sums.counts.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = ((sums.counts - expected) ** 2 / expected).sum(axis=0)
    return scores, special.chdtrc(len(data.classes) - 1, scores)


def _correlations(data: Passes) -> tuple[np.ndarray, int]:
    """Return the correlation of each column with the target, 0 for constant ones, and the number of rows."""
    sums = total(data, CorrelationReduction())
    check_finite(np.append(sums.squares, sums.target_squares), data)
    squares = _clear(sums.squares, sums.mean, sums.n_rows)
    target_squares = _clear(sums.target_squares, sums.target_mean, sums.n_rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = sums.products / np.sqrt(squares * target_squares)
    correlation[(squares == 0) | (target_squares == 0)] = 0.0
    return np.clip(correlation, -1.0, 1.0), sums.n_rows


def _clear(squares: np.ndarray, mean: np.ndarray, n_rows: float) -> np.ndarray:
    """Return sums of squares with 0 for those that are rounding noise of constant columns."""
    return np.where(squares <= n_rows * (mean * NOISE) ** 2, 0.0, squares)


_SCORES = {"r_regression": _r_regression, "f_regression": _f_regression, "f_classif": _f_classif, "chi2": _chi2}


def _known_score(function: Any) -> bool:
    """Whether a score function is one of scikit-learn's that are sums over rows."""
    names = ("f_classif", "f_regression", "r_regression", "chi2")
    return getattr(function, "__module__", "").startswith("sklearn.feature_selection") and function.__name__ in names


_OPTIONS: dict[str, Any] = {"accepts": {"score_func": _known_score}, "multi_target": False, **SPARSE_BLOCKS}
ENTRIES = (
    *everywhere("SelectKBest", fit_univariate_selection, **_OPTIONS),
    *everywhere("SelectPercentile", fit_univariate_selection, **_OPTIONS),
)
