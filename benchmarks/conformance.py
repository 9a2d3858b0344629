"""Run scikit-learn's own tests a module at a time with engines under its classes, and record what they gave.

``python benchmarks/conformance.py auto preprocessing/tests --output FILE`` runs ``python tests/conformance`` for each
module, as the plan chooses ("auto") or with an engine forced. A later call adds modules, or replaces them. For the
whole suite at once there is ``python tests/conformance --all --autoscale-report=FILE``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import commit, save

HARNESS = Path(__file__).parent.parent / "tests" / "conformance"


def row_of(module: str, found: dict) -> dict:
    """Return the line of a module: its tests by outcome, and fits on engines and left."""
    engines, left = (sum(fits.values()) for fits in found["fits"].values())
    return {
        "module": module,
        "backend": found["backend"],
        "tests": found["tests"],
        **{what: found.get(what, 0) for what in ("passed", "skipped", "expected to fail", "listed")},
        "failed": list(found["failures"]),
        "fits on engines": engines,
        "fits left to scikit-learn": left,
        "seconds": found["seconds"],
    }


def run(module: str, backend: str, options: list[str]) -> dict:
    """Run a module's tests in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = [*options, f"--autoscale-backend={backend}", f"--autoscale-report={report}"]
        subprocess.run([sys.executable, str(HARNESS), module, *options], stdout=subprocess.DEVNULL, check=False)
        return row_of(module, json.loads(report.read_text()))


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
