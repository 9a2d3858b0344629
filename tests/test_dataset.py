"""Parquet on disk, read block after block."""

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import r2_score
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.preprocessing import StandardScaler

from skdist_gpu import autoscale, predict_to_parquet
from skdist_gpu.data import dataset as dataset_module
from skdist_gpu.data.dataset import table_of
from skdist_gpu.testing import assert_ran_on

generator = np.random.default_rng(0)
NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(generator.normal(size=(10_000, 3)), columns=NAMES)
FRAME["target"] = FRAME[NAMES] @ [1.0, -2.0, 3.0] + generator.normal(size=len(FRAME))
FRAME["weight"] = generator.uniform(0.5, 2, size=len(FRAME))
FRAME["label"] = np.where(FRAME["target"] > 0, "above", "below")


@pytest.fixture(name="files")
def _files(tmp_path, monkeypatch):
    """Return a function that gives a dataset of a few files with the named columns, read in small blocks."""
    monkeypatch.setattr(dataset_module, "BLOCK_ROWS", 700)

    def write(*columns, frame=FRAME):
        for i, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
            table = pa.Table.from_pandas(frame.iloc[part][list(columns)], preserve_index=False)
            pq.write_table(table, tmp_path / f"{i}.parquet", row_group_size=1000)
        return ds.dataset(tmp_path)

    return write


@pytest.mark.parametrize("estimator", [LinearRegression(), Ridge(), Lasso(0.1)], ids=repr)
@pytest.mark.parametrize("backend", ["reductions:cpu", "sklearn", "auto"])
def test_columns_by_name(files, estimator, backend):
    model = autoscale(estimator, backend=backend).fit(
        files(*NAMES, "target", "weight"), "target", sample_weight="weight"
    )
    reference = type(estimator)(**estimator.get_params()).fit(FRAME[NAMES], FRAME["target"], FRAME["weight"])
    assert_allclose(model.coef_, reference.coef_, rtol=1e-4 if estimator.__class__ is Lasso else 1e-9)
    assert_array_equal(model.feature_names_in_, NAMES)


def test_nulls_among_whole_numbers(files):
    # only the blocks with a null are read as floats
    frame = FRAME.assign(count=pd.array(np.arange(len(FRAME)) % 3, dtype="Int64"))
    frame.loc[5000, "count"] = pd.NA
    with pytest.raises(ValueError, match="Input X contains NaN"):
        autoscale(Ridge(), backend="reductions:cpu").fit(files("a", "count", "target", frame=frame), "target")
    with pytest.raises(ValueError, match="Input y contains NaN"):
        autoscale(Ridge(), backend="reductions:cpu").fit(files(*NAMES, "count", frame=frame), "count")
    for estimator, y in ((Ridge(), "target"), (GaussianNB(), "label"), (LogisticRegression(), "label")):
        data = files(*NAMES, y, "count", frame=frame)
        with pytest.raises(ValueError, match="Input sample_weight contains NaN"):
            autoscale(estimator, backend="reductions:cpu").fit(data, y, sample_weight="count")


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (LinearRegression(), "target"),
        (LogisticRegression(), "label"),
        (GaussianNB(), "label"),
        (MultinomialNB(), "label"),
    ],
    ids=repr,
)
def test_no_rows_and_no_weight(files, estimator, y):
    data = files(*NAMES, y, "weight", frame=FRAME.assign(weight=0.0, a=FRAME["a"].abs(), b=1.0, c=2.0))
    with pytest.raises(ValueError, match="Sample weights must contain at least one non-zero number"):
        autoscale(estimator, backend="reductions:cpu").fit(data, y, sample_weight="weight")
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\)"):
        autoscale(estimator, backend="reductions:cpu").fit(files(*NAMES, y, frame=FRAME[:0]), y)


def test_missing_text_labels(files):
    frame = FRAME.assign(label=FRAME["label"].astype(object))
    frame.loc[5000, "label"] = None
    with pytest.raises(ValueError, match="Input contains NaN"):
        autoscale(LogisticRegression(), backend="reductions:cpu").fit(files(*NAMES, "label", frame=frame), "label")


@pytest.mark.parametrize(
    "names",
    [np.array([0, 2**63 + 1, 2**64 - 1], np.uint64), np.array([-3, 4, 5], np.int8), np.array([1, 2, 5], np.float32)],
    ids=str,
)
def test_classes_have_the_dtype_of_the_labels(files, names):
    frame = FRAME.assign(label=names[np.arange(len(FRAME)) % 3])
    model = autoscale(GaussianNB(), backend="reductions:cpu").fit(files(*NAMES, "label", frame=frame), "label")
    assert model.classes_.dtype == names.dtype
    assert_array_equal(model.classes_, names)


