"""Bad input and bad requests: each has its own clear error, before any work starts."""

import re

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import all_estimators

from skdist_gpu import (
    AutoScaleClassifier,
    AutoScaleClusterer,
    AutoScaleRegressor,
    AutoScaleTransformer,
    autoscale,
    config_context,
    set_config,
)
from skdist_gpu.engines.reductions.kinds import REGRESSORS
from skdist_gpu.exceptions import BackendError, MisalignedBlocksError

X = np.random.default_rng(0).normal(size=(60, 3))
y = X.sum(axis=1)
BACKENDS = ["auto", "sklearn", "reductions:cpu", "reductions:dask"]


def with_value(value):
    changed = X.copy()
    changed[7, 1] = value
    return changed


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("data", "target", "message"),
    [
        (X[:, 0], y, "Expected 2D array, got 1D array instead"),
        (X[None], y, "Found array with dim 3"),
        (with_value(np.nan), y, "Input X contains NaN"),
        (with_value(np.inf), y, "Input X contains infinity"),
        (X, np.where(np.arange(60) == 3, np.nan, y), "Input y contains NaN"),
        (X.astype(str), np.array(["a"] * 60), "not compatible with arrays of bytes/strings|could not convert"),
        (X, y[:50], r"inconsistent numbers of samples: \[60, 50\]"),
        (X[:0], y[:0], "Found array with 0 sample"),
        (X, None, "requires y to be passed, but the target y is None"),
    ],
)
def test_bad_data_get_scikit_learns_own_error(data, target, message, backend):
    with pytest.raises(ValueError, match=message) as plain:
        LinearRegression().fit(data, target)
    with pytest.raises(ValueError, match=message) as ours:
        AutoScaleRegressor(backend=backend).fit(data, target)
    assert str(ours.value) == str(plain.value)


@pytest.mark.parametrize("backend", ["auto", "reductions:cpu"])
@pytest.mark.parametrize(
    ("data", "target"),
    [(pd.DataFrame(X).round().astype("Int64").mask(X > 1), y), (X, scipy.sparse.csr_array(y[:, None]))],
    ids=["missing whole numbers", "sparse target"],
)
def test_what_arrays_cannot_hold_gets_scikit_learns_own_error(data, target, backend):
    with pytest.raises((ValueError, TypeError)) as plain:
        Ridge().fit(data, target)
    with pytest.raises(plain.type) as ours:
        AutoScaleRegressor(Ridge(), backend=backend).fit(data, target)
    assert str(ours.value) == str(plain.value)


@pytest.mark.parametrize("score", [f_classif, f_regression])
def test_selection_without_a_target(score):
    with pytest.raises(ValueError, match="requires y to be passed") as plain:
        SelectKBest(score, k=1).fit(X, None)
    with pytest.raises(ValueError, match="requires y to be passed") as ours:
        AutoScaleTransformer(SelectKBest(score, k=1), backend="reductions:cpu").fit(X)
    assert str(ours.value) == str(plain.value)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_value_among_many_targets(value):
    rows, target = np.ones((3_000_000, 1), np.float32), np.ones(3_000_000)
    target[-1] = value
    with pytest.raises(ValueError, match="Input y contains") as expected:
        LinearRegression().fit(rows, target)
    with pytest.raises(ValueError, match=re.escape(str(expected.value))):
        autoscale(LinearRegression(), backend="reductions").fit(rows, target)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", REGRESSORS)
def test_a_bad_target_of_each_regressor_of_one_pass(name, value):
    estimator, target = dict(all_estimators("regressor"))[name](), y.copy()
    target[7] = value
    with pytest.raises(ValueError, match="Input y contains") as plain:
        clone(estimator).fit(X, target)
    with pytest.raises(ValueError, match=re.escape(str(plain.value))):
        autoscale(estimator, backend="reductions:cpu").fit(X, target)


@pytest.mark.parametrize("dtype", ["float16", ">f8"])
def test_a_bad_target_is_told_with_its_dtype(dtype):
    target = y.astype(dtype)
    target[7] = np.inf
    with pytest.raises(ValueError, match=f"Input y contains infinity or a value too large for dtype.'{dtype}'"):
        autoscale(LinearRegression(), backend="reductions:cpu").fit(X, target)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_values_in_dask_blocks(value):
    blocks = da.from_array(with_value(value), chunks=(20, 3))
    message = "Input X contains NaN" if np.isnan(value) else "Input X contains infinity"
    with pytest.raises(ValueError, match=message):
        AutoScaleRegressor().fit(blocks, da.from_array(y, chunks=(20,)))


