"""The files that a pyarrow dataset is made of."""

from __future__ import annotations

import sys
from typing import Any


def require_columns(dataset: Any, columns: tuple[str, ...]) -> None:
    """Raise where a file of a dataset lacks a column, whose values Arrow would take for missing ones, unsaid.

    Raises
    ------
    ValueError
        Naming the file and the columns.
    """
    for fragment in dataset.get_fragments():
        by_folder = sys.modules["pyarrow.dataset"].get_partition_keys(fragment.partition_expression)
        lacking = sorted({*columns} - {*fragment.physical_schema.names} - {*by_folder})
        if lacking:
            raise ValueError(
                f"{getattr(fragment, 'path', 'A part of the dataset')} lacks the column{'s' * (len(lacking) > 1)} "
                f"{', '.join(lacking[:8])}, which other files have. Nothing was fitted. Write the file anew with "
                "missing values, or leave the column out of all."
            )
