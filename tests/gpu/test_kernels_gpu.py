"""Kernels that read rows once, against the same sums by NumPy in float64."""

import cupy
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import kmeans_plusplus
from sklearn.datasets import make_blobs

from skdist_gpu.data.labels import encode
from skdist_gpu.engines.executors import column_kernels, gram_kernels, lloyd_kernels, softmax_kernels
from skdist_gpu.engines.executors.cluster_kernels import ClustersOnGpu
from skdist_gpu.engines.executors.kernels import map_block
from skdist_gpu.engines.executors.solve_kernels import OnDevice, Solver
from skdist_gpu.engines.reductions.clusters.steps import AssignReduction, LloydReduction
from skdist_gpu.engines.reductions.columns.columns import ColumnReduction
from skdist_gpu.engines.reductions.core.moments import MomentsReduction
from skdist_gpu.engines.reductions.core.sample import OverviewReduction
from skdist_gpu.engines.reductions.linear.linear import Design, ScoreReduction
from skdist_gpu.engines.reductions.linear.linear_svm import SquaredEpsilonInsensitive, SquaredHinge
from skdist_gpu.engines.reductions.linear.logistic import BinomialLoss, SoftmaxReduction

pytestmark = pytest.mark.gpu

LOSSES = [
    BinomialLoss(None),
    BinomialLoss(np.array([0.5, 3.0])),
    SquaredHinge(1, 2.0, 0.25),
    SquaredEpsilonInsensitive(0.3),
]


@pytest.mark.parametrize("every", [0, 1, 3, 100])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_columns", [1, 31, 100, 129, 700, 1025])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_sums_of_a_block(loss, n_columns, dtype, weighted, every):
    generator = np.random.default_rng(n_columns)
    n_rows = 4_321
    X = generator.standard_normal((n_rows, n_columns)).astype(dtype)
    y = generator.integers(0, 2, n_rows)
    if isinstance(loss, SquaredEpsilonInsensitive):
        y = generator.standard_normal(n_rows)
    weight = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.1) if weighted else None
    coef = generator.standard_normal(n_columns + 1) / np.sqrt(n_columns)
    reduction = ScoreReduction(loss, Design(n_columns, 1.0), coef, every=every)
    expected = reduction.map(X.astype(np.float64), y, weight)
    found = map_block(reduction, *(None if part is None else cupy.asarray(part) for part in (X, y, weight)))
    assert_allclose(float(found.value), expected.value, rtol=1e-12)
    assert_allclose(found.gradient.get(), expected.gradient, rtol=0, atol=1e-12 * n_rows)
    if every:
        assert_allclose(found.hessian.get(), expected.hessian, rtol=0, atol=1e-12 * n_rows)


@pytest.mark.parametrize("every", [0, 1, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n_rows", "n_columns", "n_classes", "constant"),
    [(1, 3, 3, 1.0), (300_001, 2, 4, 1.0), (4_321, 20, 3, 0.0), (4_321, 20, 40, 1.0), (4_321, 100, 10, 1.0)],
)
def test_sums_of_several_classes(n_rows, n_columns, n_classes, constant, dtype, weighted, every, monkeypatch):
    monkeypatch.setattr(softmax_kernels, "TABLE_VALUES", 2**19)
    generator = np.random.default_rng(n_columns)
    X = generator.standard_normal((n_rows, n_columns)).astype(dtype)
    y, design = generator.integers(0, n_classes, n_rows), Design(n_columns, constant)
    weight = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.1) if weighted else None
    class_weight = generator.uniform(size=n_classes) if weighted else None
    coef = generator.standard_normal(n_classes * design.n_columns) / np.sqrt(n_columns)
    on_gpu = [None if part is None else cupy.asarray(part) for part in (X, y, weight)]
    reduction = SoftmaxReduction(class_weight, design, coef, every)
    assert softmax_kernels.has_kernel(reduction, *on_gpu[:2])
    expected, found = reduction.map(X.astype(np.float64), y, weight), map_block(reduction, *on_gpu)
    again = map_block(reduction, *on_gpu)
    assert_allclose(float(found.value), expected.value, rtol=1e-12)
    assert_allclose(found.gradient.get(), expected.gradient, rtol=0, atol=1e-13 * n_rows)
    assert_array_equal(found.gradient.get(), again.gradient.get())
    if every:
        some = [None if part is None else part[::every] for part in (X.astype(np.float64), y, weight)]
        second = SoftmaxReduction(class_weight, design, coef, 1).map(*some).hessian * (n_rows / len(some[0]))
        assert_allclose(found.hessian.get(), second, rtol=0, atol=1e-12 * np.abs(second).max())


