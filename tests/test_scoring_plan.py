"""Scoring is planned like fitting: the plain estimator, its blocks on threads, or an engine's copy of the model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.svm import SVC, SVR
from xgboost import XGBClassifier

from skdist_gpu import autoscale
from skdist_gpu.engines import registry
from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo
from skdist_gpu.exceptions import EngineRefusal
from skdist_gpu.hardware.detect import Packages
from skdist_gpu.info.report import Report
from skdist_gpu.testing import make_resources

generator = np.random.default_rng(0)
X = generator.normal(size=(4000, 20))
CODES = (X[:, 0] > 0).astype(int)
ONE_GPU, NO_GPU = make_resources(gpus=1), make_resources()


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (KNeighborsClassifier(), "predict"),
        (KNeighborsClassifier(), "predict_proba"),
        (NearestNeighbors(), "kneighbors"),
        (SVC(), "predict"),
        (SVR(), "predict"),
        (RandomForestClassifier(100, max_depth=5), "predict_proba"),
    ],
    ids=repr,
)
def test_many_rows_leave_the_cpu_where_a_gpu_is_many_times_faster(estimator, method):
    model = autoscale(estimator).fit(X, CODES)
    plan = model.plan(shape=(50_000, 20), method=method, resources=ONE_GPU)
    assert plan.device == "gpu"
    assert plan.estimator == f"{type(estimator).__name__}.{method}"
    times = {c.name: c.seconds for c in plan.candidates}
    assert times["sklearn:cpu"] > 5 * plan.chosen.seconds
    assert {"sklearn:cpu", "threads:cpu"} < set(times)


def test_what_takes_no_time_stays_with_the_plain_estimator():
    model = autoscale(Ridge()).fit(X, X[:, 0])
    for machine in (ONE_GPU, NO_GPU):
        assert repr(model.plan(X, method="predict", resources=machine)) == "Plan(sklearn:cpu)"
        assert repr(model.plan(shape=(200_000, 20), method="predict", resources=machine)) == "Plan(sklearn:cpu)"


def test_seconds_are_told_for_sparse_rows_and_grow_with_their_number():
    rows = [sparse.random_array((n, 100), density=0.05, format="csr", rng=0) for n in (5_000, 50_000)]
    model = autoscale(KNeighborsClassifier().fit(rows[1][:2000], np.arange(2000) % 2))
    few, many = (model.plan(X, method="predict", resources=make_resources(cpus=2)) for X in rows)
    assert 0 < few.chosen.seconds < many.chosen.seconds


def test_rows_of_a_frame_take_longer_than_those_of_an_array():
    model = autoscale(RandomForestClassifier(20).fit(X, CODES))
    rows = np.zeros((200_000, 20))
    frame = pd.DataFrame(rows)
    plans = [model.plan(rows, method="predict", resources=make_resources(cpus=2)) for rows in (rows, frame)]
    assert plans[0].chosen.seconds <= plans[1].chosen.seconds


def test_blocks_on_threads_where_one_core_would_do_the_work():
    model = autoscale(SVC()).fit(X, CODES)
    many = {"shape": (100_000, 20), "method": "predict"}
    assert repr(model.plan(**many, resources=make_resources(cpus=16, packages=()))) == "Plan(threads:cpu)"
    refused = {c.name: c for c in model.plan(**many, resources=make_resources(cpus=1)).candidates}["threads:cpu"]
    assert refused.reasons == ("there is one core",)
    alone = autoscale(RandomForestClassifier(20, max_depth=5, n_jobs=1)).fit(X, CODES)
    refused = {c.name: c for c in alone.plan(**many, resources=NO_GPU).candidates}["threads:cpu"]
    assert "n_jobs=1" in refused.reasons[0]


def test_a_method_can_be_planned_once_it_is_fitted():
    with pytest.raises(NotFittedError):
        autoscale(Ridge()).plan(X, method="predict")


def test_rows_that_a_gpu_does_not_hold_at_once_go_there_in_turns():
    model = autoscale(SVC()).fit(X, CODES)
    small = make_resources(gpus=1, gpu_memory="1GB")
    plan = model.plan(shape=(50_000_000, 20), method="predict", resources=small)
    assert repr(plan) == "Plan(cuml:gpu)"


def test_rows_are_divided_among_gpus_where_one_would_take_long():
    model = autoscale(SVC()).fit(X, CODES)
    many = {"shape": (50_000_000, 20), "method": "predict"}
    one, four = (model.plan(**many, resources=make_resources(gpus=n)).chosen for n in (1, 4))
    assert (one.n_gpus, four.n_gpus) == (1, 4)
    assert four.seconds == pytest.approx(one.seconds / 4)
    assert "on each of 4 GPUs" in four.reasons[0]
    assert str(Report(four, 0.2, method="predict")).startswith("predict ran on cuml:gpu, 4 GPUs, in 0.2 s")
    few = model.plan(shape=(20_000, 20), method="predict", resources=make_resources(gpus=4))
    assert (few.device, few.chosen.n_gpus) == ("gpu", 1)


def test_boosted_trees_score_many_rows_on_every_gpu():
    model = autoscale(XGBClassifier(n_estimators=50), backend="xgboost:cpu").fit(X, CODES)
    many = {"shape": (50_000_000, 20), "method": "predict_proba"}
    one, four = (model.plan(**many, resources=make_resources(gpus=n)).chosen for n in (1, 4))
    assert (one.name, one.n_gpus, four.name, four.n_gpus) == ("xgboost:gpu", 1, "xgboost:gpu", 4)
    assert four.seconds < one.seconds


class NotLoaded(Packages):
    """The packages of a process that has imported none of them yet."""

    def is_loaded(self, name):
        return False


def test_a_short_call_waits_for_no_library_that_takes_longer_to_load():
    model = autoscale(KNeighborsClassifier()).fit(np.tile(X, (5, 1)), np.tile(CODES, 5))
    machine = make_resources(gpus=1, cpus=16)
    call = {"shape": (20_000, 20), "method": "predict"}
    assert model.plan(**call, resources=machine).device == "gpu"
    assert model.plan(**call, resources=replace(machine, packages=NotLoaded())).device == "cpu"
    longer = call | {"shape": (2_000_000, 20)}
    assert model.plan(**longer, resources=replace(machine, packages=NotLoaded())).device == "gpu"


def test_a_library_that_must_be_loaded_brings_in_no_more_gpus():
    model = autoscale(SVC()).fit(X, CODES)
    many = {"shape": (50_000_000, 20), "method": "predict"}
    for asked, n_gpus in ({"shape": (20_000, 20), "method": "predict"}, 1), (many, 4):
        loaded = make_resources(gpus=4)
        one, other = (
            next(c for c in model.plan(**asked, resources=machine).candidates if c.device == "gpu")
            for machine in (loaded, replace(loaded, packages=NotLoaded()))
        )
        assert (one.n_gpus, other.n_gpus) == (n_gpus, n_gpus)
        assert other.seconds > one.seconds + 0.1


# --- an engine that scores ------------------------------------------------------------------


class Exact(BlockMethod):
    """The plain answer, in another dtype and as a list's elements would come."""

    def of_host_rows(self, X):
        return super().of_host_rows(X)


