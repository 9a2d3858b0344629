"""Training and test rows of files and queries, and weights that are columns of them, against the whole table."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import autoscale, model_selection
from skdist_gpu.data.taken import TakenRows

rng = np.random.default_rng(0)
FRAME = pd.DataFrame(rng.normal(size=(300, 3)), columns=list("abc"))
FRAME["y"] = FRAME[list("abc")] @ [1.0, -2.0, 3.0] + 0.1 * rng.normal(size=300)
FRAME["label"] = np.where(FRAME["y"] > 1, "high", "low")
FRAME["w"] = rng.uniform(0.1, 3.0, size=300)
OPTIONS = {"test_size": 0.3, "random_state": 4}


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    for i, rows in enumerate((slice(0, 130), slice(130, 131), slice(131, 300))):
        table = pa.Table.from_pandas(FRAME[rows], preserve_index=False)
        pq.write_table(table, folder / f"{i}.parquet", row_group_size=50)
    return folder


SOURCES = {
    "dataset": ds.dataset,
    "filtered dataset": lambda folder: ds.dataset(folder).filter(pc.field("a") > -9),
    "query": lambda folder: pl.scan_parquet(folder / "*.parquet"),
    "filtered query": lambda folder: pl.scan_parquet(folder / "*.parquet").filter(pl.col("a") > -9),
}


def in_memory(rows):
    return rows.collect().to_pandas() if hasattr(rows, "collect") else rows.to_table().to_pandas()


@pytest.mark.parametrize("stratify", [None, "label"])
@pytest.mark.parametrize("source", SOURCES)
def test_the_rows_are_scikit_learns_and_lazy(source, stratify, folder):
    rows = SOURCES[source](folder)
    parts = model_selection.train_test_split(rows, stratify=stratify, **OPTIONS)
    assert all(isinstance(part, (TakenRows, pl.LazyFrame)) for part in parts)
    labels = None if stratify is None else FRAME[stratify]
    for found, expected in zip(parts, train_test_split(FRAME, stratify=labels, **OPTIONS), strict=True):
        pd.testing.assert_frame_equal(in_memory(found), expected.sort_index().reset_index(drop=True))


@pytest.mark.parametrize("source", SOURCES)
def test_models_are_fitted_and_scored_on_the_parts(source, folder):
    rows = SOURCES[source](folder)
    rows = rows.drop("label", "w") if hasattr(rows, "drop") else model_rows(rows)
    train, test = model_selection.train_test_split(rows, **OPTIONS)
    expected_train, expected_test = (part.sort_index() for part in train_test_split(FRAME, **OPTIONS))
    plain = make_pipeline(StandardScaler(), Ridge()).fit(expected_train[list("abc")], expected_train["y"])
    model = autoscale(clone(plain)).fit(train, "y")
    assert_allclose(np.asarray(model.predict(test)).ravel(), plain.predict(expected_test[list("abc")]))
    assert model.score(test, "y") == pytest.approx(plain.score(expected_test[list("abc")], expected_test["y"]))
    scores = model_selection.cross_val_score(clone(plain), train, "y", cv=3)
    assert_allclose(scores, cross_val_score(clone(plain), expected_train[list("abc")], expected_train["y"], cv=3))


def model_rows(rows):
    names = [name for name in rows.schema.names if name not in ("label", "w")]
    return rows.replace_schema(pa.schema([rows.schema.field(name) for name in names]))


def test_targets_in_memory_are_split_with_them(folder):
    train, test, y_train, y_test = model_selection.train_test_split(ds.dataset(folder), FRAME["y"], **OPTIONS)
    assert_allclose(in_memory(train)["y"], y_train)
    assert_allclose(in_memory(test)["y"], y_test)
    assert test.count_rows() == len(y_test) == 90
    assert test.head(2).num_rows == 2


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("source", ["dataset", "query"])
def test_weights_are_columns(source, routing, folder):
    rows = SOURCES[source](folder)
    rows = (
        rows.drop("label")
        if hasattr(rows, "drop")
        else rows.replace_schema(pa.schema([rows.schema.field(n) for n in "abcyw"]))
    )
    X, y, weights = FRAME[list("abc")], FRAME["y"], FRAME["w"]
    with sklearn.config_context(enable_metadata_routing=routing):
        ridge = Ridge(alpha=50.0)
        if routing:
            ridge.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False) if routing else StandardScaler()
        plain = make_pipeline(scaler, ridge)
        search = GridSearchCV(plain, {"ridge__alpha": [1.0, 100.0]}, cv=3)
        name = "sample_weight" if routing else "ridge__sample_weight"
        expected = clone(plain).fit(X, y, **{name: weights})
        model = autoscale(plain).fit(rows, "y", **{name: "w"})
        assert_allclose(model.predict(X), expected.predict(X))
        assert not np.allclose(model.predict(X), clone(plain).fit(X, y).predict(X))
        found = autoscale(search).fit(rows, "y", **{name: "w"}).cv_results_["mean_test_score"]
        assert_allclose(found, clone(search).fit(X, y, **{name: weights}).cv_results_["mean_test_score"])
