"""Dask arrays, frames and columns: described by their graphs, computed only when they are moved."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from skdist_gpu.data.containers.base import Container
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import find, register
from skdist_gpu.data.text import with_nan_in_text


class DaskArray(Container):
    """``dask.array.Array``."""

    name = "dask.array"
    location = "dask"
    types = (("dask.array", "Array"),)

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return tuple(None if math.isnan(n) else int(n) for n in data.shape)

    def backing(self, data: Any) -> str:
        return find(example_of(data)).name

    def block_sizes(self, data: Any) -> tuple[int | None, ...]:
        return tuple(None if math.isnan(n) else int(n) for n in data.chunks[0])

    def to_host(self, data: Any) -> Any:
        return block_to_host(self.whole(data).compute())

    def whole(self, data: Any) -> Any:
        """Return the array itself, of which Dask copies a single block."""
        return data

    def select(self, data: Any, names: Any) -> Any:
        """Return some columns by their positions."""
        return data[:, list(names)]

    def delayed_blocks(self, data: Any) -> list[Any]:
        """Return one delayed object for each block of rows, with all columns."""
        return list(_with_whole_rows(data).to_delayed(optimize_graph=False).ravel())

    def map_lazily(self, data: Any, function: Any, like: Any, beside: Any = None, **options: Any) -> Any:
        """Return a lazy array; Dask's `map_blocks` would copy each block to drop its second axis."""
        from dask.array import blockwise

        axes = ("rows", *(f"column {i}" for i in range(1, like.ndim)))
        inputs = [_with_whole_rows(data), ("rows", *(f"feature {i}" for i in range(1, data.ndim)))]
        if beside is not None:
            beside = _with_whole_rows(beside if isinstance(find(beside), DaskArray) else beside.to_dask_array())
            inputs += [beside, ("rows", *(f"beside {i}" for i in range(1, beside.ndim)))]
        options |= {"new_axes": dict(zip(axes[1:], like.shape[1:], strict=True)), "dtype": like.dtype, "meta": like}
        call = partial(_called_with_blocks, function, [array.ndim for array in inputs[::2]])
        return blockwise(call, axes, *inputs, concatenate=None, align_arrays=False, **options)

    def map_rows(self, data: Any, function: Any, *arguments: Any) -> Any:
        """Return a lazy number for each row, by a function of a block."""
        data = _with_whole_rows(data)
        return data.map_blocks(function, *arguments, drop_axis=1 if data.ndim == 2 else None, dtype=np.float64)

    def first_column(self, data: Any) -> Any:
        return data[:, 0]

    def place(self, values: np.ndarray, like: Any) -> Any:
        import dask.array

        return dask.array.from_array(values, chunks=(like.chunks[0], *values.shape[1:]))


class DaskFrame(Container):
    """``dask.dataframe.DataFrame``, of pandas or cuDF partitions."""

    name = "dask.dataframe"
    location = "dask"
    types = (("dask.dataframe", "DataFrame"),)
    has_columns = True

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return (None, len(data.columns))

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in data.dtypes]

    def backing(self, data: Any) -> str:
        return find(example_of(data)).name

    def block_sizes(self, data: Any) -> tuple[int | None, ...]:
        return (None,) * int(data.npartitions)

    def to_host(self, data: Any) -> Any:
        return block_to_host(self.whole(data).compute())

    def whole(self, data: Any) -> Any:
        """Return a delayed frame of all rows; Dask would hand out the only partition that has rows itself."""
        from dask import delayed

        return delayed(_own_frame)(data.to_delayed())

    def first_rows(self, data: Any, n: int) -> Any:
        from dask import delayed

        found: list[Any] = []
        for partition in data.to_delayed():
            found.append(delayed(_first)(partition, n - sum(map(len, found))).compute())
            if sum(map(len, found)) >= n:
                break
        return block_to_host(_own_frame(found))

    def map_lazily(self, data: Any, function: Any, like: Any, beside: Any = None, **options: Any) -> Any:
        """Return a lazy frame or column."""
        from dask.dataframe import from_dask_array

        others = [] if beside is None else [from_dask_array(beside) if isinstance(find(beside), DaskArray) else beside]
        meta = (None, like.dtype) if isinstance(like, np.ndarray) else like
        return data.map_partitions(
            function, *others, meta=meta, align_dataframes=False, enforce_metadata=False, **options
        )

    def map_rows(self, data: Any, function: Any, *arguments: Any) -> Any:
        """Return a lazy number for each row, by a function of a block."""
        import pandas as pd

        def column(block: Any) -> Any:
            return pd.Series(np.asarray(function(block, *arguments)), index=range(len(block)))

        return data.map_partitions(column, meta=pd.Series(dtype=np.float64), enforce_metadata=False)

    def first_column(self, data: Any) -> Any:
        return data[data.columns[0]]

    def simplified(self, data: Any) -> Any:
        # the full optimisation would fuse Parquet partitions, and differently for X and y
        return data.simplify()

    def delayed_blocks(self, data: Any) -> list[Any]:
        """Return one delayed object for each partition; to optimise X and y apart could fuse theirs differently."""
        return list(data.to_delayed(optimize_graph=False))


class DaskSeries(DaskFrame):
    """``dask.dataframe.Series``."""

    name = "dask.series"
    types = (("dask.dataframe", "Series"),)
    has_columns = False

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return (None,)

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(data.dtype)]


def _first(partition: Any, n: int) -> Any:
    return partition.iloc[:n]


def _own_frame(partitions: list[Any]) -> Any:
    """Return partitions as one frame in memory of its own, into which ``copy=False`` may let an estimator write."""
    import pandas as pd
    from dask.dataframe.dispatch import concat

    columns = getattr(partitions[0], "columns", None)
    if isinstance(columns, pd.RangeIndex):  # under such names Dask would put categories into the last columns
        partitions = [part.set_axis(list(columns), axis=1) for part in partitions]
    whole = concat(partitions)
    whole = whole if sum(len(part) > 0 for part in partitions) > 1 else whole.copy()
    return whole if columns is None else whole.set_axis(columns, axis=1)


def _with_whole_rows(data: Any) -> Any:
    """Return an array whose blocks have all columns."""
    return data.rechunk({1: -1}) if data.ndim > 1 and data.numblocks[1] > 1 else data


def _called_with_blocks(function: Any, n_axes: list[int], *blocks: Any, **options: Any) -> Any:
    """Call a function of blocks; Dask gives each in a list for each axis that the result has not."""
    return function(*(_out_of_lists(*pair) for pair in zip(blocks, n_axes, strict=True)), **options)


def _out_of_lists(block: Any, n_axes: int) -> Any:
    for _ in range(n_axes - 1):
        [block] = block
    return block


def example_of(data: Any) -> Any:
    """Return an empty block of a collection."""
    from skdist_gpu._compat.dask import meta_of

    return meta_of(data)


def block_to_host(block: Any) -> Any:
    """Return a computed block as scikit-learn takes it."""
    return with_nan_in_text(find(block).to_host(block))


register(DaskArray())
register(DaskFrame())
register(DaskSeries())
