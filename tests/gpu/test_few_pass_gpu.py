"""Estimators of a few passes on one GPU, resident and streamed, against scikit-learn."""

from functools import partial

import cupy
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import helmert
from sklearn.base import clone, is_classifier
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.svm import LinearSVC, LinearSVR

from skdist_gpu import autoscale
from skdist_gpu.engines.executors import gpu as gpu_executor
from skdist_gpu.engines.executors.solve_kernels import OnDevice
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

generator = np.random.default_rng(0)
N_ROWS = 60_000
LITTLE_ROOM = 6 * 2**20
X = generator.normal(size=(N_ROWS, 8)) / 2
score = X @ generator.normal(size=8)
weights = generator.uniform(0.5, 2, size=N_ROWS)
TARGETS = {
    "binary": (score + generator.logistic(size=N_ROWS) > 0).astype(int),
    "classes": np.digitize(score + generator.logistic(size=N_ROWS), [-1, 0.5]) + 3,
    "counts": generator.poisson(np.exp(score / 2)).astype(float),
    "positive": generator.gamma(2.0, np.exp(score / 2)) + 1e-3,
    "heavy": score + generator.standard_t(2, size=N_ROWS),
}
CASES = [
    (LogisticRegression(), "binary", {"solver": "newton-cholesky"}),
    (LogisticRegression(C=0.1, class_weight="balanced"), "classes", {"solver": "newton-cholesky"}),
    (LogisticRegression(C=np.inf, fit_intercept=False), "classes", {"tol": 1e-9}),
    (LogisticRegression(l1_ratio=1.0, C=0.01, solver="saga"), "binary", {}),
    (LogisticRegression(l1_ratio=0.5, C=0.01, class_weight="balanced", solver="saga"), "classes", {}),
    (PoissonRegressor(), "counts", {"solver": "newton-cholesky"}),
    (GammaRegressor(alpha=0.01), "positive", {"solver": "newton-cholesky"}),
    (TweedieRegressor(power=1.5), "counts", {"solver": "newton-cholesky"}),
    (LinearSVC(class_weight={3: 2.0}), "classes", {"dual": False}),
    (LinearSVR(loss="squared_epsilon_insensitive"), "heavy", {"dual": False}),
    (HuberRegressor(), "heavy", {}),
]


def _with_little_room(stream, parts, step, n_threads, memory_budget, several_passes):
    return stream(parts, step, n_threads, LITTLE_ROOM, several_passes)


@pytest.fixture(params=["resident", "streamed", "streamed in many blocks"])
def place(request, monkeypatch):
    if request.param == "streamed in many blocks":
        monkeypatch.setattr(gpu_executor, "STEP_BYTES", 2**19)
        # room for some of them between passes
        monkeypatch.setattr(gpu_executor, "HostStream", partial(_with_little_room, gpu_executor.HostStream))
    return (lambda part: None if part is None else cupy.asarray(part)) if request.param == "resident" else (lambda p: p)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("estimator", "target", "precise"), CASES, ids=lambda case: str(case)[:60])
