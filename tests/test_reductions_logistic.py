"""LogisticRegression from sums over rows, against scikit-learn in float64 at a tight tolerance."""

import pickle
import warnings

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from skdist_gpu import AutoScaleClassifier
from skdist_gpu.engines.reductions.core import newton
from skdist_gpu.engines.reductions.linear import linear
from skdist_gpu.testing import assert_ran_on

PLACES = ["reductions:cpu", "reductions:dask"]


def make_data(n_rows=3000, n_columns=6, n_classes=2, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, n_columns)) @ generator.normal(size=(n_columns, n_columns))
    scores = X @ generator.normal(size=(n_columns, n_classes)) / 2
    y = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    return X, np.array(["b", "c", "a", "d", "e"])[y], generator.uniform(size=n_rows)


def objective(model, X, y, sample_weight=None):
    weight = compute_sample_weight(model.class_weight, y)
    if model.class_weight == "balanced" and sample_weight is not None:
        sums = {c: sample_weight[y == c].sum() for c in model.classes_}
        weight = np.array([sample_weight.sum() / len(sums) / sums[c] for c in y])
    weight = weight if sample_weight is None else weight * sample_weight
    scores = X @ model.coef_.T + model.intercept_
    if scores.shape[1] == 1:
        scores = np.hstack([np.zeros_like(scores), scores])
    own = scores[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    penalty = model.l1_ratio * np.abs(model.coef_).sum() + (1 - model.l1_ratio) / 2 * (model.coef_**2).sum()
    return weight @ (logsumexp(scores, axis=1) - own) + (0.0 if np.isinf(model.C) else penalty / model.C)


def reference_fit(estimator, X, y, sample_weight=None, solvers=("newton-cholesky",)):
    """Return scikit-learn's answer: of several solvers that with the lowest objective."""
    fits = []
    for solver in solvers:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits.append(clone(estimator).set_params(solver=solver, tol=1e-10, max_iter=5000).fit(X, y, sample_weight))
    return min(fits, key=lambda model: objective(model, X, y, sample_weight))


def assert_same_model(model, reference, X, y, sample_weight=None, rtol=1e-6):
    ours, theirs = (objective(m, X, y, sample_weight) for m in (model, reference))
    assert ours <= theirs * (1 + 1e-9)
    assert_array_equal(model.classes_, reference.classes_)
    for name in ("coef_", "intercept_", "n_iter_", "classes_"):
        assert getattr(model, name).shape == getattr(reference, name).shape, name
        assert getattr(model, name).dtype == getattr(reference, name).dtype, name
    scale = np.abs(reference.coef_).max()
    assert_allclose(model.coef_, reference.coef_, rtol=0, atol=rtol * scale)
    assert_allclose(model.intercept_, reference.intercept_, rtol=rtol, atol=rtol * max(1, scale))


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        LogisticRegression(C=0.01, fit_intercept=False),
        LogisticRegression(C=100.0, class_weight="balanced"),
        LogisticRegression(C=np.inf, class_weight={"b": 0.5, "c": 3.0}, solver="newton-cg"),
    ],
    ids=repr,
)
def test_answer_is_scikit_learns(estimator, n_classes, weighted, backend):
    X, y, weights = make_data(n_classes=n_classes)
    sample_weight = weights if weighted else None
    reference = reference_fit(estimator, X, y, sample_weight)
    model = AutoScaleClassifier(estimator, backend=backend).fit(X, y, sample_weight=sample_weight)
    assert_ran_on(model, backend)
    assert_same_model(model.estimator_, reference, X, y, sample_weight)
    assert type(model.estimator_) is LogisticRegression
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert_array_equal(plain.predict(X), model.predict(X))
    assert_allclose(plain.predict_proba(X), reference.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("sampled", [500, 20_000])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_more_rows_than_the_sample_has(n_classes, sampled, monkeypatch):
    monkeypatch.setattr(linear, "SAMPLED_ROWS", sampled)
    X, y, _ = make_data(n_rows=90_000, n_columns=3, n_classes=n_classes)
    reference = reference_fit(LogisticRegression(), X, y)
    assert_same_model(AutoScaleClassifier(backend="reductions:cpu").fit(X, y).estimator_, reference, X, y)


def test_rows_in_the_order_of_their_classes():
    X, y, _ = make_data(n_rows=60_000, n_columns=3, n_classes=3)
    order = np.argsort(y, kind="stable")
    X, y = X[order], y[order]
    reference = reference_fit(LogisticRegression(), X, y)
    assert_same_model(AutoScaleClassifier(backend="reductions:cpu").fit(X, y).estimator_, reference, X, y)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(l1_ratio=1.0, C=0.01, solver="saga"),
        LogisticRegression(l1_ratio=1.0, C=0.05, fit_intercept=False, class_weight={"b": 0.5, "c": 3.0}, solver="saga"),
        LogisticRegression(l1_ratio=0.5, C=0.02, class_weight="balanced", solver="saga"),
    ],
    ids=repr,
)
def test_penalty_of_absolute_coefficients(estimator, n_classes, weighted, backend):
    X, y, weights = make_data(n_columns=10, n_classes=n_classes)
    X = X / X.std(axis=0)
    sample_weight = weights if weighted else None
    reference = reference_fit(estimator, X, y, sample_weight, solvers=("saga",))
    model = AutoScaleClassifier(estimator, backend=backend).fit(X, y, sample_weight=sample_weight)
    assert_ran_on(model, backend)
    assert_same_model(model.estimator_, reference, X, y, sample_weight)
    assert_array_equal(model.coef_ == 0, reference.coef_ == 0)
    assert (model.coef_ == 0).any()


