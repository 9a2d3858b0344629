"""Make rows up that a fitted estimator accepts."""

from __future__ import annotations

from typing import Any

from skdist_gpu._compat.sklearn import column_indices
from skdist_gpu.protocols import Estimator

# where an estimator keeps what it hands its rows to; of a list the first sees them
_INSIDE = ("estimator_", "best_estimator_", "regressor_", "calibrated_classifiers_", "estimators_", "estimator")


def with_categories_of(estimator: Estimator, rows: Any) -> Any:
    """Return made-up rows in which the columns of encoders hold categories that these have seen.

    An encoder refuses a category that it does not know, and so would refuse rows of zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> encoder = OneHotEncoder().fit([["red", 3], ["blue", 4]])
    >>> with_categories_of(encoder, np.zeros((1, 2), dtype=object))
    array([['blue', 3]], dtype=object)
    """
    if hasattr(estimator, "steps"):
        return with_categories_of(estimator.steps[0][1], rows)
    for _, part in getattr(estimator, "transformer_list", ()):
        rows = with_categories_of(part, rows)
    for inner in _INSIDE:
        if (part := getattr(estimator, inner, None)) is not None:
            return with_categories_of(part[0] if isinstance(part, list) else part, rows)
    for _, part, columns in getattr(estimator, "transformers_", ()):
        indices = column_indices(rows, columns)
        if hasattr(rows, "iloc"):
            rows = rows.copy()
            rows[rows.columns[indices]] = with_categories_of(part, rows.iloc[:, indices])
        else:
            rows[:, indices] = with_categories_of(part, rows[:, indices])
    known = getattr(estimator, "categories_", ())
    if len(known) == 0:
        return rows
    text = getattr(getattr(rows, "dtype", None), "kind", "") in "US"
    rows = rows.astype(object) if text else rows.copy()
    for i, values in enumerate(known):
        if hasattr(rows, "iloc"):
            rows[rows.columns[i]] = _same_dtype(rows.iloc[:, i], values[0])
        else:
            rows[:, i] = values[0]
    return rows


def _same_dtype(column: Any, value: Any) -> Any:
    """Return a column of one value, in its own dtype where that holds the value."""
    filled = column.astype(object)
    filled[:] = value
    return filled.astype(column.dtype)
