"""Fits as a GPU runs them, by kernels that the processor emulates: answers, and copies between host and device."""

import shutil

import pytest
from emulated.process import run_emulated

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler"),
]

FITTED = """
import re
import time
import cupy
import numpy as np
from numpy.testing import assert_allclose
from dataclasses import replace
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import RobustScaler
from sklearn.svm import LinearSVC, LinearSVR
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
            n_passes, n_solved = cupy.started.count("score_sums"), cupy.started.count("solve")
            assert n_passes >= n_solved > 3
            # coefficients there and sums back; the rest is a first look at the rows
            assert 2 * n_passes <= len(cupy.copied) <= 2 * n_passes + 12, cupy.copied
            # no matrix
            assert 8 * 5 * 5 not in cupy.copied and 8 * 6 * 6 not in cupy.copied
"""
QUANTILES = """
# several blocks, and more values than are sorted on the host
gpu.STEP_BYTES, gpu_streams.SENT_BYTES, quantiles.MOST_VALUES = 8 * 6 * 1024, 2**13, 1000
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
SEVERAL_CLASSES = """
from skdist_gpu.engines.executors import gram_kernels, softmax_kernels
from skdist_gpu.engines.executors.kernels import map_block
from skdist_gpu.engines.reductions.linear.linear import Design
from skdist_gpu.engines.reductions.linear.logistic import SoftmaxReduction

softmax_kernels.TABLE_VALUES = 2**13  # several blocks
for n_rows, n_columns, n_classes, dtype, constant in (
    (1, 3, 3, np.float64, 1.0),
    (700, 20, 3, np.float32, 1.0),
    (133, 5, 12, np.float64, 0.0),
    (97, 70, 6, np.float64, 1.0),
):
    X, y = generator.normal(size=(n_rows, n_columns)).astype(dtype), generator.integers(0, n_classes, n_rows)
    some = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.2)
    design, class_weight = Design(n_columns, constant), generator.uniform(size=n_classes)
    coef = generator.normal(size=n_classes * design.n_columns)
    on_device = cupy.asarray(X), cupy.asarray(y)
    for weight, of_classes in ((None, None), (some, None), (some, class_weight)):
        for every in (1, 0, 7):
            reduction = SoftmaxReduction(of_classes, design, coef, every)
            assert softmax_kernels.has_kernel(reduction, *on_device)
            expected = reduction.map(X.astype(np.float64), y, weight)
            given = None if weight is None else cupy.asarray(weight)
            found = result_to_host(map_block(reduction, *on_device, given))
            assert_allclose(found.value, expected.value, rtol=1e-12)
            assert_allclose(found.gradient, expected.gradient, rtol=0, atol=1e-12 * abs(expected.gradient).max())
            if every:
                part = [None if p is None else p[::every] for p in (X.astype(np.float64), y, weight)]
                second = SoftmaxReduction(of_classes, design, coef, 1).map(*part).hessian * (n_rows / len(part[0]))
                assert_allclose(found.hessian, second, rtol=0, atol=1e-12 * abs(second).max())
            else:
                assert found.hessian is None

# more than registers hold
many = SoftmaxReduction(None, Design(65, 1.0), np.ones(66 * 11), 1)
assert not softmax_kernels.has_kernel(many, cupy.empty((5, 65)), cupy.asarray(y))

X, y = generator.normal(size=(900, 6)), generator.integers(0, 4, 900)
y[:600] = (X[:600, :4] + generator.normal(size=(600, 4))).argmax(axis=1)
expected = LogisticRegression(tol=1e-8).fit(X, y)
cupy.started.clear()
cupy.copied.clear()
found = fitted(LogisticRegression(tol=1e-8), X, y)
assert min(cupy.started.count(name) for name in ("softmax_sums", "solve")) > 4
assert 8 * 28 * 28 not in cupy.copied  # second derivatives stay there
assert_allclose(found.coef_, expected.coef_, rtol=1e-4, atol=1e-5)
assert_allclose(found.intercept_, expected.intercept_, rtol=1e-4, atol=1e-5)

# rows without weight add nothing to the loss, and tell of what is no number all the same
weight = np.ones(900)
X[3, 2], weight[3] = np.nan, 0.0
for codes in (y, y > 1):
    try:
        fitted(LogisticRegression(), X, codes, weight)
    except ValueError as error:
        assert "Input X contains NaN" in str(error), error
    else:
        raise AssertionError("NaN were taken")
