"""KMeans from sums over rows, against scikit-learn."""

import pickle

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from skdist_gpu import AutoScaleClusterer
from skdist_gpu.engines.reductions.clusters import kmeans
from skdist_gpu.testing import assert_ran_on

PLACES = ["reductions:cpu", "reductions:dask"]


def make_data(n_rows=4000, n_columns=5, n_blobs=6, spread=3.0, seed=0):
    generator = np.random.default_rng(seed)
    centres = 1000 + spread * generator.normal(size=(n_blobs, n_columns))
    X = centres[generator.integers(0, n_blobs, n_rows)] + generator.normal(size=(n_rows, n_columns))
    return X, generator.uniform(size=n_rows)


def assert_same_model(model, reference):
    for name in ("cluster_centers_", "labels_"):
        assert getattr(model, name).shape == getattr(reference, name).shape
        assert getattr(model, name).dtype == getattr(reference, name).dtype
    assert_array_equal(model.labels_, reference.labels_)
    assert_allclose(model.cluster_centers_, reference.cluster_centers_, rtol=1e-10, atol=1e-12)
    assert_allclose(model.inertia_, reference.inertia_, rtol=1e-10)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
def test_from_given_centres_each_step_is_scikit_learns(algorithm, weighted, backend):
    X, weights = make_data(spread=1.0)
    sample_weight = weights if weighted else None
    estimator = KMeans(6, init=X[:6], algorithm=algorithm)
    reference = clone(estimator).fit(X, sample_weight=sample_weight)
    model = AutoScaleClusterer(estimator, backend=backend).fit(X, sample_weight=sample_weight)
    assert_ran_on(model, backend)
    assert_same_model(model.estimator_, reference)
    assert model.n_iter_ == reference.n_iter_ > 5
    assert (type(model.n_iter_), type(model.inertia_)) == (int, float)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_inertia_is_as_low_as_scikit_learns(init, backend):
    X, weights = make_data(n_rows=52_000, n_columns=3, n_blobs=3, spread=10.0)
    estimator = KMeans(3, init=init, n_init=3, random_state=0)
    for sample_weight in (None, weights):
        reference = clone(estimator).fit(X, sample_weight=sample_weight)
        model = AutoScaleClusterer(estimator, backend=backend).fit(X, sample_weight=sample_weight)
        assert model.inertia_ <= 1.01 * reference.inertia_
        assert_allclose(-model.estimator_.score(X, sample_weight=sample_weight), model.inertia_, rtol=1e-10)
        again = AutoScaleClusterer(estimator, backend=backend).fit(X, sample_weight=sample_weight)
        assert_array_equal(model.labels_, again.labels_)
        assert_array_equal(model.labels_, model.predict(X))


def test_labels_of_dask_blocks_are_one_array_in_order():
    X, weights = make_data(n_rows=1000)
    chunks = (1, 0, 600, 0, 399)
    dX, dw = da.from_array(X, chunks=(chunks, (2, 3))), da.from_array(weights, chunks=(chunks,))
    estimator = KMeans(6, init=X[:6])
    model = AutoScaleClusterer(estimator, backend="reductions").fit(dX, sample_weight=dw)
    assert_ran_on(model, "reductions:dask")
    assert isinstance(model.labels_, np.ndarray)
    assert_same_model(model.estimator_, clone(estimator).fit(X, sample_weight=weights))


def test_float32_and_sparse():
    X, _ = make_data()
    single = X.astype(np.float32)
    estimator = KMeans(6, init=single[:6])
    model = AutoScaleClusterer(estimator, backend="reductions:cpu").fit(single)
    assert model.cluster_centers_.dtype == np.float32
    reference = clone(estimator).fit(single.astype(np.float64))
    assert_allclose(model.cluster_centers_, reference.cluster_centers_, rtol=1e-5)
    X = np.maximum(X - 1001, 0)
    estimator = KMeans(6, init=X[:6])
    model = AutoScaleClusterer(estimator, backend="reductions:cpu").fit(sp.csr_matrix(X))
    assert_same_model(model.estimator_, clone(estimator).fit(X))


