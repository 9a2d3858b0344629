"""Rows of a pyarrow dataset or a Polars LazyFrame, larger than memory, as blocks of NumPy arrays."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

import numpy as np

from skdist_gpu._compat.arrow import files_and_filter, index_columns_of
from skdist_gpu._compat.polars import index_columns_of_query
from skdist_gpu.data.containers import container_of, find
from skdist_gpu.data.containers.dtypes import check_numbers

# rows of a block; Arrow reads a few blocks ahead, and larger ones take memory without saving time
BLOCK_ROWS = 16_384
READ_AHEAD = 2
# so many batches ahead are more than one file has at its end
MANY_AHEAD = 8
# of Arrow's messages: what columns are padded to, and more than what stands before and between them
MESSAGE_ALIGNMENT = 8
MESSAGE_BYTES, MESSAGE_COLUMN_BYTES = 4096, 256


@dataclass(frozen=True)
class DatasetTable:
    """Columns of a dataset that are features, target and weight; read again by each pass.

    Attributes
    ----------
    dataset : pyarrow.dataset.Dataset or polars.LazyFrame
        Files on disk, or a query over them.
    features : tuple of str
        Columns of X.
    target, weight : tuple of str or str or None
        Columns of y and of the sample weights.
    as_frames : bool
        Whether blocks of X are pandas frames, of any dtypes, in place of arrays of numbers.
    codes : ndarray of shape (n_rows,), or None
        What stands in for the target, which is then not read.
    """

    dataset: Any
    features: tuple[str, ...]
    target: tuple[str, ...] | str | None = None
    weight: str | None = None
    as_frames: bool = False
    codes: np.ndarray | None = None

    @property
    def shape(self) -> tuple[None, int]:
        """The number of rows is left to be found by the sums."""
        return None, len(self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features, as a frame has them."""
        return self.features

    @cached_property
    def dtype(self) -> np.dtype:
        """float32 if all features are, float64 otherwise."""
        schema = schema_of(self.dataset)
        return np.dtype(np.float32 if {schema[name] for name in self.features} == {"float32"} else np.float64)

    def batches(
        self, n_rows: int | None = None, read_ahead: int = READ_AHEAD, further: Sequence[str] = ()
    ) -> Iterator[Any]:
        """Yield the rows in their order as Arrow batches, read and decoded by the library's own threads.

        `further` names columns that are neither features, targets nor weights.
        """
        targets = self._targets if self.codes is None else ()
        wanted = [*self.features, *targets, *([self.weight] if self.weight else []), *further]
        # a column may be both target and weight
        batches = read_batches(self.dataset, list(dict.fromkeys(wanted)), n_rows, read_ahead)
        return batches if self.codes is None else self._with_codes(batches)

    def _with_codes(self, batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow

        start = 0
        for batch in batches:
            stop = start + batch.num_rows
            yield batch.append_column(self.target, pyarrow.array(self.codes[start:stop]))  # type: ignore[index]
            start = stop

    def targets_only(self) -> DatasetTable:
        """Return the same rows without features and weights, of which little is read."""
        return replace(self, features=(), weight=None, as_frames=False)

    def labels(self) -> Iterator[np.ndarray]:
        """Yield the targets of some rows at a time, reading no other column."""
        only = self.targets_only()
        return (only.targets(batch)[0] for batch in only.batches())  # type: ignore[misc]

    def count_rows(self) -> int:
        """Return the number of rows, reading the targets if the files do not tell it."""
        if is_parquet(self.dataset):
            return int(self.dataset.count_rows())
        return sum(batch.num_rows for batch in self.targets_only().batches())

    def whole_blocks(self, n_rows: int) -> Iterator[Any]:
        """Yield Arrow tables of `n_rows` rows, across files; the last has up to half of that more or less."""
        import pyarrow

        waiting: list[Any] = []
        for batch in self.batches(min(n_rows, BLOCK_ROWS)):
            waiting.append(as_table(batch))
            while 2 * sum(rows.num_rows for rows in waiting) >= 3 * n_rows:
                rows = pyarrow.concat_tables(waiting)
                yield rows.slice(0, n_rows)
                waiting = [rows.slice(n_rows)]
        if waiting:
            yield pyarrow.concat_tables(waiting)

    def blocks(
        self, n_threads: int, function: Callable[..., Any], bounds: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        """Yield the part and ``function(X, y, weights)`` of each batch in order, computed by threads a few ahead.

        No batch crosses one of the `bounds`, which part the rows as in :func:`cut`.
        """

        def compute(numbered: tuple[int, Any]) -> tuple[int, Any]:
            part, batch = numbered
            return part, function(*self.arrays(batch))

        return in_threads(compute, cut(self.batches(None, max(READ_AHEAD, n_threads)), bounds), n_threads)

    def arrays(self, batch: Any) -> tuple[Any, np.ndarray | None, np.ndarray | None]:
        """Return X, y and weights of a batch."""
        if self.as_frames:
            return batch.select(list(self.features)).to_pandas(), *self.targets(batch)
        return _matrix(batch, self.features, self.dtype), *self.targets(batch)

    def targets(self, batch: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return y and weights of a batch."""
        y = _matrix(batch, self._targets) if self._targets else None
        if y is not None and isinstance(self.target, str):
            y = y[:, 0]
        return y, _matrix(batch, (self.weight,))[:, 0] if self.weight else None

    def columns_in(self, memory: np.ndarray, batch: Any) -> np.ndarray:
        """Copy the features of a batch into bytes of `room_for` it, one column behind the other.

        Returns an array of shape (n_features, n_rows or a few more), in `memory`.
        """
        import pyarrow

        rows = batch.select(list(self.features))
        if not (isinstance(rows, pyarrow.RecordBatch) and rows.schema.equals(self._schema)):
            rows = _as_type(rows, self.dtype)
        # as a message of Arrow's: one call copies all columns, and other threads need not wait for it
        room = pyarrow.py_buffer(memory)
        with pyarrow.ipc.new_stream(pyarrow.FixedSizeBufferWriter(room), rows.schema) as stream:
            stream.write_batch(rows)
        written = pyarrow.ipc.open_stream(room).read_next_batch()
        first, last = (written.column(i).buffers() for i in (0, rows.num_columns - 1))
        n_bytes = -(-rows.num_rows * self.dtype.itemsize // MESSAGE_ALIGNMENT) * MESSAGE_ALIGNMENT
        # no column is shorter, so that at this distance all are alike, and none has a mask of missing values
        if first[0] is None and last[1].address - first[1].address == (rows.num_columns - 1) * n_bytes:
            start = first[1].address - room.address
            return memory[start : start + rows.num_columns * n_bytes].view(self.dtype).reshape(rows.num_columns, -1)
        matrix = rows.to_tensor(null_to_nan=True, row_major=False).to_numpy().T
        values = memory[: matrix.nbytes].view(self.dtype).reshape(matrix.shape)
        np.copyto(values, matrix)
        return values

    def room_for(self, n_rows: int) -> int:
        """Return the bytes that `columns_in` needs for so many rows."""
        return len(self.features) * (n_rows * self.dtype.itemsize + MESSAGE_COLUMN_BYTES) + self._header_bytes

    @cached_property
    def _schema(self) -> Any:
        """The features as Arrow has them, all of one type."""
        import pyarrow

        arrow_type = pyarrow.from_numpy_dtype(self.dtype)
        return pyarrow.schema([(name, arrow_type) for name in self.features])

    @cached_property
    def _header_bytes(self) -> int:
        """More than what stands before the rows in a message: names and what else the files say of their columns."""
        return int(arrow_schema_of(self.dataset).serialize().size) + MESSAGE_BYTES

    @property
    def _targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else tuple(self.target or ())


def as_table(batch: Any) -> Any:
    """Return an Arrow table; datasets give record batches, and queries tables."""
    import pyarrow

    return batch if isinstance(batch, pyarrow.Table) else pyarrow.Table.from_batches([batch])


def cut(batches: Iterator[Any], bounds: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Yield the number of the part and the batch, none of them across two parts.

    The rows of part ``i`` go from ``bounds[i - 1]`` to ``bounds[i]``, those of the first and last to the ends.
    """
    start = 0
    for batch in batches:
        stop = start + batch.num_rows
        inside = sorted({bound for bound in bounds if start < bound < stop})
        for first, end in pairwise([start, *inside, stop]):
            yield bisect_right(bounds, first), batch.slice(first - start, end - first)
        start = stop


def together(batches: Iterator[tuple[int, Any]], n_rows: int) -> Iterator[tuple[int, list[Any]]]:
    """Yield the number of the part and batches of it, of up to `n_rows` rows unless one batch has more.

    Examples
    --------
    >>> import pyarrow
    >>> batch = pyarrow.record_batch({"x": [1.0, 2.0]})
    >>> [(part, len(batches)) for part, batches in together(iter([(0, batch)] * 3 + [(1, batch)]), 4)]
    [(0, 2), (0, 1), (1, 1)]
    """
    for part, numbered in groupby(batches, key=itemgetter(0)):
        waiting: list[Any] = []
        for _, batch in numbered:
            if waiting and sum(rows.num_rows for rows in [*waiting, batch]) > n_rows:
                yield part, waiting
                waiting = []
            waiting.append(batch)
        yield part, waiting


def in_threads(function: Callable[[Any], Any], items: Iterator[Any], n_threads: int) -> Generator[Any, None, None]:
    """Yield ``function(item)`` in order, computed by threads a few items ahead."""
    waiting = deque[Future[Any]]()
    with ThreadPoolExecutor(n_threads) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def is_read_from_files(X: Any, y: Any) -> bool:
    """Whether X is a dataset or query whose columns `y` names; a target in memory means that all is."""
    container = container_of(X)
    names = y is None or isinstance(y, str) or (isinstance(y, list) and all(isinstance(name, str) for name in y))
    return container == "arrow.dataset" or (container == "polars.lazy" and names)


def schema_of(source: Any) -> dict[str, str]:
    """Return the columns of a dataset or lazy frame and their NumPy dtypes, ``"object"`` for what is no number."""
    container = find(source)
    dtypes = (name if np.dtype(name).kind in "biuf" else "object" for name in container.dtypes(source))
    return dict(zip(container.names(source) or (), dtypes, strict=True))


def features_schema(source: Any) -> dict[str, str]:
    """Return the columns that may be features: all but those in which pandas has written its index.

    ``pandas.read_parquet`` and Dask make an index of them again, by what pandas notes in the file's schema.
    """
    index = index_columns(source)
    return {name: dtype for name, dtype in schema_of(source).items() if name not in index}


def index_columns(source: Any) -> set[str]:
    """Return the names of the columns that hold the index of a pandas frame."""
    if container_of(source) == "polars.lazy":
        return index_columns_of_query(source)
    return index_columns_of(source.schema)


def arrow_schema_of(source: Any) -> Any:
    """Return the Arrow schema of a dataset or lazy frame, reading no rows."""
    if container_of(source) == "polars.lazy":
        return sys.modules["polars"].DataFrame(schema=source.collect_schema()).to_arrow().schema
    return source.schema


def read_batches(
    source: Any, columns: list[str], n_rows: int | None = None, read_ahead: int = READ_AHEAD
) -> Iterator[Any]:
    """Yield the rows of a dataset or lazy frame in their order, as Arrow tables or batches, none of them empty."""
    n_rows = n_rows or BLOCK_ROWS
    if container_of(source) == "polars.lazy":
        frames = source.select(columns).collect_batches(chunk_size=n_rows)
        return (frame.to_arrow() for frame in frames if len(frame))
    options: dict[str, Any] = {"batch_size": n_rows, "batch_readahead": read_ahead}
    options["fragment_readahead"] = 1 if read_ahead < MANY_AHEAD else 2
    if is_parquet(source):
        # Arrow would otherwise hold whole files in memory
        scan = sys.modules["pyarrow.dataset"].ParquetFragmentScanOptions
        options["fragment_scan_options"] = scan(pre_buffer=False, use_buffered_stream=True, buffer_size=2**18)
    return (batch for batch in source.to_batches(columns=columns, **options) if batch.num_rows)


def shuffled(dataset: Any, random: np.random.RandomState) -> Any:
    """Return a dataset of the same files with the files, or the row groups of Parquet, in another order."""
    if not hasattr(dataset, "filesystem"):
        raise ValueError(f"A {type(dataset).__name__} has no files to shuffle. Nothing was read.")
    files, kept = files_and_filter(dataset)
    parts = [part for file in files for part in (file.split_by_row_group() if is_parquet(dataset) else [file])]
    order = random.permutation(len(parts))
    reordered = of_files(dataset, [parts[i] for i in order])
    return reordered if kept is None else reordered.filter(kept)


def table_of(dataset: Any, y: Any, sample_weight: Any, as_frames: bool = False) -> DatasetTable:
    """Return the columns of a dataset as features, target and weight; features may be text in frames.

    Raises
    ------
    ValueError
        If `y` or `sample_weight` is not the name of a column, no other is left, or a feature holds no numbers.
    """
    schema = schema_of(dataset)
    names = list(schema)
    target = tuple(y) if isinstance(y, list) else y
    chosen = [] if target is None else list(target) if isinstance(target, tuple) else [target]
    for what, columns in (("y", chosen), ("sample_weight", [] if sample_weight is None else [sample_weight])):
        if any(not isinstance(column, str) or column not in names for column in columns):
            raise ValueError(
                f"X is read from files, so that {what} must name columns of it. Its columns are "
                f"{', '.join(names[:8])}{', …' if len(names) > 8 else ''}. Nothing was read."
            )
    twice = sorted(name for name, n in Counter(find(dataset).names(dataset) or ()).items() if n > 1)
    if twice:
        raise ValueError(f"Several columns are called {twice[:8]}. Nothing was read. Give each a name of its own.")
    features = tuple(name for name in names if name not in (*chosen, sample_weight, *index_columns(dataset)))
    if not features:
        raise ValueError("Found array with 0 feature(s) while a minimum of 1 is required. Nothing was read.")
    if not as_frames:
        types = arrow_schema_of(dataset)
        check_numbers({name: types.field(name).type for name in features if schema[name] == "object"})
    return DatasetTable(dataset, features, target, sample_weight, as_frames)


def read_all(table: DatasetTable) -> tuple[Any, Any, Any]:
    """Return X as a pandas frame, y and weights, all in memory."""
    lazy = container_of(table.dataset) == "polars.lazy"
    frame = table.dataset.collect().to_pandas() if lazy else table.dataset.to_table().to_pandas()
    if not {*table._targets, *([table.weight] if table.weight else [])} <= set(frame.columns):
        frame = frame.reset_index()  # a target that was written as the index
    target = list(table.target) if isinstance(table.target, tuple) else table.target
    X = frame[list(table.features)]
    return X, None if target is None else frame[target], None if table.weight is None else frame[table.weight]


def _matrix(batch: Any, names: tuple[str, ...], dtype: Any = None) -> np.ndarray:
    """Return columns of a record batch or table side by side; a missing value is NaN."""

    if not names:
        return np.empty((batch.num_rows, 0))
    if dtype is None and len(names) == 1 and not str(batch.schema.field(names[0]).type).startswith("decimal"):
        return np.asarray(batch.column(names[0]).to_numpy(zero_copy_only=False))[:, None]
    rows = _as_type(batch.select(list(names)), np.dtype(dtype or np.float64))
    # one call: threads that copied column by column would wait for the interpreter's lock at each
    return np.asarray(rows.to_tensor(null_to_nan=True, row_major=False).to_numpy())


def _as_type(rows: Any, dtype: np.dtype) -> Any:
    """Return a record batch whose columns are all of one type."""
    import pyarrow

    if isinstance(rows, pyarrow.Table):
        (rows,) = rows.combine_chunks().to_batches()
    arrow_type = pyarrow.from_numpy_dtype(dtype)
    if all(column_type == arrow_type for column_type in rows.schema.types):
        return rows
    return rows.cast(pyarrow.schema([(name, arrow_type) for name in rows.schema.names]), safe=False)


def most_rows(dataset: Any) -> int | None:
    """Return the number of rows before any filter, where files tell it without being read: those of Parquet."""
    if not is_parquet(dataset):
        return None
    files, kept = files_and_filter(dataset)
    whole = dataset if kept is None else of_files(dataset, list(files))
    return int(whole.count_rows())


def of_files(dataset: Any, files: list[Any]) -> Any:
    """Return a dataset of some files of another, all rows of them."""
    return type(dataset)(files, dataset.schema, dataset.format, dataset.filesystem)


def is_parquet(dataset: Any) -> bool:
    return type(getattr(dataset, "format", None)).__name__ == "ParquetFileFormat"
