"""RobustScaler, QuantileTransformer and the median of SimpleImputer, against scikit-learn and sorted values."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from fits import N_ROWS, PLACES, assert_same_as_scikit_learn, fit_there, make_classes, use_small_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import QuantileTransformer, RobustScaler

from skdist_gpu import AutoScaleTransformer, autoscale
from skdist_gpu.engines.reductions.columns import quantile_sketch, quantiles

ESTIMATORS = [
    RobustScaler(),
    RobustScaler(with_centering=False, quantile_range=(0.0, 100.0)),
    RobustScaler(with_scaling=False),
    RobustScaler(quantile_range=(3.3, 3.4), unit_variance=True),
    SimpleImputer(strategy="median", add_indicator=True),
]


@pytest.fixture(autouse=True)
def _several_passes(monkeypatch):
    use_small_steps(monkeypatch)
    monkeypatch.setattr(quantiles, "MOST_VALUES", 200)
    monkeypatch.setattr(quantiles, "SAMPLE_VALUES", 600)


def make_hard(dtype="float64"):
    """Return columns with ties, gaps, a constant, values of all sizes, few distinct values, and nothing."""
    generator = np.random.default_rng(0)
    X = make_classes(n_columns=6)[0]
    X[:, 1] = np.exp(20 * generator.normal(size=N_ROWS)) * generator.choice([-1, 1], N_ROWS)
    X[:, 2] = 7.25
    X[:, 3] = generator.integers(0, 3, N_ROWS)
    X[::3, 4] = np.nan
    X[:1500, 5] = np.nan
    return X.astype(dtype)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_answer_is_scikit_learns(estimator, backend):
    assert_same_as_scikit_learn(estimator, backend, make_classes()[0], rtol=1e-12)
    model, reference = (fit(estimator, make_hard()) for fit in (lambda e, X: fit_there(e, backend, X), _fit))
    for name in ("center_", "scale_", "statistics_"):
        if getattr(reference, name, None) is not None:
            np.testing.assert_allclose(getattr(model, name), getattr(reference, name), rtol=1e-12, atol=1e-300)


def _fit(estimator, X):
    return type(estimator)(**estimator.get_params()).fit(X)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_float32(estimator):
    assert_same_as_scikit_learn(estimator, "reductions:cpu", make_classes(offset=0.0)[0].astype(np.float32), rtol=1e-5)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_quantile_transformer_sorts_all_rows(distribution, dtype, gaps, backend):
    X = make_hard(dtype) if gaps else make_classes()[0].astype(dtype)
    estimator = QuantileTransformer(n_quantiles=30, output_distribution=distribution, subsample=None)
    assert_same_as_scikit_learn(estimator, backend, X, rtol=1e-9 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("estimator", [RobustScaler(), QuantileTransformer(n_quantiles=20, subsample=None)], ids=repr)
def test_rows_of_unknown_number(estimator, tmp_path):
    X = make_hard()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    ds.write_dataset(
        pa.Table.from_pandas(frame), tmp_path, format="parquet", max_rows_per_file=700, max_rows_per_group=700
    )
    expected = vars(_fit(estimator, X))
    for source, backend in (
        (dd.from_pandas(frame, npartitions=4), "reductions:dask"),
        (ds.dataset(tmp_path), "reductions:cpu"),
    ):
        model = autoscale(estimator, backend=backend).fit(source)
        for name in expected.keys() & {"center_", "scale_", "quantiles_"}:
            np.testing.assert_allclose(getattr(model, name), expected[name], rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("backend", PLACES)
def test_a_sample_that_misleads_is_noticed(backend, monkeypatch):
    X = make_classes()[0]
    X[::30] = 1e6  # every row of the sample, on one thread
    monkeypatch.setattr(quantiles, "SLACK", 0.01)
    for values in (X, np.sort(X, axis=0), X[::-1]):
        assert_same_as_scikit_learn(RobustScaler(), backend, values, rtol=1e-12)


def test_ties_are_counted_not_collected(monkeypatch):
    X = np.random.default_rng(0).integers(0, 2, (400_000, 4)).astype(np.float64)
    X[:, 1] = 3.0
    partials = []
    combine = quantiles.GatherReduction.combine

    def watched(self, a, b):
        partials.append(sum(len(values) for _, values, _ in combine(self, a, b)[1]))
        return combine(self, a, b)

    monkeypatch.setattr(quantiles.GatherReduction, "combine", watched)
    assert_same_as_scikit_learn(RobustScaler(), "reductions:cpu", X)
    assert 0 < max(partials) < X.size / 10


def rank_error(column, quantiles, shares):
    """Return how far the share of values below each quantile is from the share that was asked for."""
    values = np.sort(column[~np.isnan(column)])
    low = np.searchsorted(values, quantiles, "left") / (len(values) - 1)
    high = (np.searchsorted(values, quantiles, "right") - 1) / (len(values) - 1)
    return np.max(np.maximum(low - shares, shares - high))


@settings(max_examples=30, deadline=None)
@given(
    order=st.sampled_from(["as drawn", "rising", "falling", "organ pipe"]),
    distinct=st.sampled_from([3, 50, 10**6]),
    seed=st.integers(0, 999),
)
def test_sketch_keeps_its_rank_error(order, distinct, seed):
    column = np.random.default_rng(seed).integers(0, distinct, N_ROWS).astype(np.float64)
    if order != "as drawn":
        column.sort()
    if order == "falling":
        column = column[::-1]
    if order == "organ pipe":
        column = np.concatenate([column[::2], column[1::2][::-1]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantile_sketch, "SKETCH_ROWS", 64)
        X = np.column_stack([column, np.where(np.arange(N_ROWS) % 3, column, np.nan)])
        model = fit_there(QuantileTransformer(n_quantiles=40, subsample=100), "reductions:dask", X)
    most = (np.log2(N_ROWS / 64) + 1) / (2 * 64)
    assert rank_error(column, model.quantiles_[:, 0], model.references_) <= most
    assert rank_error(X[:, 1], model.quantiles_[:, 1], model.references_) <= 1.5 * most  # two thirds have a value
    np.testing.assert_array_equal(model.quantiles_[[0, -1], 0], [column.min(), column.max()])


def test_sketch_of_a_column_with_two_values(monkeypatch):
    monkeypatch.setattr(quantile_sketch, "SKETCH_ROWS", 64)
    X = make_classes()[0]
    X[:, 1] = np.nan
    X[[70, 2000], 1] = 1.0, 2.0
    model = fit_there(QuantileTransformer(n_quantiles=3, subsample=100), "reductions:dask", X)
    np.testing.assert_array_equal(model.quantiles_[[0, 2], 1], [1.0, 2.0])
    assert 1.0 <= model.quantiles_[1, 1] <= 2.0


def test_sketch_of_few_rows_is_exact():
    X = make_hard()
    model = fit_there(QuantileTransformer(n_quantiles=40, subsample=100), "reductions:dask", X)
    reference = QuantileTransformer(n_quantiles=40, subsample=None).fit(X)
    np.testing.assert_allclose(model.quantiles_, reference.quantiles_, rtol=1e-12)


def test_quantile_transformer_reads_a_subsample_where_that_is_faster():
    X = np.zeros((200_000, 5))
    assert AutoScaleTransformer(QuantileTransformer()).plan(X).backend == "sklearn"


def test_quantile_transformer_errors():
    X = make_classes()[0]
    with pytest.raises(ValueError, match="quantiles cannot be greater than the number of samples"):
        fit_there(QuantileTransformer(n_quantiles=50, subsample=40), "reductions:cpu", X)
    with pytest.warns(UserWarning, match="greater than the total number"):
        assert fit_there(QuantileTransformer(n_quantiles=5000), "reductions:cpu", X).n_quantiles_ == N_ROWS


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(width=32, allow_nan=True, allow_infinity=False), min_size=1, max_size=300),
    share=st.floats(0, 1),
)
def test_any_values(values, share):
    X = np.array(values)[:, None]
    if np.isnan(X).all():
        X[0] = 1.0
    model = AutoScaleTransformer(RobustScaler(quantile_range=(0, 100 * share)), backend="reductions:cpu").fit(X)
    expected = RobustScaler(quantile_range=(0, 100 * share)).fit(X)
    np.testing.assert_allclose(model.center_, expected.center_, rtol=1e-9, atol=1e-40)
    np.testing.assert_allclose(model.scale_, expected.scale_, rtol=1e-9)


@pytest.mark.parametrize("backend", PLACES)
def test_infinity_is_refused(backend):
    X = make_classes()[0]
    X[2500, 1] = np.inf
    for estimator in [*ESTIMATORS, QuantileTransformer(), QuantileTransformer(n_quantiles=9, subsample=90)]:
        with pytest.raises(ValueError, match="infinity"):
            fit_there(estimator, backend, X)
    with pytest.raises(ValueError, match="Invalid quantile range"):
        fit_there(RobustScaler(quantile_range=(50, 101)), backend, make_classes()[0])


@pytest.mark.parametrize("n_rows", [57, 100, 240])
def test_rows_of_one_value_get_scikit_learns_share(n_rows):
    # a quantile that is off in its last digit moves all rows of its value by half a step
    X = np.random.default_rng(n_rows).poisson(4, size=(n_rows, 3)).astype(float)
    transformer = QuantileTransformer(n_quantiles=n_rows)
    expected = clone(transformer).fit_transform(X)
    assert_allclose(autoscale(transformer, backend="reductions").fit_transform(X), expected, atol=1e-12)