@pytest.mark.parametrize("backend", PLACES)
def test_float32_rows_that_float32_cannot_tell_apart(backend):
    generator = np.random.default_rng(0)
    centres = np.repeat([[0.0, 0.0], [1e-4, 0.0], [1000.0, 0.0]], [2000, 2000, 400], axis=0)
    single = (centres + 1e-5 * generator.normal(size=centres.shape)).astype(np.float32)
    estimator = KMeans(3, init=np.array([[4e-5, 0.0], [6e-5, 0.0], [900.0, 0.0]]))
    reference = clone(estimator).fit(single.astype(np.float64))
    model = AutoScaleClusterer(estimator, backend=backend).fit(single)
    assert_array_equal(model.labels_, reference.labels_)
    assert_allclose(model.inertia_, reference.inertia_, rtol=1e-6)


@pytest.mark.parametrize("backend", PLACES)
def test_float32_rows_end_at_the_means_of_their_clusters_in_float64(backend):
    X = np.random.default_rng(1).normal(size=(40_000, 3))
    X[:, 0] += np.repeat([-25, 25], 20_000)
    X[:, 1] += np.tile([-1, 1], 20_000)
    single = X.astype(np.float32)
    init = np.array([[-25.0, -1.0, 0.0], [-25.0, 1.0, 0.0], [25.0, -1.0, 0.0], [25.0, 1.0, 0.0]])
    model = AutoScaleClusterer(KMeans(4, init=init, tol=0), backend=backend).fit(single)
    means = [single[model.labels_ == k].mean(axis=0, dtype=np.float64) for k in range(4)]
    # half the distance between two numbers of float32 there: sums in float32 are off by more
    assert_allclose(model.cluster_centers_, means, rtol=0, atol=np.spacing(np.float32(25)) / 2)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("scale", [1e20, 1e-24])
def test_float32_rows_whose_squares_float32_does_not_hold(scale, backend):
    X, _ = make_data(spread=2.0)
    single = ((X - 1000) * scale).astype(np.float32)
    estimator = KMeans(6, init=single[:6].astype(float), max_iter=8)
    reference = clone(estimator).fit(single.astype(np.float64))
    model = AutoScaleClusterer(estimator, backend=backend).fit(single)
    assert_array_equal(model.labels_, reference.labels_)
    assert_allclose(model.inertia_, reference.inertia_, rtol=1e-10)


@pytest.mark.parametrize("backend", PLACES)
def test_float32_rows_far_from_zero_take_the_same_steps(backend):
    X, _ = make_data(n_columns=3, spread=2.0)
    single = (X + 1e6).astype(np.float32)
    for max_iter in (2, 4, 300):
        estimator = KMeans(6, init=single[:6].astype(float), max_iter=max_iter, tol=0)
        reference = clone(estimator).fit(single.astype(np.float64))
        model = AutoScaleClusterer(estimator, backend=backend).fit(single)
        assert_allclose(model.inertia_, reference.inertia_, rtol=1e-10)


def test_centres_without_rows_move_to_the_farthest_rows():
    X, weights = make_data()
    init = np.vstack([X[:4], np.full((3, 5), 1e6) + np.arange(3)[:, None]])
    estimator = KMeans(7, init=init, max_iter=4)
    for sample_weight in (None, weights):
        reference = clone(estimator).fit(X, sample_weight=sample_weight)
        model = AutoScaleClusterer(estimator, backend="reductions:cpu").fit(X, sample_weight=sample_weight)
        assert_same_model(model.estimator_, reference)


@pytest.mark.parametrize("n_columns", [40, 400])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_in_the_order_of_their_clusters(weighted, offset, n_columns):
    # most blocks of rows then lack most of the clusters
    generator = np.random.default_rng(8)
    centres = generator.normal(scale=2.0, size=(6, n_columns)) + offset
    X = np.repeat(centres, 4000, axis=0) + generator.normal(size=(24_000, n_columns))
    sample_weight = generator.uniform(size=len(X)) * (np.arange(len(X)) % 4000 > 50) if weighted else None
    estimator = KMeans(6, init=centres + generator.normal(scale=2.0, size=centres.shape))
    reference = clone(estimator).fit(X, sample_weight=sample_weight)
    model = AutoScaleClusterer(estimator, backend="reductions:cpu")
    assert_same_model(model.fit(np.asfortranarray(X), sample_weight=sample_weight).estimator_, reference)


