"""Bring lazy rows into main memory, once and together, or leave them where they do not fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from skdist_gpu._compat.arrow import files_and_filter
from skdist_gpu.data.containers import DASK, container_of, find
from skdist_gpu.data.containers.dask import block_to_host, example_of
from skdist_gpu.data.convert import block_lengths, count_rows, to_host
from skdist_gpu.data.dataset import (
    DatasetTable,
    arrow_schema_of,
    as_table,
    is_parquet,
    is_read_from_files,
    read_all,
    table_of,
)
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.data.shares import divide

FILES = ("arrow.dataset", "polars.lazy")
# rows, and the copies that folds make of them, as a multiple of the rows' bytes
COPIES = 3
# what is read of files at a time
BLOCK_BYTES = 2**26


@dataclass
class Gathered:
    """Rows, target and groups whose rows have numbers.

    Attributes
    ----------
    X : rows
        In main memory, or a Dask array of known chunks where they do not fit there.
    y, groups : ndarray or pandas object, or None
        In main memory.
    folder : tempfile.TemporaryDirectory or None
        Where rows were written that nothing else can give by number; removed at the end of a ``with`` block.
    """

    X: Any
    y: Any = None
    groups: Any = None
    folder: Any = None

    def __enter__(self) -> Gathered:
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder is not None:
            self.folder.cleanup()


def gather(X: Any, y: Any, groups: Any, free_bytes: int) -> Gathered:
    """Return rows, target and groups for functions that take rows by number.

    Parameters
    ----------
    X : container of shape (n_samples, n_features)
        Rows in memory are returned as they are; Dask collections, datasets and queries are read once.
    y, groups : array-like of shape (n_samples,), or None
        In a container that matches `X`; names of columns where `X` is a dataset or query.
    free_bytes : int
        Main memory that may be taken. Rows of files that do not fit become a Dask array of blocks that are read when
        they are needed; those of a query or a filter are written once, to Parquet files in a temporary folder.
    """
    if is_read_from_files(X, y):
        return _from_files(X, y, groups, free_bytes)
    if container_of(X) not in DASK:
        return Gathered(*(None if part is None else to_host(part) for part in (X, y, groups)))
    if COPIES * _n_bytes(X) <= free_bytes:
        import dask

        # one graph, so that what X and y have in common is read once
        parts = (part if container_of(part) not in DASK else find(part).whole(part) for part in (X, y, groups))
        return Gathered(*(part if part is None else block_to_host(part) for part in dask.compute(*parts)))
    if container_of(X) == "dask.dataframe":
        X = X.to_dask_array(lengths=True)
    elif any(np.isnan(n) for n in X.chunks[0]):
        X = X.compute_chunk_sizes()
    return Gathered(X, *(None if part is None else to_host(part) for part in (y, groups)))


def _from_files(X: Any, y: Any, groups: Any, free_bytes: int) -> Gathered:
    table, n_bytes, folder = table_of(X, y, groups, as_frames=True), inspect_input(X, y).n_bytes, None
    if n_bytes is None or (_n_shares(table) is None and COPIES * n_bytes > free_bytes):
        folder = TemporaryDirectory(prefix="skdist_gpu-")
        table = _written(table, folder.name)
        n_bytes = inspect_input(table.dataset, y).n_bytes
    if COPIES * (n_bytes or 0) <= free_bytes:
        return replace(Gathered(*read_all(table)), folder=folder)
    return replace(_lazy_files(table_of(table.dataset, y, groups)), folder=folder)


def _written(table: DatasetTable, folder: str) -> DatasetTable:
    """Return the same rows in a Parquet file, which is written to a folder, so that each row has a number."""
    import pyarrow.dataset
    import pyarrow.parquet

    targets = (table.target,) if isinstance(table.target, str) else table.target or ()
    names = [*table.features, *targets, *([table.weight] if table.weight else [])]
    whole = arrow_schema_of(table.dataset)
    schema = pyarrow.schema([whole.field(name) for name in names])
    with pyarrow.parquet.ParquetWriter(f"{folder}/0.parquet", schema) as writer:
        for batch in table.batches():
            writer.write_table(as_table(batch).select(names).cast(schema))
    return replace(table, dataset=pyarrow.dataset.dataset(folder, format="parquet"))


def _lazy_files(table: DatasetTable) -> Gathered:
    """Return the features of Parquet files as a Dask array of known chunks, target and groups in memory."""
    import dask.array

    n_shares = _n_shares(table)
    assert n_shares is not None
    starts, shares = divide(replace(table, target=None, weight=None), n_shares)
    blocks = [
        dask.array.from_delayed(dask.delayed(_features)(share), (stop - start, table.shape[1]), share.dtype)
        for share, (start, stop) in zip(shares, pairwise([*starts, table.count_rows()]), strict=True)
    ]
    beside = replace(table, features=())
    columns = list(zip(*map(beside.targets, beside.batches()), strict=True)) if table.target or table.weight else []
    y, groups = (None if parts[0] is None else np.concatenate(parts) for parts in columns or [(None,), (None,)])
    return Gathered(dask.array.concatenate(blocks), y, groups)


def _n_shares(table: DatasetTable) -> int | None:
    """Return into how many blocks Parquet files are divided; None where rows of the source have no number."""
    if not is_parquet(table.dataset) or files_and_filter(table.dataset)[1] is not None:
        return None
    return max(1, -(-table.count_rows() * table.shape[1] * table.dtype.itemsize // BLOCK_BYTES))


def _features(table: DatasetTable) -> np.ndarray:
    return np.concatenate([table.arrays(batch)[0] for batch in table.batches()])


def _n_bytes(X: Any) -> int:
    """Return the bytes of a Dask collection, whose rows are counted where nobody knows them."""
    info = inspect_input(X)
    return count_rows(X) * (info.n_features or 1) * 8 if info.n_bytes is None else info.n_bytes


def take(data: Any, numbers: np.ndarray) -> Any:
    """Return rows by number, in the order that they have; of lazy ones what is lazy as well."""
    numbers = np.sort(numbers)
    if container_of(data) in FILES:
        return find(data).rows(data, numbers)
    if container_of(data) not in DASK:
        return find(data).rows(data if hasattr(data, "shape") else np.asarray(data), numbers)
    if container_of(data) == "dask.array":
        if any(np.isnan(n) for n in data.chunks[0]):
            data = data.compute_chunk_sizes()
        return data[numbers]
    import dask.dataframe

    bounds = np.cumsum((0, *block_lengths(data)))
    own = [numbers[(numbers >= start) & (numbers < stop)] - start for start, stop in pairwise(bounds)]
    blocks = [
        dask.delayed(_rows)(block, rows) for block, rows in zip(find(data).delayed_blocks(data), own, strict=True)
    ]
    return dask.dataframe.from_delayed(blocks, meta=example_of(data), verify_meta=False)


def column_of(data: Any, name: str) -> np.ndarray:
    """Return a column of a frame, a dataset or a query in main memory, reading no other."""
    if container_of(data) in FILES:
        return np.concatenate(list(table_of(data, name, None, as_frames=True).labels()))
    return np.asarray(to_host(data[name]))


def n_rows(data: Any) -> int:
    """Return the number of rows of a Dask collection or of files, counted where nobody knows it."""
    if container_of(data) in FILES:
        return find(data).count_rows(data)
    known = find(data).shape(data)[0]
    return count_rows(data) if known is None else known


def _rows(block: Any, numbers: np.ndarray) -> Any:
    return block.iloc[numbers]
