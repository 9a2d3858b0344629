"""Encoders and the most frequent values of SimpleImputer, against scikit-learn, in every container."""

import pickle

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from fits import BLOCKS, N_ROWS, PLACES, fit_there
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from skdist_gpu import AutoScaleTransformer, autoscale
from skdist_gpu.engines.reductions.columns.categories import TallyReduction
from skdist_gpu.testing import assert_ran_on

ENCODERS = [
    OneHotEncoder(),
    OneHotEncoder(drop="first", sparse_output=False),
    OneHotEncoder(drop="if_binary", dtype=np.float32),
    OneHotEncoder(handle_unknown="ignore"),
    OneHotEncoder(min_frequency=150, handle_unknown="infrequent_if_exist"),
    OneHotEncoder(min_frequency=0.1, drop="first", handle_unknown="warn"),
    OneHotEncoder(max_categories=3),
    OrdinalEncoder(),
    OrdinalEncoder(encoded_missing_value=-7),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=3),
    OrdinalEncoder(min_frequency=200),
]


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    monkeypatch.setattr(TallyReduction, "rows_at_once", 311)


def make_frame(missing=True):
    """Return columns of text, categories, integers, numbers, truth and mixed missing values."""
    generator = np.random.default_rng(0)
    words = np.array([f"word {i}" for i in range(9)], dtype=object)
    share = np.geomspace(1, 0.01, 9)
    text = generator.choice(words, N_ROWS, p=share / share.sum())
    frame = pd.DataFrame(
        {
            "text": text,
            "kind": pd.Categorical(generator.choice(["b", "a", "c"], N_ROWS), categories=["c", "b", "a", "unused"]),
            "integer": generator.integers(-3, 4, N_ROWS),
            "number": generator.integers(0, 5, N_ROWS) / 2,
            "truth": generator.integers(0, 2, N_ROWS).astype(bool),
        }
    )
    if missing:
        frame.loc[::7, "text"] = None
        frame.loc[5::11, "number"] = np.nan
        holes = words[generator.integers(0, 3, N_ROWS)]
        holes[::5], holes[1::5] = None, np.nan
        frame["holes"] = pd.Series(holes, dtype=object)
    return frame


def fit_both(estimator, backend, X, native=None):
    """Fit both; `native` is what scikit-learn gets where it differs from X."""
    reference = clone(estimator).fit(X if native is None else native)
    model = autoscale(estimator, backend=backend).fit(X)
    assert_ran_on(model, backend)
    return pickle.loads(pickle.dumps(model.estimator_)), reference


def assert_same(plain, reference, X):
    """Compare all that was learned, and what it does."""
    assert set(vars(plain)) == set(vars(reference))
    for name in vars(reference).keys() - reference.get_params().keys() - {"indicator_"}:
        assert_equal(getattr(plain, name), getattr(reference, name))
    said, expected = plain.transform(X[:99]), reference.transform(X[:99])
    if hasattr(expected, "toarray"):
        said, expected = said.toarray(), expected.toarray()
    assert said.dtype == expected.dtype
    assert_array_equal(said, expected)
    assert_array_equal(plain.get_feature_names_out(), reference.get_feature_names_out())


def assert_equal(value, expected):
    if isinstance(expected, (list, tuple)):
        assert len(value) == len(expected)
        for part, other in zip(value, expected, strict=True):
            assert_equal(part, other)
    elif isinstance(expected, np.ndarray):
        assert value.dtype == expected.dtype
        assert list(map(repr, value.tolist())) == list(map(repr, expected.tolist()))
    else:
        assert repr(value) == repr(expected)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("estimator", ENCODERS, ids=repr)
def test_frames(estimator, missing, backend):
    frame = make_frame(missing)
    assert_same(*fit_both(estimator, backend, frame), frame)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("rows", [[["a", 1], ["b", 2]], [["a", "x"], ["b", "y"]], [[1, 2], [3, 4.5]]], ids=repr)
def test_lists(rows, backend):
    plain, reference = fit_both(OrdinalEncoder(), backend, rows)
    assert_same(plain, reference, rows)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("estimator", ENCODERS, ids=repr)