def test_fewer_distinct_rows_than_clusters():
    X = np.repeat([[0.0, 1.0], [2.0, 3.0]], 50, axis=0)
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        model = AutoScaleClusterer(KMeans(3, random_state=0), backend="reductions:cpu").fit(X)
    assert len(set(model.labels_)) == 2
    assert model.inertia_ == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_that_rounding_moves_from_their_equal_rows_end_the_steps(dtype):
    generator = np.random.default_rng(3)
    X = generator.normal(size=(5, 3)).astype(dtype)[generator.integers(0, 5, 6000)]
    with pytest.warns(ConvergenceWarning, match="distinct clusters"):
        model = AutoScaleClusterer(KMeans(8, init=X[:8].astype(float)), backend="reductions:cpu").fit(X)
    assert len(np.unique(model.labels_)) == 5
    assert model.inertia_ < 1e-20
    assert model.n_iter_ < 20


def test_plain_estimator_travels():
    X, _ = make_data()
    model = AutoScaleClusterer(KMeans(6, random_state=0), backend="reductions:cpu")
    labels = model.fit_predict(X)
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain) is KMeans
    assert_array_equal(plain.predict(X), labels)
    assert_allclose(plain.transform(X[:5]), model.transform(X[:5]))
    assert list(plain.get_feature_names_out()) == [f"kmeans{i}" for i in range(6)]


