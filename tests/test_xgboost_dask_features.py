"""XGBoost over one Dask worker gives XGBoost's own answer with every feature, and closes the edges of partitions."""

import logging
import os
import signal
import threading

import numpy as np
import pandas as pd
import pytest

from skdist_gpu import (
    AutoScaleXGBClassifier,
    AutoScaleXGBRanker,
    AutoScaleXGBRegressor,
    autoscale,
    config_context,
)
from skdist_gpu.exceptions import BackendError, CollectLimitError
from skdist_gpu.testing import assert_ran_on

xgboost = pytest.importorskip("xgboost")
dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

FEW = {"n_estimators": 5, "max_depth": 3}


@pytest.fixture(scope="module", autouse=True)
def client():
    options = {"processes": False, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster,
        distributed.Client(cluster) as client,
        config_context(client=client),
    ):
        yield client


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 5))
    y = 2 * X[:, 0] + X[:, 1] + 0.1 * rng.normal(size=1200)
    return X, y, np.digitize(y, [-2, 0, 2]), np.repeat(np.arange(40), 30)


def _blocks(part, rows=250):
    return da.from_array(part, chunks=(rows, *part.shape[1:]))


def assert_close(found, expected):
    """XGBoost's float32 sums over several threads may end in either of two neighbouring numbers."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def squared(y_true, y_pred):
    return y_pred - y_true, np.ones_like(y_true)


def softmax(y_true, y_pred):
    probability = np.exp(y_pred) / np.exp(y_pred).sum(axis=1, keepdims=True)
    return probability - np.eye(4)[y_true.astype(int)], probability * (1 - probability)


def largest(y_true, y_pred, sample_weight=None):
    return float((sample_weight * np.abs(y_true - y_pred)).max())


# --- features ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"objective": squared},
        {"monotone_constraints": (1, -1, 0, 0, 0)},
        {"interaction_constraints": "[[0, 1], [2, 3, 4]]"},
        {"feature_weights": np.arange(1.0, 6), "colsample_bytree": 0.5},
        {"callbacks": [xgboost.callback.LearningRateScheduler(lambda epoch: 0.5 / (1 + epoch))]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_parameter_and_margin(data, options):
    X, y, _, _ = data
    margin = np.linspace(0, 1, len(y))
    direct = xgboost.XGBRegressor(**FEW, **options).fit(X, y, base_margin=margin)
    model = AutoScaleXGBRegressor(**FEW, **options).fit(_blocks(X), _blocks(y), base_margin=_blocks(margin))
    assert_ran_on(model, "xgboost.dask")
    assert_close(model.predict(X), direct.predict(X))


def test_classifier_with_an_own_objective(data):
    X, _, labels, _ = data
    direct = xgboost.XGBClassifier(objective=softmax, **FEW).fit(X, labels)
    model = AutoScaleXGBClassifier(objective=softmax, **FEW).fit(_blocks(X), _blocks(labels))
    assert_ran_on(model, "xgboost.dask")
    assert_close(model.predict_proba(X), direct.predict_proba(X))


def test_evaluation_with_an_own_metric_weights_and_margins(data):
    X, y, _, _ = data
    options = FEW | {"eval_metric": largest}
    weights, margin = np.linspace(1, 2, 600), np.linspace(0, 1, 600)
    columns = {"sample_weight_eval_set": weights, "base_margin_eval_set": margin}
    direct = xgboost.XGBRegressor(**options).fit(
        X[:600], y[:600], eval_set=[(X[600:], y[600:])], verbose=False, **{k: [v] for k, v in columns.items()}
    )
    model = AutoScaleXGBRegressor(**options).fit(
        _blocks(X[:600]),
        _blocks(y[:600]),
        eval_set=[(_blocks(X[600:]), _blocks(y[600:]))],
        verbose=False,
        **{k: [_blocks(v)] for k, v in columns.items()},
    )
    for metric, values in direct.evals_result_["validation_0"].items():
        np.testing.assert_allclose(model.evals_result_["validation_0"][metric], values, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:`XGBRF:FutureWarning")
def test_random_forest(data):
    X, y, _, _ = data
    forest = xgboost.XGBRFRegressor(n_estimators=10, random_state=0)
    model = autoscale(forest).fit(_blocks(X), _blocks(y))
    assert_ran_on(model, "xgboost.dask")
    assert model.estimator_.get_booster().num_boosted_rounds() == 1
    assert model.score(X, y) == pytest.approx(forest.fit(X, y).score(X, y), abs=0.02)


def test_continuation(data):
    X, y, _, _ = data
    start = xgboost.XGBRegressor(**FEW).fit(X, y)
    model = AutoScaleXGBRegressor(**FEW).fit(_blocks(X), _blocks(y), xgb_model=start)
    assert_close(model.predict(X), xgboost.XGBRegressor(**FEW).fit(X, y, xgb_model=start).predict(X))


class Rounds(xgboost.callback.TrainingCallback):
    """Count the rounds, and stop after the third."""

    def __init__(self):
        self.rounds = 0

    def after_iteration(self, model, epoch, evals_log):
        self.rounds += 1
        return epoch == 2


def test_the_users_own_callback_steers_the_workers(data):
    callback = Rounds()
    model = AutoScaleXGBRegressor(n_estimators=20, callbacks=[callback]).fit(_blocks(data[0]), _blocks(data[1]))
    assert_ran_on(model, "xgboost.dask")
    assert model.estimator_.get_booster().num_boosted_rounds() == 3
    assert model.estimator_.callbacks == [callback]
    assert callback.rounds == 3


BEGUN = threading.Event()


class Begin(xgboost.callback.TrainingCallback):
    """Say that a round is done."""

    def after_iteration(self, model, epoch, evals_log):
        BEGUN.set()
        return False


def test_an_interrupted_fit_leaves_the_workers_free(data):
    rows, target = _blocks(data[0]), _blocks(data[1])

    def interrupt():
        if BEGUN.wait(100):
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        AutoScaleXGBRegressor(n_estimators=10**7, max_depth=2, callbacks=[Begin()]).fit(rows, target)
    model = AutoScaleXGBRegressor(**FEW).fit(rows, target)  # waits for ever if the workers still train
    assert_ran_on(model, "xgboost.dask")


# --- ranking -------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [250, 7, 1200])
def test_queries_that_go_on_in_the_next_partitions(data, rows):
    X, _, relevance, qid = data
    direct = xgboost.XGBRanker(**FEW).fit(X, relevance, qid=qid)
    model = AutoScaleXGBRanker(**FEW).fit(_blocks(X, rows), _blocks(relevance, rows), qid=_blocks(qid, rows))
    assert_ran_on(model, "xgboost.dask")
    assert_close(model.predict(X), direct.predict(X))


def test_queries_of_a_frame_with_an_evaluation(data):
    X, _, relevance, qid = data
    frame = pd.DataFrame(X, columns=list("abcde")).assign(relevance=relevance, qid=qid)
    lazy = dd.from_pandas(frame, npartitions=4)
    columns = lazy[list("abcde")], lazy["relevance"]
    model = AutoScaleXGBRanker(n_estimators=200, early_stopping_rounds=2)
    model.fit(*columns, qid=lazy["qid"], eval_set=[columns], eval_qid=[lazy["qid"]], verbose=False)
    assert_ran_on(model, "xgboost.dask")
    assert model.estimator_.best_iteration < 199


@pytest.mark.parametrize("rows", [250, 7])
def test_queries_as_text(data, rows):
    X, _, relevance, qid = data
    names = np.char.mod("query %02d", qid)
    frame = pd.DataFrame(X, columns=list("abcde")).assign(relevance=relevance, qid=names)
    lazy = dd.from_pandas(frame, npartitions=-(-len(X) // rows))
    columns, X = (lazy[list("abcde")], lazy["relevance"]), frame[list("abcde")]
    direct = xgboost.XGBRanker(**FEW).fit(X, relevance, qid=qid, eval_set=[(X, relevance)], eval_qid=[qid], verbose=0)
    model = AutoScaleXGBRanker(**FEW)
    model.fit(*columns, qid=lazy["qid"], eval_set=[columns], eval_qid=[lazy["qid"]], verbose=False)
    assert_ran_on(model, "xgboost.dask")
    assert_close(model.predict(X), direct.predict(X))
    assert_close(*(list(m.evals_result()["validation_0"].values()) for m in (model, direct)))
    assert model.score(X, relevance, qid=names) == pytest.approx(model.score(X, relevance, qid=qid))


def test_unsorted_queries(data):
    X, _, relevance, qid = data
    between, within = (qid + 20) % 40, 39 - qid
    for unsorted, message in ((between, "partition 0 ends with 39, partition 1 begins with 0"), (within, "partition")):
        with pytest.raises(ValueError, match=f"qid is not sorted.*{message}"):
            AutoScaleXGBRanker(**FEW).fit(_blocks(X, 600), _blocks(relevance, 600), qid=_blocks(unsorted, 600))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({}, "needs qid"), ({"group": [1200]}, "not group"), ({"sample_weight": np.ones(1200)}, "no weights of queries")],
)
def test_what_a_ranking_over_dask_does_not_take(data, arguments, message):
    X, _, relevance, _ = data
    model = AutoScaleXGBRanker(backend="xgboost.dask", **FEW)
    with pytest.raises(BackendError, match=message):
        model.fit(_blocks(X), _blocks(relevance), **arguments)


# --- partitions ----------------------------------------------------------------------------


def test_class_that_a_partition_lacks(data):
    X, _, labels, _ = data
    order = np.argsort(labels, kind="stable")
    names = np.array(["a", "b", "c", "d"])[labels[order]]
    direct = xgboost.XGBClassifier(**FEW).fit(X[order], labels[order])
    model = AutoScaleXGBClassifier(**FEW).fit(_blocks(X[order]), _blocks(names))
    assert_close(model.predict_proba(X), direct.predict_proba(X))


def test_classes_that_the_user_gives(data):
    X, _, labels, _ = data
    model = AutoScaleXGBClassifier(**FEW).fit(_blocks(X), _blocks(labels), classes=[0, 1, 2, 3, 7])
    assert model.classes_.tolist() == [0, 1, 2, 3, 7]
    assert model.predict_proba(X).shape == (1200, 5)


COMPUTED = []


def count(block, name):
    COMPUTED.append(name)
    return block


def test_each_block_is_computed_once(data):
    X, _, labels, _ = data
    COMPUTED.clear()
    X_lazy = _blocks(X).map_blocks(count, "X", dtype=float, meta=np.empty((0, 0)))
    y_lazy = _blocks(labels).map_blocks(count, "y", dtype=int, meta=np.empty(0, int))
    AutoScaleXGBClassifier(**FEW).fit(X_lazy, y_lazy)
    assert sorted(COMPUTED) == ["X"] * 5 + ["y"] * 5


def test_unknown_sizes_of_blocks(data):
    X, y, _, _ = data
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcde")).assign(y=y), npartitions=3)
    unknown = frame[list("abcde")].to_dask_array()
    direct = xgboost.XGBRegressor(**FEW).fit(X, y)
    model = AutoScaleXGBRegressor(**FEW).fit(unknown, frame["y"].to_dask_array())
    predicted = model.predict(unknown)
    assert np.isnan(predicted.shape[0])
    assert_close(predicted.compute(), direct.predict(X))


def test_index_chunks_and_meta_of_lazy_predictions(data):
    X, _, labels, _ = data
    model = AutoScaleXGBClassifier(**FEW).fit(_blocks(X), _blocks(labels))
    likely = model.predict_proba(_blocks(X))
    assert likely.chunks == ((250, 250, 250, 250, 200), (4,))
    assert likely.dtype == likely.compute().dtype == np.float32
    frame = pd.DataFrame(X, index=np.random.default_rng(0).permutation(1200), columns=list("abcde"))
    model.fit(frame, labels)
    lazy = model.predict_proba(dd.from_pandas(frame, npartitions=3, sort=False))
    assert lazy.compute().index.tolist() == frame.index.tolist()
    assert lazy.columns.tolist() == [0, 1, 2, 3]
    assert lazy.dtypes.tolist() == lazy.compute().dtypes.tolist()


@pytest.mark.parametrize("container", ["array", "array in memory", "frame"])
def test_lazy_predictions_from_margins(data, container):
    X, y, labels, _ = data
    margins = np.random.default_rng(1).normal(size=(1200, 4))
    direct = xgboost.XGBRegressor(**FEW).fit(X, y, base_margin=margins[:, 0])
    model = autoscale(xgboost.XGBRegressor(**FEW)).fit(X, y, base_margin=margins[:, 0])
    several = AutoScaleXGBClassifier(**FEW).fit(X, labels)
    rows, of_rows = _blocks(X), {"base_margin": _blocks(margins, 700)}
    if container == "array in memory":
        of_rows = {"base_margin": margins}
    elif container == "frame":
        rows = dd.from_pandas(pd.DataFrame(X), npartitions=3)
        of_rows = {"base_margin": dd.from_pandas(pd.DataFrame(margins), npartitions=2)}
    likely = several.predict_proba(rows, **of_rows)
    of_rows = {"base_margin": of_rows["base_margin"][0 if container == "frame" else (slice(None), 0)]}
    predicted = model.predict(rows, **of_rows)
    assert predicted.npartitions == rows.npartitions
    assert_close(predicted.compute(), direct.predict(X, base_margin=margins[:, 0]))
    assert_close(likely.compute(), several.estimator_.predict_proba(X, base_margin=margins))


def test_leaves_are_lazy(data):
    X, y, _, _ = data
    model = AutoScaleXGBRegressor(**FEW).fit(X, y)
    leaves = model.apply(_blocks(X))
    assert leaves.chunks == ((250,) * 4 + (200,), (5,))
    np.testing.assert_array_equal(leaves.compute(), model.estimator_.apply(X))


def test_ranking_is_scored_in_one_place_up_to_a_limit(data):
    X, _, labels, queries = data
    model = AutoScaleXGBRanker(**FEW).fit(X, labels, qid=queries)
    rows = _blocks(X), _blocks(labels)
    assert model.score(*rows, qid=_blocks(queries)) == model.score(X, labels, qid=queries)
    with config_context(collect_limit="10kB"), pytest.raises(CollectLimitError, match="the limit is 10"):
        model.score(*rows, qid=_blocks(queries))
