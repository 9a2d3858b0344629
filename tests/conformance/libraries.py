"""Run other libraries' own tests with engines under scikit-learn's classes.

``python tests/conformance/libraries.py imblearn`` takes libraries that are installed with their tests. What passes with
scikit-learn as it is must pass under the plan ("auto"), and with the reductions forced wherever they do not refuse.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from substitute import ADDED

from skdist_gpu.info.versions import describe_system

HERE = Path(__file__).parent


def run(library: str, backend: str, options: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return what became of each test (passed, failure, error or skipped), and the plugin's report of the run."""
    with tempfile.TemporaryDirectory() as folder:
        cases, report = Path(folder) / "cases.xml", Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "--pyargs", library, f"-c{HERE / 'pytest.ini'}", "-psubstitute"]
        # a test that the library expects to fail, and that passes by chance, is none that must pass
        command += ["-o", "xfail_strict=true", f"--autoscale-backend={backend}", f"--junitxml={cases}", *options]
        command += [f"--autoscale-report={report}"]
        environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ}
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if not (cases.exists() and report.exists()):
            raise RuntimeError(f"the tests of {library} did not run:\n{done.stdout}")
        found = {
            f"{case.get('classname')}::{case.get('name')}": case[0].tag if len(case) else "passed"
            for case in ElementTree.parse(cases).iter("testcase")
        }
        return found, json.loads(report.read_text())


def main() -> int:
    """Print and write what each library's tests gave, and name those that pass only without; return the status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("libraries", nargs="+", help="import names, or folders of tests")
    parser.add_argument("--output", type=Path, help="JSON file, to which libraries are added")
    arguments, options = parser.parse_known_args()
    output, rows = arguments.output, []
    if output and output.exists():
        rows = json.loads(output.read_text())["results"]
    for library in arguments.libraries:
        plain, _ = run(library, "none", options)
        rows = [row for row in rows if row["library"] != Path(library).name]
        for backend in ("auto", "reductions"):
            found, report = run(library, backend, options)
            row = {
                "library": Path(library).name,
                "backend": backend,
                "tests": dict(Counter(found.values())),
                "tests without": dict(Counter(plain.values())),
                "broken": [name for name, was in plain.items() if was == "passed" and found.get(name) != "passed"],
                "fits on engines": sum(report["fits"][ADDED].values()),
                "seconds": report["seconds"],
            }
            print(row, flush=True)
            rows.append(row)
        if output:
            facts = {"date": time.strftime("%Y-%m-%d"), "script": "tests/conformance/libraries.py"}
            output.write_text(json.dumps({**facts, "results": rows, **describe_system()}, indent=1))
    return min(sum(len(row["broken"]) for row in rows), 1)


if __name__ == "__main__":
    sys.exit(main())