def check_moments(X, y, weight, on_gpu=None):
    """Compare the kernel's moments with NumPy's of the rows less their mean, and with its own at a second call."""
    n_rows = len(X)
    reduction = MomentsReduction()
    wide = [None if part is None else part.astype(np.float64) for part in (X, y)]
    table = np.column_stack([part for part in wide if part is not None])
    w = np.ones(n_rows) if weight is None else weight
    mean = w @ table / w.sum()
    scatter = (w[:, None] * (table - mean)).T @ (table - mean)
    on_gpu = on_gpu or [None if part is None else cupy.asarray(part) for part in (X, y, weight)]
    assert gram_kernels.has_kernel(*on_gpu[:2])
    found, again = map_block(reduction, *on_gpu), map_block(reduction, *on_gpu)
    assert found.n_rows == n_rows
    assert_allclose(float(found.weight), w.sum(), rtol=1e-12)
    assert_allclose(found.mean.get(), mean, rtol=1e-12)
    assert_allclose(found.scatter.get(), scatter, rtol=0, atol=1e-12 * np.abs(scatter).max() + 1e-300)
    np.testing.assert_array_equal(found.scatter.get(), found.scatter.get().T)
    np.testing.assert_array_equal(found.scatter.get(), again.scatter.get())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_columns", [1, 14, 31, 46, 50, 63, 78, 95, 100, 126, 127, 128, 150, 191, 200, 254])
def test_moments_of_a_block(n_columns, dtype, order):
    generator = np.random.default_rng(n_columns)
    X = np.asarray(generator.normal(1e4, 2.0, (4_321, n_columns)), dtype, order=order)
    y, weight = generator.normal(7.0, size=len(X)), generator.uniform(size=len(X))
    weight[::7] = 0
    check_moments(X, y, weight)
    check_moments(X, y.astype(np.float32), None)
    check_moments(X, None, None)
    check_moments(X[:5], y[:5], weight[:5])


def test_moments_of_several_targets_and_of_rows_cut_from_a_table():
    generator = np.random.default_rng(0)
    X = generator.normal(3.0, size=(100_001, 30)).astype(np.float32)
    Y, weight = generator.normal(7.0, size=(len(X), 12)), generator.uniform(size=len(X))
    check_moments(X, Y, weight)
    check_moments(X, np.asfortranarray(Y), None)
    whole, wide = cupy.asarray(X), cupy.asarray(Y)
    cut = [whole[3::2, 1:], wide[3::2, 4], cupy.asarray(weight)[3::2]]
    check_moments(X[3::2, 1:], Y[3::2, 4], weight[3::2], cut)
    check_moments(X[:, ::-1], None, None, [whole[:, ::-1], None, None])
    many = generator.normal(7.0, size=(5_000, 130))
    check_moments(X[:5_000], many, weight[:5_000])


def test_moments_pass_nan_on():
    X = np.ones((1000, 20), np.float32)
    X[777, 5] = np.nan
    scatter = map_block(MomentsReduction(), cupy.asarray(X), None, None).scatter.get()
    assert np.isnan(scatter[5]).all()


def test_wider_rows_are_left_to_products():
    assert not gram_kernels.has_kernel(cupy.empty((10, 256)), None)
    assert not gram_kernels.has_kernel(cupy.empty((10, 254)), cupy.empty((10, 2)))
    assert gram_kernels.has_kernel(cupy.empty((10, 254)), cupy.empty(10))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 64, 100, 200, 201, 232, 233, 505, 512])
