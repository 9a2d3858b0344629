"""Every family that cuML fits: quality, what comes home, and that it needs no GPU afterwards."""

import os
import pickle
import subprocess
import sys

import cupy
import numpy as np
import pytest
from cuml_family import cuml_family, make_data, qualities
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.cluster import DBSCAN
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, LinearSVC

from skdist_gpu import autoscale
from skdist_gpu.engines.registry import catalogue
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

SAME_CODE = ("transform", "predict", "score_samples", "mahalanobis")


def name_of(estimator):
    return type(estimator).__name__


def fit_there(estimator, X, y, on_device=False):
    labels = is_classifier(estimator)
    data = cupy.asarray(X) if on_device else X
    target = y if y is None or labels or not on_device else cupy.asarray(y)
    model = autoscale(estimator, backend="cuml").fit(data, target)
    assert_ran_on(model, "cuml:gpu")
    return model


def test_the_lists_name_every_row():
    listed = {name_of(e) for e in cuml_family()}
    listed |= {"LinearRegression", "Ridge", "Lasso", "ElasticNet", "LogisticRegression", "LinearSVC", "KMeans", "PCA"}
    listed |= {"RandomForestClassifier", "RandomForestRegressor", "KNeighborsClassifier", "KNeighborsRegressor"}
    # see test_cuml_preprocessing_gpu.py and test_cuml_graphs_gpu.py
    listed |= {"OneHotEncoder", "OrdinalEncoder", "TargetEncoder", "TfidfTransformer"}
    listed |= {"umap.UMAP", "hdbscan.HDBSCAN"}
    assert {e.estimator for e in catalogue() if e.backend == "cuml" and not e.refusal} == listed


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
@pytest.mark.parametrize("on_device", [False, True], ids=["numpy", "cupy"])
@pytest.mark.parametrize("estimator", cuml_family(), ids=name_of)
def test_quality_is_within_one_percent_of_scikit_learn(estimator, on_device):
    X, y = make_data(estimator)
    reference = clone(estimator).fit(X, y)
    model = fit_there(estimator, X, y, on_device)
    found, expected = qualities(model.estimator_, reference, X, y)
    assert found >= expected - 0.01 * abs(expected)
    assert model.n_features_in_ == X.shape[1]
    for name, value in vars(model.estimator_).items():
        assert not type(value).__module__.startswith(("cupy", "cuml", "cudf")), name
    assert model.estimator_.get_params() == estimator.get_params()


@pytest.mark.parametrize(
    "estimator",
    [e for e in cuml_family() if name_of(e) not in ("TSNE", "SpectralEmbedding")],
    ids=name_of,
)
def test_rows_on_the_device_score_as_rows_on_the_host(estimator):
    X, y = make_data(estimator)
    model = fit_there(estimator, X, y)
    for method in SAME_CODE:
        if hasattr(model, method) and not name_of(estimator).endswith("RandomProjection"):
            on_device = getattr(model, method)(cupy.asarray(X))
            expected = getattr(model, method)(X)
            found = on_device.get() if isinstance(on_device, cupy.ndarray) else on_device
            if expected.dtype.kind == "f":
                assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
            else:
                assert np.mean(found == expected) > 0.995


CPU_ONLY = """
import pickle, sys
import numpy as np
for name, model, X, method, expected in pickle.load(open(sys.argv[1], "rb")):
    found = getattr(model, method)(X)
    found = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
    assert np.array_equal(found, expected), name
    assert type(model.estimator_).__module__.startswith("sklearn."), name
assert not {"cuml", "cupy", "cudf"} & set(sys.modules), "a GPU library was needed"
print("same")
"""


def test_models_predict_the_same_in_a_process_without_a_gpu(tmp_path):
    estimators = [*cuml_family(), RandomForestClassifier(5, random_state=0), LogisticRegression(), LinearRegression()]
    estimators += [KNeighborsClassifier(), LinearSVC()]
    cases = []
    for estimator in estimators:
        X, y = make_data(estimator, 500)
        model = fit_there(estimator, X, y)
        method = next((m for m in ("predict", "transform", "score_samples", "mahalanobis") if hasattr(model, m)), None)
        if method is None:
            continue
        # of the plain estimator: the model itself may score such rows on the GPU
        result = getattr(model.estimator_, method)(X)
        expected = result.toarray() if hasattr(result, "toarray") else np.asarray(result)
        cases.append((name_of(estimator), model, X, method, expected))
    assert len(cases) > 20
    saved = tmp_path / "models.pickle"
    saved.write_bytes(pickle.dumps(cases))
    done = subprocess.run(
        [sys.executable, "-c", CPU_ONLY, saved],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout.strip() == "same", done.stderr


@pytest.mark.parametrize("labels", [np.arange(3), np.array(["low", "middle", "high"])], ids=["numbers", "text"])
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_support_vectors_of_several_classes(labels, kernel):
    X, y = make_data(SVC())
    estimator, weights = SVC(kernel=kernel), np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    reference = clone(estimator).fit(X, labels[y], weights)
    model = autoscale(estimator, backend="cuml").fit(X, labels[y], sample_weight=weights)
    assert_ran_on(model, "cuml:gpu")
    assert set(vars(model.estimator_)) == set(vars(reference))
    assert_allclose(model.n_support_, reference.n_support_, atol=0.01 * len(X))
    assert_allclose(
        model.estimator_.decision_function(X),
        reference.decision_function(X),
        atol=0.02 * np.abs(reference.intercept_).max() + 0.02,
    )
    assert np.mean(model.predict(X) == reference.predict(X)) > 0.995
    assert_array_equal(model.classes_, reference.classes_)


@pytest.mark.parametrize(
    "forest", [RandomForestClassifier(random_state=0), RandomForestRegressor(random_state=0)], ids=name_of
)
def test_importances_come_home_beside_the_trees(forest):
    X, y = make_data(forest)
    model = fit_there(forest, X, y)
    reference = clone(forest).fit(X, y)
    assert_allclose(model.feature_importances_, reference.feature_importances_, atol=0.05)
    assert np.isnan(model.estimator_.feature_importances_).all()  # NVIDIA/cuml #7454, cuML 26.10
    chosen = SelectFromModel(model, prefit=True).get_support()
    assert 0 < chosen.sum() < X.shape[1]
    assert_array_equal(pickle.loads(pickle.dumps(model)).feature_importances_, model.feature_importances_)


def test_cpu_fitted_models_score_large_batches_on_the_device():
    for estimator in (RandomForestClassifier(20, random_state=0), SVC(), KNeighborsClassifier(), IsolationForest()):
        X, y = make_data(estimator)
        model = autoscale(estimator, backend="sklearn").fit(X, y)
        on_device = model.predict(cupy.asarray(X))
        assert isinstance(on_device, cupy.ndarray)
        assert np.mean(on_device.get() == model.predict(X)) > 0.995


def test_wrong_data_raise_scikit_learns_own_errors():
    for estimator in (SVC(), DBSCAN(), LinearSVC()):
        X, y = make_data(estimator, 100)
        X[3, 1] = np.nan
        with pytest.raises(ValueError, match="Input X contains NaN"):
            autoscale(estimator, backend="cuml").fit(X, y)
    with pytest.raises(ValueError, match="number of classes has to be greater than one; got 1 class"):
        autoscale(SVC(), backend="cuml").fit(np.ones((10, 2)), np.zeros(10))
