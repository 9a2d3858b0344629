"""What a caller notices beside the answer where blocks of rows are scored by threads: warnings, errors, formats."""

import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import RadiusNeighborsClassifier, RadiusNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skdist_gpu import autoscale
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.planning import scoring
from skdist_gpu.planning.cost import Prediction
from skdist_gpu.planning.scoring import BLOCK_ROWS, THREADS
from skdist_gpu.scoring import planned

pytestmark = pytest.mark.skipif(detect_resources().n_cores < 2, reason="one core has nothing to share out")
generator = np.random.default_rng(0)
ROWS = generator.normal(size=(5 * BLOCK_ROWS + 1, 3))
FEW = ROWS[:500]


@pytest.fixture(autouse=True)
def threads_are_chosen(monkeypatch):
    monkeypatch.setattr(scoring, "predict_scoring", lambda *call, **_: Prediction(float(call[2] != THREADS)))


def scored_by(model):
    return model._copies.last_call.candidate.backend


def test_the_filters_of_warnings_are_afterwards_those_of_before(monkeypatch):
    entered, left = threading.Event(), threading.Event()

    def overlap(self, block):
        """Change the filters for a moment, as scikit-learn's checks do; the first leaves while another is in."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            if len(block) == BLOCK_ROWS and not entered.is_set() and not first:
                first.append(True)
                entered.wait(5)
            elif len(block) == BLOCK_ROWS:
                entered.set()
                left.wait(5)
        if entered.is_set():
            left.set()
        return np.zeros(len(block))

    first: list[bool] = []
    model = autoscale(DecisionTreeRegressor(max_depth=2), backend="sklearn").fit(FEW, FEW[:, 0])
    monkeypatch.setattr(DecisionTreeRegressor, "predict", overlap)
    before = list(warnings.filters)
    model.predict(ROWS)
    assert entered.is_set()
    assert left.is_set()
    assert scored_by(model) == THREADS
    assert warnings.filters == before


def test_a_warning_of_names_is_heard_once():
    model = autoscale(DecisionTreeRegressor(max_depth=2), backend="sklearn").fit(FEW, FEW[:, 0])
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model.predict(pd.DataFrame(ROWS, columns=["a", "b", "c"]))
    assert scored_by(model) == THREADS
    assert [str(warning.message)[:24] for warning in heard] == ["X has feature names, but"]


def test_a_warning_of_values_is_heard_once_however_many_blocks_give_it():
    model = autoscale(RadiusNeighborsRegressor(radius=0.1), backend="sklearn").fit(FEW[:, :1], FEW[:, 0])
    rows = np.where(ROWS[:, :1] > 1, 99.0, ROWS[:, :1])
    with warnings.catch_warnings(record=True, action="always") as theirs:
        expected = model.estimator_.predict(rows)
    with warnings.catch_warnings(record=True, action="always") as ours:
        assert_array_equal(model.predict(rows), expected)
    assert scored_by(model) == THREADS
    assert [str(w.message) for w in ours] == [str(w.message) for w in theirs]
    assert len(ours) == 1


def test_rows_that_an_estimator_may_write_into_hold_its_result_as_scikit_learn_leaves_it():
    scaler = StandardScaler(copy=False).fit(FEW.copy())
    theirs, ours = ROWS.copy(), ROWS.copy()
    expected = scaler.transform(theirs)
    assert expected is theirs
    result = autoscale(scaler, backend="sklearn").transform(ours)
    assert result is ours
    assert_array_equal(result, expected)


def test_results_are_laid_out_as_scikit_learn_lays_them_out():
    model = autoscale(GaussianNB(), backend="sklearn").fit(FEW, FEW[:, 0] > 0)
    expected, result = model.estimator_.predict_proba(ROWS), model.predict_proba(ROWS)
    assert scored_by(model) == THREADS
    assert result.strides == expected.strides


def test_an_error_tells_of_all_rows_as_the_plain_estimator_does():
    codes = (FEW[:, 0] > 0).astype(int)
    model = autoscale(RadiusNeighborsClassifier(radius=0.1), backend="sklearn").fit(FEW[:, :1], codes)
    rows = ROWS[:, :1].copy()
    rows[[BLOCK_ROWS + 5, -1]] = 99.0
    with pytest.raises(ValueError, match="No neighbors") as theirs:
        model.estimator_.predict(rows)
    with pytest.raises(ValueError, match="No neighbors") as ours:
        model.predict(rows)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("kind", ["coo_matrix", "coo_array", "csc_array", "bsr_array", "dia_matrix", "lil_array"])
def test_sparse_rows_of_any_format_are_scored(kind):
    model = autoscale(DecisionTreeRegressor(max_depth=3), backend="sklearn").fit(FEW, FEW[:, 0])
    banded = sparse.diags_array([1.0, 2.0, -1.0], offsets=[0, -1, -9000], shape=(len(ROWS), 3))
    rows = getattr(sparse, kind)(banded)
    assert_array_equal(model.predict(rows), model.estimator_.predict(banded.tocsr()))
    assert scored_by(model) == THREADS


def test_after_an_error_no_thread_begins_another_block(monkeypatch):
    blocks = []
    both_at_work = threading.Barrier(2)

    def failing_on_one(self, block):
        if len(block) < BLOCK_ROWS or threading.current_thread() is threading.main_thread():
            return np.zeros(len(block))  # the rows that foretell the result
        blocks.append(len(block))
        if len(blocks) <= 2:
            both_at_work.wait(5)
        if threading.current_thread().name.endswith("_1"):
            raise ValueError("too many rows")
        time.sleep(0.05)
        return np.zeros(len(block))

    model = autoscale(DecisionTreeRegressor(max_depth=2), backend="sklearn").fit(FEW, FEW[:, 0])
    monkeypatch.setattr(DecisionTreeRegressor, "predict", failing_on_one)
    monkeypatch.setattr(planned.joblib, "effective_n_jobs", lambda n_jobs: 2)
    model.predict(np.concatenate([ROWS] * 4))
    assert scored_by(model) == "sklearn"
    assert len(blocks) < 5  # of 20