def test_matrices_that_stay_on_the_device(n):
    generator = np.random.default_rng(n)
    rows, sizes = generator.normal(size=(3 * n, n)), np.logspace(-6, 6, n)
    products, penalty, solver = sizes[:, None] * (rows.T @ rows) * sizes, generator.uniform(size=n), Solver(n)
    matrix = products / 7 + np.diag(penalty)
    scale = 1 / np.sqrt(np.diag(matrix))
    kept = OnDevice(solver, cupy.asarray(products)).penalised(7.0, penalty)
    for vector in generator.normal(size=(3, n)):
        expected = scale * np.linalg.solve(scale[:, None] * matrix * scale, scale * vector)
        assert_allclose(kept.solve(vector), expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    assert kept.is_clear
    assert_allclose(kept.diagonal, np.diag(matrix), rtol=1e-14)
    assert_allclose(kept.matrix, matrix, rtol=1e-14)
    # again, with the same result to the last digit
    again = OnDevice(solver, cupy.asarray(products)).penalised(7.0, penalty)
    assert_array_equal(again.solve(vector), kept.solve(vector))


@pytest.mark.parametrize("n", [8, 65, 200])
@pytest.mark.parametrize("difference", [0.0, 1e-9])
def test_columns_that_are_nearly_equal_are_told(n, difference):
    generator = np.random.default_rng(n)
    rows = generator.normal(size=(3 * n, n))
    rows[:, -1] = rows[:, 0] + difference * rows[:, 1]
    kept, vector = OnDevice(Solver(n), cupy.asarray(rows.T @ rows)), generator.normal(size=n)
    assert kept.solve(vector) is None
    assert not kept.is_clear
    assert kept.solve(vector) is None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n_rows", "n_columns", "n_clusters"),
    [
        (1, 3, 2),
        (4_321, 1, 2),
        (4_321, 20, 10),
        (300_001, 5, 3),
        (4_321, 50, 33),
        (4_321, 90, 8),
        (4_321, 90, 40),
        (4_321, 100, 20),
        (4_321, 300, 5),
        (40_000, 40, 200),
        (4_321, 900, 5),
        (4_321, 200, 50),
        (4_321, 37, 400),
        (333, 3_000, 40),
        (20_001, 501, 10),
    ],
)
def test_steps_of_kmeans(n_rows, n_columns, n_clusters, dtype, order, weighted):
    generator = np.random.default_rng(n_rows + n_columns)
    X = np.asarray(5 + generator.standard_normal((n_rows, n_columns)), dtype, order=order)
    centres, mean = 0.5 * generator.standard_normal((n_clusters, n_columns)), X.mean(axis=0, dtype=np.float64)
    centres = np.asarray(centres, order=order)
    weight = generator.uniform(size=n_rows) * (generator.uniform(size=n_rows) > 0.1) if weighted else None
    on_gpu = [None if part is None else cupy.asarray(part) for part in (X, None, weight)]
    reduction = LloydReduction(centres, mean)
    assert lloyd_kernels.has_kernel(reduction, on_gpu[0])
    expected, found = reduction.map(X, None, weight), map_block(reduction, *on_gpu)
    assert_allclose(found.weight.get(), expected.weight, rtol=1e-12)
    assert_allclose(found.row.get(), expected.row, rtol=0, atol=1e-12 * n_rows)
    reduction = AssignReduction(centres, mean)
    expected, found = reduction.map(X, None, weight), map_block(reduction, *on_gpu)
    np.testing.assert_array_equal(found.labels[0].get(), expected.labels[0])
    np.testing.assert_array_equal(found.found.get(), expected.found)
    assert_allclose(float(found.inertia), expected.inertia, rtol=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("n_columns", "n_clusters"), [(1, 2), (20, 8), (20, 100), (50, 33), (257, 5), (900, 20)])
def test_seeds_are_those_of_scikit_learn(n_columns, n_clusters, order):
    generator = np.random.default_rng(n_clusters)
    X = np.asarray(5 + generator.standard_normal((4_321, n_columns)), order=order)
    weight = generator.uniform(size=len(X)) * (generator.uniform(size=len(X)) > 0.1)
    random_state = np.random.RandomState(0)
    first = random_state.choice(len(X), p=weight / weight.sum())
    uniform = random_state.uniform(size=(n_clusters - 1, 2 + int(np.log(n_clusters))))
    found = ClustersOnGpu.of(X, weight).seed(first, uniform)
    expected, _ = kmeans_plusplus(X, n_clusters, sample_weight=weight, random_state=0)
    assert_allclose(found, expected)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_columns", "spread"), [(7, 2.5), (700, 30.0)])
def test_queued_steps_of_kmeans_end_where_single_ones_do(n_columns, spread, dtype, weighted):
    X, _ = make_blobs(20_000, n_columns, centers=12, cluster_std=spread, random_state=0)
    X = X.astype(dtype)
    weight = np.random.default_rng(0).uniform(size=len(X)) if weighted else None
    start, origin, tolerance = X[:12].astype(np.float64), np.zeros(n_columns), 1e-6
    centres, n_iter = start, 0
    while True:
        sums = LloydReduction(centres, origin).map(X.astype(np.float64), None, weight)
        moved, n_iter = sums.row / sums.weight[:, None], n_iter + 1
        stays, centres = ((moved - centres) ** 2).sum() <= tolerance, moved
        if stays:
            break
    assert n_iter > 10
    rows = ClustersOnGpu(cupy.asarray(X), None if weight is None else cupy.asarray(weight))
    found = rows.steps(start, origin, 300, tolerance)
    assert found.stay
    assert found.n_iter == n_iter
    assert_allclose(found.centres, centres, rtol=1e-9)
    assert_allclose(found.weight, sums.weight, rtol=1e-12)
    distances = np.square([np.linalg.norm(X.astype(np.float64) - centre, axis=1) for centre in centres]).min(axis=0)
    assert_allclose(rows.inertia(centres, origin), np.average(distances, weights=weight) * sums.weight.sum(), rtol=1e-9)
    few = rows.steps(start, origin, 3, tolerance)
    assert (few.n_iter, few.stay) == (3, False)


