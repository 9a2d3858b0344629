"""cuML behind the AutoScale estimators: quality, portability, containers."""

import pickle

import cupy
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs, make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import LinearSVC

from skdist_gpu import autoscale
from skdist_gpu._compat.cuml import cuml_class
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

XR, yr = make_regression(5000, 20, n_informative=10, noise=5.0, random_state=0)
XC, yc = make_classification(5000, 20, n_informative=10, n_classes=3, random_state=0)
XB, _ = make_blobs(5000, 10, centers=6, random_state=0)
LABELS = np.array(["low", "middle", "high"])[yc]

REGRESSORS = [LinearRegression(), Ridge(), Lasso(0.1), ElasticNet(0.1), KNeighborsRegressor()]
REGRESSORS += [RandomForestRegressor(random_state=0)]
CLASSIFIERS = [LogisticRegression(), LinearSVC(), KNeighborsClassifier(), RandomForestClassifier(random_state=0)]


def comes_home(model, data):
    """Check that the plain estimator, pickled, predicts the same."""
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain).__module__.startswith("sklearn.")
    assert_array_equal(plain.predict(data), model.estimator_.predict(data))


@pytest.mark.parametrize("estimator", REGRESSORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("on_device", [False, True])
def test_regressors(estimator, on_device):
    move = cupy.asarray if on_device else np.asarray
    model = autoscale(estimator, backend="cuml").fit(move(XR), move(yr))
    assert_ran_on(model, "cuml:gpu")
    reference = type(estimator)(**estimator.get_params()).fit(XR, yr)
    assert model.score(XR, yr) == pytest.approx(reference.score(XR, yr), rel=0.01)
    tolerance = next(e.tolerance for e in entries_for(estimator) if e.backend == "cuml")
    if hasattr(reference, "coef_"):
        assert_allclose(model.coef_, reference.coef_, atol=tolerance * np.abs(reference.coef_).max())
    predicted = model.predict(cupy.asarray(XR))
    assert isinstance(predicted, cupy.ndarray)
    assert_allclose(predicted.get(), model.predict(XR), rtol=1e-3, atol=1e-3 * np.abs(yr).max())
    comes_home(model, XR)


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("labels", [yc, LABELS], ids=["numbers", "text"])
def test_classifiers(estimator, labels):
    model = autoscale(estimator, backend="cuml").fit(XC, labels)
    assert_ran_on(model, "cuml:gpu")
    reference = type(estimator)(**estimator.get_params()).fit(XC, labels)
    assert model.score(XC, labels) == pytest.approx(reference.score(XC, labels), rel=0.01)
    assert model.classes_.tolist() == reference.classes_.tolist()
    on_device = model.predict(cupy.asarray(XC))
    values = on_device.get() if isinstance(on_device, cupy.ndarray) else on_device
    assert np.mean(values == model.predict(XC)) > 0.99
    assert model.predict(XC).dtype == labels.dtype
    comes_home(model, XC)


def test_clusters_and_components():
    clusters = autoscale(KMeans(6, random_state=0, n_init=3), backend="cuml").fit(XB)
    assert_ran_on(clusters, "cuml:gpu")
    assert clusters.inertia_ == pytest.approx(KMeans(6, random_state=0, n_init=3).fit(XB).inertia_, rel=0.01)
    assert len(clusters.labels_) == len(XB)
    comes_home(clusters, XB)
    components = autoscale(PCA(3), backend="cuml").fit(XB)
    reference = PCA(3).fit(XB)
    assert_allclose(components.explained_variance_ratio_, reference.explained_variance_ratio_, rtol=1e-6)
    assert_allclose(components.transform(XB), reference.transform(XB), atol=1e-6 * np.abs(XB).max())
    assert isinstance(components.transform(cupy.asarray(XB)), cupy.ndarray)


def test_parameters_of_the_user_survive():
    model = autoscale(RandomForestClassifier(n_estimators=7, n_jobs=2, random_state=3), backend="cuml").fit(XC, yc)
    assert model.estimator_.get_params() == model.estimator.get_params()
    assert len(model.estimators_) == 7


def test_small_data_stay_on_the_cpu_and_large_data_go_to_the_gpu():
    assert autoscale(LogisticRegression()).fit(XC[:200], yc[:200]).backend_ == "sklearn"
    big = np.repeat(XC, 1000, axis=0)
    model = autoscale(LogisticRegression()).fit(big, np.repeat(yc, 1000))
    assert model.report_.candidate.device == "gpu", model.explain()


@pytest.mark.parametrize(
    "forest", [RandomForestClassifier(5, random_state=0), RandomForestRegressor(5, random_state=0)]
)
def test_trees_of_forests_come_home_whole(forest):
    X, y = (XC, LABELS) if isinstance(forest, RandomForestClassifier) else (XR, yr)
    plain, rows = autoscale(forest, backend="cuml").fit(X, y).estimator_, X.astype(np.float32)
    for tree in plain.estimators_:
        # some of the rows reach the deepest leaf
        assert tree.decision_path(rows).sum(axis=1).max() - 1 == tree.get_depth()
    method = "predict_proba" if isinstance(forest, RandomForestClassifier) else "predict"
    twin = cuml_class(forest).from_sklearn(plain)
    assert_allclose(getattr(twin, method)(rows), getattr(plain, method)(rows), rtol=1e-4, atol=1e-4)
