"""What cuML fits of scalers, encoders and other preprocessing.

Our own sums over rows go first where they fit the same, and where a fit reads no row, only data that are on the GPU
already go to cuML, to stay there.
"""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.cuml.entries_supervised import cuml_entry, is_number
from skdist_gpu.engines.entry import NEVER, ON_DEVICE, Entry

_OURS = "the same statistics as our own in one pass"
_NO_ROW = "to fit reads no row of X"
_TABLE = "cuDF finds the distinct values; those of data on the host are counted there"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _is_degree(value: Any) -> bool:
    return isinstance(value, int)


_IMPUTER: dict[str, Any] = {"strategy": ("mean", "median"), "missing_values": _is_nan}
_BINS: dict[str, Any] = {"strategy": ("uniform",), "subsample": (None,)}
# cuML finds the values of a column, and does not count them
_CATEGORIES: dict[str, Any] = {"min_frequency": (None,), "max_categories": (None,)}
# its smooth="auto" is 1.0, where scikit-learn's is an empirical Bayes estimate
_TARGET: dict[str, Any] = {"smooth": is_number, "categories": ("auto",), "target_type": ("auto",)}


def _row(estimator: str, break_even: float, source: str, **options: Any) -> Entry:
    return cuml_entry(
        estimator, break_even, source=source, weights=False, **({"multi_target": False, "tolerance": 1e-6} | options)
    )


ENTRIES: tuple[Entry, ...] = (
    _row("MinMaxScaler", NEVER, _OURS),
    _row("MaxAbsScaler", NEVER, _OURS, sparse=True),
    _row("RobustScaler", NEVER, _OURS, accepts={"unit_variance": (False,)}),
    _row("SimpleImputer", NEVER, _OURS, accepts=_IMPUTER),
    _row("KBinsDiscretizer", NEVER, _OURS, accepts=_BINS),
    _row(
        "QuantileTransformer",
        NEVER,
        _OURS,
        refusal="cuML copies X to the host and takes its quantiles there, with NumPy, as scikit-learn does",
    ),
    _row("PolynomialFeatures", ON_DEVICE, _NO_ROW, accepts={"degree": _is_degree}, sparse=True),
    _row("Normalizer", ON_DEVICE, _NO_ROW, sparse=True),
    _row("Binarizer", ON_DEVICE, _NO_ROW, sparse=True),
    _row("TfidfTransformer", ON_DEVICE, "to fit is to count the indices of X once", sparse=True),
    _row(
        "PowerTransformer",
        NEVER,
        "not to be compared",
        refusal="its search for a power ends in an error for some columns (BracketError, TypeError; cuML 26.10)",
    ),
    _row("OneHotEncoder", ON_DEVICE, _TABLE, accepts=_CATEGORIES, tolerance=0.0),
    _row("OrdinalEncoder", ON_DEVICE, _TABLE, accepts=_CATEGORIES, tolerance=0.0),
    _row("TargetEncoder", ON_DEVICE, _TABLE, accepts=_TARGET, tolerance=1e-8),
)
