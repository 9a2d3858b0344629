"""What cuML fits of scalers, encoders and other preprocessing.

Our own sums over rows go first where they fit the same, and where a fit reads no row, only data that are on the GPU
already go to cuML, to stay there.
"""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.cuml.entries_supervised import cuml_entry, is_number
from skdist_gpu.engines.entry import Entry

_OURS = "the same statistics as our own in one pass"


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


def _entry(estimator: str, slower: str = "", **options: Any) -> Entry:
    return cuml_entry(estimator, slower=slower, weights=False, **({"multi_target": False, "tolerance": 1e-6} | options))


ENTRIES: tuple[Entry, ...] = (
    _entry("MinMaxScaler", _OURS),
    _entry("MaxAbsScaler", _OURS, sparse=True),
    _entry("RobustScaler", _OURS, accepts={"unit_variance": (False,)}),
    _entry("SimpleImputer", _OURS, accepts=_IMPUTER),
    _entry("KBinsDiscretizer", _OURS, accepts=_BINS),
    _entry(
        "QuantileTransformer",
        _OURS,
        refusal="cuML copies X to the host and takes its quantiles there, with NumPy, as scikit-learn does",
    ),
    _entry("PolynomialFeatures", accepts={"degree": _is_degree}, sparse=True),
    _entry("Normalizer", sparse=True),
    _entry("Binarizer", sparse=True),
    # without, scikit-learn warns of a term that is in no row
    _entry("TfidfTransformer", accepts={"smooth_idf": (True,)}, only_fits=("smooth_idf",), sparse=True),
    _entry(
        "PowerTransformer",
        "not to be compared",
        refusal="its search for a power ends in an error for some columns (BracketError, TypeError; cuML 26.10)",
    ),
    _entry("OneHotEncoder", accepts=_CATEGORIES, tolerance=0.0),
    _entry("OrdinalEncoder", accepts=_CATEGORIES, tolerance=0.0),
    _entry("TargetEncoder", accepts=_TARGET, tolerance=1e-8),
)
