"""LinearRegression and Ridge from sums over rows, against scikit-learn in float64."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, Ridge

from skdist_gpu import AutoScaleRegressor
from skdist_gpu.testing import assert_ran_on

PLACES = ["reductions:cpu", "reductions:dask"]


def make_data(n_rows=5000, n_columns=12, n_targets=1, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, n_columns)) @ generator.normal(size=(n_columns, n_columns))
    X += 100 * generator.normal(size=n_columns)
    Y = X @ generator.normal(size=(n_columns, n_targets)) + generator.normal(size=(n_rows, n_targets))
    return X, (Y[:, 0] if n_targets == 1 else Y), generator.uniform(size=n_rows)


def assert_same_model(model, reference, rtol=1e-9):
    scale = np.abs(reference.coef_).max()
    assert model.coef_.shape == reference.coef_.shape
    assert_allclose(model.coef_, reference.coef_, atol=rtol * scale, rtol=0)
    assert np.shape(model.intercept_) == np.shape(reference.intercept_)
    assert_allclose(model.intercept_, reference.intercept_, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize(
    "estimator",
    [
        LinearRegression(),
        LinearRegression(fit_intercept=False),
        Ridge(alpha=3.0),
        Ridge(alpha=3.0, fit_intercept=False),
        Ridge(alpha=1.0, solver="svd"),
    ],
    ids=repr,
)
def test_answer_is_scikit_learns(estimator, n_targets, weighted, backend):
    X, y, weights = make_data(n_targets=n_targets)
    sample_weight = weights if weighted else None
    reference = type(estimator)(**estimator.get_params()).fit(X, y, sample_weight)
    model = AutoScaleRegressor(estimator, backend=backend).fit(X, y, sample_weight=sample_weight)
    assert_ran_on(model, backend)
    assert_same_model(model, reference)
    assert type(model.estimator_) is type(estimator)
    assert_allclose(model.predict(X), reference.predict(X), rtol=1e-8)


def test_one_penalty_for_each_target():
    X, Y, _ = make_data(n_targets=3)
    ridge = Ridge(alpha=np.array([0.1, 10.0, 1000.0]))
    assert_same_model(AutoScaleRegressor(ridge, backend="reductions").fit(X, Y), Ridge(ridge.alpha).fit(X, Y))
    with pytest.raises(ValueError, match="penalties do not correspond"):
        AutoScaleRegressor(Ridge(alpha=[1.0, 2.0]), backend="reductions").fit(X, Y)


def test_sparse_and_column_order_and_strides():
    X, y, _ = make_data()
    X[np.abs(X) < 50] = 0
    reference = LinearRegression().fit(X, y)
    for variant in (sp.csr_matrix(X), sp.csc_array(X), np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        model = AutoScaleRegressor(backend="reductions").fit(variant, y)
        assert_same_model(model, reference)


def test_float32_and_integers_are_summed_in_float64():
    generator = np.random.default_rng(0)
    X = (1000 + generator.normal(size=(200_000, 5))).astype(np.float32)
    truth = np.arange(1.0, 6.0)
    y = X.astype(np.float64) @ truth
    model = AutoScaleRegressor(backend="reductions").fit(X, y)
    assert_allclose(model.coef_, truth, rtol=1e-9)
    integers = generator.integers(0, 2**40, size=(1000, 3))
    targets = integers @ [1.0, -2.0, 3.0]
    assert_allclose(AutoScaleRegressor(backend="reductions").fit(integers, targets).coef_, [1, -2, 3], rtol=1e-8)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("condition", [1e3, 1e5, 1e6])
def test_badly_conditioned_columns(condition, backend):
    generator = np.random.default_rng(0)
    U, _ = np.linalg.qr(generator.normal(size=(3000, 8)))
    V, _ = np.linalg.qr(generator.normal(size=(8, 8)))
    X = U * np.geomspace(1, 2 / condition, 8) @ V.T
    truth = generator.normal(size=8)
    model = AutoScaleRegressor(LinearRegression(fit_intercept=False), backend=backend).fit(X, X @ truth)
    assert_allclose(model.coef_, truth, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("condition", [1e3, 1e4, 5e4])
def test_one_correction_brings_back_the_digits(condition, backend):
    generator = np.random.default_rng(0)
    U, _ = np.linalg.qr(generator.normal(size=(3000, 8)))
    V, _ = np.linalg.qr(generator.normal(size=(8, 8)))
    X, weights = 100 * U * np.geomspace(1, 1 / condition, 8) @ V.T, generator.uniform(1, 2, 3000)
    Y = X @ generator.normal(size=(8, 2)) + 1e-3 * generator.normal(size=(3000, 2))
    reference = LinearRegression().fit(X, Y, weights)
    model = AutoScaleRegressor(backend=backend).fit(X, Y, sample_weight=weights)
    assert_same_model(model, reference, rtol=1e-10)
    assert_allclose(model.singular_, reference.singular_, rtol=1e-6)


@pytest.mark.parametrize("backend", PLACES)
def test_dependent_columns_give_the_answer_of_least_norm(backend):
    X, y, _ = make_data(n_columns=6)
    X = np.hstack([X, X[:, :2], np.full((len(X), 1), 7.0)])
    reference = LinearRegression().fit(X, y)
    model = AutoScaleRegressor(backend=backend).fit(X, y)
    assert model.rank_ == reference.rank_ == 6
    assert_same_model(model, reference, rtol=1e-8)
    assert_allclose(model.singular_, reference.singular_, rtol=1e-8, atol=1e-8 * reference.singular_[0])


def test_small_columns_count_with_singular_values():
    X, y, _ = make_data(n_columns=3)
    X = (X - X.mean(axis=0)) * [1e-9, 1.0, 1e9]
    model = AutoScaleRegressor(Ridge(solver="svd"), backend="reductions:cpu").fit(X, y)
    # the penalty leaves the tiny column little but its own products
    residuals = y - model.predict(X)
    assert_allclose(X[:, 0] @ residuals, model.coef_[0], rtol=1e-6)


def test_fewer_rows_than_columns():
    X, y, _ = make_data(n_rows=10, n_columns=30)
    for estimator in (LinearRegression(), Ridge(alpha=0.5)):
        reference = type(estimator)(**estimator.get_params()).fit(X, y)
        assert_same_model(AutoScaleRegressor(estimator, backend="reductions").fit(X, y), reference, rtol=1e-7)
    # without a penalty the coefficients of least norm are the limit
    unpenalised = AutoScaleRegressor(Ridge(alpha=0.0), backend="reductions").fit(X, y)
    assert_same_model(unpenalised, LinearRegression().fit(X, y), rtol=1e-7)


def test_blocks_without_rows_and_uneven_blocks():
    X, y, _ = make_data(n_rows=1000)
    chunks = (1, 0, 600, 0, 399)
    dX, dy = da.from_array(X, chunks=(chunks, (5, 7))), da.from_array(y, chunks=(chunks,))
    assert_same_model(AutoScaleRegressor().fit(dX, dy), LinearRegression().fit(X, y))


@settings(max_examples=30, deadline=None)
@given(
    n_rows=st.integers(2, 300),
    n_columns=st.integers(1, 6),
    n_blocks=st.integers(1, 7),
    weighted=st.booleans(),
    dtype=st.sampled_from(["float32", "float64", "int16"]),
    offset=st.sampled_from([0.0, 1e4]),
)
def test_any_shape_blocking_and_dtype(n_rows, n_columns, n_blocks, weighted, dtype, offset):
    generator = np.random.default_rng(n_rows * 7 + n_columns)
    X = (offset + 50 * generator.normal(size=(n_rows, n_columns))).astype(dtype)
    y = generator.normal(size=n_rows)
    weights = generator.integers(0, 3, size=n_rows).astype(float) + 0.5 if weighted else None
    reference = Ridge(1.0).fit(X.astype(np.float64), y, weights)
    dX = da.from_array(X, chunks=(max(1, n_rows // n_blocks), n_columns))
    dy = da.from_array(y, chunks=dX.chunks[0])
    dw = None if weights is None else da.from_array(weights, chunks=dX.chunks[0])
    model = AutoScaleRegressor(Ridge(1.0)).fit(dX, dy, sample_weight=dw)
    assert_ran_on(model, "reductions:dask")
    assert_allclose(model.coef_, reference.coef_, rtol=1e-6, atol=1e-8)
