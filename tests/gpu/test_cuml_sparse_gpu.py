"""Sparse rows with cuML: scikit-learn's answer, from SciPy's and CuPy's matrices."""

import pickle

import cupy
import cupyx.scipy.sparse
import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVC, SVR

from skdist_gpu import autoscale
from skdist_gpu.engines.registry import catalogue
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

LINEAR = [LinearRegression(), Ridge(tol=1e-8), Ridge(0.1, fit_intercept=False, tol=1e-8)]
LINEAR += [Lasso(0.01, tol=1e-6), ElasticNet(0.01, tol=1e-6), LogisticRegression(tol=1e-6, max_iter=1000)]
KERNELS = [SVC(), SVC(kernel="linear"), SVR()]
NEIGHBOURS = [KNeighborsClassifier(), KNeighborsRegressor(), KNeighborsClassifier(metric="cosine")]
COUNTS = [MultinomialNB(), ComplementNB(), BernoulliNB()]
COMPONENTS = [PCA(3, svd_solver="covariance_eigh"), IncrementalPCA(3)]
PROJECTIONS = [GaussianRandomProjection(8, random_state=0), SparseRandomProjection(8, random_state=0)]
OTHERS = [NearestNeighbors()]


def name_of(estimator):
    return type(estimator).__name__


def make_counts(n_rows=2000, n_columns=40):
    """Return a matrix, one value in five stored and no two rows alike, whose columns follow three groups of rows."""
    generator = np.random.default_rng(0)
    group = generator.integers(0, 3, n_rows)
    rate = np.where(np.arange(n_columns) % 3 == group[:, None], 0.6, 0.05)
    return scipy.sparse.csr_matrix(generator.poisson(rate) * generator.uniform(0.5, 1.5, rate.shape)), group


X, GROUP = make_counts()
Y = X @ np.linspace(-1, 1, X.shape[1]) + np.random.default_rng(1).normal(scale=0.1, size=X.shape[0])


def on(where, matrix):
    return cupyx.scipy.sparse.csr_matrix(matrix) if where == "cupy" else matrix


@pytest.mark.parametrize("name", ["csr_array", "coo_matrix", "csc_matrix"])
def test_other_formats_on_the_device(name):
    rows = getattr(cupyx.scipy.sparse, name)(X)
    model = autoscale(Ridge(tol=1e-8), backend="cuml").fit(rows, cupy.asarray(Y))
    assert_ran_on(model, "cuml:gpu")
    assert_allclose(model.coef_, Ridge(tol=1e-8).fit(X, Y).coef_, atol=1e-3)


def fitted(estimator, where):
    target = GROUP if is_classifier(estimator) else Y if is_regressor(estimator) else None
    model = autoscale(estimator, backend="cuml").fit(on(where, X), target)
    assert_ran_on(model, "cuml:gpu")
    plain = pickle.loads(pickle.dumps(model.estimator_))
    for name, value in vars(plain).items():
        assert not type(value).__module__.startswith(("cupy", "cuml", "cudf")), name
    return model, plain, clone(estimator).fit(X, target)


def test_every_row_that_takes_sparse_data_is_tried():
    listed = [*LINEAR, *KERNELS, *NEIGHBOURS, *COUNTS, *COMPONENTS, *PROJECTIONS, *OTHERS]
    rows = {e.estimator for e in catalogue() if e.backend == "cuml" and e.sparse}
    # see test_cuml_preprocessing_gpu.py and test_cuml_graphs_gpu.py
    others = {"MaxAbsScaler", "PolynomialFeatures", "Normalizer", "Binarizer", "TfidfTransformer", "umap.UMAP"}
    assert rows == {name_of(e) for e in listed} | others


