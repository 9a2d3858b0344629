"""pandas frames and columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.data.containers.base import Container, Rows
from skdist_gpu.data.containers.dtypes import is_sparse_column, numpy_name
from skdist_gpu.data.containers.registry import register


class PandasFrame(Container):
    """``pandas.DataFrame``."""

    name = "pandas"
    types = (("pandas", "DataFrame"),)
    has_columns = True

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in data.dtypes]

    def holds_sparse(self, data: Any) -> bool:
        # scikit-learn makes a sparse matrix of such a frame, and of no other
        return data.ndim == 2 and len(data.dtypes) > 0 and all(map(is_sparse_column, data.dtypes))

    def n_stored(self, data: Any) -> int | None:
        return sum(int(column.array.sp_index.npoints) for _, column in data.items())

    def rows(self, data: Any, rows: Rows) -> Any:
        return data.iloc[rows]

    def first_column(self, data: Any) -> Any:
        return data.iloc[:, 0]

    def numbers(self, data: Any) -> Any:
        names = set(self.dtypes(data))
        if len(names) == 1 and names <= {"float32", "float64"}:
            return data.to_numpy(dtype=names.pop(), na_value=np.nan)
        return (
            data.astype(object).to_numpy(dtype=np.float64, na_value=np.nan)
            if "object" in names
            else (data.to_numpy(dtype=np.float64, na_value=np.nan))
        )


class PandasSeries(PandasFrame):
    """``pandas.Series``."""

    name = "pandas.series"
    types = (("pandas", "Series"),)
    has_columns = False

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(data.dtype)]


register(PandasFrame())
register(PandasSeries())