def test_errors_are_scikit_learns():
    X, _ = make_data()
    for estimator, message in (
        (KMeans(5000), "n_samples=4000 should be >= n_clusters=5000"),
        (KMeans(3, init=X[:4]), "does not match the number of clusters 3"),
        (KMeans(3, init=X[:3, :2]), "does not match the number of features of the data"),
    ):
        for backend in ("sklearn", "reductions:cpu"):
            with pytest.raises(ValueError, match=message):
                AutoScaleClusterer(estimator, backend=backend).fit(X)
    with pytest.warns(RuntimeWarning, match="performing only one init"):
        AutoScaleClusterer(KMeans(3, init=X[:3], n_init=4), backend="reductions:cpu").fit(X)
    X[1234, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        AutoScaleClusterer(KMeans(3), backend="reductions:cpu").fit(X)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("init", ["k-means++", "random", "given"])
def test_mini_batches_end_no_higher(init, backend, monkeypatch):
    monkeypatch.setattr(kmeans, "SAMPLED_FOR_CLUSTERS", 2000)
    X, weights = make_data(n_rows=9000, n_columns=3, n_blobs=5, spread=4.0)
    given = init == "given"
    estimator = MiniBatchKMeans(5, init=X[:5] if given else init, n_init=1 if given else 3, random_state=0)
    sample_weight = weights if init == "random" else None
    reference = clone(estimator).fit(X, sample_weight=sample_weight)
    model = AutoScaleClusterer(estimator, backend=backend).fit(X, sample_weight=sample_weight)
    assert_ran_on(model, backend)
    assert model.inertia_ <= 1.001 * reference.inertia_
    assert_allclose(-model.estimator_.score(X, sample_weight=sample_weight), model.inertia_, rtol=1e-10)
    for name in ("cluster_centers_", "labels_", "n_iter_", "n_steps_"):
        assert np.shape(getattr(model, name)) == np.shape(getattr(reference, name))
        assert np.asarray(getattr(model, name)).dtype == np.asarray(getattr(reference, name)).dtype
    assert_array_equal(model.predict(X), model.labels_)
    assert_array_equal(pickle.loads(pickle.dumps(model.estimator_)).predict(X[:100]), model.labels_[:100])


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_clusters_of_few_rows_far_away_are_found_outside_the_sample(kind, weighted, backend, monkeypatch):
    monkeypatch.setattr(kmeans, "SAMPLED_FOR_CLUSTERS", 2000)
    X, weights = make_data(n_rows=9000, n_columns=3, n_blobs=4)
    X[[17, 4003]] += [[3e4, 0.0, 0.0], [0.0, -3e4, 0.0]]
    weights[[17, 4003]] = 0.01
    sample_weight = weights if weighted else None
    reference = KMeans(6, n_init=10, random_state=0).fit(X, sample_weight=sample_weight)
    model = AutoScaleClusterer(kind(6, n_init=3, random_state=0), backend=backend).fit(X, sample_weight=sample_weight)
    assert model.inertia_ <= 1.05 * reference.inertia_


@pytest.mark.parametrize("n_rows", [1500, 9000])
def test_mini_batches_without_labels_go_on_with_partial_fit(n_rows, monkeypatch):
    monkeypatch.setattr(kmeans, "SAMPLED_FOR_CLUSTERS", 2000)
    X, weights = make_data(n_rows=n_rows)
    X = (X - 1000).astype(np.float32)
    estimator = MiniBatchKMeans(6, compute_labels=False, random_state=0)
    model = AutoScaleClusterer(estimator, backend="reductions:cpu").fit(X, sample_weight=weights)
    assert not hasattr(model.estimator_, "labels_")
    assert model.cluster_centers_.dtype == np.float32
    plain, before = model.estimator_, model.cluster_centers_.copy()
    plain.partial_fit(X[:100])
    # a few rows move centres little where many were counted
    assert 0 < np.abs(plain.cluster_centers_ - before).max() < 0.2
    assert_allclose(-plain.score(X), model.inertia_ * n_rows / weights.sum(), rtol=0.05)


@pytest.mark.parametrize(
    "estimator",
    [
        KMeans(3, init=np.eye(3), n_init=2),
        KMeans(1, algorithm="elkan"),
        MiniBatchKMeans(3, init_size=2),
        MiniBatchKMeans(3, init=np.eye(3), n_init=2),
    ],
    ids=repr,
)
def test_warnings_about_parameters_are_scikit_learns(estimator):
    X, _ = make_data(100, 3)
    with pytest.warns(RuntimeWarning) as expected:
        plain = clone(estimator).fit(X)
    with pytest.warns(RuntimeWarning) as given:
        model = AutoScaleClusterer(estimator, backend="reductions").fit(X)
    assert {str(w.message) for w in given} == {str(w.message) for w in expected}
    for name in ("_n_init", "_tol", "_init_size", "_algorithm"):  # read by scikit-learn's own methods
        assert getattr(model.estimator_, name, None) == pytest.approx(getattr(plain, name, None)), name


def test_steps_of_batches_belong_to_the_passes():
    X, _ = make_data(100, 3)
    model = AutoScaleClusterer(MiniBatchKMeans(3, batch_size=30, random_state=0), backend="reductions").fit(X)
    assert model.n_iter_ == np.ceil(model.n_steps_ * 30 / 100)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_that_is_taken_again_is_counted_once(dtype):
    X, start = np.array([[0, 0], [0.5, 0], [0.5, 1], [1, 1]], dtype), np.array([[0, 0], [1, 1]], dtype)
    model = AutoScaleClusterer(KMeans(2, init=start), backend="reductions").fit(X)
    assert model.n_iter_ == KMeans(2, init=start).fit(X).n_iter_ == 2


def test_mini_batches_of_too_few_rows_are_scikit_learns_error():
    with pytest.raises(ValueError, match="n_samples=3 should be >= n_clusters=8"):
        AutoScaleClusterer(MiniBatchKMeans(), backend="reductions:cpu").fit(np.eye(3))


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("kind", [KMeans, MiniBatchKMeans])
def test_rows_of_a_sample_may_all_be_without_weight(kind, backend, monkeypatch):
    monkeypatch.setattr(kmeans, "SAMPLED_FOR_CLUSTERS", 2000)
    X, weights = make_data(n_rows=8000, n_columns=3, n_blobs=4, spread=10.0)
    weights[::2] = 0
    reference = KMeans(4, n_init=3, random_state=0).fit(X, sample_weight=weights)
    model = AutoScaleClusterer(kind(4, random_state=0), backend=backend).fit(X, sample_weight=weights)
    assert model.inertia_ <= 1.01 * reference.inertia_


def test_a_start_on_a_sample_that_is_unlucky_is_followed_by_another(monkeypatch):
    monkeypatch.setattr(kmeans, "SAMPLED_FOR_CLUSTERS", 2000)
    X, _, centres = make_blobs(6000, 4, centers=20, cluster_std=0.3, random_state=0, return_centers=True)
    best = KMeans(20, init=centres, n_init=1).fit(X).inertia_
    for seed in range(20):
        model = AutoScaleClusterer(KMeans(20, random_state=seed), backend="reductions:cpu").fit(X)
        assert model.inertia_ <= 1.01 * best
