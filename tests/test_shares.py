"""Rows of files divided among readers."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet
import pytest

from skdist_gpu.data.dataset import DatasetTable
from skdist_gpu.data.shares import divide

SIZES = [(1_000, 100), (333, 50), (10, 100), (2_000, 500)]


@pytest.fixture(name="dataset")
def _dataset(tmp_path):
    start = 0
    for i, (n_rows, group) in enumerate(SIZES):
        table = pa.table({"x": np.arange(start, start + n_rows, dtype=float)})
        pyarrow.parquet.write_table(table, tmp_path / f"{i}.parquet", row_group_size=group)
        start += n_rows
    return pyarrow.dataset.dataset(tmp_path, format="parquet")


def rows_of(table):
    return np.concatenate([batch.column("x").to_numpy() for batch in table.batches()])


@pytest.mark.parametrize("n_shares", [1, 2, 3, 4, 100])
def test_shares_are_all_rows_in_their_order(dataset, n_shares):
    starts, tables = divide(DatasetTable(dataset, ("x",)), n_shares)
    rows = [rows_of(table) for table in tables]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(3_343))
    assert [own[0] for own in rows] == starts
    assert len(tables) <= n_shares
    if n_shares <= 4:
        assert len(tables) == n_shares
        assert max(map(len, rows)) <= 3_343 / n_shares + 500


def test_codes_go_with_their_rows(dataset):
    starts, tables = divide(DatasetTable(dataset, ("x",), "code", codes=np.arange(3_343)), 3)
    for start, table in zip(starts, tables, strict=True):
        np.testing.assert_array_equal(table.codes, np.arange(start, start + len(rows_of(table))))


def test_files_that_do_not_tell_their_rows_are_one_share(dataset, tmp_path):
    filtered = DatasetTable(dataset.filter(pc.field("x") > 5), ("x",))
    assert divide(filtered, 3) == ([0], [filtered])
    pyarrow.dataset.write_dataset(dataset, tmp_path / "csv", format="csv")
    lines = DatasetTable(pyarrow.dataset.dataset(tmp_path / "csv", format="csv"), ("x",))
    assert divide(lines, 3) == ([0], [lines])
