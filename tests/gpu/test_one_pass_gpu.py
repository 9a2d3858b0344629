"""One-pass reductions on one GPU, resident and streamed, against scikit-learn in float64."""

import pickle

import cupy
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf, ShrunkCovariance
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold, chi2, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skdist_gpu import autoscale
from skdist_gpu.engines.executors import gpu as gpu_executor
from skdist_gpu.engines.reductions.columns import quantiles
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

generator = np.random.default_rng(0)
N_ROWS, N_COLUMNS = 100_000, 12
labels = generator.integers(0, 3, N_ROWS)
spread = generator.normal(size=(N_COLUMNS, N_COLUMNS)) + 2 * np.eye(N_COLUMNS)
X = 3 * generator.normal(size=(3, N_COLUMNS))[labels] + generator.normal(size=(N_ROWS, N_COLUMNS)) @ spread + 10
counts = generator.poisson(1 + np.arange(N_COLUMNS) * (1 + labels[:, None]) / 4).astype(float)
weights = generator.uniform(0.1, 2, N_ROWS)

WITHOUT_TARGET = [
    StandardScaler(),
    StandardScaler(with_std=False),
    MinMaxScaler(),
    MaxAbsScaler(),
    VarianceThreshold(),
    SimpleImputer(add_indicator=True),
    SimpleImputer(strategy="median"),
    RobustScaler(),
    QuantileTransformer(n_quantiles=100, subsample=None),
    KBinsDiscretizer(strategy="uniform", subsample=None),
    PCA(svd_solver="full"),
    PCA(0.8, svd_solver="full", whiten=True),
    IncrementalPCA(batch_size=10_000),
    TruncatedSVD(3, algorithm="arpack"),
    EmpiricalCovariance(),
    ShrunkCovariance(),
    LedoitWolf(),
    OAS(),
]
WITH_CLASSES = [
    GaussianNB(),
    LinearDiscriminantAnalysis(),
    LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    LinearDiscriminantAnalysis(solver="eigen"),
    QuadraticDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(solver="eigen", shrinkage="auto"),
    NearestCentroid(),
    SelectKBest(f_classif, k=3),
]
WITH_COUNTS = [
    MultinomialNB(),
    ComplementNB(),
    BernoulliNB(binarize=2.0),
    CategoricalNB(),
    SelectKBest(chi2, k=3),
]
ARBITRARY = ("scalings_", "rotations_")  # up to signs and directions without spread; predict_proba is compared


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch):
    monkeypatch.setattr(gpu_executor, "STEP_BYTES", 2**20)


def fit_there(estimator, place, data, target=None, **given):
    if place == "resident":
        given = {name: cupy.asarray(values) for name, values in given.items()}
        data, target = cupy.asarray(data), None if target is None else cupy.asarray(target)
    model = autoscale(estimator, backend="reductions:gpu").fit(data, target, **given)
    assert_ran_on(model, "reductions:gpu")
    return model


def assert_same_as_scikit_learn(estimator, place, data, target=None, rtol=1e-8, **given):
    reference = clone(estimator).fit(data.astype(np.float64), target, **given)
    plain = pickle.loads(pickle.dumps(fit_there(estimator, place, data, target, **given).estimator_))
    for name, expected in vars(reference).items():
        if name.endswith("_") and name not in ARBITRARY:
            assert_close(getattr(plain, name), expected, rtol, name)
    for method in ("transform", "predict_proba"):
        if hasattr(reference, method) and getattr(reference, "solver", "") == "svd":
            said, expected = getattr(plain, method)(data[:99]), getattr(reference, method)(data[:99])
            assert_allclose(np.abs(said), np.abs(expected), atol=100 * rtol * np.abs(expected).max())


def assert_close(value, expected, rtol, name):
    if isinstance(expected, list) or getattr(expected, "dtype", None) == np.dtype(object):
        assert len(value) == len(expected)
        for part, other in zip(value, expected, strict=True):
            assert_close(part, other, rtol, name)
    elif expected is None or isinstance(expected, str):
        assert value == expected
    elif np.asarray(expected).dtype.kind in "iufb":
        assert not isinstance(value, cupy.ndarray), name
        assert np.shape(value) == np.shape(expected), name
        expected = np.asarray(expected, dtype=np.float64)
        scale = np.max(np.abs(expected[np.isfinite(expected)]), initial=1e-300)
        assert_allclose(np.asarray(value, dtype=np.float64), expected, rtol=0, atol=rtol * scale, err_msg=name)


