"""Make rows up that a fitted estimator accepts."""

from __future__ import annotations

from typing import Any

from skdist_gpu.protocols import Estimator


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
    for inner in ("estimator_", "best_estimator_"):
        if hasattr(estimator, inner):
            return with_categories_of(getattr(estimator, inner), rows)
    for _, part, columns in getattr(estimator, "transformers_", ()):
        if hasattr(rows, "columns") and isinstance(columns, list) and all(isinstance(name, str) for name in columns):
            rows = rows.assign(**dict(with_categories_of(part, rows[columns]).items()))
    known = getattr(estimator, "categories_", ())
    if len(known) == 0:
        return rows
    text = getattr(getattr(rows, "dtype", None), "kind", "") in "US"
    rows = rows.astype(object) if text else rows.copy()
    for i, values in enumerate(known):
        if hasattr(rows, "iloc"):
            rows = rows.assign(**{rows.columns[i]: _same_dtype(rows.iloc[:, i], values[0])})
        else:
            rows[:, i] = values[0]
    return rows


def _same_dtype(column: Any, value: Any) -> Any:
    """Return a column of one value, in its own dtype where that holds the value."""
    filled = column.astype(object)
    filled[:] = value
    return filled.astype(column.dtype)
