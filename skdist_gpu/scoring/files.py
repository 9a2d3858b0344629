"""Score files that are larger than memory, a few batches of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skdist_gpu.data.containers import container_of, find
from skdist_gpu.data.convert import to_pandas
from skdist_gpu.data.dataset import arrow_schema_of, features_schema, schema_of
from skdist_gpu.data.examples import with_categories_of
from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.publish import published
from skdist_gpu.scoring.methods import column_names, features_of, method_of, put_together, scored_batches

if TYPE_CHECKING:
    import pyarrow as pa


class ScoredDataset:
    """What a method gives for rows in files: computed batch after batch, anew each time that it is read.

    It is read as a pyarrow dataset is, so that the next step of a pipeline takes it as `X`. NumPy makes
    one array of the result alone. :func:`predict_to_parquet` keeps a result that is read more than once.

    Parameters
    ----------
    function : BlockMethod
        The method of a fitted estimator.
    source : pyarrow.dataset.Dataset, polars.LazyFrame or ScoredDataset
        The rows.
    keep : sequence of str, default=None
        Columns of `source` that stand before those of the result; None for those that the estimator
        did not see, such as a target, where the method is ``"transform"``, and for none elsewhere.
    """

    def __init__(self, function: BlockMethod, source: Any, keep: Sequence[str] | None = None) -> None:
        if container_of(source) not in ("arrow.dataset", "polars.lazy"):
            raise TypeError(
                f"Files are scored as a pyarrow.dataset.Dataset or a polars.LazyFrame, not a {type(source).__name__}. "
                f"Nothing was computed. estimator.{function.method}(X) scores rows in memory."
            )
        self.function, self.source = function, source
        names = list(schema_of(source))
        unknown = [name for name in keep or () if name not in names]
        if unknown:
            raise ValueError(f"The columns to keep, {unknown}, are not in the data, which have {names[:8]}.")
        self._features = features_of(function, source, keep or ())
        unseen = [name for name in features_schema(source) if name not in self._features]
        self.kept = list(keep) if keep is not None else unseen if function.method == "transform" else []
        self._chosen: list[str] | None = None

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the columns, learned from a made-up row; reads no file."""
        import pyarrow as pa

        row = self._made_up_row([*self._features, *self.kept])
        return pa.table(self._columns(row, self._result_of(row), self.kept)).schema

    def _made_up_row(self, names: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        source = arrow_schema_of(self.source)
        return pa.table({name: _made_up(source.field(name).type) for name in names})

    def _result_of(self, row: pa.Table) -> Any:
        """Return what the method gives for a made-up row."""
        estimator = self.function.estimator
        frame = with_categories_of(estimator, to_pandas(row.select(self._features)))
        return self.function.with_margin(None)(frame if hasattr(estimator, "feature_names_in_") else frame.to_numpy())

    def to_batches(
        self, columns: Sequence[str] | None = None, batch_size: int | None = None, **_: Any
    ) -> Iterator[pa.RecordBatch]:
        """Yield record batches; parameters as of a pyarrow dataset, whose further ones have no meaning here."""
        import pyarrow as pa

        columns = self._chosen if columns is None else columns
        kept = self.kept if columns is None else [name for name in self.kept if name in columns]
        for batch, result in scored_batches(self.function, self.source, self._features, kept, batch_size):
            table = pa.table(self._columns(batch, result, kept)).combine_chunks()
            yield from (table if columns is None else table.select(list(columns))).to_batches()

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all rows, in memory."""
        import pyarrow as pa

        batches = list(self.to_batches(columns))
        if batches:
            return pa.Table.from_batches(batches)
        names = self.schema.names if columns is None else columns
        return pa.schema([self.schema.field(name) for name in names]).empty_table()

    def replace_schema(self, schema: pa.Schema) -> ScoredDataset:
        """Return the same rows with some of the columns."""
        chosen = copy(self)
        chosen.schema, chosen._chosen = schema, list(schema.names)
        chosen.kept = [name for name in self.kept if name in chosen._chosen]
        return chosen

    def count_rows(self) -> int:
        """Return the number of rows, which is that of the source."""
        return find(self.source).count_rows(self.source)

    def head(self, num_rows: int) -> pa.Table:
        """Return the first rows, in memory; reads no more of the files than these take."""
        import pyarrow as pa

        found: list[Any] = []
        for batch in self.to_batches(batch_size=max(1, num_rows)):
            found.append(batch)
            if sum(rows.num_rows for rows in found) >= num_rows:
                break
        return pa.Table.from_batches(found, self.schema if not found else None).slice(0, num_rows)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.to_batches()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.collect(), dtype=dtype)

    def collect(self) -> Any:
        """Return the result alone, as the method gives it for rows in memory."""
        if self._chosen is not None:
            return to_pandas(self.to_table([name for name in self._chosen if name not in self.kept])).to_numpy()
        results = [result for _, result in scored_batches(self.function, self.source, self._features)]
        if not results:
            by, shape = type(self.function.estimator).__name__, (0, len(self._features))
            raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by {by}.")
        return put_together(results)

    def _columns(self, rows: Any, result: Any, kept: Sequence[str]) -> dict[str, Any]:
        columns = _columns(self.function, result)
        twice = [name for name in kept if name in columns]
        if twice:
            raise ValueError(
                f"The columns to keep, {twice[:8]}, are called like columns that {self.function.method} gives. Nothing "
                "was written. Rename them in the data, or do not keep them."
            )
        return {name: rows[name] for name in kept} | columns


def predict_batches(
    estimator: Any, source: Any, *, method: str = "predict", keep: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Score a dataset from file to file, holding a few batches of rows in memory.

    Parameters
    ----------
    estimator : estimator
        Fitted; an AutoScale estimator, or a plain one of scikit-learn or XGBoost.
    source : pyarrow.dataset.Dataset or polars.LazyFrame
        Rows to score. The columns are found by the names that the estimator was fitted with;
        where it was fitted without names, all columns but those to keep are its features.
    method : str, default="predict"
        Any method of the estimator that scores rows, such as ``"predict_proba"`` or ``"transform"``.
    keep : sequence of str, default=()
        Columns of `source` to copy into the result, such as a key.

    Returns
    -------
    batches : iterator of pyarrow.RecordBatch
        In the order of the rows: the columns to keep, then ``prediction`` for the method
        `predict`, the names of classes or of output features where there are any, and otherwise
        the method's name, with a number where it gives several columns.

    Raises
    ------
    ValueError
        If the source lacks a column: scikit-learn's own error for one that the estimator was fitted to.
    TypeError
        If the source is in memory, or the method gives a list of arrays, as probabilities of several targets are.

    Examples
    --------
    >>> import pyarrow as pa, pyarrow.dataset
    >>> from sklearn.linear_model import LinearRegression
    >>> from skdist_gpu import predict_batches
    >>> table = pa.table({"key": [7, 8], "a": [0.0, 1.0], "b": [2.0, 3.0]})
    >>> model = LinearRegression().fit(table.select(["a", "b"]).to_pandas(), [1.0, 2.0])
    >>> for batch in predict_batches(model, pyarrow.dataset.dataset(table), keep=["key"]):
    ...     print(batch.column_names, batch.num_rows)
    ['key', 'prediction'] 2
    """
    return ScoredDataset(method_of(estimator, method), source, keep).to_batches()


def predict_to_parquet(
    estimator: Any, source: Any, path: str | Path, *, method: str = "predict", keep: Sequence[str] = ()
) -> int:
    """Score a dataset into one Parquet file, holding a few batches of rows in memory.

    Parameters
    ----------
    estimator, source, method, keep : as in :func:`predict_batches`
    path : str or Path
        File to write. It appears only once it is complete.

    Returns
    -------
    n_rows : int
        Rows written.

    Raises
    ------
    ValueError
        If the source has no rows, lacks a column, or is read from the file that would be written.
    TypeError
        As :func:`predict_batches` does.
    OSError
        If the path is a folder, or its folder is not there or may not be written to; no row is scored then.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa, pyarrow.dataset
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdist_gpu import predict_to_parquet
    >>> table = pa.table({"a": [0.0, 2.0]})
    >>> path = os.path.join(tempfile.mkdtemp(), "scaled.parquet")
    >>> model = StandardScaler().fit(table.to_pandas())
    >>> predict_to_parquet(model, pyarrow.dataset.dataset(table), path, method="transform")
    2
    >>> pyarrow.dataset.dataset(path).to_table().to_pydict()
    {'a': [-1.0, 1.0]}
    """
    import pyarrow.parquet as pq

    check_no_source(path, source)
    return write_batches(predict_batches(estimator, source, method=method, keep=keep), path, pq.ParquetWriter)


def check_no_source(path: str | Path, source: Any) -> None:
    """Raise if a result would replace one of the files that its rows are read from.

    Raises
    ------
    ValueError
        Naming the file.
    """
    while isinstance(source, ScoredDataset):
        source = source.source
    target = Path(path).resolve()
    if any(Path(file).resolve() == target for file in getattr(source, "files", ())):
        raise ValueError(f"{path} is a file of the data, which the result would replace. Nothing was computed.")


def write_batches(batches: Iterator[pa.RecordBatch], path: str | Path, open_writer: Callable[..., Any]) -> int:
    """Write record batches to a file that appears once it is complete; return the number of rows.

    `open_writer` is one of Arrow's writers, as a function of a path and a schema.
    """
    with published(path) as hidden:
        first = next(batches, None)
        if first is None:
            raise ValueError("The input has no rows. Nothing was written.")
        n_rows = first.num_rows
        with open_writer(hidden, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
                n_rows += batch.num_rows
    return n_rows


def _made_up(arrow_type: pa.DataType) -> pa.Array:
    """Return one value of a type, of no meaning."""
    import pyarrow as pa

    try:
        return pa.array([0]).cast(arrow_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(1, arrow_type)


def _columns(function: BlockMethod, result: Any) -> dict[str, Any]:
    """Return the columns of a result by name."""
    if isinstance(result, (list, tuple)):
        raise TypeError(f"{function.method} gives several arrays, which no table holds.")
    if hasattr(result, "toarray"):
        result = result.toarray()
    if (container := find(result)).has_columns:
        return {str(name): result[name].to_numpy() for name in container.names(result) or ()}
    stem = "prediction" if function.method == "predict" else function.method
    if result.ndim == 1:
        return {stem: result}
    names = column_names(function)
    names = [f"{stem}_{i}" for i in range(result.shape[1])] if names is None else [str(name) for name in names]
    return dict(zip(names, result.T, strict=True))