class Wrong(BlockMethod):
    """Another answer for rows whose first value is large."""

    def of_host_rows(self, X):
        return super().of_host_rows(X) + 1


class Unable(BlockMethod):
    """No answer."""

    def of_host_rows(self, X):
        raise EngineRefusal("cannot today")


class Scorer(EngineInfo):
    """An engine that scores a regression of scikit-learn, and says that it is fast."""

    name = "scorer"
    packages = {"cpu": {}}  # noqa: RUF012
    reads = {"cpu": ("host",)}  # noqa: RUF012
    scores = {"cpu": ("sklearn",)}  # noqa: RUF012

    def __init__(self, cls):
        self.cls = cls

    def entries(self):
        return [Entry("Ridge", self.name, "cpu", explicit="it only scores")]

    def method_class(self, device):
        return self.cls

    def scoring_seconds(self, model, method, info, device):
        return 1e-9


@pytest.fixture
def scorer(request):
    registry.register(Scorer(request.param))
    yield
    registry.unregister("scorer")


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
@pytest.mark.parametrize(
    ("scorer", "ran"), [(Exact, "scorer:cpu"), (Wrong, "sklearn:cpu"), (Unable, "sklearn:cpu")], indirect=["scorer"]
)
def test_a_copy_scores_where_its_answer_is_that_of_the_plain_estimator(scorer, ran, container):
    rows = container(np.tile(X, (2, 1)))
    model = autoscale(Ridge(), backend="sklearn").fit(rows, np.tile(X[:, 0], 2))
    assert repr(model.plan(rows, method="predict")) == "Plan(scorer:cpu)"
    for _ in range(2):
        result = model.predict(rows)
        assert model.report_.last_call.candidate.name == ran
        assert type(result) is np.ndarray
        assert_array_equal(result, model.estimator_.predict(rows))
    assert (model.report_.last_call.failures == ()) == (ran == "scorer:cpu")
    assert f"predict ran on {ran}" in str(model.report_)
    assert model.report_.candidate.name == "sklearn:cpu"


@pytest.mark.parametrize("scorer", [Exact], indirect=True)
def test_lists_are_left_to_the_plain_estimator(scorer):
    """No engine takes them; a score of a table too small for threads had met none."""
    rows = np.tile(X, (2, 1)).tolist()
    model = autoscale(Ridge(), backend="sklearn").fit(X, X[:, 0])
    assert_array_equal(model.predict(rows), model.estimator_.predict(rows))
    with pytest.raises(ValueError, match="19 features, but Ridge is expecting 20"):
        model.predict([row[1:] for row in rows])


@pytest.mark.parametrize("scorer", [Exact], indirect=True)
def test_a_copy_gets_only_rows_that_scikit_learn_takes(scorer):
    names = [f"x{i}" for i in range(20)]
    many = np.tile(X, (2, 1))
    model = autoscale(Ridge(), backend="sklearn").fit(pd.DataFrame(X, columns=names), X[:, 0])
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pd.DataFrame(many, columns=names[::-1]))
    model = autoscale(Ridge(), backend="sklearn").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="19 features, but Ridge is expecting 20"):
        model.predict(many[:, 1:])


@pytest.mark.parametrize("scorer", [Exact], indirect=True)
def test_a_copy_is_compared_again_once_the_model_is_another(scorer):
    many = np.tile(X, (2, 1))
    model = autoscale(Ridge(), backend="sklearn").fit(X, X[:, 0])
    assert_allclose(model.predict(many), many[:, 0], atol=1e-2)
    model.fit(X, X[:, 1])
    assert model.report_.last_call is None
    assert_allclose(model.predict(many), many[:, 1], atol=1e-2)
