"""XGBoost in place of scikit-learn's gradient boosting: only if asked for, and only with equal parameters."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from skdist_gpu import AutoScaleRegressor, autoscale
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on, make_resources

xgboost = pytest.importorskip("xgboost")


@pytest.mark.parametrize("memory", ["128GB", "1GB"])
@pytest.mark.parametrize("estimator", [HistGradientBoostingRegressor(), GradientBoostingRegressor()])
def test_never_by_itself(estimator, memory):
    machine = make_resources(gpus=1, memory=memory)
    plan = AutoScaleRegressor(estimator).plan(shape=(10**7, 50), resources=machine)
    assert all(candidate.backend == "sklearn" for candidate in plan.ladder)
    assert "another model" in str(plan)
    forced = AutoScaleRegressor(estimator, backend="xgboost").plan(shape=(10**6, 50), resources=machine)
    assert forced.chosen.name == "xgboost:gpu"
    assert "its own model" in forced.reasons[0]


def test_regressor_is_the_same_up_to_the_choice_of_bins():
    X, y = load_diabetes(return_X_y=True)
    X = np.round(X, 2)  # few values: both have the same candidate splits
    theirs = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=8, l2_regularization=1.0)
    model = autoscale(theirs, backend="xgboost").fit(X, y)
    assert_ran_on(model, "xgboost:cpu")
    assert type(model.estimator_) is xgboost.XGBRegressor
    np.testing.assert_allclose(model.predict(X), theirs.fit(X, y).predict(X), rtol=1e-3)


def test_classifier_decodes_labels():
    X, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    for theirs in (HistGradientBoostingClassifier(min_samples_leaf=1, max_iter=20), GradientBoostingClassifier()):
        model = autoscale(theirs, backend="xgboost").fit(X, names)
        assert type(model.estimator_) is xgboost.XGBClassifier
        assert model.score(X, names) > 0.97
        assert model.predict_proba(X).shape == (150, 3)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (HistGradientBoostingClassifier(), "min_samples_leaf=20 is not supported"),
        (HistGradientBoostingRegressor(interaction_cst="pairwise"), "interaction_cst='pairwise'"),
        (GradientBoostingRegressor(loss="huber"), "loss='huber'"),
        (GradientBoostingRegressor(max_features=2), "max_features=2"),
    ],
)
def test_parameter_without_an_equal_is_refused(estimator, message):
    with pytest.raises(BackendError, match=message):
        autoscale(estimator, backend="xgboost").fit([[0.0], [1.0]], [0, 1])


def test_words_of_early_stopping():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = X[:, 0] + rng.normal(size=2000)
    for theirs in (
        HistGradientBoostingRegressor(max_iter=500, early_stopping=True, n_iter_no_change=4),
        GradientBoostingRegressor(n_estimators=500, n_iter_no_change=4),
    ):
        model = autoscale(theirs, backend="xgboost").fit(X, y)
        (values,) = model.evals_result_["validation_0"].values()
        assert len(values) == np.argmin(values) + 5 < 500
