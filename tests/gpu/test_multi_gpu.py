"""Several GPUs of one machine through a Dask-CUDA cluster."""

import cupy
import dask.array as da
import numpy as np
import pytest
from dask.distributed import Client
from dask_cuda import LocalCUDACluster
from numpy.testing import assert_allclose
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_blobs
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import adjusted_rand_score

from skdist_gpu import AutoScaleXGBRegressor, autoscale, config_context
from skdist_gpu.engines.executors.pool import POOL
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.multi_gpu

generator = np.random.default_rng(0)
X = generator.normal(size=(100_000, 10))
y = X @ np.arange(1.0, 11.0) + generator.normal(size=len(X))


@pytest.fixture(name="client", scope="module")
def _client():
    with (
        LocalCUDACluster(n_workers=2, protocol="tcp", memory_limit=None, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("place", [cupy.asarray, lambda values: values], ids=["resident", "streamed"])
@pytest.mark.parametrize("estimator", [LinearRegression(), LogisticRegression(tol=1e-8)], ids=repr)
def test_the_current_gpu_is_the_one_that_works(estimator, place):
    target = y if isinstance(estimator, LinearRegression) else (y > 0).astype(int)
    first = autoscale(estimator, backend="reductions:gpu").fit(place(X), place(target))
    for device in (0, 1):
        with cupy.cuda.Device(device):
            POOL.free_all_blocks()
    with cupy.cuda.Device(1):
        second = autoscale(estimator, backend="reductions:gpu").fit(place(X), place(target))
        assert POOL.total_bytes() > 0
    assert POOL.total_bytes() == 0
    assert_ran_on(second, "reductions:gpu")
    again = autoscale(estimator, backend="reductions:gpu").fit(place(X), place(target))
    for model in (second, again):
        assert_allclose(model.coef_, first.coef_, rtol=1e-7)


def test_predictions_are_made_where_the_rows_are():
    with cupy.cuda.Device(1):
        rows = cupy.asarray(X)
        predicted = autoscale(LinearRegression(), backend="reductions:gpu").fit(rows, cupy.asarray(y)).predict(rows)
    assert predicted.device.id == 1
    assert_allclose(cupy.asnumpy(predicted), LinearRegression().fit(X, y).predict(X), rtol=1e-9)


def on_gpus(values):
    blocks = da.from_array(values, chunks=(12_500, *values.shape[1:]))
    return blocks.map_blocks(cupy.asarray, meta=cupy.empty((0,) * values.ndim, values.dtype)).persist()


def test_least_squares_over_two_gpus(client):
    model = autoscale(LinearRegression()).fit(on_gpus(X), on_gpus(y))
    assert_ran_on(model, "reductions:dask")
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-9)
    predicted = model.predict(on_gpus(X))
    assert isinstance(predicted._meta, cupy.ndarray)
    assert_allclose(cupy.asnumpy(predicted.compute()), X @ model.coef_ + model.intercept_, rtol=1e-9)


def test_labels_over_two_gpus(client):
    labels = (y > 0).astype(int)
    model = autoscale(RidgeClassifier()).fit(on_gpus(X), on_gpus(labels))
    assert_allclose(model.coef_, RidgeClassifier().fit(X, labels).coef_, rtol=1e-9)


def test_xgboost_over_two_gpus(client):
    model = AutoScaleXGBRegressor(n_estimators=20).fit(on_gpus(X.astype(np.float32)), on_gpus(y.astype(np.float32)))
    assert_ran_on(model, "xgboost.dask")
    alone = AutoScaleXGBRegressor(n_estimators=20, backend="xgboost:gpu").fit(X, y)
    assert model.score(X, y) == pytest.approx(alone.score(X, y), rel=0.01)


def test_rows_in_memory_go_to_all_gpus_by_themselves():
    blobs, _ = make_blobs(20_000, 3, centers=5, cluster_std=0.3, random_state=0)
    with config_context(auto_cluster="on", fallback="raise"):
        model = autoscale(DBSCAN()).fit(blobs)
    assert_ran_on(model, "cuml.dask")
    assert "on all GPUs" in str(model.explain())
    assert adjusted_rand_score(model.labels_, DBSCAN().fit(blobs).labels_) == 1
    assert isinstance(model.labels_, np.ndarray)
