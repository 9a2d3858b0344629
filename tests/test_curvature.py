"""Second derivatives that learn from steps, and searches that use them."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import BFGS
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.svm import LinearSVC

from skdist_gpu import autoscale
from skdist_gpu.engines.reductions.core import newton
from skdist_gpu.engines.reductions.core.curvature import Curvature

generator = np.random.default_rng(0)


def test_steps_are_those_of_scipys_bfgs_matrix():
    n = 7
    matrix, steps = np.diag(np.logspace(-3, 3, n)) + 0.01, generator.normal(size=(4, n))
    true = matrix * generator.uniform(0.5, 2, size=(n, 1))
    true = true @ true.T
    known, scipys = Curvature(matrix), BFGS(init_scale=matrix)
    scipys.initialize(n, "hess")
    for step in steps:
        change, gradient = true @ step, generator.normal(size=n)
        expected = step @ known.dense() @ step
        known.learn(step, change, expected)
        scipys.update(step, change)
        assert_allclose(known.dense(), scipys.get_matrix(), rtol=1e-9)
        assert_allclose(known.dense() @ known.step(gradient, shortest=False), -gradient, rtol=1e-7)
        assert_allclose(known.dense() @ step, change, rtol=1e-9)  # what was learned last holds exactly


def test_a_change_that_tells_nothing_is_left_out():
    known = Curvature(np.eye(2))
    known.learn(np.array([1.0, 0.0]), np.array([-1.0, 0.0]), expected=1.0)
    assert_allclose(known.step(np.array([1.0, 2.0]), shortest=False), [-1, -2])


@pytest.fixture
def asked(monkeypatch):
    """What searches ask for, in order: the point, and of which rows to give second derivatives."""
    wishes, search = [], newton.search

    def noted(*arguments, **options):
        steps = search(*arguments, **options)
        wanted = next(steps)
        while True:
            wishes.append(wanted)
            sums = yield wanted
            try:
                wanted = steps.send(sums)
            except StopIteration as end:
                return end.value

    monkeypatch.setattr(newton, "search", noted)
    return wishes


@pytest.mark.parametrize("scale", [np.ones(130), np.logspace(-2, 2, 130)], ids=["alike", "of many sizes"])
@pytest.mark.parametrize(
    "estimator",
    [
        *(LogisticRegression(tol=1e-9, max_iter=10_000), LogisticRegression(C=np.inf, tol=1e-9, max_iter=10_000)),
        *(LinearSVC(tol=1e-10, max_iter=100_000), PoissonRegressor(tol=1e-9, max_iter=10_000)),
    ],
    ids=repr,
)
def test_many_unknowns_from_far_away(estimator, scale):
    X = generator.normal(size=(3_000, 130)) @ (np.eye(130) + 0.1)
    signal = X @ generator.normal(size=130) / 10 + generator.normal(size=len(X))
    y = (signal > 0).astype(int) if "Poisson" not in repr(estimator) else generator.poisson(np.exp(signal / 4))
    found = autoscale(estimator, backend="reductions").fit(X * scale, y)
    expected = type(estimator)(**estimator.get_params()).set_params(**_exact(estimator)).fit(X * scale, y)
    assert_allclose(found.coef_ * scale, expected.coef_ * scale, rtol=1e-4, atol=1e-5)


def _exact(estimator):
    return {} if isinstance(estimator, LinearSVC) else {"solver": "newton-cholesky"}


@pytest.mark.parametrize("max_iter", [4, 6, 8])
def test_few_steps_lead_as_far_as_newtons(max_iter):
    X = generator.normal(size=(1_000, 150))
    y = (X @ generator.normal(size=150) / 4 + generator.normal(size=len(X)) > 0).astype(int)
    theirs = LogisticRegression(solver="newton-cholesky", max_iter=max_iter, tol=1e-12)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        found, expected = autoscale(clone(theirs), backend="reductions").fit(X, y), theirs.fit(X, y)
    assert _objective(found, X, y) <= _objective(expected, X, y) * (1 + 1e-9)


def _objective(model, X, y):
    score = model.decision_function(X)
    return (np.logaddexp(0, score) - y * score).sum() + 0.5 * (model.coef_**2).sum()


def test_where_columns_stand_twice_no_point_is_evaluated_twice(asked):
    X = generator.normal(size=(1_000, 75))
    y = (X @ generator.normal(size=75) / 4 + generator.normal(size=len(X)) > 0).astype(int)
    model = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000)
    found = autoscale(model, backend="reductions").fit(np.hstack([X, X]), y)
    points = [tuple(point) for point, _ in asked]
    assert len(set(points)) == len(points)
    expected = LogisticRegression(C=np.inf, tol=1e-9, max_iter=1000, solver="newton-cholesky").fit(X, y)
    assert_allclose(found.coef_, np.hstack([expected.coef_, expected.coef_]) / 2, rtol=1e-4)


def test_second_derivatives_that_vanish_with_the_loss_are_summed_again():
    rows = np.random.default_rng(0).normal(size=(100, 150))
    y = rows[:, 0] > 0
    model = LinearSVC(C=1e6, tol=1e-8, max_iter=10_000)
    found = autoscale(clone(model), backend="reductions").fit(rows, y)
    expected = model.set_params(dual=True, max_iter=100_000).fit(rows, y)
    assert _hinge_objective(found, rows, y, 1e6) <= _hinge_objective(expected, rows, y, 1e6) * 1.01


def _hinge_objective(model, X, y, C):
    slack = np.maximum(1 - np.where(y, 1, -1) * model.decision_function(X), 0)
    return C * (slack @ slack) + 0.5 * ((model.coef_**2).sum() + (model.intercept_**2).sum())


def test_a_loss_with_corners_is_left_to_second_derivatives(asked):
    random = np.random.default_rng(0)
    level = np.minimum(random.geometric(0.02, 1_500) - 1, 149)
    X = np.hstack([np.eye(150)[level], random.normal(size=(1_500, 20))])
    y = random.random(1_500) < random.choice([0, 0.02, 0.3, 0.7, 1], 150)[level]
    autoscale(LinearSVC(C=1e6, tol=1e-8, max_iter=10_000), backend="reductions").fit(X, y)
    assert len(asked) < 200


def test_no_steps_are_spent_on_rounding(asked):
    random = np.random.default_rng(2)
    X = random.normal(size=(1_500, 150))
    X[:, 75:] = X[:, :75] + 1e-6 * X[:, 75:]
    y = random.poisson(np.exp(X @ random.normal(size=150) / 8)).astype(float)
    model = PoissonRegressor(alpha=0, tol=1e-8, max_iter=10_000)
    found = autoscale(clone(model), backend="reductions").fit(X, y)
    assert len(asked) < 60
    expected = model.set_params(solver="newton-cholesky").fit(X, y)
    assert_allclose(found.score(X, y), expected.score(X, y), rtol=1e-7)
