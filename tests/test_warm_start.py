"""Fits that go on from the last one, and engines that cannot."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, autoscale
from skdist_gpu.exceptions import BackendError

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(300, 5))
Y = np.exp(X @ [0.5, -0.4, 0.2, 0.0, 0.3]) + GENERATOR.uniform(size=300)
LABELS = np.array(["no", "yes"])[(np.median(Y) < Y).astype(int)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "plain",
    [
        SGDRegressor(warm_start=True, max_iter=1, tol=None, random_state=0),
        SGDClassifier(warm_start=True, max_iter=1, tol=None, random_state=0, loss="log_loss"),
        Perceptron(warm_start=True, max_iter=1, tol=None, random_state=0),
        MLPRegressor(hidden_layer_sizes=(4,), warm_start=True, max_iter=2, random_state=0),
        MLPClassifier(hidden_layer_sizes=(4,), warm_start=True, max_iter=2, random_state=0),
        Lasso(0.001, warm_start=True, max_iter=1, tol=1e-12),
        ElasticNet(0.001, warm_start=True, max_iter=1, tol=1e-12),
        LogisticRegression(warm_start=True, max_iter=2),
        PoissonRegressor(warm_start=True, max_iter=1),
        RandomForestRegressor(3, warm_start=True, random_state=np.random.RandomState(0)),
        GradientBoostingRegressor(n_estimators=3, warm_start=True, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_repeated_fits_give_scikit_learns_model(plain):
    ours = autoscale(clone(plain))
    given = ours.estimator
    y = LABELS if hasattr(plain, "predict_proba") or isinstance(plain, Perceptron) else Y
    for n_trees in (3, 5, 8):
        for forest in (plain, given):
            if hasattr(forest, "n_estimators"):
                forest.set_params(n_estimators=n_trees)
        plain.fit(X, y)
        ours.fit(X, y)
    answer = "predict_proba" if hasattr(plain, "predict_proba") else "predict"
    expected, found = getattr(plain, answer)(X), getattr(ours, answer)(X)
    if expected.dtype.kind == "f":
        assert_allclose(found, expected, rtol=1e-12)
    else:
        assert (found == expected).all()
    assert set(vars(given)) == set(vars(clone(given)))


def test_the_model_before_keeps_its_trees():
    model = AutoScaleClassifier(RandomForestClassifier(5, warm_start=True, random_state=0)).fit(X, LABELS)
    first = model.estimator_
    trees = list(first.estimators_)
    model.estimator.set_params(n_estimators=8)
    assert model.fit(X, LABELS).estimators_[:5] == trees
    assert first.estimators_ == trees


def test_another_estimator_begins_anew():
    model = AutoScaleRegressor(Lasso(0.01, warm_start=True)).fit(X, Y)
    model.set_params(estimator=ElasticNet(0.01, warm_start=True)).fit(X, Y)
    assert_allclose(model.coef_, ElasticNet(0.01).fit(X, Y).coef_)


@pytest.mark.parametrize("backend", ["reductions", "voting"])
def test_engines_that_cannot_go_on_refuse(backend):
    with pytest.raises(BackendError, match="warm_start=True goes on from the last fit, which it cannot"):
        autoscale(LogisticRegression(warm_start=True), backend=backend).fit(X, LABELS)


def test_blocks_go_on_too():
    plain = SGDClassifier(random_state=0, warm_start=True)
    ours = autoscale(clone(plain), backend="incremental")
    plain.partial_fit(X, LABELS, classes=["no", "yes"])
    plain.partial_fit(X, LABELS)
    ours.fit(X, LABELS).fit(X, LABELS)
    assert_allclose(ours.coef_, plain.coef_)
