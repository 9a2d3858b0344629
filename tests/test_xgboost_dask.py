"""XGBoost over Dask: XGBoost's own answer on one worker, as good on two, and no need of the cluster later."""

import logging
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.utils.estimator_checks import check_estimator

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, AutoScaleXGBClassifier, AutoScaleXGBRegressor
from skdist_gpu.exceptions import BackendError, MisalignedBlocksError
from skdist_gpu.testing import assert_ran_on

xgboost = pytest.importorskip("xgboost")
dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

SOME = {"n_estimators": 20, "max_depth": 4}
NAMES = [f"column {i}" for i in range(6)]


def _cluster(n_workers):
    return distributed.LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )


@pytest.fixture(scope="module")
def client():
    with _cluster(2) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def one_worker():
    with _cluster(1) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 6))
    y = 2 * X[:, 0] + X[:, 1] + 0.1 * rng.normal(size=4000)
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])]
    weights = rng.integers(0, 3, 4000).astype(float)
    return X, y, labels, weights


@pytest.fixture(scope="module")
def frame(data):
    X, y, labels, weights = data
    return pd.DataFrame(X, columns=NAMES).assign(y=y, label=labels, weight=weights)


def _blocks(part, rows=1000):
    return da.from_array(part, chunks=(rows, *part.shape[1:]))


def _on(client, function):
    from skdist_gpu import config_context

    with config_context(client=client):
        return function()


# --- one worker: the same model ------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_regressor_on_one_worker_is_xgboosts(one_worker, data, weighted):
    X, y, _, weights = data
    direct = xgboost.XGBRegressor(**SOME).fit(X, y, sample_weight=weights if weighted else None)
    arguments = [_blocks(part) for part in ((X, y, weights) if weighted else (X, y))]
    model = _on(one_worker, lambda: AutoScaleXGBRegressor(**SOME).fit(*arguments))
    assert_ran_on(model, "xgboost.dask")
    np.testing.assert_array_equal(model.predict(X), direct.predict(X))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifier_on_one_worker_is_xgboosts(one_worker, data, n_classes):
    X, _, labels, _ = data
    keep = np.isin(labels, ["low", "middle", "high"][:n_classes])
    codes = np.unique(labels[keep], return_inverse=True)[1]
    direct = xgboost.XGBClassifier(**SOME).fit(X[keep], codes)
    lazy = _blocks(X[keep]), _blocks(labels[keep])
    model = _on(one_worker, lambda: AutoScaleXGBClassifier(**SOME).fit(*lazy))
    assert model.classes_.tolist() == sorted(set(labels[keep]))
    assert model.estimator_.get_booster().save_raw("json") == direct.get_booster().save_raw("json")
    np.testing.assert_array_equal(model.estimator_.predict(X), direct.predict(X))


@pytest.mark.parametrize("objective", ["multi:softmax", "binary:hinge"])
def test_users_objective_is_kept(one_worker, data, objective):
    X, _, labels, _ = data
    labels = labels if objective == "multi:softmax" else labels == "low"
    codes = np.unique(labels, return_inverse=True)[1]
    direct = xgboost.XGBClassifier(objective=objective, enable_categorical=True, **SOME).fit(X, codes)
    lazy = _blocks(X), _blocks(labels)
    model = _on(one_worker, lambda: AutoScaleXGBClassifier(objective=objective, **SOME).fit(*lazy))
    np.testing.assert_array_equal(model.predict(X), model.classes_[direct.predict(X)])
    assert model.estimator_.get_params() == pytest.approx(direct.get_params(), nan_ok=True)


@pytest.mark.parametrize("cls", [AutoScaleXGBRegressor, AutoScaleXGBClassifier])
@pytest.mark.slow
def test_scikit_learns_checks_over_dask(one_worker, cls):
    _on(one_worker, lambda: check_estimator(cls(n_estimators=5, backend="xgboost.dask"), on_skip=None))


# --- two workers: as good ------------------------------------------------------------------


def test_quality_on_two_workers(client, data):
    X, y, labels, weights = data
    direct = r2_score(y, xgboost.XGBRegressor(**SOME).fit(X, y, sample_weight=weights).predict(X))
    model = AutoScaleRegressor(xgboost.XGBRegressor(**SOME)).fit(_blocks(X), _blocks(y), _blocks(weights))
    assert_ran_on(model, "xgboost.dask")
    assert model.score(X, y) == pytest.approx(direct, rel=0.01)
    direct = AutoScaleXGBClassifier(**SOME, backend="xgboost:cpu").fit(X, labels).score(X, labels)
    model = AutoScaleClassifier(xgboost.XGBClassifier(**SOME)).fit(_blocks(X), _blocks(labels))
    assert model.score(_blocks(X), _blocks(labels)) == pytest.approx(direct, rel=0.01)


