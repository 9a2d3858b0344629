"""All GPUs of a machine in one process, each with its share of the rows."""

import os
import subprocess
import sys

import cupy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, RidgeCV
from sklearn.preprocessing import RobustScaler, StandardScaler

from skdist_gpu import autoscale
from skdist_gpu.engines.executors import gpu as gpu_executor
from skdist_gpu.engines.executors import pool
from skdist_gpu.engines.reductions import gpus
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.multi_gpu

generator = np.random.default_rng(0)
X = generator.normal(2.0, size=(100_003, 8))
y = X @ np.arange(1.0, 9.0) + generator.normal(size=len(X))
FEATURES = [f"x{i}" for i in range(8)]


@pytest.fixture(name="worked", autouse=True)
def _worked(monkeypatch):
    """Take memory for too small for the rows, and tell on which devices blocks were computed."""
    monkeypatch.setattr(gpus, "ROOM_FOR_ROWS", 1e-9)
    worked, map_block = set(), gpu_executor.map_block

    def noted(*arguments):
        worked.add(cupy.cuda.runtime.getDevice())
        return map_block(*arguments)

    monkeypatch.setattr(gpu_executor, "map_block", noted)
    return worked


def in_memmap(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r"), y


def in_files(tmp_path):
    frame = pd.DataFrame(X, columns=FEATURES).assign(y=y)
    for i, rows in enumerate(np.array_split(np.arange(len(X)), 3)):
        table = pa.Table.from_pandas(frame.iloc[rows], preserve_index=False)
        pyarrow.parquet.write_table(table, tmp_path / f"{i}.parquet", row_group_size=5_000)
    return pyarrow.dataset.dataset(tmp_path, format="parquet"), "y"


PLACES = {
    "numpy": lambda _: (X, y),
    "pandas": lambda _: (pd.DataFrame(X, columns=FEATURES), pd.Series(y)),
    "arrow": lambda _: (pa.table(dict(zip(FEATURES, X.T, strict=True))), pa.array(y)),
    "memmap": in_memmap,
    "files": in_files,
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_rows_of_any_place_go_to_all_gpus(place, tmp_path, worked):
    model = autoscale(LinearRegression(), backend="reductions:gpu").fit(*place(tmp_path))
    assert_ran_on(model, "reductions:gpu")
    assert worked == set(range(cupy.cuda.runtime.getDeviceCount()))
    expected = LinearRegression().fit(X, y)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    assert_allclose(model.intercept_, expected.intercept_, rtol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "attribute", "target", "rtol"),
    [
        (PCA(3, svd_solver="full"), "components_", None, 1e-9),
        (StandardScaler(), "var_", None, 1e-10),
        (RobustScaler(), "scale_", None, 1e-10),
        (RidgeCV(cv=5), "coef_", y, 1e-9),
        (LogisticRegression(tol=1e-9), "coef_", (y > y.mean()).astype(int), 1e-5),
        (PoissonRegressor(tol=1e-9), "coef_", np.exp(y / 30), 1e-5),
    ],
    ids=repr,
)
def test_estimators_on_all_gpus(estimator, attribute, target, rtol, worked):
    data = (X,) if target is None else (X, target)
    model = autoscale(clone(estimator), backend="reductions:gpu").fit(*data)
    assert worked == set(range(cupy.cuda.runtime.getDeviceCount()))
    expected = getattr(clone(estimator).fit(*data), attribute)
    assert_allclose(getattr(model, attribute), expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def test_labels_of_all_gpus_are_in_the_order_of_the_rows(worked):
    model = autoscale(KMeans(3, random_state=0), backend="reductions:gpu").fit(X)
    assert len(worked) > 1
    assert model.labels_.shape == (len(X),)
    np.testing.assert_array_equal(model.labels_, model.estimator_.predict(X))


def test_folds_of_files_on_all_gpus(tmp_path, worked):
    dataset, target = in_files(tmp_path)
    model = autoscale(RidgeCV(cv=4), backend="reductions:gpu").fit(dataset, target)
    assert len(worked) > 1
    assert_allclose(model.coef_, RidgeCV(cv=4).fit(X, y).coef_, rtol=1e-9)


def test_rows_on_a_gpu_stay_there(worked):
    autoscale(LinearRegression(), backend="reductions:gpu").fit(cupy.asarray(X), cupy.asarray(y))
    assert worked == {0}


def test_a_fault_of_one_gpu_ends_the_fit(monkeypatch):
    noted = gpu_executor.map_block

    def failing(*arguments):
        if cupy.cuda.runtime.getDevice() == 1:
            raise cupy.cuda.memory.OutOfMemoryError(1, 1)
        return noted(*arguments)

    monkeypatch.setattr(gpu_executor, "map_block", failing)
    with pytest.raises(MemoryError):
        autoscale(LinearRegression(), backend="reductions:gpu", fallback="raise").fit(X, y)
    monkeypatch.setattr(gpu_executor, "map_block", noted)
    model = autoscale(LinearRegression(), backend="reductions:gpu").fit(X, y)
    assert_allclose(model.coef_, LinearRegression().fit(X, y).coef_, rtol=1e-10)


def test_only_visible_gpus_work():
    script = (
        "import numpy as np, cupy; from sklearn.linear_model import Ridge; from skdist_gpu import autoscale;"
        "from skdist_gpu.engines.reductions import gpus; gpus.ROOM_FOR_ROWS = 1e-9;"
        "X = np.random.default_rng(0).normal(size=(100_000, 8));"
        "model = autoscale(Ridge(), backend='reductions:gpu').fit(X, X[:, 0]);"
        "print(cupy.cuda.runtime.getDeviceCount(), round(model.coef_[0], 3))"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1.0"]


def test_shares_are_as_many_as_gpus():
    assert len(pool.devices(8)) == cupy.cuda.runtime.getDeviceCount()
    with cupy.cuda.Device(1):
        assert pool.devices(8)[0] == 1
        assert pool.devices(1) == [1]
