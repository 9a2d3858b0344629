"""Outlier detectors, neighbours and embeddings: what scikit-learn's own give."""

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import CCA, PLSRegression
from sklearn.decomposition import NMF, PCA, DictionaryLearning, MiniBatchNMF
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import IsolationForest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Ridge
from sklearn.manifold import MDS, Isomap, LocallyLinearEmbedding, SpectralEmbedding
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold
from sklearn.neighbors import (
    KernelDensity,
    KNeighborsClassifier,
    KNeighborsTransformer,
    LocalOutlierFactor,
    NearestNeighbors,
    RadiusNeighborsRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler, TargetEncoder

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


class LeavesItselfOut(TransformerMixin, BaseEstimator):
    """Gives each row of a fit the mean of the others, and any other row the mean of all."""

    def fit(self, X, y=None):
        self.mean_, self.n_ = X.mean(axis=0), len(X)
        return self

    def transform(self, X):
        return np.tile(self.mean_, (len(X), 1))

    def fit_transform(self, X, y=None):
        self.fit(X)
        return (self.n_ * self.mean_ - X) / (self.n_ - 1)


@pytest.mark.parametrize(
    "transformer",
    [
        NMF(2, init="random", random_state=0, max_iter=20),
        MiniBatchNMF(2, random_state=0, max_iter=20),
        DictionaryLearning(2, random_state=0, max_iter=20),
        LeavesItselfOut(),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_a_fit_are_transformed_as_its_own_fit_transform_does(transformer):
    rows = np.abs(X[:60])
    expected = clone(transformer).fit_transform(rows)
    assert np.abs(clone(transformer).fit(rows).transform(rows) - expected).max() > 1e-6, "both ways agree"
    ours = autoscale(transformer)
    assert_allclose(ours.fit_transform(rows), expected)
    assert_allclose(ours.transform(rows), ours.estimator_.transform(rows))
    assert_allclose(
        autoscale(make_pipeline(StandardScaler(with_mean=False), transformer)).fit_transform(rows),
        make_pipeline(StandardScaler(with_mean=False), clone(transformer)).fit_transform(rows),
    )


@pytest.mark.parametrize("estimator", [LinearDiscriminantAnalysis(), PLSRegression(), CCA()], ids=str)
def test_what_predicts_transforms_too(estimator):
    target = (X[:, 0] > 0).astype(int) if isinstance(estimator, LinearDiscriminantAnalysis) else X[:, :2] ** 2
    plain, ours = clone(estimator).fit(X, target), autoscale(estimator).fit(X, target)
    assert_allclose(ours.transform(X), plain.transform(X))
    assert ours.get_feature_names_out().tolist() == plain.get_feature_names_out().tolist()
    found, expected = ours.fit_transform(X, target), plain.fit_transform(X, target)
    for part, other in zip(found, expected, strict=True):  # PLS gives the scores of X and of y
        assert_allclose(part, other)
    assert ours.set_output(transform="pandas").transform(X).shape[0] == len(X)


def test_an_isotonic_regression_transforms_a_vector():
    ours = autoscale(IsotonicRegression()).fit(X[:, 0], X[:, 1])
    assert_allclose(ours.transform(X[:, 0]), IsotonicRegression().fit(X[:, 0], X[:, 1]).predict(X[:, 0]))


def test_a_regressor_that_does_not_transform_has_no_such_method():
    assert not any(hasattr(autoscale(Ridge()), name) for name in ("transform", "fit_transform", "set_output"))
    assert not hasattr(autoscale(Ridge()), "kneighbors")


def test_arguments_of_transform_are_handed_on():
    rows = X.copy()
    scaler = autoscale(StandardScaler()).fit(rows)
    assert scaler.transform(rows, copy=True) is not rows
    assert_allclose(scaler.inverse_transform(scaler.transform(rows, copy=True), copy=True), X)
    with pytest.raises(TypeError, match="unexpected keyword argument 'copy'"):
        autoscale(PCA()).fit(rows).transform(rows, copy=True)
    assert autoscale(Normalizer()).fit(rows).transform(rows, copy=True).shape == rows.shape


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (KNeighborsClassifier(), "kneighbors"),
        (KNeighborsTransformer(), "kneighbors"),
        (LocalOutlierFactor(novelty=True), "kneighbors"),
        (RadiusNeighborsRegressor(), "radius_neighbors"),
    ],
    ids=str,
)
def test_predictors_by_neighbours_tell_them(estimator, method):
    target = (X[:, 0] > 0).astype(int)
    plain, ours = clone(estimator).fit(X, target), autoscale(estimator).fit(X, target)
    for found, expected in zip(getattr(ours, method)(X[:5]), getattr(plain, method)(X[:5]), strict=True):
        assert [list(row) for row in found] == [list(row) for row in expected]