@pytest.mark.parametrize("sampled", [500, 20_000])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_absolute_penalty_with_more_rows_than_the_sample_has(n_classes, sampled, monkeypatch):
    monkeypatch.setattr(linear, "SAMPLED_ROWS", sampled)
    X, y, _ = make_data(n_rows=50_000, n_columns=8, n_classes=n_classes)
    estimator = LogisticRegression(l1_ratio=1.0, C=2e-3, solver="saga")
    X = X / X.std(axis=0)
    reference = reference_fit(estimator, X, y, solvers=("saga",))
    model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X, y)
    assert_same_model(model.estimator_, reference, X, y)
    assert_array_equal(model.coef_ == 0, reference.coef_ == 0)


def test_absolute_penalty_on_dependent_and_separating_columns():
    X, y, _ = make_data()
    X = np.hstack([X, X[:, :2], np.full((len(X), 1), 7.0), np.zeros((len(X), 1))])
    for labels, C in ((y, 1.0), (np.where(X[:, 0] > 0, "b", "c"), 1e4)):
        estimator = LogisticRegression(l1_ratio=1.0, C=C, solver="saga", max_iter=300)
        model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X, labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            reference = clone(estimator).set_params(tol=1e-10).fit(X, labels)
        assert objective(model.estimator_, X, labels) <= objective(reference, X, labels) * (1 + 1e-9)


def test_absolute_penalty_that_leaves_the_intercept_only():
    X, y, _ = make_data()
    estimator = LogisticRegression(l1_ratio=1.0, C=1e-5, solver="saga")
    model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X, y)
    share = np.mean(y == "c")
    assert_array_equal(model.coef_, 0)
    assert_allclose(model.intercept_, np.log(share / (1 - share)), rtol=1e-9)


