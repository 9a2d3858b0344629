"""Run scikit-learn's own tests a module at a time with engines under its classes, and record what they gave.

``python benchmarks/conformance.py auto preprocessing/tests --output FILE`` runs ``python tests/conformance`` for each
module, as the plan chooses ("auto") or with an engine forced. A later call adds modules, or replaces them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from measure import commit, save

HARNESS = Path(__file__).parent.parent / "tests" / "conformance"


def row_of(module: str, backend: str, report: Path, text: str) -> dict:
    """Return the line of a module: its tests by outcome, those that failed, and fits on engines and left."""
    outcomes: Counter[str] = Counter()
    failed = []
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = case[0].tag if len(case) else "passed"
        expected = len(case) and case[0].get("type") == "pytest.xfail"
        outcomes["expected to fail" if expected else outcome] += 1
        if outcome in ("failure", "error"):
            failed.append(case.get("name"))
    engines, left = (int(n) for n in re.findall(r"^(\d+) fits ", text, flags=re.MULTILINE))
    return {
        "module": module,
        "backend": backend,
        "tests": sum(outcomes.values()),
        **{what: outcomes[what] for what in ("passed", "skipped", "expected to fail")},
        "failed": failed,
        "fits on engines": engines,
        "fits left to scikit-learn": left,
    }


def run(module: str, backend: str, options: list[str]) -> dict:
    """Run a module's tests in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, str(HARNESS), module, f"--autoscale-backend={backend}", f"--junitxml={report}"]
        done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=False)
        return row_of(module, backend, report, done.stdout)


def main() -> None:
    """Run the modules, and print and write their lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backend")
    parser.add_argument("modules", nargs="+", help="folders or files under scikit-learn's own folder")
    parser.add_argument("--output", type=Path)
    arguments, options = parser.parse_known_args()
    rows = json.loads(arguments.output.read_text())["results"] if arguments.output and arguments.output.exists() else []
    for module in arguments.modules:
        row = run(module, arguments.backend, options)
        print(row, flush=True)
        rows = [old for old in rows if (old["module"], old["backend"]) != (module, row["backend"])] + [row]
        if arguments.output:
            save(rows, arguments.output, script="benchmarks/conformance.py", commit=commit())


if __name__ == "__main__":
    main()
