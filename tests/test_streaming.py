"""Files scored into files."""

import shutil

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_info

from skdist_gpu import autoscale, load, predict_batches, predict_to_parquet
from skdist_gpu.cli import main
from skdist_gpu.scoring import methods as fitted
from skdist_gpu.scoring.files import ScoredDataset
from skdist_gpu.scoring.methods import method_of

generator = np.random.default_rng(0)
NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(generator.normal(size=(5000, 3)), columns=NAMES)
FRAME["target"] = FRAME[NAMES] @ [1.0, -2.0, 3.0]
FRAME["label"] = np.where(FRAME["target"] > 0, "above", "below")
FRAME["key"] = np.arange(len(FRAME))


@pytest.fixture(name="files")
def _files(tmp_path, monkeypatch):
    monkeypatch.setattr(fitted, "BATCH_ROWS", 700)
    folder = tmp_path / "table"
    folder.mkdir()
    for i, part in enumerate(np.array_split(np.arange(len(FRAME)), 3)):
        pq.write_table(pa.Table.from_pandas(FRAME.iloc[part], preserve_index=False), folder / f"{i}.parquet")
    return ds.dataset(folder)


def test_batches_in_order_with_kept_columns(files):
    model = autoscale(LogisticRegression()).fit(FRAME[NAMES], FRAME["label"])
    batches = list(predict_batches(model, files, method="predict_proba", keep=["key"]))
    assert len(batches) > 5
    assert max(batch.num_rows for batch in batches) <= 700
    scored = pa.Table.from_batches(batches)
    assert scored.column_names == ["key", "above", "below"]
    assert_array_equal(scored["key"], FRAME["key"])
    assert_allclose(scored["below"], model.predict_proba(FRAME[NAMES])[:, 1])
    labels = pa.Table.from_batches(predict_batches(model, files))
    assert labels["prediction"].to_pylist() == model.predict(FRAME[NAMES]).tolist()


def test_columns_stand_in_one_order_however_results_are_read(files):
    model = autoscale(StandardScaler(), backend="sklearn").fit(FRAME[NAMES])
    scaled, batch = model.transform(files), next(predict_batches(model, files, method="transform", keep=["key"]))
    assert scaled.schema.names == next(iter(scaled)).schema.names == ["target", "label", "key", *NAMES]
    assert scaled.to_table(["b", "key"]).column_names == ["b", "key"]
    assert batch.schema.names == ["key", *NAMES]


def test_features_of_an_estimator_without_names_do_not_depend_on_what_is_read(files):
    nameless = Ridge().fit(FRAME[NAMES].to_numpy(), FRAME["target"])
    source = ds.dataset(files.to_table(columns=[*NAMES, "key"]))
    scored = ScoredDataset(method_of(nameless, "predict"), source, keep=["key"])
    assert_allclose(scored.to_table(["prediction"])["prediction"], nameless.predict(FRAME[NAMES].to_numpy()))