def test_steps_end_where_a_centre_has_no_rows():
    X = np.random.default_rng(0).normal(size=(1_000, 3))
    far = np.vstack([X[:4], np.full((1, 3), 1e6)])
    found = ClustersOnGpu(cupy.asarray(X), None).steps(far, np.zeros(3), 300, 0.0)
    assert (found.stay, found.n_iter, found.weight[4]) == (False, 0, 0)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_rows", "n_columns"), [(1, 3), (100_003, 1), (4_321, 20), (4_321, 256), (300, 1_000)])
@pytest.mark.parametrize(("skip_nan", "weighted"), [(False, False), (False, True), (True, True)])
def test_moments_of_columns(n_rows, n_columns, dtype, order, skip_nan, weighted):
    generator = np.random.default_rng(n_columns)
    X = np.asarray(generator.normal(100, 2.0, (n_rows, n_columns)), dtype, order=order)
    if skip_nan:
        X[generator.uniform(size=X.shape) < 0.1] = np.nan
    weight = generator.uniform(size=n_rows) if weighted else None
    reduction = ColumnReduction(skip_nan)
    on_gpu = [None if part is None else cupy.asarray(part) for part in (X, None, weight)]
    assert column_kernels.has_kernel(reduction, *on_gpu[:2])
    expected, found = reduction.map(X, None, weight), map_block(reduction, *on_gpu)
    for name in ("weight", "mean", "scatter"):
        reference = getattr(expected, name)
        assert_allclose(getattr(found, name).get(), reference, rtol=1e-10, atol=1e-12 * np.abs(reference).max())


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n_classes", "y_type"), [(0, None), (0, np.float32), (0, np.float64), (3, np.int64), (32, np.int32)]
)
def test_overview_of_rows(n_classes, y_type, weighted, every):
    generator = np.random.default_rng(n_classes)
    X = generator.normal(3.0, size=(10_001, 12)).astype(np.float32)
    y = None if y_type is None else generator.integers(0, n_classes or 100, len(X)).astype(y_type)
    weight = generator.uniform(size=len(X)) if weighted else None
    reduction = OverviewReduction(1_000, every, n_classes, columns=True)
    on_gpu = [None if part is None else cupy.asarray(part) for part in (X, y, weight)]
    assert column_kernels.has_kernel(reduction, *on_gpu[:2])
    expected, found = reduction.map(X, y, weight), map_block(reduction, *on_gpu)
    for name in ("weight", "class_weight", "smallest_target", "weighted_target"):
        if getattr(expected, name) is not None:
            assert_allclose(cupy.asnumpy(getattr(found, name)), getattr(expected, name), rtol=1e-10)
    assert_allclose(found.columns.scatter.get(), expected.columns.scatter, rtol=1e-10)
    for name in ("X", "y", "weight"):
        mine, theirs = (getattr(view.pieces[0], name) for view in (found, expected))
        assert (mine is None) == (theirs is None)
        if theirs is not None:
            np.testing.assert_array_equal(mine.get(), theirs)
            assert mine.dtype == theirs.dtype


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 5, 3, 4], np.int8),
        np.array([-128, 127, 0, 127], np.int8),
        np.array([0, 1, 1, 0]),
        np.array([2**40, 5, 2**40]),
        np.array([2**63 + 1, 2**63, 2**63], np.uint64),
        np.array([True, False, True]),
        np.array([1.0, -2.0, 1.0]),
    ],
    ids=str,
)
def test_labels_on_the_device_are_coded_as_by_numpy(labels):
    classes, codes = encode(cupy.asarray(labels))
    expected, inverse = np.unique(labels, return_inverse=True)
    np.testing.assert_array_equal(classes, expected)
    assert classes.dtype == labels.dtype
    np.testing.assert_array_equal(codes.get(), inverse)