def test_penalties_that_a_solver_does_not_take_are_scikit_learns_errors():
    X, y, _ = make_data(n_rows=300)
    with pytest.raises(ValueError, match="Solver lbfgs supports only 'l2' or None penalties, got l1"):
        AutoScaleClassifier(LogisticRegression(l1_ratio=1), backend="reductions:cpu").fit(X, y)
    liblinear = LogisticRegression(l1_ratio=1, solver="liblinear")
    with pytest.raises(ValueError, match="solver='liblinear' is not supported"):
        AutoScaleClassifier(liblinear, backend="reductions:cpu").fit(X, y)
    without = LogisticRegression(l1_ratio=1, C=np.inf)
    reference = reference_fit(LogisticRegression(C=np.inf), X, y)
    assert_allclose(AutoScaleClassifier(without, backend="reductions:cpu").fit(X, y).coef_, reference.coef_, rtol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_columns_of_different_scale_and_far_from_zero(n_classes):
    X, y, _ = make_data(n_classes=n_classes)
    X = X * np.geomspace(1e-3, 1e3, X.shape[1]) + np.array([0, 1e4, 0, 1, 1e7, 0])
    model = AutoScaleClassifier(LogisticRegression(C=1e4), backend="reductions:cpu").fit(X, y)
    # scikit-learn itself needs the columns shifted for so many digits; the penalty does not see a shift
    shift = X.mean(axis=0)
    reference = reference_fit(LogisticRegression(C=1e4), X - shift, y)
    moved = clone(model.estimator_)
    moved.classes_, moved.coef_, moved.n_iter_ = model.classes_, model.coef_, model.n_iter_
    moved.intercept_ = model.intercept_ + model.coef_ @ shift
    assert objective(moved, X - shift, y) <= objective(reference, X - shift, y) * (1 + 1e-9)
    assert_allclose(moved.predict_proba(X - shift), reference.predict_proba(X - shift), atol=1e-5)


def test_float32_and_integers_and_sparse():
    X, y, _ = make_data(n_classes=3)
    X[np.abs(X) < 1] = 0
    reference = reference_fit(LogisticRegression(), X, y)
    for variant in (sp.csr_matrix(X), sp.csc_array(X), np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2]):
        model = AutoScaleClassifier(backend="reductions:cpu").fit(variant, y)
        assert_same_model(model.estimator_, reference, X, y)
    single = AutoScaleClassifier(backend="reductions:cpu").fit(X.astype(np.float32), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert_allclose(single.coef_, reference.coef_, rtol=1e-5, atol=1e-5)
    integers = np.round(X).astype(np.int32)
    reference = reference_fit(LogisticRegression(), integers, y)
    assert_same_model(AutoScaleClassifier(backend="reductions:cpu").fit(integers, y).estimator_, reference, integers, y)


def test_blocks_without_rows_and_uneven_blocks():
    X, y, weights = make_data(n_rows=1000)
    chunks = (1, 0, 600, 0, 399)
    dX = da.from_array(X, chunks=(chunks, (2, 4)))
    dy, dw = (da.from_array(part, chunks=(chunks,)) for part in (y, weights))
    model = AutoScaleClassifier(backend="reductions").fit(dX, dy, sample_weight=dw)
    assert_ran_on(model, "reductions:dask")
    assert_same_model(model.estimator_, reference_fit(LogisticRegression(), X, y, weights), X, y, weights)


def test_dependent_columns_without_penalty():
    X, y, _ = make_data()
    X = np.hstack([X, X[:, :2], np.full((len(X), 1), 7.0), np.zeros((len(X), 1))])
    model = AutoScaleClassifier(LogisticRegression(C=np.inf), backend="reductions:cpu").fit(X, y)
    reference = reference_fit(LogisticRegression(C=np.inf), X, y, solvers=("lbfgs", "newton-cholesky"))
    assert objective(model.estimator_, X, y) <= objective(reference, X, y) * (1 + 1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_separable_classes_end_with_finite_coefficients(n_classes):
    X, _, _ = make_data()
    y = np.digitize(X[:, 0], [0.0, 0.5][: n_classes - 1])
    for C in (1.0, 1e10, np.inf):
        model = AutoScaleClassifier(LogisticRegression(C=C, max_iter=1000), backend="reductions:cpu").fit(X, y)
        assert np.isfinite(model.coef_).all()
        assert model.score(X, y) > 0.97
    # the objective falls for ever; no step may lead up from where rounding hides that
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(X))
        estimator = LogisticRegression(C=np.inf, max_iter=1000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X[order], y[order])
        assert log_loss(y, model.predict_proba(X)) < 1e-8
    with_rare = np.where(np.arange(len(X)) == 1234, 2, y % 2)
    model = AutoScaleClassifier(LogisticRegression(), backend="reductions:cpu").fit(X, with_rare)
    assert_same_model(model.estimator_, reference_fit(LogisticRegression(), X, with_rare), X, with_rare)


def test_many_unknowns_take_gradients_only(monkeypatch):
    X, y, _ = make_data(n_classes=3)
    monkeypatch.setattr(newton, "MOST_UNKNOWNS", 5)
    estimator = LogisticRegression(tol=1e-8, max_iter=1000)
    model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X, y)
    reference = reference_fit(estimator, X, y)
    assert objective(model.estimator_, X, y) <= objective(reference, X, y) * (1 + 1e-9)


def test_many_unknowns_and_absolute_penalty_take_gradients_only(monkeypatch):
    X, y, _ = make_data(n_classes=3, n_columns=10)
    X = X / X.std(axis=0)
    monkeypatch.setattr(linear, "MOST_UNKNOWNS", 5)
    estimator = LogisticRegression(l1_ratio=1.0, C=0.01, solver="saga", tol=1e-8, max_iter=1000)
    model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X, y)
    reference = reference_fit(estimator, X, y, solvers=("saga",))
    assert objective(model.estimator_, X, y) <= objective(reference, X, y) * (1 + 1e-9)
    assert_array_equal(model.coef_ == 0, reference.coef_ == 0)


def test_too_few_steps_give_a_warning():
    X, y, _ = make_data(n_rows=100_000)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 "):
        AutoScaleClassifier(LogisticRegression(max_iter=1, tol=1e-9), backend="reductions:cpu").fit(X, y)


def test_one_class_and_missing_values_are_errors():
    X, y, _ = make_data(n_rows=100_000)
    model = AutoScaleClassifier(backend="reductions:cpu")
    with pytest.raises(ValueError, match="at least 2 classes"):
        model.fit(X, np.zeros(len(X)))
    X[77_777, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        AutoScaleClassifier().fit(da.from_array(X, chunks=(10_000, -1)), da.from_array(y, chunks=10_000))
