"""Columns and unions of rows that are not in memory: of Dask frames and arrays, files, and queries over them."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from skdist_gpu import autoscale

rng = np.random.default_rng(0)
N = 240
FRAME = pd.DataFrame(rng.normal(size=(N, 4)), columns=list("abcd"))
FRAME["b"] = FRAME["b"].where(rng.random(N) > 0.1)
FRAME["k"] = rng.choice(["x", "y", "z"], N)
FRAME["g"] = rng.choice(["u", "v"], N)
TARGET = (2 * FRAME["a"] - FRAME["c"] + (FRAME["k"] == "x") + 0.1 * rng.normal(size=N)).rename("target")
NUMBERS, TEXTS = list("abcd"), ["k", "g"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    table = pa.Table.from_pandas(FRAME.assign(target=TARGET), preserve_index=False)
    pyarrow.parquet.write_table(table, path, row_group_size=60)
    return path


SOURCES = {
    "dask": lambda path: (dd.from_pandas(FRAME, npartitions=4), dd.from_pandas(TARGET, npartitions=4)),
    "dataset": lambda path: (pyarrow.dataset.dataset(path), "target"),
    "filtered dataset": lambda path: (pyarrow.dataset.dataset(path).filter(pc.field("d") > -9), "target"),
    "query": lambda path: (pl.scan_parquet(path), "target"),
}


def filled():
    return make_pipeline(SimpleImputer(), StandardScaler())


def columns(**options):
    return ColumnTransformer([("n", filled(), NUMBERS), ("t", OneHotEncoder(), TEXTS)], **options)


def numbers():
    return ColumnTransformer([("n", SimpleImputer(), NUMBERS)])


TRANSFORMERS = {
    "names": columns(),
    "numbers": ColumnTransformer([("n", SimpleImputer(), [0, 1, -3]), ("t", OneHotEncoder(), [4])]),
    "slice": ColumnTransformer([("n", SimpleImputer(), slice("a", "c"))]),
    "mask": ColumnTransformer([("n", SimpleImputer(), [True, False, True, False, False, False])]),
    "selectors": ColumnTransformer(
        [
            ("n", filled(), make_column_selector(dtype_include=np.number)),
            ("t", OrdinalEncoder(), make_column_selector(pattern="k|g")),
        ]
    ),
    "function": ColumnTransformer([("n", SimpleImputer(), lambda X: [c for c in X.columns if c in "abcd"])]),
    "remainder": ColumnTransformer([("t", OneHotEncoder(), TEXTS)], remainder=filled()),
    "passthrough": ColumnTransformer([("p", "passthrough", ["a", "c"]), ("d", "drop", ["d"])], remainder="drop"),
    "nested": ColumnTransformer([("inside", columns(), NUMBERS + TEXTS)], verbose_feature_names_out=False),
    "no names": ColumnTransformer([("n", make_pipeline(SimpleImputer(), FunctionTransformer(np.cbrt)), NUMBERS)]),
    "union": make_pipeline(numbers(), FeatureUnion([("s", StandardScaler()), ("p", PCA(2))])),
    "union as it is": make_pipeline(numbers(), FeatureUnion([("m", MinMaxScaler()), ("p", "passthrough")])),
    "union of choices": make_pipeline(
        numbers(), FeatureUnion([("k", SelectKBest(f_regression, k=2)), ("d", "drop"), ("m", MinMaxScaler())])
    ),
    "columns of columns": make_pipeline(numbers(), ColumnTransformer([("s", StandardScaler(), [0, 2])])),
    "selection": make_pipeline(columns(sparse_threshold=0), SelectFromModel(Lasso(0.01))),
    "rounds": make_pipeline(columns(sparse_threshold=0), RFE(Ridge(), n_features_to_select=3)),
}


def in_memory(result):
    result = result.compute() if hasattr(result, "compute") else result.collect()
    return result.toarray() if hasattr(result, "toarray") else np.asarray(result)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_they_are_transformed_lazily(name, source, path):
    X, y = SOURCES[source](path)
    plain = clone(TRANSFORMERS[name])
    expected = plain.fit_transform(FRAME, TARGET)
    model = autoscale(TRANSFORMERS[name])
    for result in (model.fit_transform(X, y), model.transform(X)):
        assert not isinstance(result, np.ndarray)
        expected = expected.toarray() if hasattr(expected, "toarray") else expected
        assert_allclose(in_memory(result), expected, atol=1e-8)


@pytest.mark.parametrize("source", SOURCES)
def test_what_needs_all_rows_has_them(source, path):
    # a TargetEncoder encodes the rows of a fit by others than themselves
    X, y = SOURCES[source](path)
    encoded = ColumnTransformer([("t", TargetEncoder(cv=KFold(3)), TEXTS), ("n", SimpleImputer(), NUMBERS)])
    plain = make_pipeline(encoded, Ridge())
    expected = clone(plain).fit(FRAME, TARGET)
    assert_allclose(in_memory(autoscale(plain).fit(X, y).predict(X)).ravel(), expected.predict(FRAME))


@pytest.mark.parametrize("source", SOURCES)
def test_searches_around_and_inside(source, path):
    X, y = SOURCES[source](path)
    outside = GridSearchCV(make_pipeline(columns(), Ridge()), {"ridge__alpha": [0.1, 10.0]}, cv=3)
    inside = make_pipeline(columns(), GridSearchCV(Ridge(), {"alpha": [0.1, 10.0]}, cv=3))
    for plain in (outside, inside):
        model = autoscale(plain).fit(X, y)
        assert_allclose(in_memory(model.predict(X)).ravel(), clone(plain).fit(FRAME, TARGET).predict(FRAME), rtol=1e-5)


@pytest.mark.parametrize("verbose", [True, False])
def test_names_and_frames(verbose):
    X = dd.from_pandas(FRAME, npartitions=4)
    plain = columns(verbose_feature_names_out=verbose, sparse_threshold=0)
    plain.set_params(t__sparse_output=False).set_output(transform="pandas")
    expected = clone(plain).fit_transform(FRAME)
    model = autoscale(plain)
    result = model.fit_transform(X)
    assert isinstance(result, dd.DataFrame)
    pd.testing.assert_frame_equal(result.compute(), expected, check_dtype=False)
    assert_array_equal(model.get_feature_names_out(), expected.columns)


def test_categories_in_an_array_of_numbers():
    X = rng.integers(3, 6, size=(N, 3)).astype(float)
    plain = ColumnTransformer([("t", OneHotEncoder(), [0]), ("o", OrdinalEncoder(), [-1])], remainder="passthrough")
    model = autoscale(plain).fit(da.from_array(X, chunks=(60, 3)))
    assert_allclose(in_memory(model.transform(da.from_array(X, chunks=(60, 3)))), plain.fit_transform(X))


def test_selectors_on_polars():
    rows = pl.from_pandas(FRAME)
    plain = make_pipeline(TRANSFORMERS["selectors"], LogisticRegression())
    labels = np.where(TARGET > 0, "up", "down")
    model = autoscale(plain).fit(rows, labels)
    assert_array_equal(model.predict(rows), clone(plain).fit(FRAME, labels).predict(FRAME))


def test_each_fit_reads_the_rows_a_few_times():
    read = []
    counted = dd.from_pandas(FRAME, npartitions=4).map_partitions(lambda block: read.append(1) or block, meta=FRAME)
    read.clear()
    autoscale(make_pipeline(columns(), Ridge())).fit(counted, dd.from_pandas(TARGET, npartitions=4))
    # each of three transformers, the first rows, and the model, which refines
    assert len(read) <= 4 * 6