def test_a_polars_query(files, tmp_path):
    files(*NAMES, "target")
    query = pl.scan_parquet(tmp_path / "*.parquet").filter(pl.col("a") > 0)
    chosen = FRAME[FRAME["a"] > 0]
    for backend in ("reductions:cpu", "sklearn"):
        model = autoscale(Ridge(), backend=backend).fit(query, "target")
        assert_allclose(model.coef_, Ridge().fit(chosen[NAMES], chosen["target"]).coef_, rtol=1e-9)
        assert_allclose(model.predict(query), model.predict(chosen[NAMES]))
    scaler = autoscale(StandardScaler(), backend="reductions:cpu").fit(query.select(NAMES))
    assert_allclose(scaler.mean_, chosen[NAMES].mean(), rtol=1e-9)


def test_predictions_of_files_are_one_array(files):
    files = files(*NAMES, "target")
    model = autoscale(LinearRegression(), backend="reductions").fit(files, "target")
    predicted = model.predict(files)
    assert_allclose(predicted, model.predict(FRAME[NAMES]))
    assert r2_score(FRAME["target"], predicted) > 0.9


def test_text_labels_and_several_targets(files):
    model = autoscale(RidgeClassifier(), backend="reductions").fit(files(*NAMES, "label"), "label")
    reference = RidgeClassifier().fit(FRAME[NAMES], FRAME["label"])
    assert_array_equal(model.classes_, reference.classes_)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-9)
    both = autoscale(Ridge(), backend="reductions").fit(files(*NAMES, "target", "weight"), ["target", "weight"])
    assert_allclose(both.coef_, Ridge().fit(FRAME[NAMES], FRAME[["target", "weight"]]).coef_, rtol=1e-9)


def test_plan_reads_footers_only_and_knows_the_size(files):
    plan = autoscale(LinearRegression()).plan(files(*NAMES, "target"), "target")
    assert "10 000 × 3 float64 in arrow.dataset" in plan.data
    assert plan.chosen.name == "sklearn:cpu"
    small = autoscale(LinearRegression(), memory_budget="100kB").plan(files(*NAMES, "target"), "target")
    assert next(c for c in small.candidates if c.name == "sklearn:cpu").verdict == "refused"


def test_bad_columns_and_values(files):
    with pytest.raises(ValueError, match=r"y must name columns.*a, b, c"):
        autoscale(Ridge(), backend="reductions").fit(files(*NAMES), "missing")
    with pytest.raises(ValueError, match="y must name columns"):
        autoscale(Ridge(), backend="reductions").fit(files(*NAMES), np.zeros(3))
    with pytest.raises(ValueError, match=r"not numbers: label"):
        autoscale(Ridge(), backend="reductions").fit(files(*NAMES, "label", "target"), "target")
    holes = FRAME.assign(a=FRAME["a"].where(FRAME.index != 77))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        autoscale(Ridge(), backend="reductions").fit(files(*NAMES, "target", frame=holes), "target")


def test_memory_mapped_arrays_are_not_copied(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (5000, 3))
    mapped[:] = FRAME[NAMES].to_numpy()[:5000]
    mapped.flush()
    data = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = autoscale(LinearRegression(), backend="reductions").fit(data, FRAME["target"].to_numpy()[:5000])
    assert_ran_on(model, "reductions:cpu")
    reference = LinearRegression().fit(np.asarray(data, np.float64), FRAME["target"][:5000])
    assert model.coef_.dtype == np.float32
    assert_allclose(model.coef_, reference.coef_, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 7, 571, 1001, 16_384])
@pytest.mark.parametrize("kind", ["plain", "missing", "several types", "one column", "chunks", "cut short"])
def test_columns_copied_into_memory_are_those_of_the_frame(dtype, n_rows, kind):
    generator = np.random.default_rng(0)
    names = ["a column with " + "a long name " * 200, *(["b", "c"] if kind != "one column" else [])]
    frame = pd.DataFrame({name: generator.standard_normal(20_000).astype(dtype) for name in names})
    if kind == "several types":
        frame["b"] = np.arange(len(frame))
    rows = pa.Table.from_pandas(frame)
    if kind == "missing":
        present = pa.array(np.arange(len(frame)) % 3 > 0)
        rows = rows.set_column(1, "b", pc.if_else(present, rows["b"], pa.scalar(None, rows["b"].type)))
    if kind == "chunks":
        rows = pa.concat_tables([rows.slice(0, 8), rows.slice(8)])
    else:
        (rows,) = rows.to_batches()
    rows = rows.slice(3, n_rows)
    if kind == "cut short":  # two values are left behind the last
        rows = pa.RecordBatch.from_pandas(frame[: n_rows + 2], preserve_index=False).slice(0, n_rows)
    table = table_of(ds.dataset(pa.Table.from_batches([rows]) if kind != "chunks" else rows), None, None)
    columns = table.columns_in(np.empty(table.room_for(n_rows), np.uint8), rows)
    assert columns.dtype == table.dtype == ("float64" if kind == "several types" else dtype)
    expected = rows.to_pandas().to_numpy(dtype=table.dtype)
    assert_array_equal(columns[:, :n_rows].T, expected)


