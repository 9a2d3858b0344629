"""What Polars tells of a query only as text."""

from __future__ import annotations

import re
from typing import Any

from skdist_gpu._compat.arrow import index_columns_of

# pandas' own name for an index that has none
_UNNAMED = re.compile(r"__index_level_\d+__")
_SCAN = re.compile(r"Parquet SCAN \[(.+?)(?:, \.\.\.|, [^\]]*)?\]")


def index_columns_of_query(query: Any) -> set[str]:
    """Return the columns of a query in which pandas has written its index.

    A named index is known from the first file of a query that takes all columns of it as they are; one that selects
    columns has chosen them.
    """
    names = query.collect_schema().names()
    found = {name for name in names if _UNNAMED.fullmatch(name)}
    plan = query.explain(optimized=False)
    scan = _SCAN.search(plan)
    if scan is None or re.search(r"\bSELECT\b|WITH.COLUMNS|\bJOIN\b|AGGREGATE", plan[: scan.start()]):
        return found
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(scan.group(1))
    except (OSError, pyarrow.ArrowException):  # in a store that only Polars reaches
        return found
    return found | (index_columns_of(schema) & set(names))
