"""Reductions on the workers of a Dask cluster, also when one of them is lost."""

import pickle
import threading
import time

import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LassoCV, LinearRegression, RidgeClassifier

from skdist_gpu import autoscale, config_context
from skdist_gpu.testing import assert_ran_on

generator = np.random.default_rng(0)
X = generator.normal(size=(4000, 6)) + 10
y = X @ np.arange(1.0, 7.0) + generator.normal(size=len(X))
labels = np.where(y > np.median(y), "above", "below")


@pytest.fixture(name="cluster")
def _cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def blocks_of(values):
    return da.from_array(values, chunks=(250, *values.shape[1:]))


def test_fit_on_workers_and_predict_without_them(cluster):
    with Client(cluster):
        plan = autoscale(LinearRegression()).plan(blocks_of(X), blocks_of(y))
        assert "Dask cluster of 2 workers" in plan.machine
        model = autoscale(LinearRegression()).fit(blocks_of(X), blocks_of(y))
        assert_ran_on(model, "reductions:dask")
        lazy = model.predict(blocks_of(X))
        assert_allclose(lazy.compute(), model.predict(X))
        classifier = autoscale(RidgeClassifier()).fit(blocks_of(X), blocks_of(labels))
        path = autoscale(LassoCV(cv=3)).fit(blocks_of(X), blocks_of(y)).mse_path_
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-10)
    assert_array_equal(pickle.loads(pickle.dumps(classifier)).predict(X), RidgeClassifier().fit(X, labels).predict(X))
    assert_allclose(path, LassoCV(cv=3).fit(X, y).mse_path_, rtol=1e-3)


def test_the_client_of_the_configuration_is_used(cluster):
    with Client(cluster, set_as_default=False) as client, config_context(client=client):
        before = len(client.get_task_stream())
        autoscale(LinearRegression()).fit(blocks_of(X), blocks_of(y))
        assert len(client.get_task_stream()) > before


def slow(block):
    time.sleep(0.2)
    return block


def test_a_lost_worker_costs_only_its_blocks(cluster):
    with Client(cluster) as client:
        worker = next(iter(client.scheduler_info()["workers"].values()))
        options = {"workers": [worker["id"]], "on_error": "ignore", "wait": False}
        killer = threading.Timer(1.0, client.run, [_die], options)
        killer.start()
        model = autoscale(LinearRegression()).fit(blocks_of(X).map_blocks(slow), blocks_of(y))
        killer.join()
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-10)


def _die():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
