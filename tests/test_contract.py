"""What every engine promises, for those of the package and for one that comes from elsewhere."""

import sys
from importlib.metadata import EntryPoint
from inspect import isfunction, signature

import numpy as np
import pytest
import toy_engine
from sklearn.dummy import DummyRegressor

from skdist_gpu import AutoScaleRegressor, capabilities
from skdist_gpu.engines import registry
from skdist_gpu.engines.cuml.rebuild import REBUILT
from skdist_gpu.engines.cuml.rebuild_preprocessing import ENCODERS, PREPROCESSING
from skdist_gpu.exceptions import BackendError, FallbackWarning
from skdist_gpu.testing import assert_ran_on, make_resources, parametrize_with_autoscale_checks
from skdist_gpu.testing.contract import CHECKS


@pytest.mark.parametrize("check", CHECKS[:5], ids=lambda check: check.__name__)
def test_plans_keep_the_contract(check):
    for engine in registry.engines():
        check(engine)


@pytest.mark.slow
@parametrize_with_autoscale_checks()
def test_contract(engine, check):
    check(engine)


def test_our_own_fits_and_entries_belong_together():
    entries = [entry for entry in registry.catalogue() if entry.backend == "reductions"]
    assert not [entry.estimator for entry in entries if entry.fit is None]
    entered = {entry.fit for entry in entries}
    modules = {sys.modules[fit.__module__] for fit in entered}
    fits = {f for m in modules for f in vars(m).values() if isfunction(f) and f.__module__ == m.__name__}
    fits = {f for f in fits if f.__name__.startswith("fit_") and list(signature(f).parameters) == ["estimator", "data"]}
    called = {name for fit in entered for name in fit.__code__.co_names}  # a fit may hand over to another
    assert not {fit.__name__ for fit in fits - entered} - called


def test_cuml_rebuilds_only_what_it_has_entries_for():
    entered = {entry.estimator for entry in registry.catalogue() if entry.backend == "cuml"}
    assert {*REBUILT, *PREPROCESSING, *ENCODERS} <= entered


X = np.random.default_rng(0).normal(size=(100, 3))


@pytest.fixture
def toy():
    registry.register(toy_engine.INFO)
    yield toy_engine.INFO
    registry.unregister("toy")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_engine_of_ones_own_keeps_the_contract(toy, check):
    check("toy")


def test_an_engine_of_ones_own_plans_fits_scores_and_refuses(toy):
    model = AutoScaleRegressor(DummyRegressor())
    assert model.plan(X, X[:, 0]).chosen.name == "toy:cpu"
    assert_ran_on(model.fit(X, X[:, 0]), "toy")
    np.testing.assert_allclose(model.predict(X), X[:, 0].mean())
    assert type(model.estimator_) is DummyRegressor
    assert "toy" in set(capabilities(make_resources()).engine)
    weighted = AutoScaleRegressor(DummyRegressor(), backend="toy")
    for data, reason in (
        ({"sample_weight": np.ones(100)}, "sample_weight is not supported"),
        ({"bogus": 1}, "fit arguments bogus"),
    ):
        with pytest.raises(BackendError, match=reason):
            weighted.fit(X, X[:, 0], **data)
    with pytest.raises(BackendError, match="strategy='median' is not supported, only 'mean'"):
        AutoScaleRegressor(DummyRegressor(strategy="median"), backend="toy").fit(X, X[:, 0])
    registry.unregister("toy")
    with pytest.raises(BackendError, match="not known"):
        AutoScaleRegressor(DummyRegressor(), backend="toy").fit(X, X[:, 0])


def test_engines_are_found_by_their_entry_points(monkeypatch, tmp_path):
    package = tmp_path / "their_engine-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: their_engine\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[skdist_gpu.engines]\ntoy = toy_engine:INFO\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(EntryPoint("toy", "toy_engine:INFO", "skdist_gpu.engines").load(), toy_engine.Toy)
    assert str(tmp_path) in sys.path
    registry.engines.cache_clear()
    try:
        assert registry.engines()["toy"] is toy_engine.INFO
    finally:
        monkeypatch.undo()
        registry.unregister("toy")


@pytest.mark.parametrize(
    ("value", "reason"), [("not_there:INFO", "No module named"), ("toy_engine:Toy", "is a type and no EngineInfo")]
)
def test_a_broken_engine_of_another_package_is_left_out(monkeypatch, tmp_path, value, reason):
    package = tmp_path / "their_engine-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: their_engine\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[skdist_gpu.engines]\nbroken = {value}\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.engines.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=f"'broken' of their_engine cannot be loaded: .*{reason}"):
            assert "sklearn" in registry.engines()
    finally:
        monkeypatch.undo()
        registry.unregister("broken")


def test_out_of_memory_goes_down_the_ladder(toy):
    rows = np.zeros((20_000, 50))
    registry.register(toy_engine.Hungry())
    try:
        model = AutoScaleRegressor(DummyRegressor())
        assert [c.name for c in model.plan(rows, rows[:, 0]).ladder] == ["hungry:cpu", "toy:cpu", "sklearn:cpu"]
        with pytest.warns(FallbackWarning, match="hungry:cpu failed: Unable to allocate"):
            model.fit(rows, rows[:, 0])
        assert_ran_on(model, "toy")
        assert "hungry:cpu failed" in str(model.explain())
        with pytest.raises(MemoryError):
            AutoScaleRegressor(DummyRegressor(), fallback="raise").fit(rows, rows[:, 0])
    finally:
        registry.unregister("hungry")
