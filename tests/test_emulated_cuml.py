"""What the engine mends of cuML's fits, shown where there is no GPU: cuML is scikit-learn with cuML's own habits."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def test_fits_where_cuml_is_emulated():
    paths = os.pathsep.join(map(str, [TESTS.parent, TESTS, TESTS / "emulated" / "packages"]))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / "emulated" / "cuml_fits.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