def test_one_dimension_over_dask():
    blocks = da.from_array(y, chunks=20)
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        AutoScaleRegressor(backend="reductions").fit(blocks, blocks)


@pytest.mark.parametrize("text", [str, bytes])
def test_text_in_a_dask_array_or_a_target_for_it(text):
    numbers = np.arange(8.0).reshape(4, 2)
    for X, y in ((numbers.astype(text), numbers[:, 0]), (numbers, numbers[:, 0].astype(text))):
        with pytest.raises(ValueError, match="columns that are not numbers"):
            AutoScaleRegressor().fit(da.from_array(X, chunks=(2, 2)), y)


def test_text_columns_in_a_dask_frame():
    frame = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0], "town": ["x", "y"]}), npartitions=1)
    with pytest.raises(ValueError, match=r"could not convert string to float.*town"):
        AutoScaleRegressor().fit(frame[["a", "town"]], frame["a"])


@pytest.mark.parametrize("y_chunks", [(20, 20, 20), (20, 40), (60,)])
def test_blocks_of_known_sizes_are_cut_like_x(y_chunks):
    blocks, target = da.from_array(X, chunks=((30, 30), 3)), da.from_array(y, chunks=(y_chunks,))
    weight = da.from_array(np.arange(60.0), chunks=(y_chunks,))
    model = AutoScaleRegressor(Ridge()).fit(blocks, target, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, Ridge().fit(X, y, sample_weight=np.arange(60.0)).coef_)
    assert model.score(blocks, target) == pytest.approx(model.score(X, y))


def test_frames_are_cut_at_the_divisions_of_x():
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abc")), npartitions=2)
    model = AutoScaleRegressor(Ridge()).fit(frame, dd.from_pandas(pd.Series(y), npartitions=3))
    np.testing.assert_allclose(model.coef_, Ridge().fit(X, y).coef_)


def test_other_numbers_of_rows_name_both_chunkings():
    blocks, target = da.from_array(X, chunks=(30, 3)), da.from_array(y[:50], chunks=20)
    with pytest.raises(MisalignedBlocksError, match=r"\(30, 30\), 60 rows, y has 3 blocks \(20, 20, 10\), 50 rows"):
        AutoScaleRegressor().fit(blocks, target)


def test_unknown_blocks_of_other_lengths_are_not_cut():
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    other = dd.from_pandas(pd.Series(y[:50]), npartitions=2)
    with pytest.raises(MisalignedBlocksError, match=r"Block [01] has 30 rows of X and 25 of y"):
        AutoScaleRegressor().fit(frame.to_dask_array(), other.to_dask_array())
    with pytest.raises(MisalignedBlocksError, match=r"2 blocks .* 3 blocks"):
        AutoScaleRegressor().fit(frame, dd.from_pandas(pd.Series(y[:50]), npartitions=3))
    with pytest.raises(MisalignedBlocksError, match="50 rows in memory"):
        AutoScaleRegressor().fit(da.from_array(X, chunks=(30, 3)), y[:50])


def test_target_in_memory_is_cut_like_x():
    model = AutoScaleRegressor().fit(da.from_array(X, chunks=(25, 3)), y)
    np.testing.assert_allclose(model.coef_, [1, 1, 1])


def test_unknown_backend_names_the_known_ones():
    with pytest.raises(BackendError, match=r"backend='nonsense' is not known.*'reductions'"):
        AutoScaleRegressor(backend="nonsense").fit(X, y)


@pytest.mark.parametrize("backend", ["cuml", "reductions:gpu"])
def test_gpu_backend_without_a_gpu(monkeypatch, backend):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(BackendError, match="needs a GPU"):
        AutoScaleRegressor(backend=backend).fit(X, y)


@pytest.mark.parametrize(
    ("wrapper", "estimator"),
    [
        (AutoScaleRegressor, LogisticRegression()),
        (AutoScaleClassifier, Ridge()),
        (AutoScaleClusterer, Ridge()),
        (AutoScaleTransformer, Ridge()),
    ],
)
def test_estimator_of_the_wrong_kind(wrapper, estimator):
    with pytest.raises(TypeError, match=type(estimator).__name__):
        wrapper(estimator).fit(X, y)