def test_answer_is_scikit_learns(estimator, target, precise, weighted, place):
    y, sample_weight = TARGETS[target], weights if weighted else None
    reference = clone(estimator).set_params(**{"tol": 1e-10, "max_iter": 10_000} | precise)
    reference.fit(X, y, sample_weight=sample_weight)
    model = autoscale(estimator, backend="reductions:gpu").fit(place(X), place(y), sample_weight=place(sample_weight))
    assert_ran_on(model, "reductions:gpu")
    tolerance = (
        1e-3 if isinstance(estimator, HuberRegressor) else 1e-5 if np.isinf(getattr(estimator, "C", 1)) else 1e-6
    )
    scale = np.abs(reference.coef_).max()
    assert isinstance(model.coef_, np.ndarray)
    assert_allclose(model.coef_, reference.coef_, rtol=0, atol=tolerance * scale)
    assert_allclose(model.intercept_, reference.intercept_, rtol=0, atol=tolerance * max(1, scale))
    if is_classifier(estimator):
        assert_array_equal(model.classes_, reference.classes_)
        assert_array_equal(model.coef_ == 0, reference.coef_ == 0)
    if isinstance(estimator, HuberRegressor):
        assert np.mean(model.outliers_ != reference.outliers_) < 1e-3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        LogisticRegression(C=0.01, class_weight="balanced", fit_intercept=False),
        LinearSVC(intercept_scaling=3.0),
        LinearSVR(loss="squared_epsilon_insensitive"),
        LogisticRegression(l1_ratio=0.5, C=0.01, solver="saga"),
    ],
    ids=str,
)
def test_many_columns_from_all_rows_and_from_a_sample(estimator, weighted, monkeypatch):
    wide = generator.normal(size=(20_000, 150)) @ (np.eye(150) + 0.05)
    y = (wide @ generator.normal(size=150) + 5 * generator.normal(size=len(wide)) > 0).astype(int)
    sample_weight = weights[: len(wide)] if weighted else None
    precise = {"tol": 1e-10, "max_iter": 10_000}
    precise |= {"dual": False} if hasattr(estimator, "dual") and "SV" in type(estimator).__name__ else {}
    if isinstance(estimator, LogisticRegression) and not estimator.l1_ratio:
        precise["solver"] = "newton-cholesky"
    reference = clone(estimator).set_params(**precise).fit(wide, y, sample_weight=sample_weight)
    if not getattr(estimator, "l1_ratio", 0):
        # only penalties with kinks ask for the matrix itself
        monkeypatch.delattr(OnDevice, "matrix")
    for n_sampled in (20_000, 5_000):
        monkeypatch.setattr(gpu_executor, "SAMPLED_ROWS", n_sampled)
        monkeypatch.setattr(gpu_executor, "RESIDENT_SAMPLE", 1)
        given = (None if part is None else cupy.asarray(part) for part in (wide, y, sample_weight))
        model = autoscale(estimator, backend="reductions:gpu").fit(*given)
        assert_ran_on(model, "reductions:gpu")
        scale = np.abs(reference.coef_).max()
        assert_allclose(model.coef_, reference.coef_, rtol=0, atol=1e-6 * scale)
        assert_allclose(model.intercept_, reference.intercept_, rtol=0, atol=1e-6 * max(1, scale))


