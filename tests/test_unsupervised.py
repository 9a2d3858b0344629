"""Outlier detectors, neighbours and embeddings: what scikit-learn's own give."""

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.manifold import MDS, Isomap, LocallyLinearEmbedding, SpectralEmbedding
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold
from sklearn.neighbors import KernelDensity, KNeighborsTransformer, LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import TargetEncoder

from skdist_gpu import AutoScaleNeighbors, AutoScaleOutlierDetector, AutoScaleTransformer, autoscale

generator = np.random.default_rng(0)
X = np.vstack([generator.normal(size=(200, 3)), generator.normal(size=(5, 3)) + 9])


@pytest.mark.parametrize(
    "detector",
    [
        IsolationForest(random_state=0),
        EllipticEnvelope(random_state=0),
        LocalOutlierFactor(),
        LocalOutlierFactor(novelty=True),
    ],
    ids=str,
)
def test_outliers_are_scikit_learns(detector):
    ours = autoscale(detector)
    assert isinstance(ours, AutoScaleOutlierDetector)
    if getattr(detector, "novelty", True):
        detector.fit(X)
        assert_array_equal(ours.fit(X).predict(X), detector.predict(X))
        assert_allclose(ours.score_samples(X), detector.score_samples(X))
        assert_allclose(ours.decision_function(X.tolist()), detector.decision_function(X))
        assert ours.offset_ == detector.offset_
        assert hasattr(ours, "fit_predict") == hasattr(detector, "fit_predict")
    else:
        assert_array_equal(ours.fit_predict(X), detector.fit_predict(X))
        assert not hasattr(ours, "predict")


def test_mixtures_are_fitted_and_asked_in_one_call():
    plain = GaussianMixture(2, random_state=0)
    assert_array_equal(autoscale(plain).fit_predict(X), plain.fit_predict(X))
    assert not hasattr(autoscale(KernelDensity()), "fit_predict")


def test_outliers_of_dask_rows_stay_lazy():
    ours = AutoScaleOutlierDetector().fit(X)
    found = ours.predict(da.from_array(X, chunks=(50, 3)))
    assert isinstance(found, da.Array)
    assert_array_equal(found.compute(), ours.estimator_.predict(X))


def test_neighbours_are_scikit_learns():
    ours, reference = autoscale(NearestNeighbors(n_neighbors=4)).fit(X), NearestNeighbors(n_neighbors=4).fit(X)
    assert isinstance(ours, AutoScaleNeighbors)
    for found, expected in zip(ours.kneighbors(X[:9] + 0.1), reference.kneighbors(X[:9] + 0.1), strict=True):
        assert_allclose(found, expected)
    assert_array_equal(ours.kneighbors(return_distance=False), reference.kneighbors(return_distance=False))
    assert_array_equal(ours.kneighbors(X[:5].tolist(), 2)[1], reference.kneighbors(X[:5], 2)[1])
    found = ours.radius_neighbors(X[:3], 1.5, sort_results=True)[1]
    expected = reference.radius_neighbors(X[:3], 1.5, sort_results=True)[1]
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    graphs = ours.kneighbors_graph(X[:3], mode="distance"), reference.kneighbors_graph(X[:3], mode="distance")
    assert_allclose(graphs[0].toarray(), graphs[1].toarray())
    assert (ours.radius_neighbors_graph(radius=0.5) != reference.radius_neighbors_graph(radius=0.5)).nnz == 0
    with pytest.raises(TypeError, match="two results for each row"):
        ours.kneighbors(da.from_array(X))
    assert isinstance(autoscale(KNeighborsTransformer()), AutoScaleTransformer)


def test_embeddings_have_no_transform():
    ours = autoscale(SpectralEmbedding(random_state=0))
    with pytest.raises(AttributeError, match="transform"):
        ours.transform(X)
    assert_allclose(ours.fit_transform(X), SpectralEmbedding(random_state=0).fit_transform(X))
    reference = MDS(n_init=1, init="random", random_state=0).fit(X[:30])
    assert_allclose(
        autoscale(MDS(n_init=1, init="random", random_state=0)).fit(X[:30]).embedding_, reference.embedding_
    )


@pytest.mark.parametrize("embedding", [Isomap(), LocallyLinearEmbedding(random_state=0)], ids=str)
def test_embedded_rows_stay_where_the_fit_placed_them(embedding):
    assert_allclose(autoscale(embedding).fit_transform(X), embedding.fit_transform(X), atol=1e-8)


def test_target_encoder_does_not_encode_rows_by_themselves():
    colours = generator.choice(["red", "green", "blue"], size=(205, 1)).astype(object)
    y = generator.normal(size=205)
    reference = TargetEncoder(cv=KFold(3))
    assert_allclose(autoscale(reference).fit_transform(colours, y), reference.fit_transform(colours, y))
    assert_allclose(
        autoscale(reference).fit(colours, y).transform(colours), reference.fit(colours, y).transform(colours)
    )