def test_blas_is_the_readers_between_batches(files):
    def n_threads():
        return {lib["filepath"]: lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    model, before = Ridge().fit(FRAME[NAMES], FRAME["target"]), n_threads()
    batches = predict_batches(model, files)
    for _ in batches:
        assert n_threads() == before
    abandoned = predict_batches(model, files)
    next(abandoned)
    assert n_threads() == before


def test_plain_estimators_queries_and_several_columns(files, tmp_path):
    plain = Ridge().fit(FRAME[NAMES], FRAME[["target", "a"]])
    query = pl.scan_parquet(tmp_path / "table" / "*.parquet").filter(pl.col("a") > 0)
    assert predict_to_parquet(plain, query, tmp_path / "scored.parquet") == (FRAME["a"] > 0).sum()
    scored = pd.read_parquet(tmp_path / "scored.parquet")
    assert scored.columns.tolist() == ["prediction_0", "prediction_1"]
    assert_allclose(scored, plain.predict(FRAME.loc[FRAME["a"] > 0, NAMES]))
    nameless = PCA(2).fit(FRAME[NAMES].to_numpy())
    features = ds.dataset(files.to_table(columns=[*NAMES, "key"]))
    batches = predict_batches(nameless, features, method="transform", keep=["key"])
    transformed = pa.Table.from_batches(batches).to_pandas()
    assert_allclose(transformed[["pca0", "pca1"]], nameless.transform(FRAME[NAMES].to_numpy()))


def test_arrays_from_files_of_any_kind_of_result(files):
    encoder = autoscale(OneHotEncoder(), backend="sklearn").fit(FRAME[["label"]])
    expected = OneHotEncoder().fit_transform(FRAME[["label"]]).toarray()
    assert_array_equal(encoder.transform(files).collect().toarray(), expected)


def test_results_for_files_are_batches_computed_when_read(files):
    model = autoscale(LogisticRegression()).fit(FRAME[NAMES], FRAME["label"])
    scored = model.predict(files)
    assert max(batch.num_rows for batch in scored) <= 700
    assert scored.to_table()["prediction"].to_pylist() == model.predict(FRAME[NAMES]).tolist()
    assert_allclose(model.predict_proba(files), model.predict_proba(FRAME[NAMES]))
    assert scored.schema.names == ["prediction"]


def test_a_pipeline_reads_files_at_each_step(files):
    steps = make_pipeline(StandardScaler(), PCA(2), Ridge())
    wanted = ds.dataset(files.to_table(columns=[*NAMES, "target"]))
    model = autoscale(steps, backend="reductions").fit(wanted, "target")
    reference = clone(steps).fit(FRAME[NAMES], FRAME["target"])
    assert_allclose(model[-1].coef_, reference[-1].coef_, rtol=1e-9)
    assert_allclose(model.predict(files), reference.predict(FRAME[NAMES]), rtol=1e-9, atol=1e-9)
    assert_allclose(model.score(wanted, "target"), reference.score(FRAME[NAMES], FRAME["target"]))
    assert_allclose(model.score(files, "target"), reference.score(FRAME[NAMES], FRAME["target"]))
    scaled = model[0].transform(wanted).to_table(["b", "target"])
    assert_allclose(scaled["b"], reference[0].transform(FRAME[NAMES])[:, 1], atol=1e-12)
    assert_allclose(scaled["target"], FRAME["target"])


def test_the_plan_of_a_next_step_reads_no_rows(files, tmp_path):
    wanted = ds.dataset(tmp_path / "table", schema=files.schema.remove(files.schema.get_field_index("label")))
    scaled = autoscale(StandardScaler()).fit(wanted, "target").transform(wanted)
    expected = next(iter(scaled)).schema
    shutil.rmtree(tmp_path / "table")
    assert scaled.schema == expected
    assert autoscale(Ridge()).plan(scaled, "target").chosen is not None
    with pytest.raises(FileNotFoundError):
        next(iter(scaled))


def test_an_incomplete_file_is_not_left_under_the_name(files, tmp_path):
    model = Ridge().fit(FRAME[NAMES], FRAME["target"])
    holes = FRAME.assign(a=FRAME["a"].where(FRAME.index != 4000))
    source = ds.dataset(pa.Table.from_pandas(holes[NAMES], preserve_index=False))
    with pytest.raises(ValueError, match="NaN"):
        predict_to_parquet(model, source, tmp_path / "scored.parquet")
    assert not (tmp_path / "scored.parquet").exists()
    with pytest.raises(ValueError, match="no rows"):
        predict_to_parquet(model, ds.dataset(source.to_table().slice(0, 0)), tmp_path / "scored.parquet")


def _run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_command_fits_and_predicts(files, tmp_path):
    features = pa.Table.from_pandas(FRAME[[*NAMES, "target"]], preserve_index=False)
    pq.write_table(features, tmp_path / "train.parquet")
    model = tmp_path / "model.skops"
    done = _run(
        "fit", "sklearn.linear_model.Ridge", tmp_path / "train.parquet", model, "--target", "target",
        "--param", "alpha=0.5", "--backend", "reductions",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "ran on reductions:cpu" in done.output
    reference = Ridge(alpha=0.5).fit(FRAME[NAMES], FRAME["target"])
    assert_allclose(load(model).coef_, reference.coef_, rtol=1e-9)
    done = _run("predict", model, tmp_path / "table", tmp_path / "scored.parquet", "--keep", "key")
    assert done.output == f"5000 rows written to {tmp_path / 'scored.parquet'}\n"
    assert_allclose(pd.read_parquet(tmp_path / "scored.parquet")["prediction"], reference.predict(FRAME[NAMES]))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["fit", "sklearn.linear_model.Ridge", "nowhere", "m.skops", "--target", "y"], "cannot be read"),
        (["fit", "sklearn.linear_model.Ridge", "{table}", "m.skops", "--target", "y"], "y must name columns"),
        (["fit", "sklearn.linear_model.Ridge", "{table}", "m.skops", "--param", "alpha"], "Write name=value"),
        (["predict", "{model}", "{table}", "out.parquet", "--method", "predict_proba"], "has no method"),
    ],
)
def test_command_explains_mistakes(files, tmp_path, arguments, text):
    from skdist_gpu import save

    save(Ridge().fit(FRAME[NAMES], FRAME["target"]), tmp_path / "model.skops")
    places = {"table": tmp_path / "table", "model": tmp_path / "model.skops"}
    done = _run(*(argument.format(**places) for argument in arguments))
    assert done.exit_code != 0
    assert text in done.output
    assert "Traceback" not in done.output