"""
CLUSTERS = """
from skdist_gpu.engines.executors import lloyd_kernels
from skdist_gpu.engines.executors.cluster_kernels import ClustersOnGpu
from skdist_gpu.engines.reductions.clusters.steps import AssignReduction, LloydReduction

shapes = (
    (1, 3, 2, np.float32, "C"),
    (50, 3, 2, np.float64, "C"),
    (700, 1, 2, np.float64, "F"),
    (300, 6, 3, np.float32, "C"),
    (700, 20, 10, np.float32, "F"),
    (333, 17, 45, np.float64, "C"),
    (500, 100, 8, np.float32, "C"),
    (300, 64, 88, np.float32, "C"),
    (333, 100, 20, np.float64, "C"),
    (200, 310, 5, np.float64, "F"),
    # which neither shared memory nor registers hold
    (300, 900, 5, np.float64, "C"),
    (1, 700, 2, np.float64, "C"),
    (77, 1_000, 4, np.float32, "F"),
    (500, 300, 50, np.float64, "F"),
    (300, 37, 400, np.float32, "C"),
    (150, 271, 130, np.float64, "C"),
)
for n_rows, n_columns, n_clusters, dtype, order in shapes:
    X = np.asarray(5 + generator.standard_normal((n_rows, n_columns)), dtype, order=order)
    some = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.1)
    centres, mean = 0.5 * generator.standard_normal((n_clusters, n_columns)), X.mean(axis=0, dtype=np.float64)
    centres[-1] = centres[0]  # of two as near the first one has the row
    centres = np.asarray(centres, order=order)
    for weight in (None, some):
        on_device = cupy.asarray(X).view(cupy.ndarray), None if weight is None else cupy.asarray(weight)
        reduction = LloydReduction(centres, mean)
        expected, found = reduction.map(X, None, weight), lloyd_kernels.map_rows(reduction, *on_device)
        assert_allclose(found.weight.get(), expected.weight, rtol=1e-12)
        assert_allclose(found.row.get(), expected.row, rtol=0, atol=1e-12 * n_rows)
        reduction = AssignReduction(centres, mean)
        expected, found = reduction.map(X, None, weight), lloyd_kernels.map_rows(reduction, *on_device)
        np.testing.assert_array_equal(found.labels[0].get(), expected.labels[0])
        np.testing.assert_array_equal(found.found.get(), expected.found)
        assert_allclose(float(found.inertia), expected.inertia, rtol=1e-12)
assert cupy.started.count("wide_lloyd") == 24, cupy.started

for n_rows, n_columns, n_clusters, order in ((300, 3, 2, "C"), (500, 600, 20, "F"), (200, 257, 5, "C")):
    X = np.asarray(generator.standard_normal((n_rows, n_columns)), order=order)
    weight = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.1)
    random_state = np.random.RandomState(0)
    first = random_state.choice(n_rows, p=weight / weight.sum())
    uniform = random_state.uniform(size=(n_clusters - 1, 2 + int(np.log(n_clusters))))
    found = ClustersOnGpu.of(X, weight).seed(first, uniform)
    assert_allclose(found, kmeans_plusplus(X, n_clusters, sample_weight=weight, random_state=0)[0])

places = generator.standard_normal((3, 700))
X = np.concatenate([place + generator.standard_normal((40, 700)) for place in places])
rows, expected = ClustersOnGpu.of(X, np.ones(120)), KMeans(3, init=X[[0, 1, 50]], n_init=1, tol=0).fit(X)
found = rows.steps(X[[0, 1, 50]], np.zeros(700), 300, 0.0)
assert found.stay and found.n_iter == expected.n_iter_ > 1, (found.n_iter, expected.n_iter_)
assert_allclose(found.centres, expected.cluster_centers_, rtol=0, atol=1e-12)
assert_allclose(rows.inertia(found.centres, np.zeros(700)), expected.inertia_, rtol=1e-12)
few, start = rows.steps(X[[0, 1, 50]], np.zeros(700), 1, 0.0), np.vstack([X[:2], np.full((1, 700), 1e6)])
assert (few.stay, few.n_iter) == (False, 1)
none = rows.steps(start, np.zeros(700), 300, 0.0)
assert (none.stay, none.n_iter, none.weight[2]) == (False, 0, 0)
assert_allclose(none.centres, start)

