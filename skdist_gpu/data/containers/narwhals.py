"""narwhals' frames and columns, and the frames of every further library that narwhals knows."""

from __future__ import annotations

from typing import Any

import narwhals as nw

from skdist_gpu.data.containers.base import Container, Rows
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import find, register


class NarwhalsFrame(Container):
    """``narwhals.DataFrame``, of today's interface or a stable one, and a frame such as Modin's."""

    name = "narwhals"
    has_columns = True

    def recognises(self, data: Any) -> bool:
        return isinstance(nw.from_native(data, eager_only=True, pass_through=True), nw.DataFrame)

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return tuple(nw.from_native(data, eager_only=True).shape)

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in nw.from_native(data, eager_only=True).schema.values()]

    def names(self, data: Any) -> list[Any] | None:
        return list(nw.from_native(data, eager_only=True).columns)

    def select(self, data: Any, names: Any) -> Any:
        return nw.from_native(data, eager_only=True).select(list(names))

    def rows(self, data: Any, rows: Rows) -> Any:
        return nw.from_native(data, eager_only=True)[rows, :]

    def to_host(self, data: Any) -> Any:
        native = nw.to_native(data, pass_through=True)
        known = find(native)
        return nw.from_native(native, eager_only=True).to_pandas() if known is self else known.to_host(native)


class NarwhalsSeries(Container):
    """``narwhals.Series``, and a column such as Modin's."""

    name = "narwhals.series"

    def recognises(self, data: Any) -> bool:
        return isinstance(nw.from_native(data, series_only=True, pass_through=True), nw.Series)

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return tuple(nw.from_native(data, series_only=True).shape)

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(nw.from_native(data, series_only=True).dtype)]

    def to_host(self, data: Any) -> Any:
        native = nw.to_native(data, pass_through=True)
        known = find(native)
        return nw.from_native(native, series_only=True).to_pandas() if known is self else known.to_host(native)


class NarwhalsQuery(NarwhalsFrame):
    """``narwhals.LazyFrame``: a query, which a fit collects."""

    name = "narwhals.lazy"

    def recognises(self, data: Any) -> bool:
        return isinstance(data, nw.LazyFrame)

    def shape(self, data: Any) -> tuple[int | None, ...]:
        return (None, len(data.collect_schema()))

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in data.collect_schema().values()]

    def names(self, data: Any) -> list[Any] | None:
        return list(data.collect_schema())

    def select(self, data: Any, names: Any) -> Any:
        return data.select(list(names))

    def rows(self, data: Any, rows: Rows) -> Any:
        return data.collect()[rows, :]

    def to_host(self, data: Any) -> Any:
        return find(data.collect()).to_host(data.collect())


register(NarwhalsQuery())
register(NarwhalsFrame())
register(NarwhalsSeries())
