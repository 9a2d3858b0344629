"""Name the dtypes of every library in NumPy's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_SAME = {"boolean": "bool", "float": "float32", "decimal": "float64", "double": "float64", "halffloat": "float16"}
_TEXT = ("str", "string", "large_string", "utf8", "category", "categorical", "dictionary", "enum", "object", "<u", "<s")


def numpy_name(dtype: Any) -> str:
    """Return NumPy's name of a dtype of NumPy, pandas, Polars, cuDF or Arrow; ``"object"`` where it has none.

    A decimal counts as float64, as which scikit-learn reads it.

    Examples
    --------
    >>> import numpy as np, pandas as pd, pyarrow as pa
    >>> [numpy_name(dtype) for dtype in (np.dtype("int8"), pd.Int64Dtype(), pa.bool_(), pa.decimal128(9, 2))]
    ['int8', 'int64', 'bool', 'float64']
    >>> numpy_name(pa.list_(pa.int8())), numpy_name(pd.CategoricalDtype())
    ('object', 'object')
    """
    if isinstance(dtype, np.dtype):
        # NumPy does not know the names that it gives text, such as 'str672'
        return {"U": "str", "S": "bytes"}.get(dtype.kind, dtype.name)
    if is_sparse_column(dtype):
        return numpy_name(dtype.subtype)
    # 'decimal128(10, 2)[pyarrow]' is a decimal; 'timestamp[us]' a date; 'list<item: int8>' neither
    name = str(dtype).lower().removesuffix("[pyarrow]")
    stem = name.partition("(")[0].rstrip("0123456789") if name.startswith("decimal") else name
    try:
        known = np.dtype(_SAME.get(stem, name))
    except (TypeError, ValueError, SyntaxError):
        return "object"
    return known.name if known.kind in "biufcmM" else "object"


def is_sparse_column(dtype: Any) -> bool:
    """Whether a dtype is pandas' of a column that stores some values only."""
    # a delayed object of Dask's has every attribute
    return type(dtype).__name__ == "SparseDtype"


def common_dtype(names: list[str]) -> str:
    """Return the dtype that holds all columns, ``"object"`` where they have none of numbers in common."""
    try:
        dtype = np.result_type(*names) if names else np.dtype(np.float64)
    except TypeError:
        return "object"
    return dtype.name if dtype.kind in "biufc" else "object"


def check_numbers(dtypes: Mapping[Any, Any], of: str = "X") -> None:
    """Raise unless all columns hold numbers, of dtypes of any library.

    Raises
    ------
    ValueError
        In scikit-learn's words for text; with the columns and their dtypes.
    """
    bad = {str(name): dtype for name, dtype in dtypes.items() if np.dtype(numpy_name(dtype)).kind not in "biuf"}
    if not bad:
        return
    shown = ", ".join(f"{name} ({dtype})" for name, dtype in list(bad.items())[:8]) + (", …" if len(bad) > 8 else "")
    text = all(str(dtype).lower().startswith(_TEXT) for dtype in bad.values())
    raise ValueError(
        f"{'could not convert string to float: ' if text else ''}{of} has columns that are not numbers: {shown}. "
        "Nothing was computed. Leave them out, or encode them first, for example with OrdinalEncoder."
    )
