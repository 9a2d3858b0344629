"""Datasets of files and queries over them, larger than memory: :mod:`skdist_gpu.data.dataset` reads their rows."""

from __future__ import annotations

import sys
from typing import Any

from skdist_gpu._compat.arrow import has_filter
from skdist_gpu.data.containers.base import Container
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import register

# what the number of a row is called meanwhile
_ROW = "number of the row in skdist_gpu"


class FileDataset(Container):
    """``pyarrow.dataset.Dataset``, and what is still to be computed from one."""

    name = "arrow.dataset"
    location = "disk"
    types = (
        *(("pyarrow.dataset", "Dataset"), ("skdist_gpu.scoring.files", "ScoredDataset")),
        ("skdist_gpu.data.taken", "TakenRows"),
    )

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return (None, len(data.schema))

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(arrow_type) for arrow_type in data.schema.types]

    def names(self, data: Any) -> list[Any] | None:
        return list(data.schema.names)

    def select(self, data: Any, names: Any) -> Any:
        import pyarrow

        from skdist_gpu.data.taken import TakenRows

        schema = pyarrow.schema([data.schema.field(name) for name in names])
        return TakenRows(data, None, schema) if has_filter(data) else data.replace_schema(schema)

    def rows(self, data: Any, rows: Any) -> Any:
        """Return rows by number, in the order that they have in the files, which are read when the rows are."""
        from skdist_gpu.data.taken import TakenRows

        return TakenRows(data, rows)

    def count_rows(self, data: Any) -> int:
        """Return the number of rows, which Parquet tells and other files are read for."""
        return int(data.count_rows())

    def first_rows(self, data: Any, n: int) -> Any:
        return data.head(n).to_pandas()

    def to_host(self, data: Any) -> Any:
        return data


class PolarsQuery(Container):
    """``polars.LazyFrame``, collected where its target is in memory."""

    name = "polars.lazy"
    types = (("polars", "LazyFrame"),)
    has_columns = True

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return (None, len(data.collect_schema()))

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in data.collect_schema().dtypes()]

    def names(self, data: Any) -> list[Any] | None:
        return list(data.collect_schema().names())

    def select(self, data: Any, names: Any) -> Any:
        return data.select(list(names))

    def rows(self, data: Any, rows: Any) -> Any:
        """Return rows by number, in the order that they have, as a query over the query."""
        polars = sys.modules["polars"]
        numbered = data.with_row_index(_ROW)
        return numbered.filter(polars.col(_ROW).is_in(polars.Series(rows).cast(polars.UInt32).implode())).drop(_ROW)

    def count_rows(self, data: Any) -> int:
        """Return the number of rows that the query gives."""
        return int(data.select(sys.modules["polars"].len()).collect().item())

    def first_rows(self, data: Any, n: int) -> Any:
        return data.head(n).collect().to_pandas()

    def to_host(self, data: Any) -> Any:
        return data.collect()


register(FileDataset())
register(PolarsQuery())
