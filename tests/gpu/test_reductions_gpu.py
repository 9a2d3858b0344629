"""Reductions on one GPU: resident, streamed, and from every GPU container."""

import warnings
from dataclasses import replace

import cudf
import cupy
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, flow
from skdist_gpu.engines.executors import gpu as gpu_executor
from skdist_gpu.engines.executors import pool
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

generator = np.random.default_rng(0)
X = generator.normal(size=(200_000, 20)) + 10
y = X @ np.arange(1.0, 21.0) + generator.normal(size=len(X))
weights = generator.uniform(0.5, 2, size=len(X))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", [LinearRegression(), LinearRegression(fit_intercept=False), Ridge(5.0)], ids=repr)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_resident_and_streamed_agree_with_scikit_learn(estimator, weighted, dtype):
    data, target = X.astype(dtype), y.astype(dtype)
    w = weights if weighted else None
    reference = type(estimator)(**estimator.get_params()).fit(data.astype("float64"), target.astype("float64"), w)
    on_device = None if w is None else cupy.asarray(w)
    resident = AutoScaleRegressor(estimator).fit(cupy.asarray(data), cupy.asarray(target), sample_weight=on_device)
    streamed = AutoScaleRegressor(estimator, backend="reductions:gpu").fit(data, target, sample_weight=w)
    for model in (resident, streamed):
        assert_ran_on(model, "reductions:gpu")
        assert isinstance(model.coef_, np.ndarray)
        assert model.coef_.dtype == dtype
        # rows of float32 give coefficients that are rounded to it
        rounding = 0 if dtype == "float64" else np.finfo(np.float32).eps
        assert_allclose(model.coef_, reference.coef_, rtol=1e-9 + rounding)
        assert_allclose(model.intercept_, reference.intercept_, rtol=1e-8 + rounding)


@pytest.mark.parametrize("budget", [None, "3GB"])
def test_streaming_in_many_blocks_with_and_without_a_budget(monkeypatch, budget):
    monkeypatch.setattr(gpu_executor, "STEP_BYTES", 2**20)
    Z = np.hstack([X, X[:, :1]])  # dependent columns need a second pass
    model = AutoScaleRegressor(backend="reductions:gpu", memory_budget=budget).fit(Z, y)
    reference = LinearRegression().fit(Z, y)
    assert model.rank_ == 20
    assert_allclose(model.coef_, reference.coef_, rtol=1e-7)


def test_cudf_in_cupy_out():
    frame = cudf.DataFrame(pd.DataFrame(X, columns=[f"x{i}" for i in range(20)]))
    model = AutoScaleRegressor().fit(frame, cudf.Series(y))
    assert_ran_on(model, "reductions:gpu")
    assert model.feature_names_in_[:2].tolist() == ["x0", "x1"]
    predicted = model.predict(frame)
    assert isinstance(predicted, cupy.ndarray)
    assert_allclose(predicted.get(), model.estimator_.predict(pd.DataFrame(X, columns=model.feature_names_in_)))
    assert model.score(frame, cudf.Series(y)) > 0.99


@pytest.mark.parametrize("kind", ["cupy", "cudf"])
def test_dask_collections_on_the_gpu(kind):
    if kind == "cupy":
        data = da.from_array(X, chunks=(60_000, 20)).map_blocks(cupy.asarray)
        target = da.from_array(y, chunks=(60_000,)).map_blocks(cupy.asarray)
    else:
        frame = dd.from_pandas(pd.DataFrame(X, columns=[f"x{i}" for i in range(20)]).assign(y=y), npartitions=4)
        frame = frame.to_backend("cudf")
        data, target = frame.drop(columns="y"), frame["y"]
    model = AutoScaleRegressor().fit(data, target)
    assert_ran_on(model, "reductions:dask")
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-9)
    predicted = model.predict(data).compute()
    values = predicted.get() if kind == "cupy" else predicted.to_numpy()
    assert_allclose(values, X @ model.coef_ + model.intercept_, rtol=1e-9)


def test_bad_values_and_lengths():
    bad = cupy.asarray(X)
    bad[5, 3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        AutoScaleRegressor().fit(bad, cupy.asarray(y))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AutoScaleRegressor().fit(cupy.asarray(X), cupy.asarray(y[:10]))


def test_out_of_memory_hands_over_to_the_cpu(monkeypatch):
    pool.POOL.free_all_blocks()
    # many rows and one core, so that the GPU is chosen
    machine = replace(detect_resources(), n_cores=1)
    monkeypatch.setattr(flow, "find_machine", lambda *_: (machine, None))
    rows, labels = np.tile(X, (20, 1)), np.tile(y > y.mean(), 20).astype(int)
    taken = cupy.cuda.alloc(cupy.cuda.runtime.memGetInfo()[0] - 20_000_000)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = AutoScaleClassifier(LogisticRegression(), memory_budget="100GB").fit(rows, labels)
    finally:
        del taken
    # the engines that need the GPU, each told once
    failures, told = model.report_.failures, [str(warning.message) for warning in caught]
    assert "reductions:gpu failed" in " ".join(failures)
    assert [sum(message.startswith(failure) for message in told) for failure in failures] == [1] * len(failures)
    assert_ran_on(model, "reductions:cpu")
    assert_allclose(
        model.coef_, LogisticRegression(C=20, tol=1e-10, max_iter=1000).fit(X, labels[: len(X)]).coef_, rtol=1e-3
    )


def test_memory_goes_back_to_the_device_after_a_fit():
    """A fit of several passes keeps its blocks on the device; once it is done, other libraries have the room."""
    rows, target = X.astype("float32"), 1.0 + (y > y.mean())
    model = AutoScaleRegressor(PoissonRegressor(), backend="reductions:gpu")
    model.fit(rows, target)  # what libraries allocate once is not counted
    pool.POOL.free_all_blocks()
    free, total = cupy.cuda.runtime.memGetInfo()
    repeats = int(2 * pool.KEPT * total / rows.nbytes) + 1
    model.fit(np.tile(rows, (repeats, 1)), np.tile(target, repeats))
    assert pool.POOL.total_bytes() <= pool.KEPT * total
    # CUDA's modules and workspaces take some of it
    assert cupy.cuda.runtime.memGetInfo()[0] >= free - pool.KEPT * total - 500e6
