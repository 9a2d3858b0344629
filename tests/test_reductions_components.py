"""PCA, IncrementalPCA and TruncatedSVD from sums over rows, against scikit-learn."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from fits import N_ROWS, PLACES, assert_same, assert_same_as_scikit_learn, fit_there, make_classes, use_small_steps
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD

from skdist_gpu import AutoScaleTransformer


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    use_small_steps(monkeypatch)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize(
    "estimator",
    [
        PCA(svd_solver="full"),
        PCA(2, svd_solver="full", whiten=True),
        PCA(0.9, svd_solver="full"),
        PCA("mle", svd_solver="full"),
        PCA(0, svd_solver="full"),
        IncrementalPCA(),
        IncrementalPCA(batch_size=100, whiten=True),
        TruncatedSVD(3, algorithm="arpack"),
    ],
    ids=repr,
)
def test_answer_is_scikit_learns(estimator, backend):
    # squares of arpack's own lose digits where the mean is large
    offset = 3.0 if isinstance(estimator, TruncatedSVD) else 1000.0
    assert_same_as_scikit_learn(estimator, backend, make_classes(offset=offset)[0])


@pytest.mark.parametrize("estimator", [PCA(), PCA(3, svd_solver="covariance_eigh"), PCA(0.5)], ids=repr)
def test_default_solver_is_scikit_learns_without_its_rounding(estimator):
    # scikit-learn subtracts the mean from the squares, so that an offset costs digits
    assert_same_as_scikit_learn(estimator, "reductions:cpu", make_classes(offset=0.0)[0])
    X = make_classes(offset=1e5)[0]
    model = fit_there(estimator, "reductions:cpu", X)
    exact = PCA(estimator.n_components, svd_solver="full").fit(X)
    for name in ("explained_variance_", "components_", "singular_values_", "noise_variance_"):
        assert_same(getattr(model, name), getattr(exact, name), 1e-8, name)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize(
    "estimator", [PCA(3), IncrementalPCA(batch_size=3000), TruncatedSVD(3, algorithm="arpack")], ids=repr
)
def test_float32_is_summed_in_float64(estimator, backend):
    X = make_classes(offset=1.0)[0].astype(np.float32)
    narrow = type(estimator)(**estimator.get_params()).fit(X)
    model = fit_there(estimator, backend, X)
    exact = estimator if isinstance(estimator, TruncatedSVD) else PCA(estimator.n_components, svd_solver="full")
    exact = type(exact)(**exact.get_params()).fit(X.astype(np.float64))
    for name in ("components_", "explained_variance_", "singular_values_"):
        assert getattr(model, name).dtype == getattr(narrow, name).dtype
        np.testing.assert_allclose(getattr(model, name), getattr(exact, name), rtol=1e-5, atol=1e-6)
    assert model.transform(X).dtype == narrow.transform(X).dtype


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("condition", [1e3, 1e6])
def test_small_components_keep_their_digits(condition, backend):
    generator = np.random.default_rng(0)
    U, _ = np.linalg.qr(generator.normal(size=(N_ROWS, 5)))
    V, _ = np.linalg.qr(generator.normal(size=(5, 5)))
    sizes = np.geomspace(1, 1 / condition, 5)
    X = U * sizes @ V.T
    svd = fit_there(TruncatedSVD(5), backend, X)
    np.testing.assert_allclose(svd.singular_values_, sizes, rtol=1e-8)
    np.testing.assert_allclose(np.abs(svd.components_ @ V), np.eye(5), atol=1e-6)
    exact = PCA(svd_solver="full").fit(X)
    pca = fit_there(PCA(svd_solver="full"), backend, X)
    np.testing.assert_allclose(pca.singular_values_, exact.singular_values_, rtol=1e-8)
    np.testing.assert_allclose(pca.components_, exact.components_, atol=1e-6)


def test_fewer_rows_than_columns():
    X = np.random.default_rng(0).normal(size=(20, 30))
    assert_same_by_values(PCA(svd_solver="full"), X, ("explained_variance_", "singular_values_"))
    assert_same_by_values(PCA(4, svd_solver="full"), X, ("components_", "noise_variance_"))
    assert_same_by_values(TruncatedSVD(5, algorithm="arpack"), X, ("components_", "explained_variance_ratio_"))
    with pytest.raises(ValueError, match="must be between 0 and"):
        AutoScaleTransformer(PCA(25), backend="reductions:cpu").fit(X)


def assert_same_by_values(estimator, X, names):
    reference = type(estimator)(**estimator.get_params()).fit(X)
    model = AutoScaleTransformer(estimator, backend="reductions:cpu").fit(X)
    for name in names:
        value, expected = getattr(model, name), getattr(reference, name)
        assert np.shape(value) == np.shape(expected)
        np.testing.assert_allclose(value, expected, atol=1e-7 * np.max(np.abs(expected)))


def test_sparse_dask_blocks():
    X = sp.random(N_ROWS, 12, density=0.2, random_state=0, format="csr")
    blocks = da.from_array(X.toarray(), chunks=(700, 12)).map_blocks(sp.csr_matrix)
    model = AutoScaleTransformer(TruncatedSVD(3)).fit(blocks)
    assert_same(model.components_, TruncatedSVD(3, algorithm="arpack").fit(X).components_, 1e-8, "components_")


def test_wrong_number_of_components():
    X = make_classes()[0]
    for estimator in (PCA(7), IncrementalPCA(7), TruncatedSVD(7)):
        with pytest.raises(ValueError, match="n_components"):
            AutoScaleTransformer(estimator, backend="reductions:cpu").fit(X)
