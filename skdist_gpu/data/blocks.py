"""Any container as blocks of rows: what is in memory is cut, files are read, and Dask has blocks of its own.

A block holds the same rows of several columns by their names, such as ``"X"``, ``"y"`` and ``"sample_weight"``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from skdist_gpu.data.containers import find
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.dataset import READ_AHEAD, DatasetTable, as_table, in_threads, shuffled, together
from skdist_gpu.data.labels import labels_in
from skdist_gpu.protocols import DaskClient

Block = dict[str, Any]


def take_rows(data: Any, rows: slice | np.ndarray) -> Any:
    """Return rows of data in memory, counted from the first."""
    return find(data).rows(data, rows)


def with_quick_rows(data: Any) -> Any:
    """Return data in memory in a form that gives some rows without a look at the others."""
    return find(data).with_quick_rows(data)


def with_columns(frame: Any, columns: Mapping[Any, Any]) -> Any:
    """Return a pandas or cuDF frame with some columns replaced; their names need not be text, as ``assign`` wants.

    Examples
    --------
    >>> import pandas as pd
    >>> with_columns(pd.DataFrame([[1, 2]]), {1: [5]}).values.tolist()
    [[1, 5]]
    """
    changed = frame.copy(deep=False)
    for name, column in columns.items():
        changed[name] = column
    return changed


def own_rows(estimator: Any, X: Any, params: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """Return rows that an estimator may write into: a copy, where ``copy=False`` of it or of a part lets it.

    Blocks of Dask may be held by a collection, or computed with again.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = np.array([[1.0], [2.0]])
    >>> own_rows(StandardScaler(), X) is X, own_rows(StandardScaler(copy=False), X) is X
    (True, False)
    """
    options = [*estimator.get_params().items(), *params.items()] if hasattr(estimator, "get_params") else []
    writes = any(name.rpartition("__")[2].startswith("copy") and value is not True for name, value in options)
    return X.copy() if writes else X


def part_bounds(n_rows: int, n_parts: int) -> list[int]:
    """Return where parts of a table begin and end: alike but for a row, the longer ones first, as KFold cuts.

    Examples
    --------
    >>> part_bounds(11, 3)
    [0, 4, 8, 11]
    """
    size, n_longer = divmod(n_rows, n_parts)
    return [part * size + min(part, n_longer) for part in range(n_parts + 1)]


def given_columns(X: Any, y: Any, sample_weight: Any, **further: Any) -> Block:
    """Return the columns that are there by their names.

    Examples
    --------
    >>> given_columns([[1.0]], [2.0], None)
    {'X': [[1.0]], 'y': [2.0]}
    """
    columns = {"X": X, "y": y, "sample_weight": sample_weight, **further}
    return {name: column for name, column in columns.items() if column is not None}


@dataclass(frozen=True)
class MemoryBlocks(Sequence[Block]):
    """Blocks of data in main memory, in that of a GPU, or in a file that is mapped.

    Examples
    --------
    >>> columns = {"X": np.zeros((10, 2)), "y": np.arange(10)}
    >>> [block["y"].tolist() for block in MemoryBlocks.of_rows(columns, 4)]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    >>> [len(block["X"]) for block in MemoryBlocks.in_parts(columns, 3)]
    [4, 3, 3]
    """

    columns: Block
    slices: Sequence[slice]

    @classmethod
    def of_rows(cls, columns: Block, n_rows: int) -> MemoryBlocks:
        """Return blocks of `n_rows` rows; the last may have fewer."""
        starts = range(0, columns["X"].shape[0], n_rows)
        return cls(columns, [slice(start, min(start + n_rows, starts.stop)) for start in starts])

    @classmethod
    def in_parts(cls, columns: Block, n_parts: int) -> MemoryBlocks:
        """Return so many blocks, as alike as :func:`part_bounds` makes them."""
        return cls(columns, [slice(*ends) for ends in pairwise(part_bounds(columns["X"].shape[0], n_parts))])

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, number: Any) -> Any:
        return {name: take_rows(column, self.slices[number]) for name, column in self.columns.items()}

    def shuffled(self, random: np.random.RandomState) -> MemoryBlocks:
        """Return the same blocks in an order that a random state draws."""
        return replace(self, slices=[self.slices[i] for i in random.permutation(len(self))])

    def labels(self) -> Iterator[Any]:
        """Yield the targets alone."""
        yield self.columns["y"]

    def count_rows(self) -> int:
        """Return the number of rows."""
        return int(self.columns["X"].shape[0])


@dataclass(frozen=True)
class FileBlocks:
    """Blocks of a dataset or a query, each read when it is asked for.

    Attributes
    ----------
    table : DatasetTable
        The columns that are features, target and weight.
    read : callable
        What reads a table, as Arrow tables or batches.
    further : dict
        Names of what else belongs to the rows, and the columns that hold it.
    n_threads : int
        Threads that make arrays of what comes next; with one, nothing is made ahead.
    """

    table: DatasetTable
    read: Callable[[DatasetTable], Iterator[Any]]
    further: dict[str, str] = field(default_factory=dict)
    n_threads: int = 1

    def __iter__(self) -> Iterator[Block]:
        pieces = self.read(self.table)
        return map(self._block, pieces) if self.n_threads == 1 else in_threads(self._block, pieces, self.n_threads)

    def _block(self, piece: Any) -> Block:
        further = {name: piece.column(column).to_numpy() for name, column in self.further.items()}
        return given_columns(*self.table.arrays(piece), **further)

    def shuffled(self, random: np.random.RandomState) -> FileBlocks:
        """Return blocks of the same rows with files or row groups in an order that a random state draws."""
        return replace(self, table=replace(self.table, dataset=shuffled(self.table.dataset, random)))

    def labels(self) -> Iterator[Any]:
        """Yield the targets of some rows at a time, reading no other column."""
        return self.table.labels()

    def count_rows(self) -> int:
        """Return the number of rows."""
        return self.table.count_rows()


def gathered(
    table: DatasetTable, n_rows: int, further: Sequence[str] = (), read_ahead: int = READ_AHEAD
) -> Iterator[Any]:
    """Yield Arrow tables of up to `n_rows` rows, across files, unless what is read at once has more."""
    import pyarrow

    batches = table.batches(read_ahead=read_ahead, further=further)
    for _, waiting in together(((0, batch) for batch in batches), n_rows):
        yield pyarrow.concat_tables([as_table(batch) for batch in waiting])


@dataclass(frozen=True)
class DaskBlocks(Sequence[Block]):
    """Blocks of Dask collections, as Dask's delayed objects; `client` computes them, if there is one."""

    blocks: Sequence[Block]
    client: DaskClient | None = None

    @classmethod
    def of(cls, columns: Block, client: DaskClient | None = None) -> DaskBlocks:
        """Return the blocks of collections whose blocks line up; computes nothing."""
        parts = [find(column).delayed_blocks(column) for column in columns.values()]
        return cls([dict(zip(columns, block, strict=True)) for block in zip(*parts, strict=True)], client)

    def __len__(self) -> int:
        return len(self.blocks)

    def __getitem__(self, number: Any) -> Any:
        return self.blocks[number]

    def shuffled(self, random: np.random.RandomState) -> DaskBlocks:
        """Return the same blocks in an order that a random state draws."""
        return replace(self, blocks=[self.blocks[i] for i in random.permutation(len(self))])

    def labels(self) -> list[Any]:
        """Return the different targets of each block, found where the blocks are."""
        import dask

        return self.compute([dask.delayed(labels_in)(block["y"]) for block in self.blocks])

    def computed(self) -> Iterator[Block]:
        """Yield one block at a time, in main memory here."""
        for block in self.blocks:
            columns = self.compute(list(block.values()))
            yield {name: to_host(column) for name, column in zip(block, columns, strict=True)}

    def compute(self, delayed: list[Any]) -> list[Any]:
        """Return what Dask's delayed objects stand for."""
        if self.client is not None:
            return list(self.client.gather(self.client.compute(delayed)))
        import dask

        return list(dask.compute(*delayed))


@dataclass(frozen=True)
class StoredBlocks:
    """Blocks that are costly to make: made once, and read from files in a folder from then on.

    Those without rows are left out.
    """

    blocks: Iterable[Block]
    folder: Path

    def __iter__(self) -> Iterator[Block]:
        for file in self._files:
            with file.open("rb") as stream:
                yield pickle.load(stream)

    @cached_property
    def _files(self) -> list[Path]:
        files = []
        for number, block in enumerate(self.blocks):
            if block["X"].shape[0]:
                files.append(self.folder / f"{number}.pickle")
                with files[-1].open("wb") as stream:
                    pickle.dump(block, stream, protocol=5)
        return files

    def labels(self) -> Iterator[Any]:
        """Yield the targets of one block at a time."""
        return (block["y"] for block in self)

    def count_rows(self) -> int:
        """Return the number of rows."""
        return sum(len(labels) for labels in self.labels())
