"""Reductions on the workers of a Dask cluster, also when one of them is lost."""

import asyncio
import pickle
import threading
import time
from itertools import chain

import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster, get_task_stream, wait
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import HuberRegressor, LassoCV, LinearRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.svm import NuSVR

from skdist_gpu import autoscale, config_context
from skdist_gpu.engines.executors import dask as dask_executor
from skdist_gpu.engines.executors.dask import DaskExecutor
from skdist_gpu.exceptions import BackendError
from skdist_gpu.progress import Progress
from skdist_gpu.testing import assert_ran_on

generator = np.random.default_rng(0)
X = generator.normal(size=(4000, 6)) + 10
y = X @ np.arange(1.0, 7.0) + generator.normal(size=len(X))
labels = np.where(y > np.median(y), "above", "below")


@pytest.fixture(name="cluster")
def _cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture(name="here")
def _here():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Let no pass be slow, however busy this machine is."""
    monkeypatch.setattr(dask_executor, "MOST_CALL_SECONDS", 60)


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


def test_a_search_goes_to_workers_that_add_cores():
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, n_jobs=2)
    threads = joblib.cpu_count() + 1
    options = {"n_workers": 1, "threads_per_worker": threads, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        client.get_task_stream()  # the first call begins to record
        model = autoscale(Ridge()).set_params(estimator=search, backend="sklearn").fit(X, y)
        assert "goes to the 1 workers of Dask" in model.plan_.reasons[1]
        assert len(client.get_task_stream()) > 0
    assert model.best_params_ == search.fit(X, y).best_params_


def test_a_search_stays_here_where_the_workers_are_here(cluster):
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, n_jobs=1)
    if joblib.cpu_count() < 2:
        pytest.skip("the two workers of the cluster have more threads than this machine has cores")
    with Client(cluster) as client:
        client.get_task_stream()  # the first call begins to record
        model = autoscale(Ridge()).set_params(estimator=search, backend="sklearn").fit(X, y)
        assert "stays with joblib's processes" in model.plan_.reasons[1]
        assert len(client.get_task_stream()) == 0
    assert model.best_params_ == search.fit(X, y).best_params_


def test_blocks_of_unknown_length_are_counted_before_they_are_gathered():
    array = blocks_of(X)
    unknown = array[array[:, 0] > 0]
    model = autoscale(NuSVR(), backend="sklearn", memory_budget="1kB")
    with pytest.raises(BackendError, match="which nobody knew before they were counted"):
        model.fit(unknown, unknown[:, 0])
    kept = X[X[:, 0] > 0]
    fitted = model.set_params(memory_budget=None).fit(unknown[:, :2], unknown[:, 0])
    assert_allclose(fitted.dual_coef_, NuSVR().fit(kept[:, :2], kept[:, 0]).dual_coef_)


@pytest.mark.parametrize("kind", ["array", "frame"])
def test_blocks_that_workers_hold_take_no_tasks_and_keep_their_order(cluster, kind):
    far = y.copy()
    far[::97] += 1000
    with Client(cluster) as client:
        data = [blocks_of(X), blocks_of(far)]
        if kind == "frame":
            data = [dd.from_dask_array(data[0], columns=list("abcdef")), dd.from_dask_array(data[1])]
        data = client.persist(data)
        wait(data)
        with get_task_stream(client) as stream:
            autoscale(LinearRegression()).fit(*data)
        # but those that bring blocks of y to where X is, once
        assert not [key for key in (str(task["key"]) for task in stream.data) if "itself" not in key]
        model = autoscale(HuberRegressor(epsilon=6, max_iter=1000)).fit(*data)
    assert_array_equal(model.outliers_, HuberRegressor(epsilon=6, max_iter=1000).fit(X, far).outliers_)


def slow(block, seconds=0.2):
    time.sleep(seconds)
    return block


def test_a_lost_worker_costs_only_its_blocks(cluster):
    with Client(cluster) as client:
        worker = next(iter(client.scheduler_info()["workers"].values()))
        options = {"workers": [worker["id"]], "on_error": "ignore"}
        killer = threading.Timer(1.0, client.run, [_die], options)
        killer.start()
        model = autoscale(LinearRegression()).fit(blocks_of(X).map_blocks(slow), blocks_of(y))
        killer.join()
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-10)


def number_of(number, X, y, weight):
    return [(number, len(X))]


def together(*numbers):
    return list(chain.from_iterable(numbers))


def test_a_lost_worker_costs_only_the_blocks_that_it_held(cluster):
    with Client(cluster) as client:
        data = client.persist(blocks_of(X))
        wait(data)
        executor = DaskExecutor(data, None, None, client, Progress())
        expected = [(i, 250) for i in range(16)]
        assert executor.reduce_blocks(number_of, together) == expected
        held = client.has_what()
        lost = next(worker for worker in held if held[worker])
        client.run(_die, workers=[lost], on_error="ignore")
        while lost in client.nthreads():
            time.sleep(0.01)
        with get_task_stream(client) as stream:
            assert executor.reduce_blocks(number_of, together) == expected
        assert len(stream.data) > 0
        assert executor.reduce_blocks(number_of, together) == expected


def tasks_of(stream, name):
    return [task["key"] for task in stream.data if str(task["key"]).strip("('").startswith(name)]


def test_lazy_targets_of_blocks_that_workers_hold_are_computed_once_and_released(here):
    data = here.persist(blocks_of(X))
    wait(data)
    before, weight = here.has_what(), generator.uniform(0, 2, size=len(y))
    with get_task_stream(here) as stream:
        model = autoscale(HuberRegressor()).fit(data, blocks_of(y).map_blocks(slow, 0.0), sample_weight=weight)
    assert len(tasks_of(stream, "slow")) == 16
    assert not tasks_of(stream, "reduce")
    assert_allclose(model.coef_, HuberRegressor(max_iter=1000, tol=1e-8).fit(X, y, weight).coef_, rtol=1e-3)
    del model
    deadline = time.monotonic() + 10
    while here.has_what() != before:
        assert time.monotonic() < deadline, "something stays behind on the workers"
        time.sleep(0.05)


def test_blocks_that_are_still_computed_are_waited_for(here):
    data = here.persist(blocks_of(X).map_blocks(slow, 0.02)), here.persist(blocks_of(y))
    with get_task_stream(here) as stream:
        model = autoscale(LinearRegression()).fit(*data)
    assert not tasks_of(stream, "reduce")
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-10)


def test_after_a_slow_pass_the_next_one_is_a_graph(here, monkeypatch):
    data = here.persist(blocks_of(X))
    executor, expected = DaskExecutor(data, None, None, here, Progress()), [(i, 250) for i in range(16)]
    for most, n_tasks in ((0, 0), (60, 17), (60, 0)):
        monkeypatch.setattr(dask_executor, "MOST_CALL_SECONDS", most)
        with get_task_stream(here) as stream:
            assert executor.reduce_blocks(number_of, together) == expected
        assert len(tasks_of(stream, "reduce")) == n_tasks


def test_totals_too_large_for_the_client_are_combined_on_the_workers(here, monkeypatch):
    data = here.persist(blocks_of(X))
    monkeypatch.setattr(dask_executor, "MOST_CLIENT_BYTES", 1000)
    with get_task_stream(here) as stream:
        model = autoscale(LinearRegression()).fit(data, here.persist(blocks_of(y)))
    assert len(tasks_of(stream, "reduce")) >= 17
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-10)


def thread_of(number, X, y, weight):
    return {threading.get_ident()}


def test_blocks_that_several_workers_hold_are_shared_among_them(here):
    data = here.persist(blocks_of(X))
    wait(data)
    here.amm.stop()  # it would drop the copies
    here.replicate(data)
    threads = DaskExecutor(data, None, None, here, Progress()).reduce_blocks(thread_of, set.union)
    assert len(threads) == 2


def fit_in_task(data):
    model = autoscale(LinearRegression()).fit(*data[0])
    return model.coef_, model.score(*data[0])


@pytest.mark.parametrize("held", [True, False], ids=["held", "lazy"])
def test_a_task_that_fits_lets_the_workers_work(here, held):
    """Each worker has one thread, and each is taken by a fit."""
    data = blocks_of(X), blocks_of(y)
    if held:
        data = here.persist(data)
    expected = LinearRegression().fit(X, y)
    for fitted in here.map(fit_in_task, [[data]] * 3, pure=False):
        coef, score = fitted.result(timeout=20)
        assert_allclose(coef, expected.coef_, rtol=1e-10)
        assert score == pytest.approx(expected.score(X, y))


def test_an_asynchronous_client_is_waited_for_in_another_thread():
    async def fit():
        async with Client(processes=False, dashboard_address=":0", asynchronous=True):
            data = blocks_of(X), blocks_of(y)
            with pytest.raises(RuntimeError, match=r"asyncio\.to_thread\(model\.fit"):
                autoscale(LinearRegression()).fit(*data)
            return await asyncio.to_thread(autoscale(LinearRegression()).fit, *data)

    assert_allclose(asyncio.run(fit()).coef_, LinearRegression().fit(X, y).coef_, rtol=1e-10)


def _die():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)
