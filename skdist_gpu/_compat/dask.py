"""The private names of Dask that the package uses, in one place."""

from __future__ import annotations

from typing import Any

from dask.dataframe.utils import meta_nonempty


def example_rows(frame: Any) -> Any:
    """Return a few made-up rows with the columns and dtypes of a Dask frame."""
    return meta_nonempty(frame._meta)
