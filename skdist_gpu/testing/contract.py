"""What every engine promises for every entry of its catalogue, as tests for anyone who writes one."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier, is_clusterer, is_regressor
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import all_estimators, get_tags

from skdist_gpu.compose.autoscale import autoscale
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.registry import catalogue, engines
from skdist_gpu.exceptions import BackendError
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.hardware.fake import make_resources
from skdist_gpu.planning.plan import Candidate
from skdist_gpu.planning.planner import Request, machine_refusals, make_plan

N_ROWS, N_COLUMNS = 240, 12
GPU_LIBRARIES = ("cupy", "cudf", "cuml", "numba")
# methods by which answers are compared, the most telling first
ANSWERS = ("predict_proba", "decision_function", "transform", "score_samples", "predict")
# small, and as exact as the estimator can be made, so that two right answers agree
_SMALL: dict[str, Any] = {"n_estimators": 5, "n_clusters": 2, "n_quantiles": 20, "max_iter": 10_000, "tol": 1e-10}
_SMALL |= {
    "random_state": 0,
    "subsample": None,
    "algorithm": "arpack",
    "solver": "lbfgs",
    "gamma": 0.01,
    "radius": 10.0,
}
# estimators whose parameter of such a name is meant
_ONLY: dict[str, tuple[str, ...]] = {
    "subsample": ("QuantileTransformer", "KBinsDiscretizer"),
    "algorithm": ("TruncatedSVD",),
    "solver": ("LogisticRegression",),
    "gamma": ("SpectralClustering",),
}


def parametrize_with_autoscale_checks(engine: str | None = None) -> Any:
    """Return a pytest decorator that runs the checks of engines.

    A new engine of this package, of an entry point or registered with :func:`skdist_gpu.engines.registry.register` is
    checked by existing. What cannot run on this machine is checked as far as its plans go.

    Parameters
    ----------
    engine : str, default=None
        Name of the engine to check; None for all.

    Returns
    -------
    callable
        Decorates a test with the arguments ``engine``, a name, and ``check``, a function of it that raises an
        AssertionError which lists every entry that breaks the promise.

    Examples
    --------
    >>> from skdist_gpu.testing import parametrize_with_autoscale_checks
    >>> @parametrize_with_autoscale_checks()
    ... def test_engines(engine, check):
    ...     check(engine)
    """
    import pytest

    names = list(engines()) if engine is None else [engine]
    cases = [pytest.param(name, check, id=f"{name}-{check.__name__}") for name in names for check in CHECKS]
    return pytest.mark.parametrize(("engine", "check"), cases)


# --- checks of plans, on machines that do not exist ---------------------------------------------------------------


def check_entries_are_complete(engine: str) -> None:
    """Each entry names a real class and its parameters, and a device that the engine has."""
    info = engines()[engine]
    assert info.packages, "packages names no device"
    assert set(info.reads) == set(info.packages), "reads and packages name other devices"
    for entry, estimator in _entries(engine):
        named = {*entry.accepts, *entry.sparse_accepts, *entry.ignores}
        assert named <= set(estimator.get_params()), f"{entry.estimator} has no {named - set(estimator.get_params())}"
        assert entry.device in info.packages, f"{entry.estimator}: {engine} has no device {entry.device}"


def check_refuses_with_reasons(engine: str) -> None:
    """Each verdict has a reason, on a machine with everything and on one with nothing."""
    for entry, estimator in _entries(engine):
        for machine in (_server(), make_resources(packages=())):
            for location, container in (("host", "numpy"), ("gpu", "cupy"), ("dask", "dask.array"), ("disk", "files")):
                candidate = _candidate(entry, estimator, machine, location=location, container=container)
                assert candidate.reasons, f"{entry.estimator} on {entry.device}: {candidate}"
                if location not in engines()[engine].reads[entry.device]:
                    assert candidate.verdict == "refused", f"{entry.estimator} reads {location}: {candidate}"


def check_refuses_what_it_does_not_take(engine: str) -> None:
    """Weights, sparse rows, several targets, arguments of fit, and callbacks are refused unless they are taken."""
    info = engines()[engine]
    for entry, estimator in _entries(engine):
        wants: list[tuple[bool, dict[str, Any], Request]] = [
            (entry.weights, {"weighted": True}, Request(entry.name)),
            (entry.sparse, {"sparse": True, "n_stored": 100, "container": "scipy.sparse"}, Request(entry.name)),
            (entry.multi_target, {"n_targets": 3}, Request(entry.name)),
            (info.takes_fit_arguments, {}, Request(entry.name, fit_params=("bogus",))),
        ]
        for taken, data, request in wants:
            candidate = _candidate(entry, estimator, _server(), request, **data)
            assert taken or candidate.verdict == "refused", f"{entry.estimator} on {entry.device}: {data}, {request}"
        if hasattr(estimator, "warm_start") and not info.continues:
            candidate = _candidate(entry, clone(estimator).set_params(warm_start=True), _server())
            assert candidate.verdict == "refused", f"{entry.estimator}: warm_start"


def check_plan_is_pure(engine: str) -> None:
    """A plan is the same twice, and imports no library of GPUs."""
    before = set(sys.modules)
    for entry, estimator in _entries(engine):
        assert _candidate(entry, estimator, _server()) == _candidate(entry, estimator, _server()), entry.estimator
    assert not {name for name in set(sys.modules) - before if name.partition(".")[0] in GPU_LIBRARIES}


def check_memory_is_estimated(engine: str) -> None:
    """There is an estimate of bytes, which does not fall as rows are added."""
    for entry, estimator in _entries(engine):
        few, many = (_candidate(entry, estimator, _server(), n_samples=n).n_bytes for n in (10**4, 10**6))
        assert 0 <= (few if few is not None else -1) <= (many or 0), f"{entry.estimator}: {few}, {many} bytes"


# --- checks of fits, where they can run ---------------------------------------------------------------------------


def check_answer(engine: str) -> None:
    """The answer is scikit-learn's, within the entry's tolerance, with and without weights."""
    for entry, estimator in _runnable(engine):
        if entry.explicit or entry.native or entry.tolerance == float("inf"):
            continue
        for weighted in (False, True) if entry.weights else (False,):
            expected = _fit_plain(entry, estimator, weighted)
            off = _difference(_fitted(entry, weighted).estimator_, expected, _data(estimator)[0])
            assert off <= 10 * entry.tolerance, f"{entry.estimator} on {entry.device}: off by {off:.1e}, {weighted=}"


def check_pickles_plain(engine: str) -> None:
    """What comes out is an object of the user's own library, which unpickles without this package."""
    for entry, estimator in _runnable(engine):
        plain = _fitted(entry).estimator_
        if not entry.explicit:
            assert type(plain) is type(estimator), f"{entry.estimator}: {type(plain)}"
        written = pickle.dumps(plain)
        assert not [name for name in (b"skdist_gpu", b"cupy") if name in written], entry.estimator
        assert _difference(pickle.loads(written), plain, _data(estimator)[0]) == 0, entry.estimator


