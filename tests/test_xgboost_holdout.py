"""Early stopping by rows that fit holds out itself, and the same splits on every engine."""

import logging

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleXGBClassifier, AutoScaleXGBRanker, AutoScaleXGBRegressor, config_context
from skdist_gpu.testing import assert_ran_on

xgboost = pytest.importorskip("xgboost")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

STOPPING = {"n_estimators": 300, "learning_rate": 1.0, "validation_fraction": 0.2, "n_jobs": 1}
ENGINES = ["xgboost:cpu", "xgboost.external:cpu", "xgboost.dask"]


@pytest.fixture(scope="module")
def client():
    options = {"processes": False, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.5 * rng.normal(size=3000)
    return X, y, np.where(y > 0, "up", "down"), np.repeat(np.arange(60), 50)


def _fit(engine, client, model, X, y, **arguments):
    if engine == "xgboost.dask":
        X, y, *values = (da.from_array(p, chunks=(500, *p.shape[1:])) for p in (X, y, *arguments.values()))
        arguments = dict(zip(arguments, values, strict=True))
    with config_context(client=client):
        model.set_params(backend=engine).fit(X, y, **arguments)
    assert_ran_on(model, engine)
    return model


@pytest.mark.parametrize("engine", ENGINES)
def test_fit_stops_early_on_every_engine(engine, client, data, capsys):
    X, y, labels, _ = data
    for model, target in ((AutoScaleXGBRegressor(**STOPPING), y), (AutoScaleXGBClassifier(**STOPPING), labels)):
        _fit(engine, client, model, X, target)
        (values,) = model.evals_result_["validation_0"].values()
        assert model.estimator_.best_iteration == np.argmin(values)
        assert len(values) == np.argmin(values) + 11 < 300  # ten rounds without a better one
        assert model.estimator_.early_stopping_rounds is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_queries_are_held_out_as_a_whole(engine, client, data):
    X, y, _, qid = data
    model = AutoScaleXGBRanker(**STOPPING, early_stopping_rounds=3)
    _fit(engine, client, model, X, np.digitize(y, [-1, 0, 1]), qid=qid)
    (values,) = model.evals_result_["validation_0"].values()
    assert len(values) == np.argmax(values) + 4


def test_held_out_rows_are_those_of_scikit_learns_splitter(data):
    from sklearn.model_selection import StratifiedShuffleSplit

    X, _, labels, _ = data
    model = AutoScaleXGBClassifier(**STOPPING, random_state=3).fit(X, labels)
    train, held_out = next(StratifiedShuffleSplit(1, test_size=0.2, random_state=3).split(X, labels))
    train, held_out = np.sort(train), np.sort(held_out)
    codes = (labels == "up").astype(int)
    direct = xgboost.XGBClassifier(n_estimators=300, learning_rate=1.0, early_stopping_rounds=10, random_state=3)
    direct.fit(X[train], codes[train], eval_set=[(X[held_out], codes[held_out])], verbose=False)
    np.testing.assert_array_equal(model.predict_proba(X), direct.predict_proba(X))


def test_in_pipelines_and_searches(data):
    X, y, _, _ = data
    pipeline = make_pipeline(StandardScaler(), AutoScaleXGBRegressor(**STOPPING))
    assert cross_val_score(pipeline, X, y, cv=3).min() > 0.5
    search = GridSearchCV(AutoScaleXGBRegressor(**STOPPING), {"max_depth": [2, 4]}, cv=3).fit(X, y)
    assert search.best_estimator_.estimator_.best_iteration < 299


@pytest.mark.parametrize("fraction", [0, 1.0, -0.1, True, "half"])
def test_fraction_that_makes_no_sense(data, fraction):
    with pytest.raises(ValueError, match="validation_fraction"):
        AutoScaleXGBRegressor(validation_fraction=fraction).fit(*data[:2])


def test_eval_set_beside_validation_fraction(data):
    X, y, _, _ = data
    with pytest.raises(ValueError, match="Give one of the two"):
        AutoScaleXGBRegressor(validation_fraction=0.1).fit(X, y, eval_set=[(X, y)])


# --- reproducible --------------------------------------------------------------------------

SAME = {"n_estimators": 20, "max_depth": 5, "reproducible": True, "n_jobs": 1}


def test_engines_differ_by_rounding_only(client, data):
    X, y, _, _ = data
    here, *others = (_fit(e, client, AutoScaleXGBRegressor(**SAME), X, y).predict(X) for e in ENGINES)
    for predicted in others:
        np.testing.assert_allclose(predicted, here, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_workers_differ_by_rounding_only(client, data):
    X, y, _, _ = data
    one = _fit("xgboost.dask", client, AutoScaleXGBRegressor(**SAME), X, y).predict(X)
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(n_workers=3, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as three,
    ):
        several = _fit("xgboost.dask", three, AutoScaleXGBRegressor(**SAME), X, y).predict(X)
        plain = _fit("xgboost.dask", three, AutoScaleXGBRegressor(**SAME | {"reproducible": False}), X, y).predict(X)
    np.testing.assert_allclose(several, one, rtol=1e-4, atol=1e-4)
    assert np.abs(plain - one).max() > 1e-2  # what it is good for


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_quality_missing_values_and_frames(data, container):
    X, y, _, _ = data
    holes = np.where(X > 2, np.nan, X)
    given = container(holes) if container is np.asarray else pd.DataFrame(holes, columns=list("abcd"))
    model = AutoScaleXGBRegressor(**SAME).fit(given, y)
    direct = xgboost.XGBRegressor(n_estimators=20, max_depth=5).fit(given, y)
    assert model.score(given, y) == pytest.approx(direct.score(given, y), rel=0.02)
    marked = AutoScaleXGBRegressor(**SAME, missing=-99).fit(np.nan_to_num(holes, nan=-99), y)
    np.testing.assert_array_equal(marked.predict(np.nan_to_num(holes, nan=-99)), model.predict(given))


def test_few_values_are_left_as_they_are(data):
    X, y = np.round(data[0]), data[1]
    direct = xgboost.XGBRegressor(n_estimators=20, max_depth=5).fit(X, y)
    np.testing.assert_array_equal(AutoScaleXGBRegressor(**SAME).fit(X, y).predict(X), direct.predict(X))


def test_sparse_is_refused(data):
    with pytest.raises(ValueError, match="reproducible=True takes dense X"):
        AutoScaleXGBRegressor(**SAME).fit(sp.csr_array(data[0]), data[1])