X = np.concatenate([generator.normal(place, 0.3, size=(200, 2)) for place in ((0, 0), (4, 0), (0, 4))])
rows, expected = ClustersOnGpu.of(X, np.ones(600)), KMeans(3, init=X[[0, 1, 2]], n_init=1, tol=0).fit(X)
found = rows.steps(X[[0, 1, 2]], np.zeros(2), 300, 0.0)
assert found.stay and found.n_iter == expected.n_iter_, (found.n_iter, expected.n_iter_)
assert_allclose(found.centres, expected.cluster_centers_, rtol=1e-12)
assert_allclose(rows.inertia(found.centres, np.zeros(2)), expected.inertia_, rtol=1e-12)
few = ClustersOnGpu.of(X[::100], np.ones(6)).steps(X[[0, 200]], np.zeros(2), 10**10, 0.0)
assert_allclose(few.centres, KMeans(2, init=X[[0, 200]], n_init=1).fit(X[::100]).cluster_centers_, rtol=1e-12)
"""
# kernels are compiled on threads while a fit begins, each of them once
AHEAD = """
from concurrent.futures import ThreadPoolExecutor
from threading import enumerate as running, main_thread
from sklearn.linear_model import LinearRegression
from skdist_gpu.engines.executors import ahead
from skdist_gpu.engines.executors.once import Once

calls = []

@Once
def made(device, number):
    calls.append(number)
    time.sleep(0.1)
    if calls.count(2) == 1:
        raise ValueError("the first 2")
    return object()

def wait():
    for thread in running():
        if thread is not main_thread():
            thread.join()

made.begin(0, 1)
with ThreadPoolExecutor(4) as pool:
    assert len(set(pool.map(made, [0] * 4, [1] * 4))) == 1
assert calls == [1]
made.begin(0, 2)
wait()
assert made(0, 2) is made(0, 2) and calls == [1, 2, 2]

X = generator.normal(size=(600, 5))
y = (X[:, 0] > 0).astype(np.int64)
for estimator in (KMeans(2, random_state=0), LogisticRegression(), LinearSVC(), LinearRegression()):
    ahead.begin(estimator, X, y, 1, 2)
    wait()
    cupy.compiled.clear()
    fitted(estimator, X, y)
    others = [re.findall(r"__global__ void .*?(\\w+)\\(\\n", text)[-1] for text, _ in cupy.compiled]
    assert others in ([], ["add_up"]), (estimator, others, cupy.compiled[0][1])
"""
# second derivatives that stay on the device
DECOMPOSED = """
from skdist_gpu.engines.executors.solve_kernels import OnDevice, Solver, takes
from skdist_gpu.engines.reductions.core.curvature import Curvature

assert takes(512) and not takes(513)
# beyond 232 unknowns shared memory has no room for the factor
for n in (1, 2, 7, 8, 9, 64, 130, 232, 233, 300):
    rows, sizes = generator.normal(size=(3 * n, n)), np.logspace(-6, 6, n)
    products, penalty, solver = sizes[:, None] * (rows.T @ rows) * sizes, generator.uniform(size=n), Solver(n)
    matrix = products / 7 + np.diag(penalty)
    scale = 1 / np.sqrt(np.diag(matrix))
    kept = OnDevice(solver, cupy.asarray(products)).penalised(7.0, penalty)
    assert kept.is_clear
    assert_allclose(kept.diagonal, np.diag(matrix), rtol=1e-14)
    cupy.copied.clear()
    for gradient in generator.normal(size=(2, n)):
        step = Curvature(kept).step(gradient, shortest=False)
        expected = -scale * np.linalg.solve(scale[:, None] * matrix * scale, scale * gradient)
        assert_allclose(step, expected, rtol=1e-9, atol=1e-12 * abs(expected).max())
    # the kernel itself reads the gradient and writes the step
    assert not cupy.copied
    for other in (kept, matrix):
        assert_allclose(kept + other, 2 * matrix, rtol=1e-14)
        assert_allclose(np.asarray(other) + kept, 2 * matrix, rtol=1e-14)
    # columns that are equal, or nearly so, or empty
    for last in (0 * rows[:, -1], rows[:, 0], rows[:, 0] + 1e-9 * rows[:, 1 % n]):
        some = np.column_stack([rows[:, :-1], last])
        products = sizes[:, None] * (some.T @ some) * sizes
        kept, gradient = Curvature(OnDevice(solver, cupy.asarray(products))), generator.normal(size=n)
        on_host = Curvature(products)
        assert kept.is_clear == on_host.is_clear and kept.is_singular == on_host.is_singular
        assert kept.is_clear == (n == 1 and last.any())
        assert (kept.step(gradient, shortest=False) is None) != kept.is_clear
        assert_allclose(kept.step(gradient, shortest=True), on_host.step(gradient, shortest=True), rtol=1e-6)
        assert_allclose(kept.hidden_decrease(gradient), on_host.hidden_decrease(gradient))
