"""Polars frames and columns in memory; queries stand in `files`."""

from __future__ import annotations

from typing import Any

from skdist_gpu.data.containers.base import Container
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import register


class PolarsFrame(Container):
    """``polars.DataFrame``."""

    name = "polars"
    types = (("polars", "DataFrame"),)
    has_columns = True

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in data.dtypes]

    def to_pandas(self, data: Any) -> Any:
        return data.to_pandas()


class PolarsSeries(PolarsFrame):
    """``polars.Series``."""

    name = "polars.series"
    types = (("polars", "Series"),)
    has_columns = False

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(data.dtype)]


register(PolarsFrame())
register(PolarsSeries())
