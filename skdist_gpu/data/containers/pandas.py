"""pandas frames and columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.data.containers.base import Container, Rows
from skdist_gpu.data.containers.dtypes import numpy_name
from skdist_gpu.data.containers.registry import register


class PandasFrame(Container):
    """``pandas.DataFrame``."""

    name = "pandas"
    types = (("pandas", "DataFrame"),)
    has_columns = True

    def dtypes(self, data: Any) -> list[str]:
        return [numpy_name(dtype) for dtype in data.dtypes]

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


def with_nan_text(data: Any) -> Any:
    """Return a frame or column with NaN for ``pandas.NA`` in text, which scikit-learn cannot compare.

    Dask gives text this dtype by itself, whatever the user's frame had.
    """
    import pandas as pd

    def odd(dtype: Any) -> bool:
        return isinstance(dtype, pd.StringDtype) and dtype.na_value is pd.NA

    if isinstance(data, pd.Series):
        return _nan_text(data) if odd(data.dtype) else data
    if not isinstance(data, pd.DataFrame) or not any(map(odd, data.dtypes)):
        return data
    columns = [_nan_text(data.iloc[:, i]) if odd(dtype) else data.iloc[:, i] for i, dtype in enumerate(data.dtypes)]
    frame = pd.concat(columns, axis=1)
    frame.columns = data.columns
    return frame


def _nan_text(column: Any) -> Any:
    text = column.astype(object)
    return text.where(text.notna(), np.nan)


register(PandasFrame())
register(PandasSeries())