"""
MANY_COLUMNS = """
from skdist_gpu.engines.executors.gram_parts import parts_of

X = generator.normal(size=(300, 66))
y = (X @ generator.normal(size=66) + 5 * generator.normal(size=300) > 0).astype(np.int32)
weight = generator.uniform(size=300) * (generator.uniform(size=300) > 0.1)
logistic, balanced = LogisticRegression(tol=1e-8), LogisticRegression(tol=1e-8, C=0.01, class_weight="balanced")
lasso = LogisticRegression(tol=1e-8, C=0.1, l1_ratio=0.5, solver="saga", max_iter=10_000)
vectors = {"tol": 1e-10, "C": 1e-3, "max_iter": 100_000}
# all rows at once, or from a sample of every third one on
for estimator, rows, weights, n_sampled in (
    (logistic, X, weight, 1000),
    (logistic, X, weight, 100),
    (balanced.set_params(fit_intercept=False), X, None, 1000),
    (LinearSVC(intercept_scaling=2.0, **vectors), X, weight, 100),
    (LinearSVR(loss="squared_epsilon_insensitive", **vectors), X, None, 1000),
    (lasso, X, None, 1000),
    (LogisticRegression(tol=1e-8, C=np.inf), np.column_stack([X[:, :-1], X[:, 0]]), None, 1000),
):
    gpu.SAMPLED_ROWS, gpu.RESIDENT_SAMPLE = n_sampled, 1
    expected = type(estimator)(**estimator.get_params()).fit(rows, y, weights)
    parts = [None if part is None else cupy.asarray(part) for part in (rows, y, weights)]
    cupy.started.clear()
    cupy.copied.clear()
    found = fitted(type(estimator)(**estimator.get_params()), *parts)
    assert_allclose(found.coef_, expected.coef_, rtol=1e-3, atol=1e-4 * abs(expected.coef_).max())
    assert_allclose(found.intercept_, expected.intercept_, rtol=1e-3, atol=1e-4)
    n_matrices = sum(66**2 <= n_bytes / 8 <= 67**2 for n_bytes in cupy.copied)
    if estimator is lasso or rows is not X:
        # penalties with kinks, and directions that are flat, need the matrix itself
        assert n_matrices > 0
    else:
        assert n_matrices == 0, cupy.copied
        assert cupy.started.count("solve") >= cupy.started.count("gram") / len(parts_of(66)) > 1
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
    assert cupy.started.count("measure") == 4 and cupy.started.count("lloyd") > 1, cupy.started
"""


TURNS = """
from threading import Barrier, current_thread
from skdist_gpu.engines.executors import gpu_turns

X = generator.normal(size=(1000, 5))
cupy.cuda.runtime.getDeviceCount = lambda: 2
seen = []

def two_results(rows, n_threads):
    seen.append(len(rows))
    return rows.sum(axis=1), rows[:, :2] > 0

def failing(rows, n_threads):
    seen.append(len(rows))
    raise MemoryError("too many rows")

for n_gpus, n_turns in ((1, 1), (2, 2)):
    seen.clear()
    sums, signs = gpu_turns.in_turns(two_results, X, n_gpus)
    assert len(seen) == n_turns, seen
