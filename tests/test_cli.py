"""The command `skdist-gpu`."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import skdist_gpu
from skdist_gpu.cli import main
from skdist_gpu.cli.demo import affordable_rows
from skdist_gpu.testing import make_resources


def _run(*arguments):
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_demo_shows_plan_then_comparison():
    result = _run("demo", "--rows", "5000")
    assert result.exit_code == 0
    assert result.output.count("What fit will do, and why:") >= 3
    assert "chosen    sklearn:cpu" in result.output
    assert result.output.index("chosen") < result.output.index("ran on") < result.output.index("called directly")


def test_demo_without_xgboost_says_so(monkeypatch):
    monkeypatch.setattr("skdist_gpu.cli.demo.find_spec", lambda name: None)
    result = _run("demo", "--rows", "1000")
    assert result.exit_code == 0
    assert "XGBoost is not installed" in result.output
    assert "breast cancer" not in result.output


@pytest.mark.parametrize(("cpus", "memory"), [(1, "1GB"), (2, "16GB"), (128, "2TB")])
def test_demo_fits_the_machine(cpus, memory):
    rows = affordable_rows(make_resources(cpus=cpus, memory=memory))
    assert 1000 <= rows <= 4_000_000
    assert rows * 50 * np.dtype("float64").itemsize <= make_resources(memory=memory).available_bytes / 8


def test_doctor_lists_versions_and_engines():
    result = _run("doctor", "--all")
    assert result.exit_code == 0
    assert "scikit-learn" in result.output
    assert "sklearn:cpu" in result.output


def test_plan_for_a_machine_that_does_not_exist():
    result = _run("plan", "--shape", "1e9x100", "--dtype", "float32", "--gpus", "8", "--cpus", "8")
    assert result.exit_code == 0
    assert "chosen    reductions:gpu" in result.output
    assert "8 cores" in result.output
    assert "8 × GPU" in result.output


def test_plan_for_this_machine():
    result = _run("plan", "--shape", "100,5", "--estimator", "sklearn.linear_model.Ridge")
    assert result.exit_code == 0
    assert "chosen    sklearn:cpu" in result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--shape", "many"], "is no shape"),
        (["--shape", "10x2", "--estimator", "os.system"], "is not in sklearn or xgboost"),
        (["--shape", "10x2", "--estimator", "sklearn.linear_model.Rigde"], "was not found"),
        (["--shape", "10x2", "--estimator", "sklearn.nowhere.Ridge"], "was not found"),
        (["--shape", "10x2", "--backend", "cumll"], "is not known"),
        (["--shape", "10x2", "--memory", "much"], "is no number of bytes"),
    ],
)
def test_plan_explains_mistakes(arguments, text):
    result = _run("plan", *arguments)
    assert result.exit_code != 0
    assert text in result.output
    assert "Traceback" not in result.output


def test_version():
    assert _run("--version").output.strip().endswith(skdist_gpu.__version__)


def test_predict_names_a_model_that_is_none(tmp_path):
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0]}), table)
    done = _run("predict", str(table), str(table), str(tmp_path / "out.parquet"))
    assert done.exit_code == 2
    assert "table.parquet is no file of skops" in done.output
