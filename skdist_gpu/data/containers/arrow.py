"""Arrow tables, batches and columns in memory, and whatever hands its rows over as an Arrow stream."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.data.containers.base import Container, Rows
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import register


class ArrowTable(Container):
    """``pyarrow.Table`` and ``pyarrow.RecordBatch``."""

    name = "arrow"
    types = (("pyarrow", "Table"), ("pyarrow", "RecordBatch"))
    has_columns = True

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(arrow_type) for arrow_type in data.schema.types]

    def names(self, data: Any) -> list[Any] | None:
        return list(data.schema.names)

    def select(self, data: Any, names: Any) -> Any:
        return data.select(list(names))

    def rows(self, data: Any, rows: Rows) -> Any:
        return data.take(np.arange(data.num_rows)[rows])

    def first_column(self, data: Any) -> Any:
        return data.column(0)

    def to_host(self, data: Any) -> Any:
        return data.to_pandas()


class ArrowArray(Container):
    """``pyarrow.ChunkedArray`` and ``pyarrow.Array``."""

    name = "arrow.array"
    types = (("pyarrow", "ChunkedArray"), ("pyarrow", "Array"))

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return (len(data),)

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(data.type)]

    def rows(self, data: Any, rows: Rows) -> Any:
        return data.take(np.arange(len(data))[rows])

    def to_host(self, data: Any) -> Any:
        return np.asarray(data.to_pandas())


class ArrowStream(Container):
    """Any object that gives its rows by ``__arrow_c_stream__``; a stream can be read once, so that nothing looks at it
    before the fit does."""

    name = "arrow.stream"
    has_columns = True

    def recognises(self, data: Any) -> bool:
        return hasattr(type(data), "__arrow_c_stream__")

    def shape(self, data: Any) -> tuple[int | None, ...]:
        schema = self._schema(data)
        return (None, None if schema is None else len(schema))

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(arrow_type) for arrow_type in getattr(self._schema(data), "types", ())]

    def names(self, data: Any) -> list[Any] | None:
        return list(getattr(self._schema(data), "names", ())) or None

    def rows(self, data: Any, rows: Rows) -> Any:
        return self.to_host(data).iloc[rows]

    def first_column(self, data: Any) -> Any:
        return self.to_host(data).iloc[:, 0]

    def to_host(self, data: Any) -> Any:
        import pyarrow

        return pyarrow.table(data).to_pandas()

    def _schema(self, data: Any) -> Any:
        import pyarrow

        if hasattr(data, "__arrow_c_schema__"):
            return pyarrow.schema(data)
        schema = getattr(data, "schema", None)
        return schema if isinstance(schema, pyarrow.Schema) else None


register(ArrowTable())
register(ArrowArray())
ARROW_STREAM = ArrowStream()
