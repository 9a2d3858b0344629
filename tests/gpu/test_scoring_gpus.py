"""Rows in main memory are scored on several GPUs, and in turns where one does not hold them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.svm import SVC
from xgboost import XGBClassifier, XGBModel, XGBRegressor

from skdist_gpu import autoscale, config_context
from skdist_gpu.engines.cuml.score import CuMLMethod
from skdist_gpu.engines.executors import gpu_turns
from skdist_gpu.engines.xgboost.score import XGBoostOnGPU
from skdist_gpu.planning import scoring

generator = np.random.default_rng(0)
X = generator.normal(size=(4_000, 12))
MANY = generator.normal(size=(60_000, 12))
NUMBERS = X @ generator.normal(size=12)
LABELS = np.array(["below", "above"])[(NUMBERS > 0).astype(int)]
CASES = [
    (KNeighborsClassifier(), LABELS, "predict"),
    (KNeighborsClassifier(weights="distance"), LABELS, "predict_proba"),
    (KNeighborsRegressor(7), NUMBERS, "predict"),
    (NearestNeighbors(metric="manhattan"), None, "kneighbors"),
    (SVC(), LABELS, "decision_function"),
    (RandomForestClassifier(20, random_state=0), LABELS, "predict_proba"),
    (KMeans(5, random_state=0), None, "predict"),
    (PCA(3), None, "transform"),
    (LinearRegression(), NUMBERS, "predict"),
    (XGBRegressor(n_estimators=20), NUMBERS, "predict"),
    (XGBClassifier(n_estimators=20), (NUMBERS > 0).astype(int), "predict_proba"),
]
NEIGHBOURS = [case for case in CASES if hasattr(case[0], "kneighbors")]


def class_of(estimator):
    return XGBoostOnGPU if isinstance(estimator, XGBModel) else CuMLMethod


def assert_same(found, expected):
    # of two rows that are as near in float32, either one may be the neighbour
    for mine, theirs in zip(*([r] if type(r) is np.ndarray else r for r in (found, expected)), strict=True):
        same = np.isclose(mine, theirs, rtol=1e-3, atol=1e-3) if theirs.dtype.kind == "f" else mine == theirs
        assert np.mean(same) > 0.999


@pytest.mark.multi_gpu
@pytest.mark.parametrize(("estimator", "y", "method"), CASES, ids=repr)
def test_every_gpu_scores_its_share(estimator, y, method, monkeypatch):
    fitted, worked = estimator.fit(X, y), set()
    cls = class_of(estimator)
    of_rows = cls._of_rows_that_fit

    def noted(self, rows, n_threads):
        import cupy

        worked.add(cupy.cuda.runtime.getDevice())
        return of_rows(self, rows, n_threads)

    monkeypatch.setattr(cls, "_of_rows_that_fit", noted)
    assert_same(cls(fitted, method).of_host_rows(MANY, n_gpus=2), getattr(fitted, method)(MANY))
    assert worked == {0, 1}


@pytest.mark.multi_gpu
def test_the_plan_divides_rows_among_gpus(monkeypatch):
    import cuml  # noqa: F401, loaded, so that no call has to wait for it

    monkeypatch.setattr(scoring, "SECONDS_OF_A_GPU", 1e-6)
    model = autoscale(SVC(), backend="sklearn").fit(X, LABELS)
    assert_array_equal(model.predict(MANY), model.estimator_.predict(MANY))
    last = model.report_.last_call
    assert (last.candidate.name, last.candidate.n_gpus, last.failures) == ("cuml:gpu", 2, ())
    with config_context(max_gpus=1):
        model.predict(MANY[:50_000])
        assert model.report_.last_call.candidate.n_gpus == 1


@pytest.mark.gpu
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
@pytest.mark.parametrize(("estimator", "y", "method"), CASES, ids=repr)
def test_rows_that_a_gpu_does_not_hold_take_turns(estimator, y, method, container, monkeypatch):
    rows = container(MANY)
    fitted, turns = estimator.fit(container(X), y), []
    expected = getattr(fitted, method)(rows)
    cls = class_of(estimator)
    of_rows = cls._of_rows_that_fit
    monkeypatch.setattr(gpu_turns, "FEW_BYTES", X.nbytes)
    monkeypatch.setattr(gpu_turns, "_free_bytes", lambda number: MANY.nbytes)
    monkeypatch.setattr(cls, "_of_rows_that_fit", lambda *given: turns.append(1) or of_rows(*given))
    assert_same(cls(fitted, method).of_host_rows(rows), expected)
    assert len(turns) >= 6


@pytest.mark.gpu
@pytest.mark.parametrize(("estimator", "y", "method"), NEIGHBOURS, ids=repr)
def test_neighbours_among_more_rows_than_a_gpu_holds(estimator, y, method, monkeypatch):
    fitted = estimator.fit(X, y)
    expected = getattr(fitted, method)(MANY)
    monkeypatch.setattr(gpu_turns, "FEW_BYTES", 0)
    monkeypatch.setattr(gpu_turns, "_free_bytes", lambda number: 3 * X.nbytes)  # half of it holds half of the rows
    assert_same(CuMLMethod(fitted, method).of_host_rows(MANY), expected)
