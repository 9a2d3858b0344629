"""What pyarrow keeps to itself."""

from __future__ import annotations

from typing import Any


def files_and_filter(dataset: Any) -> tuple[Any, Any]:
    """Return the files of a dataset, and the filter of its rows or None, which pyarrow gives only together."""
    return dataset._get_fragments(None), dataset._scan_options.get("filter")
