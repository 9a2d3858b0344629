"""Fits run with the number of threads that the plan says, and never with more than the user allows."""

from threading import get_ident

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_info, threadpool_limits

from skdist_gpu import autoscale, installed
from skdist_gpu.hardware.threads import at_most, free_cores

generator = np.random.default_rng(0)
X = generator.normal(size=(2000, 20))
CODES = (X[:, 0] > 0).astype(int)


def _numbers():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


def test_threads_are_limited_and_come_back():
    before = _numbers()
    with at_most(1):
        assert set(_numbers().values()) == {1}
    with at_most(None):
        assert _numbers() == before
    assert _numbers() == before


def test_what_was_limited_further_stays_limited():
    with threadpool_limits(1), at_most(2):
        assert set(_numbers().values()) == {1}


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="one core has nothing to plan")
def test_a_fit_runs_with_the_number_of_the_plan(monkeypatch):
    seen, fit, before = [], GaussianMixture.fit, _numbers()

    def spy(self, *args):
        seen.append(set(_numbers().values()))
        return fit(self, *args)

    monkeypatch.setattr(GaussianMixture, "fit", spy)
    model = autoscale(GaussianMixture(2, random_state=0), backend="sklearn").fit(X)
    assert model.report_.candidate.threads == 1
    assert seen == [{1}]
    assert "1 thread" in str(model.explain())
    assert {name: number for name, number in _numbers().items() if name in before} == before


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="one core has nothing to share")
@pytest.mark.parametrize(
    "estimator",
    # by a criterion that no other engine takes
    [RandomForestClassifier(60, criterion="entropy", random_state=0), ExtraTreesRegressor(60, random_state=0)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_trees_that_grow_apart_are_the_same_on_all_cores(estimator, monkeypatch):
    rows, codes = np.tile(X, (4, 1)), np.tile(CODES, 4)
    seen = []
    tree = type(estimator.estimator)
    fit = tree._fit

    def spy(self, *args, **kwargs):
        seen.append(get_ident())
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(tree, "_fit", spy)
    model = autoscale(estimator).fit(rows, codes)
    assert model.backend_ == "sklearn"
    assert len(set(seen)) > 1
    seen.clear()
    with installed():
        unchanged = clone(estimator).fit(rows, codes)
    assert len(set(seen)) > 1
    monkeypatch.undo()
    plain = estimator.fit(rows, codes)
    for found in (model.estimator_, unchanged):
        assert_array_equal(found.predict(X), plain.predict(X))
        assert [t.tree_.node_count for t in found.estimators_] == [t.tree_.node_count for t in plain.estimators_]


def test_workers_of_joblib_and_what_the_user_says_leave_one_core():
    assert joblib.Parallel(2, prefer="threads")(joblib.delayed(free_cores)() for _ in range(2)) == [1, 1]
    with joblib.parallel_config(n_jobs=2):
        assert free_cores() == 1
