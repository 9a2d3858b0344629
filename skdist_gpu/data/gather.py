"""Bring lazy rows into main memory, once and together, or leave them where they do not fit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from skdist_gpu.config import format_bytes
from skdist_gpu.data.containers import DASK, container_of, find
from skdist_gpu.data.containers.dask import block_to_host, example_of
from skdist_gpu.data.convert import block_lengths, count_rows, to_host
from skdist_gpu.data.dataset import is_read_from_files, read_all, table_of
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.exceptions import CollectLimitError

# rows, and the copies that folds make of them, as a multiple of the rows' bytes
COPIES = 3


@dataclass
class Gathered:
    """Rows, target and groups whose rows have numbers.

    Attributes
    ----------
    X : rows
        In main memory, or a Dask array of known chunks where they do not fit there.
    y, groups : ndarray or pandas object, or None
        In main memory.
    """

    X: Any
    y: Any = None
    groups: Any = None


def gather(X: Any, y: Any, groups: Any, free_bytes: int) -> Gathered:
    """Return rows, target and groups for functions that take rows by number.

    Parameters
    ----------
    X : container of shape (n_samples, n_features)
        Rows in memory are returned as they are; Dask collections, datasets and queries are read once.
    y, groups : array-like of shape (n_samples,), or None
        In a container that matches `X`; names of columns where `X` is a dataset or query.
    free_bytes : int
        Main memory that may be taken.

    Raises
    ------
    CollectLimitError
        If rows of files do not fit into main memory.
    """
    if is_read_from_files(X, y):
        return _from_files(X, y, groups, free_bytes)
    if container_of(X) not in DASK:
        return Gathered(*(None if part is None else to_host(part) for part in (X, y, groups)))
    if COPIES * _n_bytes(X) <= free_bytes:
        import dask

        # one graph, so that what X and y have in common is read once
        return Gathered(*(part if part is None else block_to_host(part) for part in dask.compute(X, y, groups)))
    if container_of(X) == "dask.dataframe":
        X = X.to_dask_array(lengths=True)
    elif any(np.isnan(n) for n in X.chunks[0]):
        X = X.compute_chunk_sizes()
    return Gathered(X, *(None if part is None else to_host(part) for part in (y, groups)))


def _from_files(X: Any, y: Any, groups: Any, free_bytes: int) -> Gathered:
    info = inspect_input(X, y)
    needed = COPIES * (info.n_bytes or 0)
    if needed > free_bytes:
        raise CollectLimitError(
            f"Folds of files are taken in main memory: {info} with copies takes about {format_bytes(needed)}, "
            f"{format_bytes(free_bytes)} are free. Nothing was read. Give fewer columns or rows, "
            "or read the files with Dask."
        )
    return Gathered(*read_all(table_of(X, y, groups, as_frames=True)))


def _n_bytes(X: Any) -> int:
    """Return the bytes of a Dask collection, whose rows are counted where nobody knows them."""
    info = inspect_input(X)
    return count_rows(X) * (info.n_features or 1) * 8 if info.n_bytes is None else info.n_bytes


def take(data: Any, numbers: np.ndarray) -> Any:
    """Return rows by number, in the order that they have; of a Dask collection a lazy one."""
    numbers = np.sort(numbers)
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


def n_rows(data: Any) -> int:
    """Return the number of rows of a Dask collection, counted where nobody knows it."""
    known = find(data).shape(data)[0]
    return count_rows(data) if known is None else known


def _rows(block: Any, numbers: np.ndarray) -> Any:
    return block.iloc[numbers]