@pytest.mark.parametrize("place", ["resident", "streamed"])
@pytest.mark.parametrize("estimator", WITHOUT_TARGET, ids=repr)
def test_without_target(estimator, place):
    assert_same_as_scikit_learn(estimator, place, X)
    # sums of float32 data are float64, the attributes may be float32
    assert_same_as_scikit_learn(estimator, place, X.astype(np.float32), rtol=2e-4)


@pytest.mark.parametrize("place", ["resident", "streamed"])
@pytest.mark.parametrize("estimator", WITH_CLASSES, ids=repr)
def test_with_classes(estimator, place):
    assert_same_as_scikit_learn(estimator, place, X, labels)
    assert_same_as_scikit_learn(estimator, place, X.astype(np.float32), labels, rtol=1e-4)


@pytest.mark.parametrize("place", ["resident", "streamed"])
@pytest.mark.parametrize("estimator", WITH_COUNTS, ids=repr)
def test_with_counts(estimator, place):
    assert_same_as_scikit_learn(estimator, place, counts, labels)


@pytest.mark.parametrize("place", ["resident", "streamed"])
@pytest.mark.parametrize("estimator", [StandardScaler(), GaussianNB(), MultinomialNB(), CategoricalNB()], ids=repr)
def test_weights(estimator, place):
    assert_same_as_scikit_learn(estimator, place, counts, labels, sample_weight=weights)


@pytest.mark.parametrize("place", ["resident", "streamed"])
def test_regression_scores(place):
    target = X @ np.arange(N_COLUMNS) + generator.normal(size=N_ROWS)
    assert_same_as_scikit_learn(SelectKBest(f_regression, k=3), place, X, target)


@pytest.mark.parametrize("place", ["resident", "streamed"])
@pytest.mark.parametrize("estimator", [*WITHOUT_TARGET[:5], SimpleImputer(add_indicator=True)], ids=repr)
def test_missing_values_are_left_out_and_infinity_is_refused(estimator, place):
    gaps = X.copy()
    gaps[::3, 0] = np.nan
    gaps[1000:90_000, 1] = np.nan
    assert_same_as_scikit_learn(estimator, place, gaps)
    gaps[70_000, 2] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        fit_there(estimator, place, gaps)


@pytest.mark.parametrize("place", ["resident", "streamed"])
@pytest.mark.parametrize("estimator", [RobustScaler(), SimpleImputer(strategy="median")], ids=repr)
def test_quantiles_are_exact_in_several_passes(estimator, place, monkeypatch):
    monkeypatch.setattr(quantiles, "MOST_VALUES", 2**14)
    assert_same_as_scikit_learn(estimator, place, X)


@pytest.mark.parametrize("place", ["resident", "streamed"])
def test_sketch_keeps_its_rank_error(place, monkeypatch):
    monkeypatch.setattr(quantiles, "MOST_VALUES", 2**14)
    gaps = X.copy()
    gaps[::2, 1] = np.nan
    model = fit_there(QuantileTransformer(n_quantiles=50, subsample=1000), place, gaps)
    most = (np.log2(N_ROWS / 4096) + 1) / (2 * 4096)
    for column, found, error in ((0, model.quantiles_[:, 0], most), (1, model.quantiles_[:, 1], 2 * most)):
        values = np.sort(gaps[:, column][~np.isnan(gaps[:, column])])
        shares = np.searchsorted(values, found) / (len(values) - 1)
        assert np.abs(shares - model.references_).max() <= error + 1 / len(values)
        assert_allclose(found[[0, -1]], values[[0, -1]])


@pytest.mark.parametrize("estimator", [PCA(), LedoitWolf(), GaussianNB(), LinearDiscriminantAnalysis()], ids=repr)
def test_missing_values_are_refused(estimator):
    gaps = X.copy()
    gaps[70_000, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fit_there(estimator, "resident", gaps, labels)


@pytest.mark.parametrize("place", ["resident", "streamed"])
def test_small_directions_keep_their_digits(place):
    V, _ = np.linalg.qr(generator.normal(size=(N_COLUMNS, N_COLUMNS)))
    narrow = (X - 10) * np.geomspace(1, 1e-6, N_COLUMNS) @ V.T
    exact = PCA(svd_solver="full").fit(narrow)
    model = fit_there(PCA(svd_solver="full"), place, narrow)
    assert_allclose(model.singular_values_, exact.singular_values_, rtol=1e-7)
    for estimator in (LinearDiscriminantAnalysis(tol=1e-10), QuadraticDiscriminantAnalysis(tol=0.0)):
        expected = clone(estimator).fit(narrow, labels).predict_proba(narrow[:500])
        model = fit_there(estimator, place, narrow, labels)
        assert_allclose(model.estimator_.predict_proba(narrow[:500]), expected, atol=1e-6)
