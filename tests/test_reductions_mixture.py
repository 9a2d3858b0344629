"""GaussianMixture from sums over rows, against scikit-learn."""

import pickle

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skdist_gpu import autoscale
from skdist_gpu.testing import assert_ran_on

PLACES = ["reductions:cpu", "reductions:dask"]
KINDS = ["full", "tied", "diag", "spherical"]
ARRAYS = ("weights_", "means_", "covariances_", "precisions_cholesky_", "precisions_")


def make_data(n_rows=3000, n_columns=4, n_components=3, seed=0):
    generator = np.random.default_rng(seed)
    X = np.empty((n_rows, n_columns))
    for rows in np.array_split(np.arange(n_rows), n_components):
        mixing = generator.normal(size=(n_columns, n_columns))
        X[rows] = 100 + 3 * generator.normal(size=n_columns) + generator.normal(size=(len(rows), n_columns)) @ mixing
    return generator.permutation(X)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_step_is_scikit_learns(kind, backend):
    X = make_data()
    estimator = GaussianMixture(3, covariance_type=kind, tol=1e-6, max_iter=500, random_state=0)
    reference = clone(estimator).fit(X)
    model = autoscale(estimator, backend=backend).fit(X)
    assert_ran_on(model, backend)
    assert model.n_iter_ == reference.n_iter_ > 3
    assert model.converged_ is reference.converged_ is True
    assert_allclose(model.lower_bounds_, reference.lower_bounds_, rtol=1e-9)
    assert_allclose(model.lower_bound_, reference.lower_bound_, rtol=1e-9)
    for name in ARRAYS:
        ours, theirs = getattr(model, name), getattr(reference, name)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain) is GaussianMixture
    assert_array_equal(plain.predict(X), reference.predict(X))
    assert_allclose(plain.score_samples(X), reference.score_samples(X), rtol=1e-6)
    assert_allclose(plain.bic(X), reference.bic(X), rtol=1e-9)


@pytest.mark.parametrize("kind", ["full", "diag"])
def test_more_rows_than_the_sample_has_and_several_starts(kind):
    X = make_data(n_rows=52_000, n_columns=2)
    estimator = GaussianMixture(3, covariance_type=kind, n_init=2, random_state=0)
    reference = clone(estimator).fit(X)
    model = autoscale(estimator, backend="reductions:cpu").fit(X)
    assert model.lower_bound_ >= reference.lower_bound_ - 1e-2


PRECISIONS = {
    "full": np.stack([s * np.eye(4) + 0.1 for s in (1.0, 2.0, 0.5)]),
    "tied": 0.7 * np.eye(4) + 0.1,
    "diag": np.full((3, 4), 0.6),
    "spherical": np.array([1.0, 0.5, 2.0]),
}


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [(), ("means",), ("weights",), ("precisions",), ("means", "weights", "precisions")])
def test_given_starts_and_several_keep_scikit_learns_order(given, kind, backend):
    X = make_data()
    starts = {"means_init": X[[5, 700, 1500]], "weights_init": [0.2, 0.3, 0.5], "precisions_init": PRECISIONS[kind]}
    starts = {name: value for name, value in starts.items() if name.removesuffix("_init") in given}
    several = {} if given else {"n_init": 3}
    estimator = GaussianMixture(3, covariance_type=kind, tol=1e-6, max_iter=500, random_state=1, **starts, **several)
    reference = clone(estimator).fit(X)
    model = autoscale(estimator, backend=backend).fit(X)
    assert_ran_on(model, backend)
    assert model.n_iter_ == reference.n_iter_
    for name in ARRAYS:
        assert_allclose(getattr(model, name), getattr(reference, name), rtol=1e-5, atol=1e-8)


def test_bad_starts_are_refused_in_scikit_learns_words():
    X = make_data(n_rows=500)
    for starts, words in (
        ({"means_init": X[:2]}, "parameter 'means' should have the shape"),
        ({"weights_init": [0.5, 0.6, 0.1]}, "'weights' should be normalized"),
        ({"precisions_init": -PRECISIONS["full"]}, "symmetric, positive-definite"),
    ):
        for backend in ("sklearn", "reductions:cpu"):
            with pytest.raises(ValueError, match=words):
                autoscale(GaussianMixture(3, **starts), backend=backend).fit(X)


def test_uneven_blocks_and_float32():
    X = make_data(n_rows=1000)
    dX = da.from_array(X, chunks=((1, 0, 600, 0, 399), (3, 1)))
    estimator = GaussianMixture(3, random_state=0)
    reference = clone(estimator).fit(X)
    model = autoscale(estimator, backend="reductions").fit(dX)
    assert_ran_on(model, "reductions:dask")
    assert_allclose(model.means_, reference.means_, rtol=1e-6)
    single = autoscale(estimator, backend="reductions:cpu").fit(X.astype(np.float32))
    assert single.means_.dtype == single.covariances_.dtype == np.float32
    assert_allclose(single.means_, reference.means_, rtol=1e-3)


def test_errors_and_warnings_are_scikit_learns():
    X = make_data(n_rows=500)
    for backend in ("sklearn", "reductions:cpu"):
        with pytest.raises(ValueError, match="Expected n_samples >= n_components"):
            autoscale(GaussianMixture(501), backend=backend).fit(X)
        with pytest.raises(ValueError, match="ill-defined empirical covariance"):
            autoscale(GaussianMixture(2, reg_covar=0), backend=backend).fit(np.hstack([X, np.zeros((500, 1))]))
        with pytest.warns(ConvergenceWarning, match="did not converge"):
            autoscale(GaussianMixture(3, max_iter=1, random_state=0), backend=backend).fit(X)
    X[77, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        autoscale(GaussianMixture(2), backend="reductions:cpu").fit(X)