def test_columns_in_two_chunks(client, data):
    X, y, _, _ = data
    model = AutoScaleXGBRegressor(**SOME).fit(da.from_array(X, chunks=(1000, 3)), _blocks(y))
    assert model.score(X, y) > 0.98


def test_y_in_memory_is_cut_like_X(client, data):
    X, y, _, _ = data
    assert AutoScaleXGBRegressor(**SOME).fit(_blocks(X), y).score(X, y) > 0.98


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_in_memory_if_asked_for(client, data, frame, library):
    X = pytest.importorskip(library).DataFrame(frame[NAMES].to_dict("list"))
    model = AutoScaleXGBRegressor(**SOME, backend="xgboost.dask").fit(X, data[1])
    assert_ran_on(model, "xgboost.dask")
    assert model.score(X, data[1]) > 0.98
    assert model.feature_names_in_.tolist() == NAMES


def test_several_targets(client, data):
    X, y, _, _ = data
    Y = np.column_stack((y, -y))
    model = AutoScaleXGBRegressor(**SOME).fit(_blocks(X), _blocks(Y))
    assert_ran_on(model, "xgboost.dask")
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.98


def test_early_stopping(client, data):
    X, _, labels, _ = data
    model = AutoScaleXGBClassifier(n_estimators=500, max_depth=3, early_stopping_rounds=2)
    held_out = [(_blocks(X[2000:]), _blocks(labels[2000:]))]
    model.fit(_blocks(X[:2000]), _blocks(labels[:2000]), eval_set=held_out, verbose=False)
    assert_ran_on(model, "xgboost.dask")
    assert model.estimator_.best_iteration < 490
    assert len(model.evals_result_["validation_0"]["mlogloss"]) == model.estimator_.best_iteration + 3


# --- partitions ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parquet(frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parquet")
    wide = frame.assign(**{f"unused {i}": 0.0 for i in range(20)})
    for i in range(8):
        wide[i * 500 : (i + 1) * 500].to_parquet(folder / f"{i}.parquet")
    return str(folder)


def test_columns_selected_lazily_from_parquet(client, frame, parquet):
    lazy = dd.read_parquet(parquet)
    X = lazy[NAMES[:2]]
    assert X.optimize().npartitions != lazy["label"].optimize().npartitions  # why XGBoost alone fails
    model = AutoScaleXGBClassifier(**SOME).fit(X, lazy["label"], lazy["weight"])
    assert_ran_on(model, "xgboost.dask")
    predicted = model.predict(X)
    assert isinstance(predicted, dd.Series)
    assert np.mean(predicted.compute().to_numpy() == frame["label"].to_numpy()) > 0.95
    assert model.predict_proba(X).compute().columns.tolist() == ["high", "low", "middle"]


def test_empty_partitions(client, frame):
    pieces = [frame[:0], frame[:1500], frame[1500:1500], frame[1500:], frame[:0]]
    lazy = dd.from_delayed([dask.delayed(piece) for piece in pieces], meta=frame[:0], verify_meta=False)
    model = AutoScaleXGBClassifier(**SOME).fit(lazy[NAMES], lazy["label"])
    assert model.score(frame[NAMES], frame["label"]) > 0.95
    assert len(model.predict(lazy[NAMES]).compute()) == len(frame)


def test_categories_that_differ_between_partitions(client, frame):
    codes = pd.qcut(frame["column 0"], 8, labels=list("hcbgaedf")).astype(str)
    pieces = [frame.assign(group=codes)[part] for part in (codes < "e", codes >= "e")]
    pieces = [piece.assign(group=piece["group"].astype("category")) for piece in pieces]
    meta = pieces[0][:0].assign(group=pd.Categorical([]))
    lazy = dd.from_delayed([dask.delayed(piece) for piece in pieces], meta=meta, verify_meta=False)
    whole = pd.concat(pieces).assign(group=codes.astype("category"))
    columns = ["group", "column 1"]
    direct = xgboost.XGBRegressor(enable_categorical=True, **SOME).fit(whole[columns], whole["y"])
    model = AutoScaleXGBRegressor(enable_categorical=True, **SOME).fit(lazy[columns], lazy["y"])
    expected = direct.score(whole[columns], whole["y"])
    assert model.score(whole[columns], whole["y"]) == pytest.approx(expected, rel=0.01)


# --- wrong input ---------------------------------------------------------------------------


