"""XGBoost on a GPU: it runs there, the data stay there, and the model leaves it."""

import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skdist_gpu import AutoScaleClassifier, AutoScaleXGBClassifier, AutoScaleXGBRegressor
from skdist_gpu.engines.xgboost import nvforest as xgboost_nvforest
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

SOME = {"n_estimators": 20, "max_depth": 5, "backend": "xgboost:gpu"}
ROUNDING = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip("cupy")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 8)).astype(np.float32)
    y = X[:, 0] * 2 + X[:, 1] + 0.1 * rng.normal(size=20_000)
    return X, y, np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])]


@pytest.mark.parametrize("container", ["numpy", "cupy", "pandas", "cudf", "sparse"])
def test_regressor_from_every_container(cupy, data, container):
    X, y, _ = data
    if container == "sparse":
        X = np.where(X > 0, X, np.nan)  # XGBoost reads what a sparse matrix leaves out as missing
    names = [f"column {i}" for i in range(8)]
    as_given = {
        "numpy": lambda: X,
        "cupy": lambda: cupy.asarray(X),
        "pandas": lambda: pd.DataFrame(X, columns=names),
        "cudf": lambda: pytest.importorskip("cudf").from_pandas(pd.DataFrame(X, columns=names)),
        "sparse": lambda: sp.csr_array(np.nan_to_num(X)),
    }[container]()
    model = AutoScaleXGBRegressor(**SOME).fit(as_given, cupy.asarray(y) if container == "cupy" else y)
    assert_ran_on(model, "xgboost:gpu")
    predicted = model.predict(as_given)
    on_gpu = container in ("cupy", "cudf")
    assert isinstance(predicted, cupy.ndarray if on_gpu else np.ndarray)
    predicted = predicted.get() if on_gpu else predicted
    cpu = AutoScaleXGBRegressor(**(SOME | {"backend": "xgboost:cpu"})).fit(X, y)
    assert np.mean((predicted - y) ** 2) == pytest.approx(np.mean((cpu.predict(X) - y) ** 2), rel=0.05)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_numeric_labels_stay_on_the_gpu(cupy, data, n_classes):
    X, _, text = data
    codes = np.unique(text, return_inverse=True)[1]
    keep = codes < n_classes
    labels = np.array([-7, 3, 12])[codes[keep]]
    model = AutoScaleXGBClassifier(**SOME).fit(cupy.asarray(X[keep]), cupy.asarray(labels))
    assert_ran_on(model, "xgboost:gpu")
    assert model.classes_.tolist() == [-7, 3, 12][:n_classes]
    predicted, likely = model.predict(cupy.asarray(X[keep])), model.predict_proba(cupy.asarray(X[keep]))
    assert isinstance(predicted, cupy.ndarray)
    assert isinstance(likely, cupy.ndarray)
    assert likely.shape == (keep.sum(), n_classes)
    np.testing.assert_array_equal(predicted.get(), model.predict(X[keep]))
    np.testing.assert_allclose(likely.get(), model.predict_proba(X[keep]), **ROUNDING)
    assert np.mean(predicted.get() == labels) > 0.9


def test_text_labels(cupy, data):
    X, _, text = data
    model = AutoScaleXGBClassifier(**SOME).fit(cupy.asarray(X), text)
    assert_ran_on(model, "xgboost:gpu")
    predicted = model.predict(cupy.asarray(X))
    np.testing.assert_array_equal(predicted, model.predict(X))
    assert np.mean(predicted == text) > 0.9


def test_softmax_and_margins(cupy, data):
    X, _, text = data
    model = AutoScaleXGBClassifier(**SOME, objective="multi:softmax").fit(X, text)
    on_gpu = cupy.asarray(X)
    np.testing.assert_array_equal(model.predict(on_gpu), model.predict(X))
    np.testing.assert_allclose(model.predict_proba(on_gpu).get(), model.predict_proba(X), **ROUNDING)
    margins = model.predict(on_gpu, output_margin=True)
    np.testing.assert_allclose(margins.get(), model.predict(X, output_margin=True), **ROUNDING)


def test_several_targets(cupy, data):
    X, y, _ = data
    model = AutoScaleXGBRegressor(**SOME).fit(cupy.asarray(X), cupy.asarray(np.column_stack((y, -y))))
    predicted = model.predict(cupy.asarray(X))
    np.testing.assert_allclose(predicted.get(), model.predict(X), **ROUNDING)


