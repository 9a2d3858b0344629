"""Text of Dask frames, as scikit-learn takes it."""

from __future__ import annotations

from typing import Any


def with_nan_in_text(frame: Any) -> Any:
    """Return a pandas frame or series whose text misses values as NaN.

    Dask turns text into a dtype that misses them as ``pd.NA``, which scikit-learn neither compares nor sorts; NaN is
    what pandas itself misses text as.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"word": pd.Series(["a", None], dtype="string"), "n": [1, 2]})
    >>> with_nan_in_text(frame)["word"].tolist(), with_nan_in_text(frame)["n"].dtype
    (['a', nan], dtype('int64'))
    """
    import pandas as pd

    if isinstance(frame, pd.Series):
        return _text(frame) if _misses_as_na(frame.dtype) else frame
    if not isinstance(frame, pd.DataFrame):
        return frame
    names = [i for i, dtype in enumerate(frame.dtypes) if _misses_as_na(dtype)]
    if not names:
        return frame
    columns = [_text(frame.iloc[:, i]) if i in names else frame.iloc[:, i] for i in range(frame.shape[1])]
    return pd.concat(columns, axis=1)


def _misses_as_na(dtype: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_string_dtype(dtype) and getattr(dtype, "na_value", None) is pd.NA


def _text(column: Any) -> Any:
    values = column.astype(object)
    return values.where(values.notna(), float("nan"))