def check_output_is_like_the_input(engine: str) -> None:
    """Rows in memory give what scikit-learn gives for them, and lazy rows a lazy answer."""
    for entry, estimator in _runnable(engine):
        model, X = _fitted(entry), _data(estimator)[0]
        for method in (name for name in ANSWERS if hasattr(model.estimator_, name) and hasattr(model, name)):
            expected = getattr(model.estimator_, method)(X)
            found = getattr(model, method)(X)
            assert type(found) is type(expected), f"{entry.estimator}.{method}: {type(found)}"
            assert np.shape(found) == np.shape(expected), f"{entry.estimator}.{method}: {np.shape(found)}"
            if find_spec("dask") and isinstance(expected, np.ndarray):
                lazy = getattr(model, method)(import_module("dask.array").from_array(X, chunks=(100, N_COLUMNS)))
                assert hasattr(lazy, "__dask_graph__"), f"{entry.estimator}.{method} of Dask rows: {type(lazy)}"


def check_names_of_columns(engine: str) -> None:
    """A table with names is fitted to them."""
    for entry, estimator in _runnable(engine):
        if entry.device != "cpu" or not hasattr(_fitted(entry), "n_features_in_"):
            continue
        X, y = _data(estimator)
        names = [f"column {i}" for i in range(N_COLUMNS)]
        model = _fit(entry, pd.DataFrame(X, columns=names), y)
        assert list(model.feature_names_in_) == names, entry.estimator


CHECKS: tuple[Callable[[str], None], ...] = (
    check_entries_are_complete,
    check_refuses_with_reasons,
    check_refuses_what_it_does_not_take,
    check_plan_is_pure,
    check_memory_is_estimated,
    check_answer,
    check_pickles_plain,
    check_output_is_like_the_input,
    check_names_of_columns,
)


# --- examples -------------------------------------------------------------------------------------------------------


def _entries(engine: str) -> Iterator[tuple[Entry, Any]]:
    """Yield an engine's entries, each with an estimator that it should take, where its package is installed."""
    for entry in catalogue():
        cls = _class(entry.estimator) if entry.backend == engine else None
        if cls is not None:
            yield entry, _example(entry, cls)


def _runnable(engine: str) -> Iterator[tuple[Entry, Any]]:
    machine = detect_resources()
    for entry, estimator in _entries(engine):
        ranks = entry.estimator.endswith("Ranker")  # whose rows belong to queries
        if not (entry.refusal or ranks or machine_refusals(entry, machine)):
            yield entry, estimator


