"""ColumnTransformer on rows that are not in memory: each transformer is fitted to its columns where they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from skdist_gpu.data.containers import container_of, find

_LAZY = ("dask.array", "dask.dataframe", "arrow.dataset", "polars.lazy")
# rows that show scikit-learn names, dtypes and how many values are stored
SHOWN = 200


def fit_columns(holder: Any, X: Any, y: Any = None, **params: Any) -> bool:
    """Fit a ColumnTransformer of AutoScale transformers in place, lazily; tell whether that was possible.

    Each transformer is fitted to its own columns of the lazy rows. scikit-learn's class, given these fitted ones and
    the first rows, finds everything else: names, positions, and whether the result is sparse.

    Parameters
    ----------
    holder : ColumnTransformer
        Its transformers are wrapped.
    X, y : rows and target
        Where `X` is read from files, `y` is the name of a column.
    **params :
        Further arguments, which need rows in memory.
    """
    if params or container_of(X) not in _LAZY or (container_of(X) == "polars.lazy" and not _names_a_column(y)):
        return False
    rows = find(X).first_rows(X, SHOWN)
    targets = [y] if isinstance(y, str) else list(y) if isinstance(y, list) else []
    rows = rows.drop(columns=targets) if targets else rows
    chosen = [(name, part, _labels(rows, columns)) for name, part, columns in holder.transformers]
    if any(labels is None for _, _, labels in chosen):
        return False
    from sklearn.frozen import FrozenEstimator

    def fitted(part: Any, labels: list[Any]) -> Any:
        if isinstance(part, str) or not labels:
            return part
        return FrozenEstimator(clone(part).fit(find(X).select(X, [*labels, *targets]), y))

    parts = [(name, fitted(part, labels), labels) for name, part, labels in chosen]  # type: ignore[arg-type]
    taken = {label for _, _, labels in parts for label in labels}  # type: ignore[union-attr]
    remaining = [label for label in _all_labels(rows) if label not in taken]
    parameters = holder.get_params(deep=False)
    shown = holder.plain_class(
        **parameters | {"transformers": parts, "remainder": fitted(holder.remainder, remaining), "n_jobs": None}
    )
    shown.fit(rows)
    vars(holder).update({name: value for name, value in vars(shown).items() if name not in parameters})
    # where columns were asked for by a function, scikit-learn keeps what it answered
    given = {name: columns for name, _, columns in holder.transformers if not callable(columns)}
    holder.transformers_ = [
        (name, part.estimator if isinstance(part, FrozenEstimator) else part, given.get(name, columns))
        for name, part, columns in shown.transformers_
    ]
    return True


def _names_a_column(y: Any) -> bool:
    return y is None or isinstance(y, str) or (isinstance(y, list) and all(isinstance(name, str) for name in y))


def _all_labels(rows: Any) -> list[Any]:
    return list(rows.columns) if hasattr(rows, "columns") else list(range(rows.shape[1]))


def _labels(rows: Any, columns: Any) -> list[Any] | None:
    """Return the labels of columns as scikit-learn is told them; None for one column that is handed on as a vector."""
    columns = columns(rows) if callable(columns) else columns
    labels = np.array(_all_labels(rows), dtype=object)
    if isinstance(columns, (str, int, np.integer)) and not isinstance(columns, bool):
        return None
    if isinstance(columns, slice):
        if isinstance(columns.start, str) or isinstance(columns.stop, str):
            return list(rows.loc[:, columns])
        return list(labels[columns])
    columns = list(columns)
    if all(isinstance(column, str) for column in columns):  # or there are none
        return columns
    return list(labels[np.asarray(columns)])
