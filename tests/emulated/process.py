"""A process of Python's whose GPU libraries are emulated."""

import os
import subprocess
import sys
from pathlib import Path

EMULATED = Path(__file__).parent


def run_emulated(*arguments):
    """Run Python with arguments of its command line, and fail with what it printed if it fails."""
    paths = os.pathsep.join(map(str, [EMULATED.parents[1], EMULATED.parent, EMULATED / "packages"]))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run_emulated_tests(name):
    """Run a file of tests that lies beside this one."""
    run_emulated("-m", "pytest", "-q", "-p", "no:cacheprovider", EMULATED / name)