def test_files_without_features(files):
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        autoscale(LinearRegression(), backend="reductions").fit(files("target"), "target")


def test_a_plan_over_filtered_files_reads_no_rows(tmp_path):
    path = tmp_path / "all.parquet"
    pq.write_table(pa.Table.from_pandas(FRAME[[*NAMES, "target"]]), path)
    footer = int.from_bytes(path.read_bytes()[-8:-4], "little") + 8
    path.write_bytes(bytes(path.stat().st_size - footer) + path.read_bytes()[-footer:])  # no row is left to be read
    kept = ds.dataset(path).filter(ds.field("a") > 0)
    model = autoscale(LinearRegression(), backend="reductions")
    assert "10 000 × 3" in model.plan(kept, "target").data
    with pytest.raises(OSError, match="page header"):
        model.fit(kept, "target")


@pytest.mark.parametrize("backend", ["reductions:cpu", "sklearn"])
def test_targets_and_weights_may_be_decimals(files, backend):
    exact = {name: [decimal.Decimal(f"{value:.2f}") for value in FRAME[name]] for name in ("target", "weight")}
    frame = FRAME.assign(**exact)
    data = files(*NAMES, "target", "weight", frame=frame)
    model = autoscale(Ridge(), backend=backend).fit(data, "target", sample_weight="weight")
    rounded = {name: np.array(values, dtype=float) for name, values in exact.items()}
    reference = Ridge().fit(FRAME[NAMES], rounded["target"], rounded["weight"])
    assert_allclose(model.coef_, reference.coef_, rtol=1e-9)


def test_labels_of_files_keep_the_dtype_that_scikit_learn_gives_text(files):
    data = files(*NAMES, "label")
    ours = autoscale(LogisticRegression(), backend="reductions:cpu").fit(data, "label")
    plain = LogisticRegression().fit(FRAME[NAMES], FRAME["label"])
    assert ours.classes_.dtype == plain.classes_.dtype
    assert ours.classes_.tolist() == plain.classes_.tolist()
    assert ours.predict(FRAME[NAMES]).dtype == plain.predict(FRAME[NAMES]).dtype


def test_weights_that_are_no_column_are_refused(files):
    with pytest.raises(ValueError, match="sample_weight must name columns of it"):
        autoscale(Ridge(), backend="reductions:cpu").fit(files(*NAMES, "target"), "target", FRAME["weight"].to_numpy())


def test_a_column_may_be_target_and_weight(files):
    ours = autoscale(Ridge(), backend="reductions:cpu").fit(files(*NAMES, "weight"), "weight", sample_weight="weight")
    assert_allclose(ours.coef_, Ridge().fit(FRAME[NAMES], FRAME["weight"], FRAME["weight"]).coef_, rtol=1e-9)


def test_columns_of_one_name_are_refused():
    table = pa.Table.from_arrays([pa.array([1.0, 2.0])] * 3, names=["a", "a", "target"])
    with pytest.raises(ValueError, match=r"Several columns are called \['a'\]"):
        autoscale(Ridge(), backend="reductions:cpu").fit(ds.dataset(table), "target")


def test_a_result_replaces_none_of_its_rows(files):
    data, model = files(*NAMES), LinearRegression().fit(FRAME[NAMES], FRAME["target"])
    scaled = autoscale(StandardScaler()).fit(FRAME[NAMES]).transform(data)
    for source in (data, scaled):
        with pytest.raises(ValueError, match="is a file of the data"):
            predict_to_parquet(model, source, data.files[1])
    assert ds.dataset(data.files).count_rows() == len(FRAME)


def test_a_column_to_keep_is_not_lost_to_a_result_of_its_name(files, tmp_path):
    data = files(*NAMES, "prediction", frame=FRAME.assign(prediction=FRAME["label"]))
    model = LinearRegression().fit(FRAME[NAMES], FRAME["target"])
    with pytest.raises(ValueError, match=r"columns to keep, \['prediction'\]"):
        predict_to_parquet(model, data, tmp_path / "out", keep=["prediction"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_plain_transformer_may_give_frames(files, tmp_path, library):
    scaler = StandardScaler().set_output(transform=library).fit(FRAME[NAMES])
    predict_to_parquet(scaler, files(*NAMES), tmp_path / "out", method="transform")
    written = pq.read_table(tmp_path / "out").to_pandas()
    assert list(written) == NAMES
    assert_allclose(written, StandardScaler().fit_transform(FRAME[NAMES]))
