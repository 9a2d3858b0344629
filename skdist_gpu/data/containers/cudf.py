"""cuDF's frames and columns, on the GPU."""

from __future__ import annotations

from typing import Any

from skdist_gpu.data.containers.base import Rows
from skdist_gpu.data.containers.cupy import CuPyArray
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import register


class CuDFFrame(CuPyArray):
    """``cudf.DataFrame``."""

    name = "cudf"
    types = (("cudf", "DataFrame"),)
    has_columns = True

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in data.dtypes]

    def rows(self, data: Any, rows: Rows) -> Any:
        return data.iloc[rows]

    def first_column(self, data: Any) -> Any:
        return data.iloc[:, 0]

    def to_host(self, data: Any) -> Any:
        return data.to_pandas()

    def numbers(self, data: Any) -> Any:
        return data.to_cupy()

    def to_gpu(self, data: Any) -> Any:
        return data.to_cupy()


class CuDFSeries(CuDFFrame):
    """``cudf.Series``."""

    name = "cudf.series"
    types = (("cudf", "Series"),)
    has_columns = False

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(data.dtype)]


register(CuDFFrame())
register(CuDFSeries())
