"""The lines of shell in the documentation run as they stand, page by page, on tables of the names that they use."""

import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from skdist_gpu.cli import main

DOCS = Path(__file__).parents[1] / "docs"
# they take long, and have tests of their own
ELSEWHERE = ("demo", "calibrate")


def _commands(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks that call the command."""
    blocks = re.findall(r"\.\. code-block:: shell\n\n((?: +.*\n|\n)+)", page.read_text() + "\n")
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("skdist-gpu ") and line.split()[1] not in ELSEWHERE]


PAGES = {page.relative_to(DOCS).as_posix(): _commands(page) for page in sorted(DOCS.rglob("*.rst"))}


@pytest.fixture
def tables(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2))
    new = pa.table({"key": np.arange(200), "a": X[:, 0], "b": X[:, 1]})
    whole = new.append_column("price", pa.array(X @ [1.0, 2.0]))
    labelled = new.append_column("label", pa.array((X[:, 0] > 0).astype(int)))
    monkeypatch.chdir(tmp_path)
    for name, table in {
        "sales/2026-01.parquet": whole,
        "table/one.parquet": whole,
        "new/one.parquet": new,
        "new/two.parquet": new,
        "table.parquet": whole,
        "labelled.parquet": labelled,
        "held_out.parquet": whole,
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        pq.write_table(table, name)
    pa.csv.write_csv(new, "new.csv")
    pa.csv.write_csv(whole, "held_out.csv")
    _run("skdist-gpu fit Ridge table.parquet model.skops --target price")


def _run(line: str) -> None:
    result = CliRunner().invoke(main, shlex.split(line)[1:])
    assert result.exit_code == 0, f"{line}\n{result.output}"


@pytest.mark.parametrize("page", [page for page, lines in PAGES.items() if lines])
def test_every_line_of_a_page_runs(tables, page):
    for line in PAGES[page]:
        _run(line)


def test_lines_are_found():
    assert len(PAGES["command.rst"]) >= 5
    assert sum(map(len, PAGES.values())) >= 15
