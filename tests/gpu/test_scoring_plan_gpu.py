"""NumPy and pandas rows go to the GPU to be scored where that is faster, and come back as scikit-learn gives them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.svm import SVC, SVR

from skdist_gpu import autoscale

pytestmark = pytest.mark.gpu
generator = np.random.default_rng(0)
X = generator.normal(size=(5_000, 20))
MANY = generator.normal(size=(50_000, 20))
NUMBERS = X @ generator.normal(size=20)
LABELS = np.array(["below", "above"])[(NUMBERS > 0).astype(int)]


@pytest.mark.parametrize(
    ("estimator", "y", "methods"),
    [
        (KNeighborsClassifier(), LABELS, ("predict", "predict_proba")),
        (KNeighborsRegressor(), NUMBERS, ("predict",)),
        (NearestNeighbors(), None, ("kneighbors",)),
        (SVC(), LABELS, ("predict", "decision_function")),
        (SVR(), NUMBERS, ("predict",)),
        (RandomForestClassifier(50, random_state=0), LABELS, ("predict", "predict_proba")),
        (RandomForestRegressor(50, random_state=0), NUMBERS, ("predict",)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_rows_are_scored_on_the_gpu_and_come_back(estimator, y, methods, container):
    import cuml  # noqa: F401, loaded, so that no call has to wait for it

    rows = container(MANY)
    # to look for all rows takes the plain estimator long, and so does a model that keeps many
    model = autoscale(estimator, backend="sklearn").fit(container(MANY if y is None else X), y)
    for method in methods:
        result = getattr(model, method)(rows)
        report = model.report_.last_call
        assert report.candidate.name == "cuml:gpu", report
        expected = getattr(model.estimator_, method)(rows)
        for mine, theirs in zip(*([r] if type(r) is np.ndarray else r for r in (result, expected)), strict=True):
            assert type(mine) is np.ndarray
            assert mine.dtype == theirs.dtype
            if theirs.dtype.kind == "f":
                assert_allclose(mine, theirs, rtol=1e-3, atol=1e-3)
            else:
                assert np.mean(mine == theirs) > 0.999


def test_missing_values_get_the_error_of_scikit_learn():
    model = autoscale(SVC(), backend="sklearn").fit(X, LABELS)
    rows = MANY.copy()
    rows[-1, 3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(rows)


def test_rows_far_from_zero_are_left_to_the_plain_estimator_where_float32_loses_them():
    model = autoscale(NearestNeighbors(), backend="sklearn").fit(X + 1e6)
    distances, indices = model.kneighbors(MANY + 1e6)
    expected_distances, expected = model.estimator_.kneighbors(MANY + 1e6)
    assert_array_equal(indices, expected)
    assert_allclose(distances, expected_distances)
    assert model.report_.last_call.candidate.device == "cpu"


def test_a_model_that_is_fitted_again_answers_anew():
    model = autoscale(KMeans(8, random_state=0), backend="sklearn").fit(X)
    model.predict(MANY)
    model.fit(X + 5)
    assert np.mean(model.predict(MANY + 5) == model.estimator_.predict(MANY + 5)) > 0.999
