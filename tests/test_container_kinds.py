"""Every kind of container is described and moved by its own file; a new one is one class handed to the registry."""

import datetime
import decimal
import re

import dask
import dask.array as da
import dask.dataframe as dd
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.preprocessing import QuantileTransformer, RobustScaler, StandardScaler

from skdist_gpu import autoscale
from skdist_gpu.data.containers import Container, find, register
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on

NAMES = ["a", "b", "c"]
X = np.random.default_rng(0).normal(size=(120, 3))
y = X @ [1.0, -2.0, 3.0] + 4
labels = (y > 4).astype(int)
FRAME = pd.DataFrame(X, columns=NAMES)


class Columns:
    """A thin frame: a dictionary of arrays."""

    def __init__(self, arrays):
        self.arrays = arrays


class ColumnsContainer(Container):
    """What the package needs to know of it."""

    name = "toy_frame"
    types = ((__name__, "Columns"),)
    has_columns = True

    def shape(self, data):
        return len(next(iter(data.arrays.values()))), len(data.arrays)

    def dtypes(self, data):
        return [array.dtype.name for array in data.arrays.values()]

    def names(self, data):
        return list(data.arrays)

    def to_host(self, data):
        return pd.DataFrame(data.arrays)


register(ColumnsContainer())


class Capsule:
    """A table of a library that nobody knows, which hands its rows over as an Arrow stream."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self):
        return self.table.schema.__arrow_c_schema__()


TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
NAMED = {
    "toy_frame": Columns(dict(zip(NAMES, X.T, strict=True))),
    "narwhals": nw.from_native(pl.from_pandas(FRAME)),
    "narwhals.lazy": nw.from_native(pl.from_pandas(FRAME).lazy()),
    "arrow": TABLE.combine_chunks().to_batches()[0],
    "arrow.stream": Capsule(TABLE),
}


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("backend", ["auto", "sklearn", "reductions"])
def test_a_table_of_any_library_keeps_its_names(name, backend):
    data = NAMED[name]
    assert find(data).name == name
    info = inspect_input(data, y)
    assert (info.n_features, info.dtype, info.location) == (3, "float64", "host")
    model = autoscale(LinearRegression(), backend=backend).fit(data, y)
    assert model.feature_names_in_.tolist() == NAMES
    assert_allclose(model.coef_, [1, -2, 3], atol=1e-9)
    assert_allclose(model.predict(data), y, atol=1e-9)


n = len(X)
ODD = {
    "polars decimal": pl.Series([decimal.Decimal(i % 5) for i in range(n)], dtype=pl.Decimal(10, 2)),
    "polars datetime": pl.Series([datetime.datetime(2020, 1, 1 + i % 7) for i in range(n)]),
    "polars date": pl.Series([datetime.date(2020, 1, 1 + i % 7) for i in range(n)]),
    "polars duration": pl.Series([datetime.timedelta(days=i % 7) for i in range(n)]),
    "polars array": pl.Series([[1.0, 2.0]] * n, dtype=pl.Array(pl.Float64, 2)),
    "polars list": pl.Series([[1.0]] * n),
    "polars struct": pl.Series([{"f": 1}] * n),
    "polars enum": pl.Series(["u"] * n, dtype=pl.Enum(["u", "v"])),
    "polars boolean": pl.Series([i % 2 == 0 for i in range(n)]),
    "decimal": pd.Series([decimal.Decimal(i % 5) for i in range(n)], dtype=pd.ArrowDtype(pa.decimal128(10, 2))),
    "dictionary": pd.Series([str(i % 5) for i in range(n)], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
    "string": pd.Series([str(i % 5) for i in range(n)], dtype=pd.ArrowDtype(pa.string())),
    "date": pd.Series([datetime.date(2020, 1, 1 + i % 7) for i in range(n)], dtype=pd.ArrowDtype(pa.date32())),
    "interval": pd.Series(pd.IntervalIndex.from_breaks(range(n + 1))),
    "period": pd.Series(pd.period_range("2020", periods=n, freq="D")),
}


@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")  # dates are large numbers
@pytest.mark.parametrize("dtype", ODD)
@pytest.mark.parametrize("backend", ["auto", "reductions"])
def test_columns_of_any_dtype_are_read_as_by_scikit_learn(dtype, backend):
    odd = ODD[dtype]
    frame = pl.from_pandas(FRAME).with_columns(z=odd) if isinstance(odd, pl.Series) else FRAME.assign(z=odd)
    model = autoscale(Ridge(), backend=backend)
    model.plan(frame, y)
    try:
        reference, words = Ridge().fit(frame, y), None
    except (TypeError, ValueError) as error:
        words = re.escape(str(error))
    if words is None:
        assert_allclose(model.fit(frame, y).coef_, reference.coef_, rtol=1e-6, atol=1e-12)
    else:
        with pytest.raises((TypeError, ValueError), match=words):
            model.fit(frame, y)


@pytest.mark.parametrize(
    "kept",
    [
        FRAME.sort_values("a"),
        FRAME[FRAME.a > 0],
        FRAME.set_index(FRAME.index.astype(str).rename("key")),
        FRAME.set_index(pd.MultiIndex.from_arrays([range(n), range(n)], names=["k", "l"])),
        FRAME,
    ],
    ids=["sorted", "filtered", "text", "two levels", "range"],
)
def test_an_index_of_pandas_in_files_is_no_feature(kept, tmp_path):
    path = tmp_path / "rows.parquet"
    kept.assign(t=kept.a + 1).to_parquet(path)
    rows = pd.read_parquet(path)
    reference = LinearRegression().fit(rows[NAMES], rows["t"])
    for source in (ds.dataset(path), pl.scan_parquet(path), ds.dataset(path).filter(ds.field("a") < 10)):
        assert inspect_input(source, "t").n_features == 3
        for backend in ("reductions", "sklearn"):
            model = autoscale(LinearRegression(), backend=backend).fit(source, "t")
            assert model.feature_names_in_.tolist() == NAMES
            assert_allclose(np.asarray(model.predict(source)), reference.predict(rows[NAMES]), atol=1e-9)


def test_a_query_that_chooses_an_index_column_has_it_as_a_feature(tmp_path):
    path = tmp_path / "rows.parquet"
    FRAME.set_index(pd.Index(np.arange(n) ** 2, name="key")).assign(t=y).to_parquet(path)
    model = autoscale(LinearRegression()).fit(pl.scan_parquet(path).select("key", "a", "t"), "t")
    assert model.feature_names_in_.tolist() == ["key", "a"]


def _weights(value, at=3):
    return np.where(np.arange(n) == at, value, 1.0)


BAD_WEIGHTS = {
    "NaN": _weights(np.nan),
    "infinite": _weights(np.inf),
    "zero": np.zeros(n),
    "column": np.ones((n, 1)),
    "short": np.ones(n - 1),
}
WEIGHTED = [LinearRegression(), Ridge(), LogisticRegression(), PoissonRegressor(), GaussianNB(), MultinomialNB()]
WEIGHTED += [BernoulliNB(), StandardScaler()]


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
@pytest.mark.parametrize("estimator", WEIGHTED, ids=lambda e: type(e).__name__)
def test_weights_are_refused_in_scikit_learns_words_everywhere(kind, estimator):
    weights, rows = BAD_WEIGHTS[kind], np.abs(X)
    with pytest.raises(ValueError, match=r".") as reference:
        clone(estimator).fit(rows, labels, sample_weight=weights)
    lazy = da.from_array(weights, chunks=(40, *weights.shape[1:]))
    for data in (
        (rows, labels, weights),
        (da.from_array(rows, chunks=(40, 3)), da.from_array(labels, chunks=40), weights),
        (da.from_array(rows, chunks=(40, 3)), da.from_array(labels, chunks=40), lazy),
        (dd.from_pandas(pd.DataFrame(rows), npartitions=3), labels, weights),
    ):
        with pytest.raises(ValueError, match=r".") as raised:
            autoscale(clone(estimator), backend="reductions").fit(data[0], data[1], sample_weight=data[2])
        assert str(raised.value) == str(reference.value)


# scikit-learn's Ridge itself takes square roots of them
@pytest.mark.parametrize("estimator", [e for e in WEIGHTED if not isinstance(e, Ridge)], ids=lambda e: type(e).__name__)
def test_negative_weights_give_scikit_learns_model_or_error(estimator):
    rows, weights = np.abs(X), _weights(-0.1)
    blocks = [da.from_array(part, chunks=(40, *part.shape[1:])) for part in (rows, labels, weights)]
    model = autoscale(clone(estimator), fallback="silent")
    try:
        reference = clone(estimator).fit(rows, labels, sample_weight=weights)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)[:20]):
            model.fit(blocks[0], blocks[1], sample_weight=blocks[2])
        return
    model.fit(blocks[0], blocks[1], sample_weight=blocks[2])
    assert_ran_on(model, "sklearn")
    method = "transform" if hasattr(reference, "transform") else "predict"
    assert_allclose(getattr(model, method)(rows), getattr(reference, method)(rows))


@pytest.mark.parametrize("frame", [False, True], ids=["array", "frame"])
def test_one_number_is_the_weight_of_every_row(frame):
    rows = dd.from_pandas(FRAME, npartitions=3) if frame else da.from_array(X, chunks=(50, 3))
    model = autoscale(Ridge(), backend="reductions").fit(rows, y, sample_weight=2.5)
    assert_ran_on(model, "reductions:dask")
    assert_allclose(model.coef_, Ridge().fit(X, y, sample_weight=2.5).coef_)


@pytest.mark.parametrize("estimator", [GaussianNB(), LogisticRegression(), PoissonRegressor()], ids=str)
def test_one_column_of_targets_is_one_target(estimator):
    plain = clone(estimator).fit(X, labels)
    for rows, column in (
        (da.from_array(X, chunks=(50, 3)), da.from_array(labels[:, None], chunks=(50, 1))),
        (dd.from_pandas(FRAME, npartitions=3), dd.from_pandas(pd.DataFrame({"t": labels}), npartitions=3)),
        (X, labels[:, None]),
    ):
        with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
            model = autoscale(clone(estimator), backend="reductions").fit(rows, column)
        assert_allclose(np.asarray(model.predict(rows)), plain.predict(X), rtol=1e-4)


@pytest.mark.parametrize("target", [y, pd.Series(y, index=range(5, 5 + n)), pl.Series(y), y.tolist()], ids=type)
def test_a_target_in_memory_goes_with_a_dask_frame(target):
    model = autoscale(Ridge()).fit(dd.from_pandas(FRAME, npartitions=3), target)
    assert_allclose(model.coef_, Ridge().fit(X, y).coef_)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[120, 119\]"):
        autoscale(Ridge()).fit(dd.from_pandas(FRAME, npartitions=3), target[:-1])


@pytest.mark.parametrize("shape", [(n, 0), (0, 3)])
@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearRegression(), StandardScaler()], ids=str)
def test_arrays_without_rows_or_columns_are_refused(estimator, shape):
    rows, target = np.zeros(shape), labels[: shape[0]]
    with pytest.raises(ValueError, match=r"0 (sample|feature)") as reference:
        clone(estimator).fit(rows, target)
    with pytest.raises(ValueError, match=r"0 (sample|feature)") as raised:
        autoscale(clone(estimator)).fit(da.from_array(rows, chunks=(40, 3)), da.from_array(target, chunks=40))
    assert str(raised.value).rstrip(".") == str(reference.value).rstrip(".")


def test_dates_are_not_called_text():
    dates = FRAME.assign(when=pd.Timestamp("2020-01-01"))
    with pytest.raises(ValueError, match=r"^X has columns that are not numbers: when \(datetime64"):
        autoscale(Ridge()).fit(dd.from_pandas(dates, npartitions=3), y)


def test_a_delayed_object_is_no_table():
    with pytest.raises(ValueError, match="setting an array element"):
        autoscale(Ridge()).fit(dask.delayed(X), y)


class TestPandasSparseColumns:
    """scikit-learn makes a sparse matrix of a frame whose columns are all sparse."""

    values = np.where(X > 0.5, X, 0)
    frame = pd.DataFrame(values, columns=NAMES).astype(pd.SparseDtype(float, 0.0))

    def test_they_are_described_as_sparse(self):
        info = inspect_input(self.frame, y)
        assert info.sparse
        assert info.n_stored == np.count_nonzero(self.values)
        assert not inspect_input(self.frame.assign(a=1.0), y).sparse

    def test_a_fit_leaves_what_scikit_learns_leaves(self):
        expected = LinearRegression().fit(self.frame, y)
        model = autoscale(LinearRegression(), backend="reductions:cpu").fit(self.frame, y)
        assert set(vars(model.estimator_)) == set(vars(expected))
        assert_allclose(model.coef_, expected.coef_, rtol=1e-5)

    @pytest.mark.parametrize("scaler", [RobustScaler(), StandardScaler(), QuantileTransformer(n_quantiles=5)], ids=str)
    def test_errors_are_scikit_learns(self, scaler):
        frame = self.frame if type(scaler) is not QuantileTransformer else -self.frame
        with pytest.raises(ValueError, match="sparse matrices") as expected:
            clone(scaler).fit(frame)
        with pytest.raises(ValueError, match=re.escape(str(expected.value))):
            autoscale(scaler).fit(frame)

    def test_an_engine_that_takes_none_refuses(self):
        with pytest.raises(BackendError, match="sparse X is not supported"):
            autoscale(RobustScaler(), backend="reductions:cpu").fit(self.frame)
