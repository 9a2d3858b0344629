"""Scoring Dask collections whose blocks are on the GPU: the results stay there, with the right meta."""

import cudf
import cupy
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from skdist_gpu import autoscale, get_scorer
from skdist_gpu.engines.executors import gpu_copies
from skdist_gpu.engines.registry import engines

pytestmark = pytest.mark.gpu
generator = np.random.default_rng(0)
X = generator.normal(size=(300, 3))
y = X @ [1.0, -2.0, 3.0]
LABELS = np.where(y > 0, "above", "below")


def test_cupy_blocks():
    model = autoscale(LinearRegression(), backend="sklearn").fit(X, y)
    blocks = da.from_array(cupy.asarray(X), chunks=((100, 0, 200), 3), asarray=False)
    lazy = model.predict(blocks)
    assert isinstance(lazy._meta, cupy.ndarray)
    assert lazy.chunks == ((100, 0, 200),)
    result = lazy.compute()
    assert isinstance(result, cupy.ndarray)
    assert_allclose(result.get(), y)
    assert model.score(blocks, da.from_array(y, chunks=((100, 0, 200),))) == pytest.approx(1)


def test_text_labels_of_cupy_blocks():
    model = autoscale(LogisticRegression(), backend="sklearn").fit(X, LABELS)
    blocks = da.from_array(cupy.asarray(X), chunks=(100, 3), asarray=False)
    assert_array_equal(model.predict(blocks).compute(), model.estimator_.predict(X))
    auc = get_scorer("roc_auc")(model, blocks, da.from_array(LABELS == "below", chunks=100))
    assert 0.9 < auc <= 1


def test_cudf_partitions():
    frame = cudf.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]})
    model = autoscale(LinearRegression(), backend="sklearn").fit(frame.to_pandas(), y)
    partitions = dd.from_map(lambda i: frame.iloc[150 * i : 150 * (i + 1)], range(2), meta=frame.iloc[:0])
    result = model.predict(partitions).compute()
    assert isinstance(result, cudf.Series)
    assert_allclose(result.to_numpy(), y)


@pytest.mark.parametrize("n_threads", [1, 3, 16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", [(5_000_001,), (1_000_003, 7), (3, 5)])
def test_large_arrays_are_copied_by_threads(shape, dtype, n_threads):
    values = generator.normal(size=shape).astype(dtype)
    on_device = gpu_copies.to_device(values, n_threads)
    assert_array_equal(on_device.get(), values)
    on_device *= 3  # what is computed last is there, too
    assert_array_equal(gpu_copies.from_device(on_device, n_threads), 3 * values)
    columns = np.asfortranarray(values)
    assert_array_equal(gpu_copies.from_device(gpu_copies.to_device(columns, n_threads), n_threads), values)


def test_many_rows_in_main_memory_are_transformed_on_the_gpu():
    rows = generator.normal(size=(400_000, 50))
    for estimator in (StandardScaler(), PCA(40, random_state=0)):
        fitted = estimator.fit(rows[:1000])
        found = engines()["cuml"].method_class("gpu")(fitted, "transform").of_host_rows(rows)
        assert type(found) is np.ndarray
        assert_allclose(found, fitted.transform(rows), atol=1e-10)
