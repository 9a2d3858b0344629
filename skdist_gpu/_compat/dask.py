"""The private names of Dask that the package uses, in one place."""

from __future__ import annotations

from typing import Any

import pandas as pd
from dask._task_spec import Alias, Task, TaskRef


def meta_of(collection: Any) -> Any:
    """Return the empty block that tells what the blocks of a Dask collection are."""
    return collection._meta


def example_rows(frame: Any) -> Any:
    """Return a made-up row with the columns and dtypes of a Dask frame; in further ones Dask puts missing values."""
    from dask.dataframe.utils import meta_nonempty

    example = meta_nonempty(frame._meta).iloc[:1]
    # of a column of objects Dask makes up an object, where pandas holds it; what such columns hold is text. Other
    # columns stay as they are: mapped, they would lose their dtypes
    if isinstance(example, pd.Series):
        return _with_text(example)
    return example.apply(_with_text) if isinstance(example, pd.DataFrame) else example


def _with_text(column: pd.Series) -> pd.Series:
    return column.map(_text_for_object).astype(object) if column.dtype == object else column


def _text_for_object(value: Any) -> Any:
    return "a" if type(value) is object else value


def call_of(key: Any, function: Any, inputs: Any) -> Task:
    """Return the node of a graph that calls a function with the results of other nodes; None stays None."""
    return Task(key, function, *(None if name is None else TaskRef(name) for name in inputs))


def stored_blocks(collection: Any, keys: list[Any]) -> list[Any]:
    """Return the futures of blocks that workers hold already; none if any block is still to be computed."""
    from distributed import Future

    graph = collection.__dask_graph__()

    def stored(key: Any) -> Any:
        node = graph.get(key)
        while isinstance(node, Alias):
            node = graph.get(node.target)
        return node if isinstance(node, Future) else None

    found = [stored(key) for key in keys]
    return [] if None in found else found
