"""What pyarrow keeps to itself, and what pandas keeps in Arrow's schemas."""

from __future__ import annotations

import json
from typing import Any


def files_and_filter(dataset: Any) -> tuple[Any, Any]:
    """Return the files of a dataset, and the filter of its rows or None, which pyarrow gives only together."""
    return dataset._get_fragments(None), dataset._scan_options.get("filter")


def has_filter(dataset: Any) -> bool:
    """Whether a dataset leaves rows out by a condition, whose columns must be in its schema."""
    return getattr(dataset, "_scan_options", {}).get("filter") is not None


def index_columns_of(schema: Any) -> set[str]:
    """Return the names of the columns in which pandas has written an index; one that only counts rows has none."""
    written = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    return {name for name in written.get("index_columns", ()) if isinstance(name, str)}
