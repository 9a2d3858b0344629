"""A Dask worker that dies during training costs the rounds since the last checkpoint, and never a hang."""

import logging
import os
import signal

import numpy as np
import pytest

from skdist_gpu import AutoScaleXGBRegressor
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on

xgboost = pytest.importorskip("xgboost")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
checkpoints = pytest.importorskip("skdist_gpu.engines.xgboost.checkpoints")

QUIET = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}


class DieOnce(xgboost.callback.TrainingCallback):
    """Write down each round, and kill the process of the second worker in one of them."""

    def __init__(self, folder, round_to_die):
        self.folder, self.round_to_die = str(folder), round_to_die

    def after_iteration(self, model, epoch, evals_log):
        if xgboost.collective.get_rank() == 0:
            with open(os.path.join(self.folder, "rounds"), "a") as file:
                file.write(f"{epoch}\n")
        elif epoch == self.round_to_die and not os.path.exists(os.path.join(self.folder, "died")):
            open(os.path.join(self.folder, "died"), "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return False


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 5))
    return X, 2 * X[:, 0] + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=4000)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("in_memory", [False, True])
def test_training_goes_on_after_a_killed_worker(data, tmp_path, monkeypatch, in_memory):
    monkeypatch.setattr(checkpoints, "SECONDS", 0.0)
    X, y = data if in_memory else tuple(da.from_array(p, chunks=(500, *p.shape[1:])) for p in data)
    model = AutoScaleXGBRegressor(
        n_estimators=40,
        max_depth=4,
        early_stopping_rounds=30,
        callbacks=[DieOnce(tmp_path, 20)],
        backend="xgboost.dask",
    )
    with distributed.LocalCluster(n_workers=2, **QUIET) as cluster, distributed.Client(cluster):
        model.fit(X, y, eval_set=[(X, y)], verbose=False)
    assert (tmp_path / "died").exists()
    assert_ran_on(model, "xgboost.dask")
    assert len((tmp_path / "rounds").read_text().split()) <= 41  # no round but the last one ran twice
    assert model.estimator_.get_booster().num_boosted_rounds() == 40
    assert len(model.evals_result_["validation_0"]["rmse"]) == 40
    assert model.estimator_.best_iteration == 39
    reference = xgboost.XGBRegressor(n_estimators=40, max_depth=4).fit(*data)
    assert model.score(*data) == pytest.approx(reference.score(*data), rel=0.01)


def test_cluster_without_workers_is_given_up(data, monkeypatch):
    monkeypatch.setattr(checkpoints, "WORKER_SECONDS", 1.0)
    lazy = [da.from_array(p, chunks=(500, *p.shape[1:])) for p in data]
    options = QUIET | {"n_workers": 0, "processes": False}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster),
        pytest.raises(BackendError, match="has had no worker for"),
    ):
        AutoScaleXGBRegressor(backend="xgboost.dask").fit(*lazy)


def test_rule_of_early_stopping_is_taken_up_where_it_stood(data):
    X, y = data
    options = {"n_estimators": 200, "learning_rate": 1.0, "early_stopping_rounds": 5}
    fit = {"eval_set": [(X[1::2], y[1::2])], "verbose": False}
    whole = xgboost.XGBRegressor(**options).fit(X[::2], y[::2], **fit)
    stopped = len(whole.evals_result()["validation_0"]["rmse"])
    half = xgboost.XGBRegressor(**(options | {"n_estimators": stopped - 2, "early_stopping_rounds": None}))
    half.fit(X[::2], y[::2], **fit)
    begun = checkpoints.Progressed(half.get_booster(), stopped - 2, half.evals_result())
    rest = xgboost.XGBRegressor(**(options | {"early_stopping_rounds": None}), callbacks=[begun.early_stopping(5)])
    rest.fit(X[::2], y[::2], xgb_model=half, **fit)
    assert rest.best_iteration == whole.best_iteration
    assert len(begun.followed_by(rest.evals_result())["validation_0"]["rmse"]) == stopped