@pytest.mark.parametrize("where", ["scipy", "cupy"])
@pytest.mark.parametrize("estimator", LINEAR, ids=name_of)
def test_linear_models(estimator, where):
    model, plain, reference = fitted(estimator, where)
    assert_allclose(plain.coef_, reference.coef_, atol=2e-3 * np.abs(reference.coef_).max())
    assert_allclose(plain.intercept_, reference.intercept_, atol=2e-3 * max(1, np.abs(reference.intercept_).max()))
    on_device = model.predict(on("cupy", X))
    assert isinstance(on_device, cupy.ndarray)
    assert_allclose(on_device.get(), plain.predict(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("where", ["scipy", "cupy"])
@pytest.mark.parametrize("estimator", [*KERNELS, *NEIGHBOURS, *COUNTS], ids=str)
def test_kernels_neighbours_and_counts(estimator, where):
    model, plain, reference = fitted(estimator, where)
    expected = reference.predict(X)
    found, on_device = plain.predict(X), model.predict(on("cupy", X))
    on_device = on_device.get() if isinstance(on_device, cupy.ndarray) else on_device
    if is_classifier(estimator):
        assert np.mean(found == expected) > 0.99
        assert np.mean(on_device == found) > 0.99
        assert np.mean(model.predict(X.toarray()) == found) > 0.99
    else:
        assert_allclose(found, expected, atol=0.02 * np.abs(Y).max())
        assert_allclose(on_device, found, atol=1e-3 * np.abs(Y).max())


def test_support_vectors_are_as_libsvm_leaves_them():
    _, plain, reference = fitted(SVC(), "scipy")
    assert set(vars(plain)) == set(vars(reference))
    assert plain._gamma == pytest.approx(reference._gamma)
    for name in ("support_vectors_", "dual_coef_", "_dual_coef_"):
        assert type(getattr(plain, name)) is type(getattr(reference, name)), name
    assert plain._dual_coef_.nnz == plain._dual_coef_.shape[0] * plain._dual_coef_.shape[1]
    assert_allclose(plain.decision_function(X), reference.decision_function(X), atol=0.02)


@pytest.mark.parametrize("estimator", COUNTS, ids=name_of)
def test_counts_are_the_same(estimator):
    _, plain, reference = fitted(estimator, "cupy")
    assert_allclose(plain.feature_count_, reference.feature_count_)
    assert_allclose(plain.feature_log_prob_, reference.feature_log_prob_)


@pytest.mark.parametrize("where", ["scipy", "cupy"])
@pytest.mark.parametrize("estimator", COMPONENTS, ids=name_of)
def test_components(estimator, where):
    _, plain, reference = fitted(estimator, where)
    assert_allclose(plain.explained_variance_ratio_, reference.explained_variance_ratio_, rtol=1e-3)
    assert_allclose(plain.mean_, reference.mean_, atol=1e-8)
    assert_allclose(np.abs(plain.transform(X)), np.abs(reference.transform(X)), atol=1e-2)


@pytest.mark.parametrize("where", ["scipy", "cupy"])
@pytest.mark.parametrize("estimator", PROJECTIONS, ids=name_of)
def test_projections(estimator, where):
    _, plain, reference = fitted(estimator, where)
    assert plain.transform(X).shape == reference.transform(X).shape
    assert abs(plain.components_ - reference.components_).max() == 0


@pytest.mark.parametrize("where", ["scipy", "cupy"])
def test_neighbours(where):
    _, plain, reference = fitted(NearestNeighbors(), where)
    assert_allclose(plain.kneighbors(X)[0], reference.kneighbors(X)[0], atol=1e-6)


def test_the_users_matrix_stays_as_it_is():
    indices = np.array([3, 1, 1, 0, 2, 2])  # unsorted, one twice
    data, starts = np.arange(1.0, 7.0), np.array([0, 3, 4, 6])
    for module, array in ((scipy.sparse, np.asarray), (cupyx.scipy.sparse, cupy.asarray)):
        matrix = module.csr_matrix((array(data), array(indices), array(starts)), shape=(3, 4))
        model = autoscale(MultinomialNB(), backend="cuml").fit(matrix, [0, 1, 1])
        assert_allclose(model.feature_count_, [[0, 5, 0, 1], [4, 0, 11, 0]])
        assert_allclose(cupy.asnumpy(matrix.indices), indices)


def test_integers_and_missing_values():
    whole = X.astype(np.int64)
    model = autoscale(LogisticRegression(tol=1e-6, max_iter=1000), backend="cuml").fit(whole, GROUP)
    expected = LogisticRegression(tol=1e-6, max_iter=1000).fit(whole, GROUP).predict_proba(whole)
    assert_allclose(model.predict_proba(whole), expected, atol=1e-2)
    holes = X.copy()
    holes.data[7] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        autoscale(LogisticRegression(), backend="cuml").fit(holes, GROUP)
