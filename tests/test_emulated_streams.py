"""How rows come to GPUs, shown where there is none: CuPy is NumPy with copies that somebody must wait for."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def test_rows_come_to_emulated_gpus():
    paths = os.pathsep.join(map(str, [TESTS.parent, TESTS, TESTS / "emulated" / "packages"]))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS / "emulated" / "streams.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