def test_parameters_that_the_engine_does_not_support_name_the_reason():
    with pytest.raises(BackendError, match="positive=True is not supported, only False"):
        AutoScaleRegressor(LinearRegression(positive=True), backend="reductions").fit(X, y)
    model = AutoScaleRegressor(Ridge(positive=True)).fit(X, y)
    assert model.backend_ == "sklearn"
    refused = [c for c in model.plan_.candidates if c.name == "reductions:cpu"]
    assert "positive=True is not supported, only False" in refused[0].reasons


def test_bad_parameters_get_scikit_learns_error():
    with pytest.raises(ValueError, match="'alpha' parameter of Ridge must be"):
        AutoScaleRegressor(Ridge(alpha=-1.0), backend="reductions").fit(X, y)
    with pytest.raises(ValueError, match="fallback='never'"):
        AutoScaleRegressor(fallback="never").fit(X, y)
    for budget in ("much", "inf", float("inf"), float("nan"), 0, -1, "-1GB", True):
        with pytest.raises(ValueError, match=f"{budget!r} is no number of bytes above zero"):
            AutoScaleRegressor(memory_budget=budget).fit(X, y)
    with pytest.raises(BackendError, match=r"in main memory, memory_budget= allows 1\.0 kB"):
        AutoScaleRegressor(memory_budget=np.int64(1000)).fit(X, y)


def test_calls_before_fit():
    for call in (AutoScaleRegressor().predict, AutoScaleTransformer(StandardScaler()).transform):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            call(X)
    with pytest.raises(NotFittedError):
        AutoScaleClusterer(KMeans()).explain()


def test_the_users_estimator_and_data_are_left_alone():
    estimator, data, target = Ridge(), X.copy(), y.copy()
    AutoScaleRegressor(estimator, backend="reductions").fit(data, target, sample_weight=np.ones(60))
    assert not hasattr(estimator, "coef_")
    np.testing.assert_array_equal(data, X)
    np.testing.assert_array_equal(target, y)


def test_config():
    with config_context(backend="reductions"):
        assert AutoScaleRegressor().fit(X, y).backend_ == "reductions"
        assert AutoScaleRegressor(backend="sklearn").fit(X, y).backend_ == "sklearn"
    assert AutoScaleRegressor().fit(X, y).backend_ == "sklearn"
    with pytest.raises(ValueError, match="Unknown option colour"):
        set_config(colour=1)


def test_what_learns_nothing_needs_no_fit_and_has_no_plan_to_explain_before_it():
    X = np.array([[3.0, 4.0], [0.0, 2.0]])
    model = AutoScaleTransformer(Normalizer())
    assert_array_equal(model.transform(X), Normalizer().transform(X))
    with pytest.raises(NotFittedError, match="not fitted yet"):
        model.explain()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        AutoScaleTransformer(StandardScaler()).transform(X)


@pytest.mark.parametrize("shape", ["10x3", (10,), (10, 3, 1), (-10, 3), (10, 0), (1e9, 3), 10])
def test_plans_for_no_table(shape):
    with pytest.raises(ValueError, match=r"is no table\. Give"):
        AutoScaleRegressor().plan(shape=shape)


def test_the_dtype_of_a_plan_is_numpys():
    with pytest.raises(TypeError, match="float33"):
        AutoScaleRegressor().plan(shape=(10, 3), dtype="float33")
    assert "float32" in AutoScaleRegressor().plan(shape=(10, 3), dtype=np.float32).data


def test_names_of_columns_are_for_files():
    frame = dd.from_pandas(pd.DataFrame(X, columns=["a", "b", "c"]), npartitions=2)
    with pytest.raises(ValueError, match=r"y='c' has no rows\. Columns of files have names"):
        AutoScaleRegressor().fit(frame, "c")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("Ridge", "Write autoscale(Ridge()), after from sklearn.linear_model import Ridge."),
        ("ridge", "Write autoscale(Ridge()), after from sklearn.linear_model import Ridge."),
        ("XGBRegresor", "Write autoscale(XGBRegressor()), after from xgboost import XGBRegressor."),
        ("sklearn.svm.SVC", "Write autoscale(SVC()), after from sklearn.svm import SVC."),
        (Ridge, "That is a class: write autoscale(Ridge())."),
        (3, "not int: 3."),
    ],
)
def test_autoscale_says_what_to_write_for_a_name_or_a_class(given, hint):
    with pytest.raises(TypeError, match="takes a scikit-learn estimator") as error:
        autoscale(given)
    assert str(error.value).endswith(hint)
