"""Scalers and VarianceThreshold from the moments or extrema of each column.

A column's variance comes from centred sums merged by Chan, Golub & LeVeque (COMPSTAT 1982);
scikit-learn's own rules say which columns are constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn import safe_scale
from skdist_gpu.engines.reductions.columns.columns import (
    ColumnReduction,
    ExtremaReduction,
    Together,
    check_finite,
    column_moments,
    extrema,
    total,
)
from skdist_gpu.engines.reductions.core.learned import learn_from
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.entries import DENSE, SPARSE_BLOCKS, everywhere


def fit_standard_scaler(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``StandardScaler`` in place.

    Parameters
    ----------
    estimator : StandardScaler
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.
    """
    learns = estimator.with_mean or estimator.with_std
    moments = column_moments(data, allow_nan=True, weighted=learns)
    # scikit-learn counts in the dtype of what it sums
    seen = moments.weight if learns else moments.weight.astype(data.dtype if data.weighted else np.int64)
    estimator.n_samples_seen_ = seen[0] if np.ptp(seen) == 0 else seen
    estimator.mean_ = estimator.var_ = estimator.scale_ = None
    if learns:
        estimator.mean_ = np.where(moments.weight > 0, moments.mean, np.nan)
    if estimator.with_std:
        estimator.var_ = moments.variance
        estimator.scale_ = safe_scale(estimator.var_, estimator.mean_, estimator.n_samples_seen_)


def fit_min_max_scaler(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``MinMaxScaler`` in place; parameters as in :func:`fit_standard_scaler`."""
    found = extrema(data)
    learn_from(estimator, np.array([found.low, found.high]))
    estimator.n_samples_seen_ = found.n_rows


def fit_max_abs_scaler(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``MaxAbsScaler`` in place; parameters as in :func:`fit_standard_scaler`."""
    found = extrema(data)
    learn_from(estimator, np.array([found.low, found.high]))
    estimator.n_samples_seen_ = found.n_rows


def fit_variance_threshold(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``VarianceThreshold`` in place; parameters as in :func:`fit_standard_scaler`.

    Raises
    ------
    ValueError
        scikit-learn's own, if no column is left.
    """
    moments, found = total(data, Together(ColumnReduction(skip_nan=True), ExtremaReduction()))
    check_finite(moments.scatter, data, allow_nan=True)
    estimator.variances_ = moments.variance
    if estimator.threshold == 0:
        # a constant column's variance may be rounding noise, its range is zero; NaN if a value is missing
        spread = np.where(moments.weight == moments.n_rows, found.high.astype(np.float64) - found.low, np.nan)
        estimator.variances_ = np.fmin(estimator.variances_, spread)
    if np.all(~np.isfinite(estimator.variances_) | (estimator.variances_ <= estimator.threshold)):
        text = f"No feature in X meets the variance threshold {estimator.threshold:.5f}"
        raise ValueError(text + (" (X contains only one sample)" if moments.n_rows == 1 else ""))


ENTRIES = (
    *everywhere("StandardScaler", fit_standard_scaler, sparse=()),
    *everywhere("MinMaxScaler", fit_min_max_scaler, **DENSE),
    *everywhere("MaxAbsScaler", fit_max_abs_scaler, **SPARSE_BLOCKS),
    *everywhere("VarianceThreshold", fit_variance_threshold, **SPARSE_BLOCKS),
)