def test_chunks_of_known_sizes_are_cut_like_those_of_x(one_worker, data):
    X, y, _, weights = data
    margin = 3 * X[:, 2]
    direct = xgboost.XGBRegressor(**SOME).fit(X, y, sample_weight=weights, base_margin=margin)
    lazy = _blocks(X), _blocks(y, 500), _blocks(weights, 3000)
    model = _on(one_worker, lambda: AutoScaleXGBRegressor(**SOME).fit(*lazy, base_margin=_blocks(margin, 700)))
    assert_ran_on(model, "xgboost.dask")
    np.testing.assert_allclose(model.predict(X), direct.predict(X), rtol=1e-5, atol=1e-5)


def test_chunks_of_other_lengths_are_named(client, data):
    X, y, _, _ = data
    with pytest.raises(MisalignedBlocksError, match=r"X has 4 blocks \(1000, .*y has 8 blocks \(500, .* 3500 rows"):
        AutoScaleXGBRegressor(**SOME).fit(_blocks(X), _blocks(y)[:3500].rechunk(((500,) * 6 + (250, 250),)))


def test_misaligned_partitions_of_unknown_length(client, frame):
    X = dd.from_delayed([dask.delayed(frame[:1000]), dask.delayed(frame[1000:])], meta=frame[:0])
    y = dd.from_delayed([dask.delayed(frame[:900]), dask.delayed(frame[900:])], meta=frame[:0])
    with pytest.raises(MisalignedBlocksError, match=r"Partition \d of X has \d+ rows, of y \d+"):
        AutoScaleXGBRegressor(**SOME).fit(X[NAMES], y["y"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (_blocks(X), _blocks(np.where(y > 1, np.nan, y))), "y contains NaN"),
        (lambda X, y: (_blocks(np.where(X > 1, np.inf, X)), _blocks(y)), "X contains infinity"),
        (lambda X, y: (_blocks(X), None), "requires y to be passed"),
        (lambda X, y: (_blocks(X)[:, :0], _blocks(y)), "0 feature"),
        (lambda X, y: (_blocks(X)[:0], _blocks(y)[:0]), "0 sample"),
        (lambda X, y: (_blocks(X), _blocks(y), _blocks(0 * y)), "at least one non-zero"),
        (lambda X, y: (_blocks(X), _blocks(y), _blocks(0 * y - 1)), "Negative values"),
    ],
)
def test_wrong_values(client, data, change, message):
    with pytest.raises(ValueError, match=message):
        AutoScaleXGBRegressor(**SOME).fit(*change(*data[:2]))


def test_gpu_that_no_worker_has_is_refused(client, data):
    X, y, _, _ = data
    with pytest.raises(BackendError, match="none of the 2 Dask workers reports a GPU"):
        AutoScaleXGBRegressor(device="cuda", **SOME).fit(_blocks(X), _blocks(y))


def test_text_column_is_named(client, frame):
    lazy = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(ValueError, match="neither numbers nor categories: label"):
        AutoScaleXGBRegressor(**SOME).fit(lazy[["column 0", "label"]], lazy["y"])


def test_continuous_labels_of_a_classifier(client, data):
    with pytest.raises(ValueError, match="Unknown label type"):
        AutoScaleXGBClassifier(**SOME).fit(_blocks(data[0]), _blocks(data[1]))


# --- afterwards ----------------------------------------------------------------------------


def test_model_outlives_the_cluster(data):
    X, _, labels, _ = data
    with _cluster(1) as cluster, distributed.Client(cluster):
        model = AutoScaleXGBClassifier(**SOME).fit(_blocks(X), _blocks(labels))
        expected = model.predict_proba(X)
        text = pickle.dumps(model)
    loaded = pickle.loads(text)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    np.testing.assert_array_equal(loaded.predict_proba(_blocks(X)).compute(scheduler="threads"), expected)
    assert type(loaded.estimator_) is xgboost.XGBClassifier


def test_clone_and_refit_on_one_machine(client, data):
    X, _, labels, _ = data
    model = AutoScaleXGBClassifier(**SOME).fit(_blocks(X), _blocks(labels))
    two = labels != "low"
    again = clone(model).fit(X[two], labels[two])
    assert_ran_on(again, "xgboost:cpu")
    assert again.classes_.tolist() == ["high", "middle"]


def test_users_estimator_is_left_alone(client, data):
    X, _, labels, _ = data
    plain = xgboost.XGBClassifier(**SOME)
    before = plain.get_params()
    AutoScaleClassifier(plain).fit(_blocks(X), _blocks(labels))
    assert plain.get_params() == pytest.approx(before, nan_ok=True)
    assert not plain.__sklearn_is_fitted__()
