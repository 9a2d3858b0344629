"""The command `skdist-gpu`."""

import os
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn.linear_model import Ridge

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
        (["--shape", "infx10"], "is no shape"),
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


@pytest.fixture(name="table")
def _table(tmp_path, monkeypatch):
    """Write rows as Parquet and as CSV, and a model of them, into the current folder; return the rows."""
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).standard_normal((60, 2))
    frame = pd.DataFrame(X, columns=["a", "b"]).assign(t=X @ [1.0, 2.0])
    frame.to_parquet("rows.parquet", index=False)
    frame.to_csv("rows.csv", index=False)
    pd.DataFrame(columns=["a", "b", "t"]).to_csv("none.csv", index=False)
    skdist_gpu.save(Ridge().fit(frame[["a", "b"]], frame["t"]), "model.skops")
    return frame


READERS = {
    ".csv": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".feather": lambda path: pa.ipc.open_file(path).read_pandas(),
}


@pytest.mark.parametrize("ending", READERS)
@pytest.mark.parametrize("source", ["rows.csv", "rows.parquet"])
def test_predictions_have_the_format_of_their_name(table, source, ending):
    done = _run("predict", "model.skops", source, f"out{ending}", "--keep", "t")
    assert done.exit_code == 0, done.output
    written = READERS[ending](f"out{ending}")
    assert list(written.columns) == ["t", "prediction"]
    np.testing.assert_allclose(written["t"], table["t"])
    np.testing.assert_allclose(
        written["prediction"], Ridge().fit(table[["a", "b"]], table["t"]).predict(table[["a", "b"]])
    )


RIDGE = "sklearn.linear_model.Ridge"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["fit", RIDGE, "rows.parquet", "no/model.skops", "--target", "t"],
            r"no does not exist\. Nothing was computed",
        ),
        (["fit", RIDGE, "rows.parquet", "other.skops", "--target", "nope"], r"not \['nope'\]; it has a, b, t"),
        (["fit", RIDGE, "rows.parquet", "other.skops", "--target", "t", "--weight", "w"], r"sample_weight must name"),
        (["fit", RIDGE, "none.csv", "other.skops", "--target", "t"], "none.csv has no rows"),
        (["fit", RIDGE, "rows.csv", "other.skops", "--target", "t", "--param", "alpha=-1"], "alpha"),
        (
            ["fit", RIDGE, "rows.csv", "other.skops", "--target", "t", "--param", "alfa=1"],
            "no parameter alfa; it has alpha",
        ),
        (["fit", RIDGE, "rows.csv", "other.skops", "--target", "t", "--param", "alpha"], "Write name=value"),
        (["fit", RIDGE, "rows.csv"], r"Missing argument 'MODEL'. See `\S+ fit --help`"),
        (["fit", RIDGE, "rows.csv", "other.skops", "--targt", "t"], "No such option"),
        (["--targt"], "No such option"),
        (["fitt"], "No such command 'fitt'"),
        (["calibrate", "--seconds", "-1"], "--seconds"),
        (["bench", RIDGE, "rows.csv", "--target", "t", "--limit", "1kB"], "takes about 1.4 kB in memory"),
        (["predict", "none.skops", "rows.csv", "out.csv"], "'none.skops' does not exist"),
        (["predict", "model.skops", "rows.parquet", "out"], "a folder's name ends in a slash"),
        (["fit", "sklearn.linear_model.Rich", "rows.csv", "other.skops", "--target", "t"], "was not found"),
        (["predict", "model.skops", "rows.parquet", "no/out.parquet"], r"no does not exist\. Nothing was computed"),
        (["predict", "model.skops", "rows.parquet", "out.parquet", "--keep", "nope"], "keep must name columns"),
        (["predict", "model.skops", "rows.parquet", "out.xlsx"], "known endings are"),
        (["predict", "model.skops", "none.csv", "out.csv"], "none.csv has no rows"),
        (["predict", "rows.csv", "rows.parquet", "out.csv"], "rows.csv is no file of skops"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_leaves_no_file(table, arguments, text):
    before = sorted(os.listdir())
    done = _run(*arguments)
    assert done.exit_code == 2
    (line,) = done.output.strip().splitlines()
    assert line.startswith("Error: ")
    assert re.search(text, line)
    assert "Traceback" not in done.output
    assert sorted(os.listdir()) == before