def test_dask_frames(estimator, missing):
    frame = make_frame(missing)
    # Arrow's strings, which Dask prefers, have a missing value that scikit-learn's encoders refuse
    with dask.config.set({"dataframe.convert-string": not missing}):
        lazy = dd.from_pandas(frame, npartitions=5)
        native = lazy.compute()
        assert_same(*fit_both(estimator, "reductions:dask", lazy, native), native)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("kind", ["int", "float", "object", "str", "bool"])
@pytest.mark.parametrize("estimator", ENCODERS, ids=repr)
def test_arrays(estimator, kind, backend):
    generator = np.random.default_rng(1)
    codes = generator.poisson(1.5, (N_ROWS, 3))
    X = {
        "int": codes - 2,
        "float": np.where(codes == 2, np.nan, codes / 4),
        "object": np.array(["a", "bb", None, np.nan, *"cdefghijk"], dtype=object)[codes],
        "str": np.array(list("zyxwvutsrqp"))[codes],
        "bool": codes > 2,
    }[kind]
    reference = clone(estimator).fit(X)
    model = fit_there(estimator, backend, X)
    assert_same(pickle.loads(pickle.dumps(model.estimator_)), reference, X)


@pytest.mark.parametrize("estimator", ENCODERS[:8], ids=repr)
def test_polars_arrow_and_files(estimator, tmp_path):
    frame = make_frame(missing=False)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    assert_same(*fit_both(estimator, "reductions:cpu", table, table.to_pandas()), table.to_pandas())
    polars = pl.from_arrow(table)
    assert_same(*fit_both(estimator, "reductions:cpu", polars), polars)
    ds.write_dataset(table, tmp_path, format="parquet", max_rows_per_file=700, max_rows_per_group=700)
    files = ds.dataset(tmp_path)
    assert_same(*fit_both(estimator, "reductions:cpu", files, files.to_table().to_pandas()), frame)
    lazy = pl.scan_parquet(tmp_path / "*.parquet")
    assert_same(*fit_both(estimator, "reductions:cpu", lazy, table.to_pandas()), frame)


def test_missing_values_in_some_files(tmp_path):
    table = pa.table({"number": pa.array([3, None, 1, 1] + [2] * 996), "text": ["b", None] * 500})
    ds.write_dataset(table, tmp_path, format="parquet", max_rows_per_file=100, max_rows_per_group=100)
    plain, reference = fit_both(OrdinalEncoder(), "reductions:cpu", ds.dataset(tmp_path), table.to_pandas())
    assert_same(plain, reference, table.to_pandas())


@pytest.mark.parametrize("estimator", [OneHotEncoder(), SimpleImputer(strategy="most_frequent")], ids=str)
def test_values_that_cannot_be_counted(estimator):
    X = pd.DataFrame({"a": [[1], [2]] * 10})
    with pytest.raises(TypeError):
        clone(estimator).fit(X)
    with pytest.raises(TypeError, match=r"strings or numbers, which can be counted. Got \['list'\]"):
        fit_there(estimator, "reductions:cpu", X)


