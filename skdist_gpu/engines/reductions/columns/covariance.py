"""Covariance estimators from the second moments of the columns.

Sources: Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
J. Multivariate Analysis 88, 2004; Chen, Wiesel, Eldar & Hero, "Shrinkage algorithms for MMSE
covariance estimation", IEEE Trans. Signal Processing 58, 2010 (OAS).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.covariance import shrunk_covariance

from skdist_gpu.engines.reductions.core.moments import finite_moments
from skdist_gpu.engines.reductions.core.protocol import Passes, namespace
from skdist_gpu.engines.reductions.entries import DENSE, everywhere


class SquaredNorms:
    """Sum, for each class, the squares of the rows' squared distances from their center.

    That is what the shrinkage of Ledoit and Wolf needs beside the covariance.

    Parameters
    ----------
    centers, scales : ndarray of shape (n_classes, n_columns)
        Each row is centered and divided by those of its class; one class without `y`.
    """

    def __init__(self, centers: np.ndarray, scales: np.ndarray) -> None:
        self.centers, self.scales = centers, scales

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the sums of a block, of shape (n_classes,)."""
        xp = namespace(X)
        n_classes = len(self.centers)
        codes = 0 if n_classes == 1 else y
        table = (X - xp.asarray(self.centers)[codes]) / xp.asarray(self.scales)[codes]
        fourth = xp.einsum("ij,ij->i", table, table) ** 2
        if n_classes == 1:
            return fourth.sum()[None]
        return xp.bincount(y, weights=fourth, minlength=n_classes)

    def combine(self, a: Any, b: Any) -> Any:
        """Add the sums."""
        return a + b


def fit_empirical_covariance(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``EmpiricalCovariance`` in place.

    Parameters
    ----------
    estimator : EmpiricalCovariance
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.
    """
    location, covariance, _ = _empirical(estimator, data)
    _keep(estimator, location, covariance, data)


def fit_shrunk_covariance(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``ShrunkCovariance`` in place; parameters as in :func:`fit_empirical_covariance`."""
    location, covariance, _ = _empirical(estimator, data)
    _keep(estimator, location, shrunk_covariance(covariance, estimator.shrinkage), data)


def fit_ledoit_wolf(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LedoitWolf`` in place, in two passes.

    Parameters
    ----------
    estimator : LedoitWolf
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.
    """
    location, covariance, n_rows = _empirical(estimator, data)
    fourth = data.reduce(SquaredNorms(location[None], np.ones((1, data.n_features))))[0]
    estimator.shrinkage_ = ledoit_wolf_shrinkage(covariance, fourth, n_rows)
    _keep(estimator, location, shrunk_covariance(covariance, estimator.shrinkage_), data)


def fit_oas(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``OAS`` in place; parameters as in :func:`fit_empirical_covariance`."""
    location, covariance, n_rows = _empirical(estimator, data)
    n_columns = data.n_features
    mean_square, mean_variance = np.mean(covariance**2), np.trace(covariance) / n_columns
    denominator = (n_rows + 1) * (mean_square - mean_variance**2 / n_columns)
    shrinkage = 1.0 if denominator == 0 else min((mean_square + mean_variance**2) / denominator, 1.0)
    estimator.shrinkage_ = 0.0 if n_columns == 1 else shrinkage
    _keep(estimator, location, shrunk_covariance(covariance, estimator.shrinkage_), data)


def ledoit_wolf_shrinkage(covariance: np.ndarray, fourth: float, n_rows: float) -> float:
    """Return the shrinkage of Ledoit and Wolf.

    Parameters
    ----------
    covariance : ndarray of shape (n_columns, n_columns)
        Empirical covariance of the centered rows.
    fourth : float
        Sum of the fourth powers of the norms of the centered rows.
    n_rows : float
        Number of rows.

    Returns
    -------
    float
        Share of the scaled identity, from 0 to 1.
    """
    n_columns = len(covariance)
    if n_columns == 1:
        return 0.0
    squares, variance = np.sum(covariance**2), np.trace(covariance)
    noise = (fourth / n_rows - squares) / (n_columns * n_rows)
    distance = (squares - variance**2 / n_columns) / n_columns
    noise = min(noise, distance)
    # rounding takes equal numbers below zero
    return 0.0 if noise == 0 else min(max(noise / distance, 0.0), 1.0)


def warn_of_one_row() -> None:
    """Warn in scikit-learn's words that a covariance is of one row."""
    warnings.warn("Only one sample available. You may want to reshape your data array", stacklevel=2)


def _empirical(estimator: Any, data: Passes) -> tuple[np.ndarray, np.ndarray, int]:
    """Return location, maximum-likelihood covariance and number of rows."""
    moments = finite_moments(data)
    if moments.n_rows == 1:
        warn_of_one_row()
    covariance = moments.scatter / moments.n_rows
    if estimator.assume_centered:
        covariance += np.outer(moments.mean, moments.mean)
        return np.zeros(data.n_features), covariance, moments.n_rows
    return moments.mean, covariance, moments.n_rows


def _keep(estimator: Any, location: np.ndarray, covariance: np.ndarray, data: Passes) -> None:
    """Set location, covariance and, where asked for, its pseudo-inverse, in scikit-learn's dtypes."""
    if data.dtype == np.float32:
        shrinks, centered = hasattr(estimator, "shrinkage_"), estimator.assume_centered
        location = location if centered else location.astype(np.float32)
        # subtracting a location of float64 widens, NumPy's cov does always
        covariance = covariance.astype(np.float32) if shrinks != centered else covariance
        # where it is held at an end, it is a number of Python
        if shrinks and not centered and isinstance(estimator.shrinkage_, np.floating):
            estimator.shrinkage_ = np.float32(estimator.shrinkage_)
    estimator.location_, estimator.covariance_, estimator.precision_ = location, covariance, None
    if estimator.store_precision:
        estimator.precision_ = linalg.pinvh(covariance, check_finite=False)


ENTRIES = (
    *everywhere("EmpiricalCovariance", fit_empirical_covariance, **DENSE),
    *everywhere("ShrunkCovariance", fit_shrunk_covariance, **DENSE),
    *everywhere("LedoitWolf", fit_ledoit_wolf, **DENSE),
    *everywhere("OAS", fit_oas, **DENSE),
)
