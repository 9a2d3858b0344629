"""The command on files: every format in and out, scores, explanations, benches, and JSON of each."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression, Ridge

from skdist_gpu import load
from skdist_gpu.cli import main

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 2))
TABLE = pa.table({"key": np.arange(60.0), "a": X[:, 0], "b": X[:, 1], "target": X @ [1.0, 2.0]})


def _run(*arguments, code=0):
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


def _json(*arguments):
    return json.loads(_run(*arguments, "--json"))


def _write(table, path):
    if path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    elif path.suffix == ".arrow":
        pa.feather.write_feather(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        pq.write_table(table, path)


def _read(path):
    if path.suffix in (".json", ".jsonl"):
        return pa.Table.from_pylist([json.loads(line) for line in path.read_text().splitlines()])
    name = {".csv": "csv", ".arrow": "feather"}.get(path.suffix, "parquet")
    return ds.dataset(path, format=name).to_table()


@pytest.fixture
def model(tmp_path):
    _write(TABLE, tmp_path / "table.parquet")
    _run("fit", "sklearn.linear_model.Ridge", tmp_path / "table.parquet", tmp_path / "m.skops", "--target", "target")
    return tmp_path / "m.skops"


@pytest.mark.parametrize("ending", ["parquet", "csv", "arrow", "jsonl"])
def test_every_format_goes_in_and_comes_out(tmp_path, ending):
    table, model, out = (tmp_path / name for name in (f"t.{ending}", "m.skops", f"out.{ending}"))
    _write(TABLE, table)
    _run("fit", "Ridge", table, model, "--target", "target", "--param", "alpha=0.5")
    features = np.column_stack([TABLE[name].to_numpy() for name in ("key", "a", "b")])
    expected = Ridge(alpha=0.5).fit(features, TABLE["target"].to_numpy()).predict(features)
    told = _json("predict", model, table, out, "--keep", "key")
    assert told == {"output": str(out), "rows": 60}
    written = _read(out)
    np.testing.assert_allclose(written["prediction"].to_numpy(), expected, rtol=1e-6)
    assert written["key"].to_pylist() == TABLE["key"].to_pylist()


def test_folders_and_patterns_are_tables(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(3):
        _write(TABLE.slice(20 * i, 20), folder / f"part-{i}.csv")
    for name in (folder, folder / "part-[01].csv"):
        _run("fit", "Ridge", name, tmp_path / "m.skops", "--target", "target")
    assert "× 3" in _json("explain", tmp_path / "m.skops")["plan"]["data"]
    assert _json("predict", tmp_path / "m.skops", folder / "part-[01].csv", tmp_path / "out.csv")["rows"] == 40


def test_a_folder_gets_a_file_for_each_file_of_the_table(model, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "new" / "out"
    folder.mkdir()
    for name, part in (("one.csv", TABLE[:40]), ("two.csv", TABLE[40:])):
        _write(part, folder / name)
    (folder / "three.csv").write_text("key,a,b,target\n")  # without rows
    told = _json("predict", model, folder, f"{out}/", "--keep", "key")
    assert told["rows"] == 60
    assert {path.name for path in out.iterdir()} == {"one.csv", "two.csv"}
    written = [_read(out / name) for name in ("one.csv", "two.csv")]
    assert [part.num_rows for part in written] == [40, 20]
    plain = Ridge().fit(TABLE.select(["key", "a", "b"]).to_pandas(), TABLE["target"])
    found = np.concatenate([part["prediction"] for part in written])
    np.testing.assert_allclose(found, plain.predict(TABLE.select(["key", "a", "b"]).to_pandas()), atol=1e-9)
    assert "is a file of the table" in _run("predict", model, folder, folder, code=2)
    assert (folder / "one.csv").read_text().startswith('"key","a"')


def test_the_demo_tells_what_it_compares_as_json():
    cases = _json("demo", "--rows", "1000")["cases"]
    assert [case["data"] for case in cases][::3] == ["diabetes", "generated table"]
    assert max(case["largest_difference"] for case in cases) < 1e-9


def test_a_calibration_tells_what_it_wrote_as_json(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDIST_GPU_CALIBRATION", str(tmp_path / "c.json"))
    told = _json("calibrate", "--seconds", "0.01")
    assert told["path"] == str(tmp_path / "c.json")
    assert told["probes"] == json.loads((tmp_path / "c.json").read_text())["probes"]


def test_score_is_scikit_learns(model, tmp_path):
    told = _json("score", model, tmp_path / "table.parquet", "--target", "target")
    features = np.column_stack([TABLE[name].to_numpy() for name in ("key", "a", "b")])
    expected = Ridge().fit(features, TABLE["target"].to_numpy()).score(features, TABLE["target"].to_numpy())
    assert told["scoring"] == "r2"
    assert told["score"] == pytest.approx(expected, rel=1e-6)
    named = ("--target", "target", "--scoring", "neg_mean_absolute_error")
    assert _run("score", model, tmp_path / "table.parquet", *named).startswith("neg_mean_absolute_error -")


def test_classes_are_text(tmp_path):
    labels = np.where(TABLE["target"].to_numpy() > 0, "up", "down")
    table = TABLE.drop_columns(["target"]).append_column("target", pa.array(labels))
    _write(table, tmp_path / "t.parquet")
    _run(
        "fit",
        "sklearn.linear_model.LogisticRegression",
        tmp_path / "t.parquet",
        tmp_path / "m.skops",
        "--target",
        "target",
    )
    features = np.column_stack([TABLE[name].to_numpy() for name in ("key", "a", "b")])
    expected = LogisticRegression().fit(features, labels).score(features, labels)
    assert _json("score", tmp_path / "m.skops", tmp_path / "t.parquet", "--target", "target")["score"] == pytest.approx(
        expected, abs=0.02
    )


def test_explain_tells_what_the_fit_decided_and_the_model_loads_without_it(model):
    told = _json("explain", model)
    assert told["report"]["ran_on"] == told["plan"]["chosen"]
    assert "ran on" in _run("explain", model)
    assert isinstance(load(model), Ridge)


def test_explain_of_a_model_that_another_program_saved(tmp_path):
    from skdist_gpu import save

    save(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]), tmp_path / "other.skops")
    assert "does not tell how it was fitted" in _run("explain", tmp_path / "other.skops", code=2)


def test_plan_of_a_table(tmp_path):
    _write(TABLE, tmp_path / "t.parquet")
    told = _json("plan", tmp_path / "t.parquet", "--target", "target", "--estimator", "Ridge", "--param", "alpha=3")
    assert told["estimator"] == "Ridge"
    assert told["chosen"] == told["candidates"][0]["backend"] + ":" + told["candidates"][0]["device"]
    assert "Name a TABLE" in _run("plan", code=2)


def test_bench_measures_every_engine_that_can_run(tmp_path):
    _write(TABLE, tmp_path / "t.parquet")
    told = _json("bench", "Ridge", tmp_path / "t.parquet", "--target", "target", "--repeat", "1")
    assert {facts["engine"] for facts in told["engines"]} >= {"sklearn:cpu", "reductions:cpu"}
    assert all(facts["seconds"] > 0 for facts in told["engines"])
    assert "chosen" in _run("bench", "Ridge", tmp_path / "t.parquet", "--target", "target", "--repeat", "1")
    too_large = _run("bench", "Ridge", tmp_path / "t.parquet", "--target", "target", "--limit", "1kB", code=2)
    assert "the limit is 1kB" in too_large


def test_doctor_takes_twenty_lines_and_names_what_mends():
    output = _run("doctor")
    assert len(output.splitlines()) <= 20
    told = _json("doctor")
    assert told["engines"]["sklearn:cpu"]["runs"]
    if not told["engines"]["cuml:gpu"]["runs"]:
        assert "cuml:gpu" in output
        assert "pip install" in output
    assert "all of scikit-learn" in _run("doctor", "--all")


def test_versions_for_an_issue():
    assert _run("show-versions", "--github").startswith("<details>")
    assert "scikit-learn" in _json("show-versions")["packages"]["sklearn"]


def test_names_that_are_nearly_right():
    assert "Did you mean LinearRegression?" in _run("plan", "--shape", "10x2", "--estimator", "LinearRegresion", code=2)


def test_verbose_shows_the_traceback_beside_the_one_line(tmp_path):
    _write(TABLE, tmp_path / "t.parquet")
    wrong = ("fit", "Ridge", tmp_path / "t.parquet", tmp_path / "m.skops", "--target", "target", "--param", "alpha=-1")
    quiet, verbose = _run(*wrong, code=2), _run("-v", *wrong, code=2)
    assert "Traceback" not in quiet
    assert len(quiet.splitlines()) == 1
    assert "Traceback" in verbose


def test_predict_does_not_write_over_its_table(model, tmp_path):
    table = tmp_path / "table.parquet"  # which the model was fitted to
    assert "is a file of the data" in _run("predict", model, table, table, code=2)
    assert pq.read_table(table).equals(TABLE)


@pytest.mark.parametrize("method", ["fit", "score", "get_params", "__init__", "coef_"])
def test_predict_calls_nothing_but_functions_of_rows(model, tmp_path, method):
    told = _run("predict", model, tmp_path / "table.parquet", tmp_path / "out.parquet", "--method", method, code=2)
    assert f"{method} of Ridge gives nothing for each row" in told or f"has no method {method!r}" in told
    assert not (tmp_path / "out.parquet").exists()


def test_a_table_that_is_not_there_is_said_so(tmp_path):
    told = _run("fit", "Ridge", tmp_path / "none.parquet", tmp_path / "m.skops", "--target", "y", code=2)
    assert "there is no such file" in told
