"""Datasets of files and queries over them, larger than memory: :mod:`skdist_gpu.data.dataset` reads their rows."""

from __future__ import annotations

from typing import Any

from skdist_gpu.data.containers.base import Container
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import register


class FileDataset(Container):
    """``pyarrow.dataset.Dataset``, and what is still to be computed from one."""

    name = "arrow.dataset"
    location = "disk"
    types = (("pyarrow.dataset", "Dataset"), ("skdist_gpu.scoring.files", "ScoredDataset"))

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return (None, len(data.schema))

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(arrow_type) for arrow_type in data.schema.types]

    def names(self, data: Any) -> list[Any] | None:
        return list(data.schema.names)

    def select(self, data: Any, names: Any) -> Any:
        import pyarrow

        return data.replace_schema(pyarrow.schema([data.schema.field(name) for name in names]))

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

    def first_rows(self, data: Any, n: int) -> Any:
        return data.head(n).collect().to_pandas()

    def to_host(self, data: Any) -> Any:
        return data.collect()


register(FileDataset())
register(PolarsQuery())
