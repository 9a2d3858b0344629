"""The harness that runs scikit-learn's own tests with an engine under its classes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).parent / "conformance"
MODULE = "cluster/tests/test_dbscan.py"
LISTED = """
- reason: a test that passes must not stay on the list
  backends: [onedal]
  tests: ["cluster/tests/test_dbscan.py::test_dbscan_feature"]
- reason: what another engine cannot do is no matter here
  backends: [cuml]
  tests: ["cluster/tests/test_dbscan.py::test_dbscan_no_core_samples[csr_matrix]"]
"""


def run(tmp_path, *options):
    report, listed = tmp_path / "report.json", tmp_path / "exceptions.yaml"
    listed.write_text(LISTED)
    options = (*options, f"--autoscale-report={report}", f"--autoscale-exceptions={listed}")
    done = subprocess.run([sys.executable, HARNESS, MODULE, *options], capture_output=True, text=True, check=False)
    return done, json.loads(report.read_text())


def test_an_engine_is_forced_counted_and_its_list_is_strict(tmp_path):
    pytest.importorskip("sklearnex")
    done, found = run(tmp_path, "--autoscale-backend=onedal", "--autoscale-floor=5")
    assert done.returncode == 1
    assert list(found["failures"]) == ["cluster/tests/test_dbscan.py::test_dbscan_feature"]
    assert found["passed"] > 20
    assert found["fits"]["fits by the engine"]["DBSCAN"] >= 5


def test_a_run_in_which_the_engine_fits_nothing_fails(tmp_path):
    options = ("--autoscale-backend=dask_ml", "--autoscale-floor=1", "-k", "test_dbscan_similarity")
    done, found = run(tmp_path, *options)
    assert done.returncode == 1
    assert "at least 1 were expected" in done.stdout
    assert (found["passed"], found["failures"], found["fits"]["fits by the engine"]) == (1, {}, {})
