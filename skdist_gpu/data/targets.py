"""Check what is to be predicted."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_array, get_tags

from skdist_gpu.data.containers import find
from skdist_gpu.protocols import Estimator

# what a thread adds up in a fraction of a millisecond
MANY_NUMBERS = 2**20


def one_target(estimator: Estimator, y: Any) -> Any:
    """Return `y`; of a column its values, with scikit-learn's warning, where the estimator takes one target."""
    if y is None:
        return None
    container = find(y)
    shape = container.shape(y)
    several = get_tags(estimator).target_tags.multi_output and not is_classifier(estimator)
    if several or len(shape) != 2 or shape[1] != 1:
        return y
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), for "
        "example using ravel().",
        DataConversionWarning,
        stacklevel=2,
    )
    return container.first_column(y)


def column_told_of(estimator: Estimator, y: Any) -> Any:
    """Return :func:`one_target` of a regressor's `y`: an engine asked for by name may take fewer targets than it."""
    return one_target(estimator, y) if getattr(y, "ndim", 1) == 2 and is_regressor(estimator) else y


def is_of_floats(y: Any) -> bool:
    """Whether a target is an array of float32 or float64, which errors name as they are."""
    return isinstance(y, np.ndarray) and y.dtype in (np.float32, np.float64)


def all_finite(y: Any) -> bool:
    """Whether a target is finite floats, and so many that threads know sooner than scikit-learn, which asks one."""
    if not is_of_floats(y) or y.size < MANY_NUMBERS:
        return False
    with ThreadPoolExecutor(joblib.effective_n_jobs(-1)) as pool, np.errstate(all="ignore"):
        return bool(np.isfinite(list(pool.map(np.sum, np.array_split(y, -(-y.size // MANY_NUMBERS))))).all())


def dense(y: Any) -> Any:
    """Return a target as it is; raise scikit-learn's own error for a sparse one, which its check of X and y lets by."""
    return check_array(y, ensure_2d=False, ensure_all_finite=False)
