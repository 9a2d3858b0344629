"""A plan that is asked for again is answered at once, and what it depends on has not changed."""

import gc
import json
import sys
import types
import weakref

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso, Ridge
from toy_engine import Toy

from skdist_gpu import AutoScaleRegressor, autoscale, config_context
from skdist_gpu.data.inspect import described_input, inspect_input
from skdist_gpu.engines.registry import register, unregister
from skdist_gpu.hardware.detect import Installed, detect_resources
from skdist_gpu.planning.planner import Request, make_plan
from skdist_gpu.testing import make_resources

ROWS = described_input((50_000, 40), "float64")


def _plan(estimator, info=ROWS, machine=None, request=None):
    return make_plan(estimator, info, machine or make_resources(), request or Request())


def test_the_same_question_has_the_same_answer():
    assert _plan(Ridge()) is _plan(Ridge())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Ridge(), Ridge(positive=True)),
        (Ridge(alpha=1), Ridge(alpha=True)),
        (Ridge(), Lasso()),
        (RandomForestRegressor(10), RandomForestRegressor(1000)),
        (Ridge(alpha=1.0), Ridge(alpha=np.ones(3))),
    ],
)
def test_other_parameters_are_another_question(one, other):
    assert _plan(one) is not _plan(other)


def test_equal_parameters_of_other_types_are_another_question():
    shown = "positive=1 is not supported"
    assert shown not in str(_plan(Ridge(positive=True), machine=make_resources(gpus=1)))
    assert shown in str(_plan(Ridge(positive=1), machine=make_resources(gpus=1)))


def test_a_parameter_set_later_is_another_question():
    model = AutoScaleRegressor(RandomForestRegressor(10))
    few = model.plan(shape=(50_000, 40)).chosen.seconds
    assert model.set_params(n_estimators=1000).plan(shape=(50_000, 40)).chosen.seconds > 10 * few


def test_other_data_machines_and_requests_are_other_questions():
    X = np.zeros((100, 3))
    for info in (inspect_input(X), inspect_input(X, X[:, 0]), inspect_input(X, X[:, 0], X[:, 0])):
        assert _plan(Ridge(), info).data == str(info)
    for machine in (make_resources(2), make_resources(8), make_resources(8, gpus=1), make_resources(8, workers=2)):
        again = _plan(Ridge(), machine=machine).machine
        assert again.startswith(f"{machine.n_cores} cores")
        assert ("no GPU" in again, "Dask" in again) == (not machine.gpus, bool(machine.cluster))
    assert _plan(Ridge(), request=Request(backend="sklearn")).backend == "sklearn"
    assert _plan(Ridge(), request=Request(memory_budget=1)).backend is None


def test_a_limit_of_threads_is_another_question(monkeypatch):
    monkeypatch.delitem(sys.modules, "distributed", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert AutoScaleRegressor().plan(shape=(1000, 10)).machine.startswith("1 core,")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert AutoScaleRegressor().plan(shape=(1000, 10)).machine.startswith(f"{detect_resources().n_cores} core")


def test_the_configuration_is_part_of_the_question():
    model = AutoScaleRegressor(Ridge())
    chosen = model.plan(shape=(1000, 10)).backend
    with config_context(backend="voting"):
        assert model.plan(shape=(1000, 10)).backend == "voting" != chosen
    assert model.plan(shape=(1000, 10)).backend == chosen


def test_a_calibration_is_part_of_the_question(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDIST_GPU_CALIBRATION", str(tmp_path / "none.json"))
    model, machine = autoscale(Ridge()), make_resources(2)
    before = model.plan(shape=(10**6, 20), resources=machine).chosen.seconds
    slow = {"n_cores": 2, "probes": {"blas": 1.0, "memory": 1.0, "interpreter": 1.0}}
    (tmp_path / "slow.json").write_text(json.dumps(slow))
    monkeypatch.setenv("SKDIST_GPU_CALIBRATION", str(tmp_path / "slow.json"))
    assert model.plan(shape=(10**6, 20), resources=machine).chosen.seconds > 100 * before


def test_a_library_that_is_loaded_is_part_of_the_question(monkeypatch):
    from xgboost import XGBRegressor

    def seconds():
        machine = make_resources(gpus=1)
        machine = type(machine)(**{**vars(machine), "packages": Everything()})
        return next(c for c in _plan(XGBRegressor(), machine=machine).candidates if c.name == "xgboost:gpu").seconds

    class Everything(Installed):
        def __contains__(self, name):
            return True

        def version(self, name):
            return None

    monkeypatch.delitem(sys.modules, "xgboost")
    first = seconds()
    monkeypatch.setitem(sys.modules, "xgboost", types.ModuleType("xgboost"))
    assert seconds() < first


def test_an_engine_that_is_registered_is_part_of_the_question():
    def backends():
        return [candidate.backend for candidate in _plan(DummyRegressor()).candidates]

    without = backends()
    register(Toy())
    try:
        assert sorted(backends()) == sorted([*without, "toy"])
    finally:
        unregister("toy")
    assert backends() == without


def test_what_is_fitted_is_not_kept():
    X = np.random.default_rng(0).normal(size=(30, 3))
    model = autoscale(Ridge(), backend="sklearn").fit(X, X[:, 0])
    fitted = weakref.ref(model.estimator_)
    del model
    gc.collect()
    assert fitted() is None


def test_an_error_of_a_parameter_is_raised_each_time():
    for _ in range(3):
        with pytest.raises(ValueError, match="alpha"):
            autoscale(Ridge(alpha=-1.0)).fit(np.ones((3, 2)), np.ones(3))
