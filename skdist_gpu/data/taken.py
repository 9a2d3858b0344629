"""Some rows or columns of a dataset, read as a dataset is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


class TakenRows:
    """Rows of a pyarrow dataset by number, in the order of the files: read with the others, which are left out then.

    Parameters
    ----------
    source : pyarrow.dataset.Dataset
        All rows.
    numbers : ndarray of shape (n_rows,), or None
        Which to take, in ascending order; None for all.
    schema : pyarrow.Schema, default=None
        Columns; None for all.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow, pyarrow.dataset
    >>> source = pyarrow.dataset.dataset(pyarrow.table({"a": [0, 10, 20, 30]}))
    >>> TakenRows(source, np.array([1, 3])).to_table().to_pydict()
    {'a': [10, 30]}
    """

    def __init__(self, source: Any, numbers: np.ndarray | None, schema: Any = None) -> None:
        self.source, self.numbers = source, numbers
        self.schema = source.schema if schema is None else schema

    def count_rows(self) -> int:
        """Return the number of rows."""
        return int(self.source.count_rows()) if self.numbers is None else len(self.numbers)

    def replace_schema(self, schema: Any) -> TakenRows:
        """Return the same rows with some of the columns."""
        return TakenRows(self.source, self.numbers, schema)

    def to_batches(self, columns: Sequence[str] | None = None, **options: Any) -> Iterator[Any]:
        """Yield record batches; parameters as of a pyarrow dataset."""
        import pyarrow

        names = self.schema.names if columns is None else list(columns)
        stop = 0
        if self.numbers is None:
            yield from self.source.to_batches(columns=names, **options)
            return
        for batch in self.source.to_batches(columns=names, **options):
            start, stop = stop, stop + batch.num_rows
            first, last = np.searchsorted(self.numbers, (start, stop))
            if first < last:
                yield batch.take(pyarrow.array(self.numbers[first:last] - start))

    def to_table(self, columns: Sequence[str] | None = None) -> Any:
        """Return all rows, in memory."""
        return self._table(self.to_batches(columns), columns)

    def head(self, num_rows: int) -> Any:
        """Return the first rows, in memory; reads no more of the files than these take."""
        found: list[Any] = []
        for batch in self.to_batches(batch_size=max(1, num_rows)):
            found.append(batch)
            if sum(rows.num_rows for rows in found) >= num_rows:
                break
        return self._table(iter(found)).slice(0, num_rows)

    def _table(self, batches: Iterator[Any], columns: Sequence[str] | None = None) -> Any:
        import pyarrow

        names = self.schema.names if columns is None else list(columns)
        schema = pyarrow.schema([self.schema.field(name) for name in names])
        return pyarrow.Table.from_batches(list(batches), schema)
