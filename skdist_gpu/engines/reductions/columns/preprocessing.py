"""SimpleImputer and KBinsDiscretizer from statistics of each column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.columns.categories import fit_constant, fit_most_frequent
from skdist_gpu.engines.reductions.columns.columns import (
    ColumnReduction,
    ExtremaReduction,
    Together,
    check_finite,
    column_moments,
    total,
)
from skdist_gpu.engines.reductions.columns.quantiles import column_quantiles
from skdist_gpu.engines.reductions.core.learned import learn_from
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.entries import DENSE, everywhere


def fit_simple_imputer(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``SimpleImputer`` in place.

    Parameters
    ----------
    estimator : SimpleImputer
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.
    """
    if estimator.strategy == "most_frequent":
        return fit_most_frequent(estimator, data)
    if estimator.strategy == "constant":
        return fit_constant(estimator, data)
    moments = column_moments(data, allow_nan=True)
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    filling = np.where(moments.weight > 0, moments.mean, np.nan)
    if estimator.strategy == "median":
        filling = column_quantiles(data, [0.5])[0]
    # a column with missing values has one here, too, for the indicator
    holes = np.where(moments.weight < moments.n_rows, np.nan, filling)
    learn_from(estimator, np.array([filling, holes], dtype=dtype))


def fit_k_bins_discretizer(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``KBinsDiscretizer(strategy="uniform")`` in place.

    Parameters
    ----------
    estimator : KBinsDiscretizer
        Unfitted, with valid parameters, and without a subsample.
    data : Passes
        The rows to fit on.
    """
    moments, found = total(data, Together(ColumnReduction(weighted=False), ExtremaReduction()))
    check_finite(moments.scatter, data)
    # the dtype of the input is the output's where no other is asked for
    learn_from(estimator, np.array([found.low, found.high], dtype=data.input_dtype))


def _not_a_number(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _imputer(device: str) -> dict[str, Any]:
    """Values, and gaps in values of any kind, are counted on the host only."""
    counted = () if device == "gpu" else ("most_frequent", "constant")
    return {"strategy": ("mean", "median", *counted), "missing_values": _not_a_number}


ENTRIES = (
    *(
        replace(entry, accepts=_imputer(entry.device))
        for entry in everywhere("SimpleImputer", fit_simple_imputer, **DENSE)
    ),
    *everywhere(
        "KBinsDiscretizer",
        fit_k_bins_discretizer,
        accepts={"strategy": ("uniform",), "subsample": (None,)},
        sparse=(),
    ),
)