@pytest.mark.parametrize("backend", PLACES)
def test_given_categories(backend):
    X = np.random.default_rng(0).integers(0, 4, (N_ROWS, 2)).astype(np.float64)
    known = [[0.0, 1.0, 2.0, 3.0, 9.0], [0.0, 3.0]]
    estimator = OneHotEncoder(categories=known, handle_unknown="ignore", min_frequency=3)
    assert_same(fit_there(estimator, backend, X).estimator_, clone(estimator).fit(X), X)
    with pytest.raises(ValueError, match="Found unknown categories"):
        fit_there(OneHotEncoder(categories=known), backend, X)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.sampled_from(["a", "b", "", None, np.nan, float("nan")]), min_size=1, max_size=50),
    n_blocks=st.integers(1, 4),
    least=st.integers(1, 5),
)
def test_any_text(values, n_blocks, least):
    X = np.empty((len(values), 1), dtype=object)
    X[:, 0] = values
    blocks = da.from_array(X, chunks=(-(-len(X) // n_blocks), 1))
    estimator = OneHotEncoder(min_frequency=least, sparse_output=False)
    plain, reference = fit_both(estimator, "reductions:dask", blocks, X)
    assert_same(plain, reference, X)


IMPUTERS = [
    SimpleImputer(strategy="most_frequent"),
    SimpleImputer(strategy="most_frequent", add_indicator=True, keep_empty_features=True),
]


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("kind", ["float64", "float32", "int", "object", "text"])
@pytest.mark.parametrize("estimator", IMPUTERS, ids=repr)
def test_most_frequent(estimator, kind, backend):
    codes = np.random.default_rng(0).poisson(3, (N_ROWS, 3))
    if kind == "int":
        X = codes
    elif kind.startswith("float"):
        X = np.where(codes == 3, np.nan, codes / 4).astype(kind)
        X[:, 2] = np.nan
    else:
        X = np.array([*"abc", np.nan if kind == "text" else 4, *"defghijklmnop"], dtype=object)[codes]
        X[1:, 1] = np.nan
    plain, reference = fit_there(estimator, backend, X).estimator_, clone(estimator).fit(X)
    assert_same(plain, reference, X)


def test_most_frequent_of_a_tie_is_the_smallest():
    X = np.array([[2.0, 7.0], [1.0, 7.0], [2.0, 5.0], [1.0, 5.0]])
    for backend in PLACES:
        model = AutoScaleTransformer(SimpleImputer(strategy="most_frequent"), backend=backend).fit(X)
        assert model.statistics_.tolist() == [1.0, 5.0]


def test_most_frequent_in_frames():
    frame = make_frame()[["text", "integer"]]
    estimator = IMPUTERS[0]
    frame["text"] = frame["text"].astype(object).where(frame["text"].notna(), np.nan)
    assert_same(*fit_both(estimator, "reductions:cpu", frame), frame)


@pytest.mark.parametrize("estimator", [OneHotEncoder(), OneHotEncoder(sparse_output=False), OrdinalEncoder()], ids=repr)
def test_transform_stays_lazy(estimator):
    frame = make_frame(missing=False)[["text", "integer"]]
    reference = clone(estimator).fit(frame).transform(frame)
    expected = reference.toarray() if hasattr(reference, "toarray") else reference
    lazy = dd.from_pandas(frame, npartitions=3)
    result = autoscale(estimator).fit(lazy).transform(lazy)
    assert isinstance(result, da.Array if hasattr(reference, "toarray") else dd.DataFrame)
    result = result.compute()
    assert_array_equal(result.toarray() if hasattr(result, "toarray") else result.to_numpy(), expected)
    blocks = da.from_array(frame.to_numpy(dtype=object), chunks=(BLOCKS, 2))
    result = autoscale(estimator).fit(blocks).transform(blocks)
    assert isinstance(result, da.Array)
    assert result.shape == expected.shape
    result = result.compute(scheduler="sync")
    assert_array_equal(result.toarray() if hasattr(result, "toarray") else result, expected)


def test_transform_of_files(tmp_path):
    frame = make_frame(missing=False)[["text", "integer"]]
    ds.write_dataset(
        pa.Table.from_pandas(frame), tmp_path, format="parquet", max_rows_per_file=700, max_rows_per_group=700
    )
    files = ds.dataset(tmp_path)
    result = autoscale(OneHotEncoder()).fit(files).transform(files)
    assert_array_equal(result.collect().toarray(), OneHotEncoder().fit_transform(frame).toarray())


def test_errors_are_scikit_learns():
    mixed = np.array([[1], ["a"], [2.5]], dtype=object)
    for backend in PLACES:
        with pytest.raises(TypeError, match="uniformly strings or numbers"):
            autoscale(OneHotEncoder(), backend=backend).fit(mixed)
        with pytest.raises(ValueError, match="infinity"):
            autoscale(OrdinalEncoder(), backend=backend).fit(np.array([[1.0], [np.inf]]))
        with pytest.raises(ValueError, match="0 sample"):
            autoscale(OrdinalEncoder(), backend=backend).fit(np.empty((0, 2)))
        encoder = OrdinalEncoder(encoded_missing_value=0)
        with pytest.raises(ValueError, match="already used"):
            autoscale(encoder, backend=backend).fit(np.array([["a"], [np.nan]], dtype=object))
    with pytest.raises(ValueError, match="non-numeric data"):
        autoscale(SimpleImputer(), backend="sklearn").fit(mixed)
