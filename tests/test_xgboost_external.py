"""XGBoost from files, mapped arrays and partitions, batch after batch: the model that the data in memory give."""

import numpy as np
import pandas as pd
import pytest

from skdist_gpu import AutoScaleXGBClassifier, AutoScaleXGBRanker, AutoScaleXGBRegressor
from skdist_gpu.engines.xgboost_external import batches as xgboost_batches
from skdist_gpu.exceptions import BackendError, FallbackWarning
from skdist_gpu.testing import assert_ran_on, make_resources

xgboost = pytest.importorskip("xgboost")
pa = pytest.importorskip("pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")

FEW = {"n_estimators": 5, "max_depth": 4, "n_jobs": 1}
EXTERNAL = FEW | {"backend": "xgboost.external", "n_jobs": 1}
NAMES = list("abcd")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(xgboost_batches, "BATCH_BYTES", 1000 * 4 * 4)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 4)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.1 * rng.normal(size=5000)
    columns = {"y": y, "label": np.array(["low", "mid", "high"])[np.digitize(y, [-1, 1])]}
    columns |= {"weight": rng.integers(0, 3, 5000).astype(float), "margin": rng.normal(size=5000)}
    columns |= {"relevance": np.digitize(y, [-1, 0, 1]), "query": np.repeat(np.arange(50), 100)}
    return pd.DataFrame(X, columns=NAMES).assign(**columns)


@pytest.fixture(scope="module")
def files(frame, tmp_path_factory):
    """Return a function that writes some columns to three Parquet files, and opens them as a dataset."""

    def write(*columns):
        folder = tmp_path_factory.mktemp("parquet")
        for i, rows in enumerate((slice(1700), slice(1700, 1700), slice(1700, None))):
            pq.write_table(pa.Table.from_pandas(frame[[*NAMES, *columns]][rows]), folder / f"{i}.parquet")
        return ds.dataset(folder)

    return write


# --- the same model ------------------------------------------------------------------------


def test_regressor_from_files(frame, files):
    direct = xgboost.XGBRegressor(**FEW)
    direct.fit(frame[NAMES], frame["y"], sample_weight=frame["weight"], base_margin=frame["margin"])
    data = files("y", "weight", "margin")
    model = AutoScaleXGBRegressor(**EXTERNAL).fit(data, "y", "weight", base_margin="margin")
    assert_ran_on(model, "xgboost.external:cpu")
    assert model.feature_names_in_.tolist() == NAMES
    np.testing.assert_allclose(model.predict(frame[NAMES]), direct.predict(frame[NAMES]), rtol=1e-5, atol=1e-5)
    in_memory = AutoScaleXGBRegressor(**FEW, backend="xgboost:cpu").fit(data, "y", "weight", base_margin="margin")
    np.testing.assert_array_equal(in_memory.predict(frame[NAMES]), direct.predict(frame[NAMES]))


def test_classifier_from_files_with_text_labels(frame, files):
    codes = np.unique(frame["label"], return_inverse=True)[1]
    direct = xgboost.XGBClassifier(**FEW).fit(frame[NAMES], codes)
    for given in ({}, {"classes": ["low", "mid", "high"]}):
        model = AutoScaleXGBClassifier(**EXTERNAL).fit(files("label"), "label", **given)
        assert model.classes_.tolist() == ["high", "low", "mid"]
        likely = model.predict_proba(frame[NAMES])
        np.testing.assert_allclose(likely, direct.predict_proba(frame[NAMES]), rtol=1e-4, atol=1e-5)


def test_ranker_from_files(frame, files):
    direct = xgboost.XGBRanker(**FEW).fit(frame[NAMES], frame["relevance"], qid=frame["query"])
    model = AutoScaleXGBRanker(**EXTERNAL).fit(files("relevance", "query"), "relevance", qid="query")
    np.testing.assert_allclose(model.predict(frame[NAMES]), direct.predict(frame[NAMES]), rtol=1e-4, atol=1e-5)


def test_several_targets_from_a_query_of_polars(frame, files, tmp_path):
    polars = pytest.importorskip("polars")
    frame[[*NAMES, "y", "margin"]].to_parquet(tmp_path / "all.parquet")
    query = polars.scan_parquet(tmp_path / "all.parquet")
    model = AutoScaleXGBRegressor(**FEW).fit(query, ["y", "margin"])
    assert_ran_on(model, "xgboost.external:cpu")  # the number of rows is not known
    direct = xgboost.XGBRegressor(**FEW).fit(frame[NAMES], frame[["y", "margin"]])
    np.testing.assert_allclose(model.predict(frame[NAMES]), direct.predict(frame[NAMES]), rtol=1e-4, atol=1e-5)


