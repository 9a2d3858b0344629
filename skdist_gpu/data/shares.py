"""Divide the rows of files among readers."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np

from skdist_gpu._compat.arrow import files_and_filter
from skdist_gpu.data.dataset import DatasetTable, is_parquet, of_files


def divide(table: DatasetTable, n_shares: int) -> tuple[list[int], list[DatasetTable]]:
    """Return contiguous parts of whole row groups and about as many rows, after the first row of each.

    There is one part where files do not tell their rows: only Parquet without a filter does.
    """
    files, kept = files_and_filter(table.dataset) if is_parquet(table.dataset) else ((), None)
    groups = [(file, group.id, group.num_rows) for file in files for group in file.row_groups]
    if kept is not None or not groups:
        return [0], [table]
    sizes = np.array([n_rows for _, _, n_rows in groups])
    ends = np.cumsum(sizes)
    # a row group belongs to the share in which its middle is
    owners = (ends - sizes / 2) * n_shares // max(1, ends[-1])
    starts, tables = [], []
    for owner in np.unique(owners):
        own = np.flatnonzero(owners == owner)
        start, stop = int(ends[own[0]] - sizes[own[0]]), int(ends[own[-1]])
        parts = [
            file.subset(row_group_ids=[groups[i][1] for i in members])
            for file, members in groupby(own, key=lambda i: groups[i][0])
        ]
        codes = None if table.codes is None else table.codes[start:stop]
        starts.append(start)
        tables.append(replace(table, dataset=of_files(table.dataset, parts), codes=codes))
    return starts, tables