gpu_turns.FEW_BYTES = 0
cupy.cuda.runtime.memGetInfo = lambda: (6 * 8 * 5 * 70, 10**10)  # half of it holds 70 rows three times
for n_gpus in (1, 2):
    seen.clear()
    sums, signs = gpu_turns.in_turns(two_results, X, n_gpus)
    assert_allclose(sums, X.sum(axis=1))
    np.testing.assert_array_equal(signs, X[:, :2] > 0)
    assert sorted(seen) == [20, *[70] * 14], seen
    seen.clear()
    gpu_turns.in_turns(two_results, X, n_gpus, memory_budget=6 * 8 * 5 * 50)
    assert sorted(seen) == [50] * 20, seen
    one = gpu_turns.in_turns(lambda rows, n_threads: rows[:, 0] + 1, X, n_gpus)
    assert_allclose(one, X[:, 0] + 1)
    seen.clear()
    try:
        gpu_turns.in_turns(failing, X, n_gpus)
        raise AssertionError("the error is lost")
    except MemoryError:
        assert len(seen) <= n_gpus

seen.clear()
both_at_work = Barrier(2)

def failing_on_the_second(rows, n_threads):
    seen.append(len(rows))
    if len(seen) <= 2:
        both_at_work.wait(5)
    if current_thread().name.endswith("_1"):
        raise MemoryError("too many rows")
    time.sleep(0.05)
    return rows[:, 0]

try:
    gpu_turns.in_turns(failing_on_the_second, X, 2)
    raise AssertionError("the error is lost")
except MemoryError:
    assert len(seen) < 5, seen  # of 15 turns
"""


# scikit-learn searches in place of cuML: what is tested is how shares are put together
NEIGHBOURS = """
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from skdist_gpu.engines.cuml import fit as cuml_fit
from skdist_gpu.engines.cuml.neighbours import among_many, are_many
from skdist_gpu.engines.executors import gpu_turns

cuml_fit.to_cuml = lambda plain: plain
X, rows = generator.normal(size=(300, 3)), generator.normal(size=(50, 3))
codes, numbers = generator.integers(0, 4, 300), generator.normal(size=(300, 2))
gpu_turns.FEW_BYTES = 0
for n_held in (1, 70, 299):
    cupy.cuda.runtime.memGetInfo = lambda: (6 * 8 * 3 * n_held, 10**10)
    for estimator, y, methods in (
        (KNeighborsClassifier(4), codes, ("predict", "predict_proba", "kneighbors")),
        (KNeighborsClassifier(3, weights="distance", algorithm="brute"), codes.astype(str), ("predict",)),
        (KNeighborsClassifier(algorithm="brute"), codes, ("predict", "predict_proba")),
        (KNeighborsRegressor(6, weights="distance", metric="manhattan"), numbers, ("predict",)),
        (NearestNeighbors(n_neighbors=2), None, ("kneighbors",)),
    ):
        fitted = estimator.fit(X, y)
        assert are_many(fitted, 1)
        for method in methods:
            found, expected = among_many(fitted, method, rows, 1), getattr(fitted, method)(rows)
            for mine, theirs in zip(np.atleast_2d(found), np.atleast_2d(expected), strict=True):
                same = np.testing.assert_array_equal if mine.dtype.kind in "iU" else assert_allclose
                same(mine, theirs)
    twice = NearestNeighbors(n_neighbors=4).fit(np.repeat(X, 2, axis=0))
    distances, found = among_many(twice, "kneighbors", rows, 1)
    assert_allclose(distances, twice.kneighbors(rows)[0])
    assert all(len(set(own)) == 4 for own in found)  # of two rows as far, none comes twice
cupy.cuda.runtime.memGetInfo = lambda: (10**9, 10**10)
assert not are_many(fitted, 1)
"""


PARTS = {
    "neighbours": NEIGHBOURS,
    "turns": TURNS,
    "classifiers": CLASSIFIERS,
    "ahead": AHEAD,
    "several_classes": SEVERAL_CLASSES,
    "clusters": CLUSTERS,
    "quantiles": QUANTILES,
    "scores": WEIGHTED_ROWS,
    "decomposed": DECOMPOSED,
    "many_columns": MANY_COLUMNS,
    "dask": DASK,
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_fits_with_emulated_kernels(part):
    run_emulated("-W", "ignore", "-c", FITTED + part)
