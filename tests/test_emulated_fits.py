"""Fits as a GPU runs them, by kernels that the processor emulates: answers, and copies between host and device."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler"),
]

TESTS = Path(__file__).parent
FITTED = """
import cupy
import numpy as np
from numpy.testing import assert_allclose
from dataclasses import replace
from sklearn.cluster import KMeans
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import RobustScaler
from sklearn.svm import LinearSVC
from skdist_gpu.data.containers import registry
from skdist_gpu.data.convert import result_to_host
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.engines.executors import gpu, gpu_streams
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.reductions.columns import quantiles
from skdist_gpu.engines.reductions.fit import fit
from skdist_gpu.testing import make_resources

# these arrays are NumPy's as well, which would hold them otherwise
registry._OF_TYPE[cupy.ndarray] = next(kind for kind in registry._CONTAINERS if kind.name == "cupy")

def fitted(estimator, X, y=None, weight=None):
    info = inspect_input(X, y, weight)
    return fit(FitJob(estimator, X, y, weight, info, make_resources(gpus=1), device="gpu")).estimator

generator = np.random.default_rng(0)
"""
CLASSIFIERS = """
X = generator.normal(size=(400, 5))
y = (X @ generator.normal(size=5) + generator.normal(size=400) > 0).astype(np.int32)
weight = generator.uniform(size=400)
for estimator in (LogisticRegression(tol=1e-8), LinearSVC(tol=1e-9, intercept_scaling=2.0, max_iter=10_000)):
    for weights in (None, weight):
        expected = type(estimator)(**estimator.get_params()).fit(X, y, weights)
        for put in (np.asarray, cupy.asarray):
            cupy.started.clear()
            cupy.copied.clear()
            one = type(estimator)(**estimator.get_params())
            found = fitted(one, *(None if part is None else put(part) for part in (X, y, weights)))
            assert_allclose(found.coef_, expected.coef_, rtol=1e-4)
            assert_allclose(found.intercept_, expected.intercept_, rtol=1e-4, atol=1e-5)
            n_passes = cupy.started.count("score_sums")
            assert n_passes > 3
            # coefficients there and sums back; the rest is a first look at the rows
            assert cupy.copied.count(8 * 6) == n_passes, cupy.copied
            assert len(cupy.copied) <= 2 * n_passes + 12, cupy.copied
"""
QUANTILES = """
# several blocks, and more values than are sorted on the host
gpu.STEP_BYTES, gpu_streams.CARRIED_BYTES, quantiles.MOST_VALUES = 8 * 6 * 1024, 2**13, 1000
X = generator.normal(size=(5_000, 5))
X[::7, 0] = np.nan
for put in (np.asarray, cupy.asarray):
    found = fitted(RobustScaler(), put(X))
    assert_allclose(found.center_, RobustScaler().fit(X).center_, rtol=1e-14)
    found = fitted(SimpleImputer(strategy="median"), put(X))
    assert_allclose(found.statistics_, np.nanmedian(X, axis=0), rtol=1e-14)
"""
WEIGHTED_ROWS = """
from skdist_gpu.engines.reductions.linear.linear import Design, ScoreReduction
from skdist_gpu.engines.reductions.linear.logistic import BinomialLoss
from skdist_gpu.engines.executors.score_kernels import Scores

for n_columns, constant in ((3, 0.0), (40, 1.0), (150, 2.0)):
    X, y = generator.normal(size=(300, n_columns)).astype(np.float32), generator.integers(0, 2, 300)
    weight, design = generator.uniform(size=300), Design(n_columns, constant)
    loss, coef = BinomialLoss(None), generator.normal(size=design.n_columns) / n_columns
    scores = Scores(ScoreReduction(loss, design, coef, 0), *map(cupy.asarray, (X, y, weight)))
    for every in (1, 0, 7, 1):
        expected = ScoreReduction(loss, design, coef, every).map(X, y, weight)
        for found in (scores.on_host(coef, every), result_to_host(scores.on_device(coef, every))):
            assert_allclose(found.value, expected.value, rtol=1e-12)
            assert_allclose(found.gradient, expected.gradient, rtol=0, atol=1e-12 * abs(expected.gradient).max())
            if every:
                assert_allclose(found.hessian, expected.hessian, rtol=0, atol=1e-12 * abs(expected.hessian).max())
            else:
                assert found.hessian is None
"""
DASK = """
import dask.array as da
from dask.distributed import Client
from skdist_gpu.engines.reductions.clusters import kmeans
from skdist_gpu.engines.reductions.linear import linear

linear.SAMPLED_ROWS = 64  # from which a search over all rows begins
X = generator.normal(size=(600, 4))
y = (X @ generator.normal(size=4) + generator.normal(size=600) > 0).astype(np.int32) + 3
with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None) as client:

    def put(part):
        meta = cupy.empty((0,) * part.ndim, part.dtype)
        return client.persist(da.from_array(part, chunks=(150, -1)[: part.ndim]).map_blocks(cupy.asarray, meta=meta))

    X_blocks, y_blocks = put(X), put(y)
    info = inspect_input(X_blocks, y_blocks)
    assert info.backing == "cupy"
    machine = make_resources(gpus=2, workers=2)
    job = FitJob(LogisticRegression(), X_blocks, y_blocks, None, info, machine, device="dask", client=client)
    found = fit(job).estimator
    assert_allclose(found.classes_, [3, 4])
    assert_allclose(found.coef_, LogisticRegression(tol=1e-8).fit(X, y).coef_, rtol=1e-4)
    # all sums, also those over the sample, are of the kernels
    assert cupy.started.count("score_sums") > 4 * 3

    kmeans.SAMPLED_FOR_CLUSTERS, kmeans.SAMPLED_PER_CLUSTER = 100, 10
    X[:300] += 5
    X_blocks = put(X)
    cupy.started.clear()
    job = FitJob(KMeans(2, random_state=0), X_blocks, None, None, inspect_input(X_blocks), machine, device="dask")
    found = fit(replace(job, client=client)).estimator
    expected = KMeans(2, random_state=0).fit(X)
    assert_allclose(found.inertia_, expected.inertia_, rtol=1e-6)
    assert found.labels_.dtype == expected.labels_.dtype and len(found.labels_) == 600
    assert_allclose(found.cluster_centers_[found.labels_], expected.cluster_centers_[expected.labels_], rtol=1e-6)
    # the sample is clustered on the GPU of a worker, from two starts of two centres each
    assert cupy.started.count("measure") == 4 and cupy.started.count("move") > 1, cupy.started
"""


PARTS = {"classifiers": CLASSIFIERS, "quantiles": QUANTILES, "scores": WEIGHTED_ROWS, "dask": DASK}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_fits_with_emulated_kernels(part):
    paths = os.pathsep.join(map(str, [TESTS.parent, TESTS, TESTS / "emulated" / "packages"]))
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", FITTED + part], check=True, env=environment)