@cache
def _server() -> Any:
    return make_resources(gpus=2, workers=2)


@cache
def _class(name: str) -> type | None:
    """Return the class of a catalogue's name; None where its package is not installed."""
    known = _scikit_learns()
    if name in known:
        return known[name]
    package, _, name = name.rpartition(".")
    package = package or "xgboost"
    return getattr(import_module(package), name) if find_spec(package) else None


@cache
def _scikit_learns() -> dict[str, type]:
    return dict(all_estimators())


def _example(entry: Entry, cls: type) -> Any:
    """Return an estimator of few trees and strict tolerances with parameters that the entry accepts."""
    estimator = cls()
    params = estimator.get_params(deep=False)
    for name, values in entry.accepts.items():
        if not callable(values) and params[name] not in values:
            estimator.set_params(**{name: values[0]})
    for name, value in _SMALL.items():
        allowed = entry.accepts.get(name)
        known = params.get(name) is not None or name == "random_state"
        valid = entry.estimator in _ONLY.get(name, (entry.estimator,))
        if name == "max_iter" and "Boosting" in entry.estimator:
            value = 5  # which are trees
        if name in params and known and valid and (allowed is None or callable(allowed) or value in allowed):
            estimator.set_params(**{name: value})
    return estimator


@cache
def _table(positive: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows around two centers, a number for each that follows from them, and their center."""
    generator = np.random.default_rng(0)
    labels = np.arange(N_ROWS) % 2
    X = generator.normal(size=(N_ROWS, N_COLUMNS)) * np.linspace(1, 2, N_COLUMNS) + 2 * labels[:, None]
    if positive:
        X = np.floor(np.abs(X))
    return X, np.exp(0.1 * X @ np.linspace(-1, 1, N_COLUMNS)) + 0.1 * generator.uniform(size=N_ROWS), labels


def _data(estimator: Any) -> tuple[np.ndarray, Any]:
    tags = get_tags(estimator)
    counts = tags.input_tags.positive_only or type(estimator).__name__ == "CategoricalNB"
    X, numbers, labels = _table(counts)
    if is_classifier(estimator) or hasattr(estimator, "score_func"):
        return X, labels
    return X, numbers if is_regressor(estimator) or tags.target_tags.required else None


def _weights(weighted: bool) -> dict[str, Any]:
    return {"sample_weight": np.linspace(0.5, 2.0, N_ROWS)} if weighted else {}


def _fit(entry: Entry, X: Any, y: Any, weighted: bool = False) -> Any:
    cls = _class(entry.estimator)
    assert cls is not None
    model = autoscale(_example(entry, cls), backend=entry.name, fallback="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return model.fit(X, y, **_weights(weighted))
        except BackendError as error:
            raise AssertionError(f"{entry.name} plans to fit {entry.estimator}, and does not") from error


@cache
def _fitted_here(estimator: str, name: str, weighted: bool) -> Any:
    entry = next(e for e in catalogue() if e.estimator == estimator and e.name == name)
    cls = _class(estimator)
    assert cls is not None
    return _fit(entry, *_data(_example(entry, cls)), weighted)


def _fitted(entry: Entry, weighted: bool = False) -> Any:
    return _fitted_here(entry.estimator, entry.name, weighted)


def _fit_plain(entry: Entry, estimator: Any, weighted: bool = False) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(estimator).fit(*_data(estimator), **_weights(weighted))


def _difference(model: Any, reference: Any, X: np.ndarray) -> float:
    """Return the largest difference of the answers, relative to the largest; of clusters, of their partitions."""
    if is_clusterer(reference):
        return 1 - adjusted_rand_score(reference.labels_, model.labels_)
    method = next((name for name in ANSWERS if hasattr(reference, name)), None)
    if method is None:
        return 0.0
    found, expected = (_dense(getattr(each, method)(X)) for each in (model, reference))
    if expected.dtype.kind not in "fc":
        return float(np.mean(found != expected))
    return float(np.nanmax(np.abs(found - expected), initial=0) / max(np.nanmax(np.abs(expected), initial=0), 1e-300))


def _dense(answer: Any) -> np.ndarray:
    return answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)


def _candidate(entry: Entry, estimator: Any, machine: Any, request: Request | None = None, **data: Any) -> Candidate:
    facts: dict[str, Any] = {"container": "numpy", "n_samples": 10**4, "n_features": N_COLUMNS, "n_targets": 1} | data
    plan = make_plan(estimator, InputInfo(**facts), machine, request or Request(entry.name))
    return next(c for c in plan.candidates if c.name == entry.name)


__all__ = ["CHECKS", "parametrize_with_autoscale_checks"]
