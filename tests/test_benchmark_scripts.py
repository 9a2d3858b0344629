"""What the scripts in benchmarks/ find is kept, however they are called."""

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_rates_are_written_where_nobody_reads_what_is_printed(tmp_path):
    first, *rows = (BENCHMARKS / "results" / "rates_2cores.csv").read_text().splitlines()
    measured, rates = tmp_path / "measured.csv", tmp_path / "rates.json"
    measured.write_text("\n".join([first, *(row for row in rows if row.startswith("PoissonRegressor,numpy"))]))
    reader, writer = os.pipe()
    os.close(reader)  # as `head` does once it has its lines
    with os.fdopen(writer, "w") as closed:
        command = [sys.executable, BENCHMARKS / "rates.py", measured, "--output", rates]
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True)
    assert "BrokenPipeError" in ended.stderr
    assert json.loads(rates.read_text())["rates"]