def test_early_stopping_uses_the_best_iteration(cupy, data):
    X, _, text = data
    model = AutoScaleXGBClassifier(**(SOME | {"n_estimators": 500}), early_stopping_rounds=2)
    model.fit(X[::2], text[::2], eval_set=[(X[1::2], text[1::2])], verbose=False)
    assert model.estimator_.best_iteration < 490
    np.testing.assert_allclose(model.predict_proba(cupy.asarray(X)).get(), model.predict_proba(X), **ROUNDING)


@pytest.mark.parametrize("case", ["regression", "two classes", "three classes", "early stopping"])
def test_nvforest_gives_what_xgboost_does(cupy, data, case, monkeypatch):
    pytest.importorskip("nvforest")
    X, y, text = data
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.float32(np.nan), X)
    codes, sets = np.unique(text, return_inverse=True)[1], {}
    target = {"two classes": y > 0, "three classes": codes}.get(case, y)
    options = SOME
    if case == "early stopping":
        options, sets = (
            SOME | {"early_stopping_rounds": 2, "learning_rate": 1.0},
            {"eval_set": [(X[::3], -y[::3])], "verbose": False},
        )
    estimator = AutoScaleXGBClassifier if "classes" in case else AutoScaleXGBRegressor
    model = estimator(**options).fit(X, target, **sets)
    rows = cupy.asarray(X)
    score = model.predict_proba if "classes" in case else model.predict
    expected = score(rows)
    monkeypatch.setattr(xgboost_nvforest, "NVFOREST_ROWS", 1000)
    found = score(rows)
    assert "nvforest on GPU 0" in model._copies
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.get(), expected.get(), **ROUNDING)


def test_weights(cupy, data):
    X, y, _ = data
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    host = AutoScaleXGBRegressor(**SOME).fit(X, y, weights)
    device = AutoScaleXGBRegressor(**SOME).fit(*(cupy.asarray(part) for part in (X, y, weights)))
    np.testing.assert_allclose(device.predict(X), host.predict(X), rtol=1e-3, atol=1e-3)


def test_host_rows_raise_no_warning(data):
    X, y, _ = data
    model = AutoScaleXGBRegressor(**SOME).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(X)
    # XGBoost says "mismatched devices" once a process, and on stderr
    code = (
        "import pickle, sys, numpy as np\n"
        "model = pickle.load(sys.stdin.buffer)\n"
        "model.predict(np.zeros((4, 8), dtype='float32'))"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(model), capture_output=True, check=True)
    assert b"mismatched" not in ran.stderr


def test_model_is_the_same_where_there_is_no_gpu(cupy, data):
    X, y, _ = data
    model = AutoScaleXGBRegressor(**SOME).fit(cupy.asarray(X), cupy.asarray(y))
    expected = model.predict(cupy.asarray(X)).get()
    code = (
        "import pickle, sys\n"
        "model, X = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(pickle.dumps(model.predict(X)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((model, X)),
        capture_output=True,
        check=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
    )
    np.testing.assert_allclose(pickle.loads(ran.stdout), expected, **ROUNDING)


def test_finished_estimator_has_the_users_parameters(cupy, data):
    from xgboost import XGBClassifier

    X, _, text = data
    plain = XGBClassifier(n_estimators=5)
    model = AutoScaleClassifier(plain, backend="xgboost:gpu").fit(cupy.asarray(X), text)
    assert (model.estimator_.device, model.estimator_.n_jobs, plain.device) == (None, None, None)
    assert not plain.__sklearn_is_fitted__()


def test_lengths_that_differ(cupy, data):
    X, y, _ = data
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AutoScaleXGBRegressor(**SOME).fit(cupy.asarray(X), cupy.asarray(y[:-1]))


def test_dask_workers_with_a_gpu(cupy, data):
    dask_cuda = pytest.importorskip("dask_cuda")
    import dask.array as da
    from distributed import Client

    X, y, text = data
    with (
        dask_cuda.LocalCUDACluster(n_workers=1, protocol="tcp", memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        lazy = da.from_array(X, chunks=(5000, 8)).map_blocks(cupy.asarray)
        model = AutoScaleXGBRegressor(n_estimators=20).fit(lazy, da.from_array(y, chunks=5000).map_blocks(cupy.asarray))
        assert_ran_on(model, "xgboost.dask")
        labelled = AutoScaleXGBClassifier(n_estimators=20).fit(lazy, da.from_array(text, chunks=5000))
    assert model.score(X, y) > 0.98
    assert labelled.score(X, text) > 0.9
