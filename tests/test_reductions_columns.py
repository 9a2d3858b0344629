"""Scalers, imputer, bins and selections from statistics of single columns, against scikit-learn."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from fits import N_ROWS, PLACES, assert_same_as_scikit_learn, fit_there, make_classes, make_weights, use_small_steps
from sklearn.feature_selection import (
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
    chi2,
    f_classif,
    f_regression,
    r_regression,
)
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, StandardScaler

from skdist_gpu import AutoScaleTransformer

SCALERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(feature_range=(-2, 3), clip=True),
    MaxAbsScaler(),
    VarianceThreshold(),
    VarianceThreshold(5.0),
]
IMPUTERS = [
    SimpleImputer(),
    SimpleImputer(add_indicator=True, keep_empty_features=True),
    SimpleImputer(strategy="constant", fill_value=7.0),
]


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    use_small_steps(monkeypatch)


def make_gaps(dtype="float64"):
    """Return rows with NaN in some columns, and a column without any value but constant ones."""
    X = make_classes()[0].astype(dtype)
    generator = np.random.default_rng(0)
    X[:, :2][generator.uniform(size=(N_ROWS, 2)) < 0.3] = np.nan
    X[:1500, 2] = np.nan
    X[:, 3] = 4.5
    return X


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("estimator", SCALERS + IMPUTERS, ids=repr)
def test_answer_is_scikit_learns(estimator, backend):
    assert_same_as_scikit_learn(estimator, backend, make_classes()[0])


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("estimator", SCALERS + IMPUTERS, ids=repr)
def test_missing_values_are_left_out(estimator, dtype, backend):
    rtol = 1e-8 if dtype == "float64" else 1e-6
    assert_same_as_scikit_learn(estimator, backend, make_gaps(dtype), rtol=rtol)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("estimator", SCALERS[:4], ids=repr)
def test_weights(estimator, gaps, backend):
    X = make_gaps() if gaps else make_classes()[0]
    X[:, 3] = make_weights(2)  # scikit-learn's weighted variance of a constant column is rounding noise
    plain, _ = assert_same_as_scikit_learn(estimator, backend, X, sample_weight=make_weights())
    # a scaler that learns nothing counts rows, whatever they weigh
    if not estimator.with_mean and not estimator.with_std:
        assert np.max(plain.n_samples_seen_) == N_ROWS


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("estimator", [*SCALERS, *IMPUTERS, KBinsDiscretizer(subsample=None, strategy="uniform")])
def test_infinity_is_refused(estimator, backend):
    X = make_classes()[0]
    X[[5, 2500], 1] = np.inf, -np.inf
    with pytest.raises(ValueError, match="infinity"):
        fit_there(estimator, backend, X)
    X[:, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        fit_there(estimator, backend, X)


def test_a_large_mean_costs_no_digits():
    X = 1e6 + np.random.default_rng(0).normal(size=(N_ROWS, 3))
    model = fit_there(StandardScaler(), "reductions:cpu", X.astype(np.float32))
    wide = X.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(model.var_, wide.var(axis=0), rtol=1e-9)


@pytest.mark.filterwarnings("ignore:Features .* are constant")
@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("score", [f_classif, chi2, f_regression, r_regression])
@pytest.mark.parametrize("cls", [SelectKBest, SelectPercentile])
def test_scores_are_scikit_learns(cls, score, dtype, backend):
    X, y = make_classes(offset=0.0)
    X = (np.abs(X) if score is chi2 else X).astype(dtype)
    if score in (f_regression, r_regression):
        y = X @ np.arange(6.0) + np.random.default_rng(0).normal(size=N_ROWS)
    parameters = {"k": 3} if cls is SelectKBest else {"percentile": 50}
    rtol = 1e-8 if dtype == "float64" else 1e-4
    assert_same_as_scikit_learn(cls(score, **parameters), backend, X, y, rtol=rtol)


@pytest.mark.parametrize("score", [f_regression, r_regression])
def test_constant_columns_and_targets_score_nothing(score):
    X = make_classes(offset=0.0)[0]
    X[:, 2] = 0.1
    model = fit_there(SelectKBest(score, k=2), "reductions:cpu", X, X[:, 0])
    varied = [0, 1, 3, 4, 5]
    reference = SelectKBest(score, k=2).fit(X[:, varied], X[:, 0])
    np.testing.assert_allclose(model.scores_[varied[1:]], reference.scores_[1:], rtol=1e-8)
    assert model.scores_[2] == 0
    model = fit_there(SelectKBest(score, k=2), "reductions:cpu", X, np.full(N_ROWS, 0.3))
    assert not model.scores_.any()


def test_two_rows_leave_no_freedom():
    X, y = np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([1.0, 4.0])
    model = fit_there(SelectKBest(f_regression, k=1), "reductions:cpu", X, y)
    reference = SelectKBest(f_regression, k=1).fit(X, y)
    np.testing.assert_array_equal([model.scores_, model.pvalues_], [reference.scores_, reference.pvalues_])


@pytest.mark.parametrize("backend", PLACES)
def test_a_constant_column_has_no_score_and_is_named(backend):
    X, y = make_classes(offset=0.0)
    X[:, 5] += np.random.default_rng(0).normal(size=N_ROWS)
    reference = fit_there(SelectKBest(k=2), backend, X, y)  # without a warning
    X[:, 2] = 0.1
    with pytest.warns(UserWarning, match=r"Features \[2\] are constant"):
        model = fit_there(SelectKBest(k=2), backend, X, y)
    assert np.isnan(model.scores_[2])
    np.testing.assert_allclose(np.delete(model.scores_, 2), np.delete(reference.scores_, 2), rtol=1e-12)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("threshold", [0.0, 1e-9])
def test_the_range_bounds_variances_for_a_threshold_of_zero_alone(threshold, backend):
    X = make_classes()[0]
    X[:, 0], X[:, 1] = np.arange(N_ROWS) % 2 * 100 - 50, 0.1
    reference = VarianceThreshold(threshold).fit(X)
    model = fit_there(VarianceThreshold(threshold), backend, X)
    np.testing.assert_allclose(np.delete(model.variances_, 1), np.delete(reference.variances_, 1), rtol=1e-9)
    np.testing.assert_array_equal(model.get_support(), reference.get_support())


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("encode", ["onehot", "ordinal"])
@pytest.mark.parametrize("weighted", [False, True])
def test_uniform_bins(encode, weighted, backend):
    X = make_classes()[0]
    weights = make_weights()
    weights[np.argmax(X[:, 0])] = 0  # the largest value does not count
    estimator = KBinsDiscretizer(7, encode=encode, strategy="uniform", subsample=None)
    given = {"sample_weight": weights} if weighted else {}
    reference = KBinsDiscretizer(**estimator.get_params()).fit(X, **given)
    model = fit_there(estimator, backend, X, **given)
    np.testing.assert_array_equal(np.array(list(model.bin_edges_)), np.array(list(reference.bin_edges_)))
    assert (model.estimator_.transform(X) != reference.transform(X)).sum() == 0


@pytest.mark.parametrize("estimator", [MaxAbsScaler(), VarianceThreshold(), SelectKBest(chi2, k=4)])
def test_sparse_dask_blocks(estimator):
    X = sp.random(N_ROWS, 9, density=0.2, random_state=0, format="csr")
    y = np.random.default_rng(0).integers(0, 3, N_ROWS)
    reference = type(estimator)(**estimator.get_params()).fit(X, y)
    blocks = da.from_array(X.toarray(), chunks=(700, 9)).map_blocks(sp.csr_matrix)
    model = AutoScaleTransformer(estimator).fit(blocks, da.from_array(y, chunks=700))
    for name in ("scale_", "variances_", "scores_"):
        if hasattr(reference, name):
            np.testing.assert_allclose(getattr(model, name), getattr(reference, name), rtol=1e-9)


@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_bins_have_the_dtype_of_the_input(dtype):
    X = np.random.default_rng(0).integers(0, 9, (N_ROWS, 3)).astype(dtype)
    for encode in ("onehot", "ordinal"):
        estimator = KBinsDiscretizer(4, encode=encode, strategy="uniform", subsample=None)
        reference = KBinsDiscretizer(**estimator.get_params()).fit_transform(X)
        assert fit_there(estimator, "reductions:cpu", X).transform(X).dtype == reference.dtype


@pytest.mark.parametrize("backend", PLACES)
def test_a_constant_fills_values_of_any_kind(backend):
    X = np.random.default_rng(0).integers(0, 9, (N_ROWS, 3))
    assert_same_as_scikit_learn(SimpleImputer(strategy="constant", add_indicator=True), backend, X)
    text = np.where(X > 7, None, X.astype(str)).astype(object)
    estimator = SimpleImputer(strategy="constant", missing_values=np.nan)
    gaps = np.where(X > 7, np.nan, text).astype(object)
    assert list(fit_there(estimator, backend, gaps).statistics_) == list(estimator.fit(gaps).statistics_)


def test_no_column_left():
    with pytest.raises(ValueError, match="No feature in X meets the variance threshold 9"):
        fit_there(VarianceThreshold(9e9), "reductions:cpu", make_classes()[0])
    with pytest.raises(ValueError, match="Minimum of desired feature range"):
        fit_there(MinMaxScaler((1, 0)), "reductions:cpu", make_classes()[0])
    with pytest.raises(ValueError, match="non-negative"):
        fit_there(SelectKBest(chi2, k=2), "reductions:cpu", -make_classes()[0], make_classes()[1])