def test_mapped_array(frame, tmp_path):
    np.save(tmp_path / "X.npy", frame[NAMES].to_numpy())
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = AutoScaleXGBRegressor(**EXTERNAL).fit(mapped, frame["y"])
    direct = xgboost.XGBRegressor(**FEW).fit(np.asarray(mapped), frame["y"])
    np.testing.assert_allclose(model.predict(mapped), direct.predict(mapped), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lazy", [False, True])
def test_categories(frame, lazy):
    dd = pytest.importorskip("dask.dataframe")
    data = frame[NAMES].assign(group=pd.cut(frame["a"], 5, labels=list("vwxyz")).astype(str).astype("category"))
    direct = xgboost.XGBRegressor(enable_categorical=True, **FEW).fit(data, frame["y"])
    X, y = (dd.from_pandas(part, npartitions=3) for part in (data, frame["y"])) if lazy else (data, frame["y"])
    model = AutoScaleXGBRegressor(**EXTERNAL).fit(X, y)
    np.testing.assert_allclose(model.predict(data), direct.predict(data), rtol=1e-4, atol=1e-4)


CALLS = []


def count(block):
    CALLS.append(len(block))
    return block


def test_partitions_are_computed_one_at_a_time_and_once(frame):
    da = pytest.importorskip("dask.array")
    CALLS.clear()
    X = da.from_array(frame[NAMES].to_numpy(), chunks=(1000, 4)).map_blocks(count, meta=np.empty((0, 0), np.float32))
    y = da.from_array(frame["label"].to_numpy(), chunks=1000)
    model = AutoScaleXGBClassifier(**EXTERNAL).fit(X, y)
    assert CALLS == [1000] * 5
    assert model.score(frame[NAMES].to_numpy(), frame["label"]) > 0.8


def test_evaluation_and_early_stopping(frame, files):
    shuffled = np.random.default_rng(0).permutation(frame["label"])  # so that more rounds make it worse
    model = AutoScaleXGBClassifier(**(EXTERNAL | {"n_estimators": 300}), early_stopping_rounds=2)
    model.fit(files("label"), "label", eval_set=[(frame[NAMES], shuffled)], verbose=False)
    assert model.estimator_.best_iteration < 20
    assert len(model.evals_result_["validation_0"]["mlogloss"]) == model.estimator_.best_iteration + 3


def test_margins_and_evaluation_from_files(frame, files):
    direct = xgboost.XGBRegressor(**FEW, early_stopping_rounds=2)
    direct.fit(frame[NAMES], frame["y"], eval_set=[(frame[NAMES], frame["y"])], verbose=False)
    sets = {"eval_set": [(files("y"), "y")], "verbose": False}
    model = AutoScaleXGBRegressor(**EXTERNAL, early_stopping_rounds=2).fit(files("y"), "y", **sets)
    assert model.best_score == pytest.approx(direct.best_score, rel=1e-3)
    lazy = model.predict(files("margin"), base_margin="margin")
    expected = model.estimator_.predict(frame[NAMES], base_margin=frame["margin"])
    np.testing.assert_allclose(lazy.collect(), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="base_margin must name a column"):
        model.predict(files(), base_margin=frame["margin"])


# --- the plan ------------------------------------------------------------------------------


def test_files_that_outgrow_the_memory(frame, files):
    data = files("y")
    assert AutoScaleXGBRegressor().plan(data, "y").chosen.name == "xgboost:cpu"
    large = {"shape": (10**8, 100), "dtype": "float32"}
    plan = AutoScaleXGBRegressor().plan(**large, resources=make_resources(memory="16GB"))
    assert plan.chosen.name == "xgboost.external:cpu"
    plan = AutoScaleXGBRegressor().plan(**large, resources=make_resources(gpus=1, gpu_memory="16GB"))
    assert "xgboost.external:gpu" in [candidate.name for candidate in plan.ladder]
    assert (
        AutoScaleXGBRegressor(tree_method="exact").plan(**large, resources=make_resources(memory="16GB")).chosen is None
    )


def test_next_engine_when_memory_runs_out(frame, monkeypatch):
    def run_out(*args, **kwargs):
        raise xgboost.core.XGBoostError("std::bad_alloc")

    monkeypatch.setattr(xgboost.XGBRegressor, "_create_dmatrix", run_out)  # as where memory is short
    with pytest.warns(FallbackWarning, match="XGBoost ran out of memory"):
        model = AutoScaleXGBRegressor(**FEW).fit(frame[NAMES], frame["y"])
    assert_ran_on(model, "xgboost.external:cpu")


# --- wrong input ---------------------------------------------------------------------------


def test_values_are_checked_in_each_batch(frame, tmp_path):
    X = frame[NAMES].to_numpy().copy()
    X[4321, 1] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        AutoScaleXGBRegressor(**EXTERNAL).fit(X, frame["y"])


def test_column_that_files_do_not_have(files):
    with pytest.raises(ValueError, match="base_margin must name columns"):
        AutoScaleXGBRegressor(**EXTERNAL).fit(files("y"), "y", base_margin="offset")


def test_disk_that_is_full(frame, monkeypatch):
    monkeypatch.setattr(xgboost_external_disk(), "disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(BackendError, match=r"pages take about 50\.0 kB .* where 10 B are free"):
        AutoScaleXGBRegressor(**EXTERNAL).fit(frame[NAMES], frame["y"])


def xgboost_external_disk():
    from skdist_gpu.engines.xgboost_external import fit as xgboost_external

    return xgboost_external.shutil
