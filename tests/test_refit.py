"""Answers after a model was fitted again, or changed in place, are those of the model as it is now."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from skdist_gpu import AutoScaleRegressor, AutoScaleXGBClassifier, AutoScaleXGBRegressor, get_scorer
from skdist_gpu.engines.block_method import FittedState

xgboost = pytest.importorskip("xgboost")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 3))
Y = X @ [1.0, 2.0, 3.0]


def _warm(model):
    """Ask for one row, until a copy may have been made."""
    for _ in range(3):
        model.predict(X[:1])
    return model


@pytest.mark.parametrize("wrapper", [AutoScaleXGBRegressor(n_estimators=5), AutoScaleRegressor(Ridge())])
def test_a_refit_of_the_plain_estimator_is_followed(wrapper):
    model = _warm(copy.deepcopy(wrapper).fit(X, Y))
    model.estimator_.fit(X, -Y)
    for _ in range(3):
        assert_allclose(model.predict(X[:3]), model.estimator_.predict(X[:3]), rtol=1e-6)
    assert model.predict(X[:1])[0] * Y[0] < 0


def test_a_booster_trained_on_in_place_is_followed():
    model = _warm(AutoScaleXGBRegressor(n_estimators=2).fit(X, Y))
    rows = xgboost.DMatrix(X, Y)
    for i in range(2, 12):
        model.get_booster().update(rows, i)
    for _ in range(3):
        assert_allclose(model.predict(X[:3]), model.estimator_.predict(X[:3]), rtol=1e-6)


def test_a_model_loaded_in_place_is_followed(tmp_path):
    other = xgboost.XGBRegressor(n_estimators=5).fit(X, 7 - Y)
    other.save_model(tmp_path / "other.json")
    model = _warm(AutoScaleXGBRegressor(n_estimators=5).fit(X, Y))
    model.estimator_.load_model(tmp_path / "other.json")
    for _ in range(3):
        assert_allclose(model.predict(X[:3]), other.predict(X[:3]), rtol=1e-6)


def test_a_scorer_follows_a_refit():
    model = xgboost.XGBRegressor(n_estimators=20)
    for target in (Y, -Y):
        model.fit(X, target)
        for _ in range(3):
            assert get_scorer("r2")(model, X[:60], target[:60]) == pytest.approx(model.score(X[:60], target[:60]))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_a_model_go_with_neither_copy_nor_pickle(duplicate):
    model = _warm(AutoScaleXGBClassifier(n_estimators=5).fit(X, Y > 0))
    other = duplicate(model)
    assert "_copies" not in vars(other)
    other.estimator_.fit(X, Y <= 0)
    for _ in range(3):
        assert (other.predict(X[:20]) == other.estimator_.predict(X[:20])).all()
        assert (model.predict(X[:20]) == model.estimator_.predict(X[:20])).all()


@pytest.mark.parametrize("change", ["write", "replace", "refit", "parameter"])
def test_the_state_of_an_estimator_tells_every_change(change):
    model = Ridge().fit(X, Y)
    before = FittedState(model)
    assert before == FittedState(model)
    if change == "write":
        model.coef_[:] = -model.coef_
    elif change == "replace":
        model.coef_ = model.coef_.copy()
    elif change == "refit":
        model.fit(X, Y + 1)
    else:
        model.alpha = 5.0
    assert before != FittedState(model)