@pytest.mark.parametrize(("estimator", "target"), [(LogisticRegression(), "binary"), (PoissonRegressor(), "counts")])
def test_a_large_value_in_all_columns_acts_as_an_intercept(estimator, target, place):
    far, axes, y = X + 1e8, helmert(8).T, TARGETS[target]
    reference = clone(estimator).set_params(solver="newton-cholesky", tol=1e-10).fit((far - 1e8) @ axes, y)
    bound = clone(estimator).set_params(fit_intercept=False)
    model = autoscale(bound, backend="reductions:gpu").fit(place(far), place(y))
    assert_ran_on(model, "reductions:gpu")
    assert_allclose(np.ravel(model.coef_) @ axes, np.ravel(reference.coef_), atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("target", ["binary", "classes"])
def test_all_folds_and_penalties(target, weighted, place):
    y, sample_weight = TARGETS[target], weights if weighted else None
    options = {"Cs": 3, "cv": 3, "l1_ratios": (0,), "scoring": "neg_log_loss", "use_legacy_attributes": False}
    estimator = LogisticRegressionCV(**options)
    reference = clone(estimator).set_params(solver="newton-cholesky", tol=1e-10).fit(X, y, sample_weight=sample_weight)
    model = autoscale(estimator, backend="reductions:gpu").fit(place(X), place(y), sample_weight=place(sample_weight))
    assert_ran_on(model, "reductions:gpu")
    scale = np.abs(reference.coef_).max()
    for name in ("coef_", "coefs_paths_", "scores_"):
        assert isinstance(getattr(model, name), np.ndarray)
        assert_allclose(getattr(model, name), getattr(reference, name), rtol=0, atol=1e-6 * max(1, scale))
    assert model.C_ == reference.C_


@pytest.mark.parametrize("weighted", [False, True])
def test_kmeans_from_given_centres(weighted, place):
    Z, sample_weight = X + 100, weights if weighted else None
    # the last centre begins without rows
    estimator = KMeans(6, init=np.vstack([Z[:5], np.full((1, 8), 1e5)]))
    reference = clone(estimator).fit(Z, sample_weight=sample_weight)
    model = autoscale(estimator, backend="reductions:gpu").fit(place(Z), sample_weight=place(sample_weight))
    assert_ran_on(model, "reductions:gpu")
    assert model.n_iter_ == reference.n_iter_
    assert isinstance(model.labels_, np.ndarray)
    assert model.labels_.dtype == np.int32
    assert np.mean(model.labels_ != reference.labels_) < 1e-4
    assert_allclose(model.cluster_centers_, reference.cluster_centers_, rtol=1e-7)
    assert_allclose(model.inertia_, reference.inertia_, rtol=1e-9)


def test_kmeans_sees_rows_that_are_far_from_all_others(place):
    rows = np.random.default_rng(0).normal(size=(200_000, 3)).astype(np.float32)
    rows[[54_321, 123_457]] = [[1e3, 0, 0], [0, -1e3, 0]]
    estimator = KMeans(5, n_init=1, random_state=0)
    reference = clone(estimator).fit(rows.astype(np.float64))
    model = autoscale(estimator, backend="reductions:gpu").fit(place(rows))
    assert_ran_on(model, "reductions:gpu")
    assert model.inertia_ <= 1.05 * reference.inertia_


def test_mini_batches_end_no_higher(place):
    Z = X + 3 * np.sign(score)[:, None]
    reference = MiniBatchKMeans(4, random_state=0).fit(Z)
    model = autoscale(MiniBatchKMeans(4, random_state=0), backend="reductions:gpu").fit(place(Z))
    assert_ran_on(model, "reductions:gpu")
    assert model.inertia_ <= 1.001 * reference.inertia_
    assert_allclose(-model.estimator_.score(Z), model.inertia_, rtol=1e-9)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_gaussian_mixture_takes_scikit_learns_steps(kind, place):
    Z = (X + 5 * np.sign(score)[:, None])[:20_000] + 50
    estimator = GaussianMixture(2, covariance_type=kind, random_state=0)
    reference = clone(estimator).fit(Z)
    model = autoscale(estimator, backend="reductions:gpu").fit(place(Z))
    assert_ran_on(model, "reductions:gpu")
    assert model.n_iter_ == reference.n_iter_
    assert_allclose(model.lower_bounds_, reference.lower_bounds_, rtol=1e-8)
    assert_allclose(model.means_, reference.means_, rtol=1e-7)
    assert_allclose(model.covariances_, reference.covariances_, rtol=1e-6, atol=1e-8)


def test_float32_on_the_device():
    single, y = X.astype(np.float32), TARGETS["binary"].astype(np.int32)
    model = autoscale(LogisticRegression(), backend="reductions:gpu").fit(cupy.asarray(single), cupy.asarray(y))
    reference = LogisticRegression(solver="newton-cholesky", tol=1e-10).fit(single.astype(np.float64), y)
    assert model.coef_.dtype == np.float32
    assert_allclose(model.coef_, reference.coef_, rtol=1e-5, atol=1e-6)
    clusters = autoscale(KMeans(4, random_state=0), backend="reductions:gpu").fit(cupy.asarray(single))
    assert clusters.cluster_centers_.dtype == np.float32
    assert_allclose(-clusters.estimator_.score(single), clusters.inertia_, rtol=1e-5)


def test_missing_values_are_errors():
    bad = X.copy()
    bad[12_345, 3] = np.nan
    for data in (bad, cupy.asarray(bad)):
        for estimator, y in ((LogisticRegression(), TARGETS["binary"]), (KMeans(3), None)):
            with pytest.raises(ValueError, match="NaN"):
                autoscale(estimator, backend="reductions:gpu").fit(data, y)
