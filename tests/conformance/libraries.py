"""Run other libraries' own tests with engines under scikit-learn's classes.

``python tests/conformance/libraries.py imblearn`` takes libraries that are installed with their tests. What passes with
scikit-learn as it is must pass under the plan ("auto"), and with the reductions forced wherever they do not refuse.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent


def outcomes(library: str, backend: str, options: list[str]) -> dict[str, str]:
    """Return what became of each test: passed, failure, error or skipped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "--pyargs", library, f"-c{HERE / 'pytest.ini'}", "-psubstitute"]
        # a test that the library expects to fail, and that passes by chance, is none that must pass
        command += ["-o", "xfail_strict=true", f"--autoscale-backend={backend}", f"--junitxml={report}", *options]
        environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **os.environ}
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if not report.exists():
            raise RuntimeError(f"the tests of {library} did not run:\n{done.stdout}")
        cases = ElementTree.parse(report).iter("testcase")
        fits = next((line for line in done.stdout.splitlines() if "fits by the engine" in line), "").partition(":")[0]
        print(f"{library} on {backend}: {fits}", flush=True)
        return {
            f"{case.get('classname')}::{case.get('name')}": case[0].tag if len(case) else "passed" for case in cases
        }


def main(arguments: list[str]) -> int:
    """Print what each library's tests gave, and name those that pass only without; return the exit status."""
    options = [argument for argument in arguments if argument.startswith("-")]
    broken = []
    for library in [argument for argument in arguments if argument not in options]:
        plain = outcomes(library, "none", options)
        for backend in ("auto", "reductions"):
            found = outcomes(library, backend, options)
            worse = [test for test, outcome in plain.items() if outcome == "passed" and found.get(test) != "passed"]
            print(
                f"  {dict(Counter(found.values()))}, without {dict(Counter(plain.values()))}, broken: {worse}",
                flush=True,
            )
            broken += worse
    return min(len(broken), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
