"""Parameters by the names that the user's own, plain object has."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skdist_gpu import AutoScaleRegressor, AutoScaleTransformer, autoscale, unwrap

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 5))
y = X @ [1.0, 2.0, 0.0, -1.0, 0.5] + 0.1 * rng.normal(size=120)
ALPHAS = [0.01, 1.0, 100.0]


def pipeline():
    return make_pipeline(StandardScaler(), Ridge())


SEARCHES = {
    "grid": lambda e: GridSearchCV(e, {"ridge__alpha": ALPHAS}),
    "random": lambda e: RandomizedSearchCV(e, {"ridge__alpha": ALPHAS}, n_iter=3, random_state=0),
    "halving": lambda e: HalvingGridSearchCV(e, {"ridge__alpha": ALPHAS}, random_state=0),
    "halving random": lambda e: HalvingRandomSearchCV(e, {"ridge__alpha": ALPHAS}, n_candidates=3, random_state=0),
}


@pytest.mark.parametrize("outside", [False, True], ids=["inside", "outside"])
@pytest.mark.parametrize("name", SEARCHES)
def test_searches_answer_in_the_users_names(name, outside):
    plain = SEARCHES[name](pipeline()).fit(X, y)
    search = autoscale(SEARCHES[name](pipeline())) if outside else SEARCHES[name](autoscale(pipeline()))
    search.fit(X, y)
    assert search.best_params_ == plain.best_params_
    assert_allclose(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert search.cv_results_["param_ridge__alpha"].tolist() == plain.cv_results_["param_ridge__alpha"].tolist()
    assert (
        pipeline().set_params(**search.best_params_).get_params()["ridge__alpha"] == plain.best_params_["ridge__alpha"]
    )
    assert isinstance(search.best_estimator_[-1], AutoScaleRegressor)


def test_set_and_get():
    model = autoscale(pipeline())
    model.set_params(ridge__alpha=3.0, standardscaler__with_mean=False)
    params = model.get_params()
    assert (params["ridge__alpha"], params["standardscaler__with_mean"]) == (3.0, False)
    assert set(pipeline().get_params()) <= set(params)
    assert (model["ridge"].alpha, model[0].with_mean) == (3.0, False)
    copied = clone(model).set_params(ridge__alpha=5.0)
    assert (copied["ridge"].alpha, model["ridge"].alpha) == (5.0, 3.0)
    copied["ridge"].alpha = 7.0
    assert copied.fit(X, y)["ridge"].estimator_.alpha == 7.0


def test_long_paths_stay_valid():
    model = autoscale(pipeline()).set_params(ridge__estimator__alpha=2.0)
    assert model.get_params()["ridge__estimator__alpha"] == model.get_params()["ridge__alpha"] == 2.0
    search = GridSearchCV(AutoScaleRegressor(Ridge()), {"estimator__alpha": ALPHAS}).fit(X, y)
    assert search.best_params_ == {"estimator__alpha": 0.01}


def test_unknown_names_raise_scikit_learns_error():
    for wrong in ({"ridge__colour": 1}, {"bogus": 1}):
        with pytest.raises(ValueError, match="Invalid parameter") as plain:
            pipeline().set_params(**wrong)
        with pytest.raises(ValueError, match="Invalid parameter") as ours:
            autoscale(pipeline()).set_params(**wrong)
        assert str(ours.value).split(" for ")[0] == str(plain.value).split(" for ")[0]
    with pytest.raises(ValueError, match="Invalid parameter 'bogus' for estimator Ridge"):
        AutoScaleRegressor(Ridge()).set_params(estimator__bogus=1)


def test_the_default_estimator_has_its_names():
    model = AutoScaleRegressor().set_params(fit_intercept=False)
    assert model.fit(X, y).intercept_ == 0.0
    assert AutoScaleTransformer().get_params()["with_std"] is True


@pytest.mark.parametrize("wrap", [autoscale, lambda e: e], ids=["ours", "plain"])
def test_curves(wrap):
    train, test = validation_curve(wrap(pipeline()), X, y, param_name="ridge__alpha", param_range=ALPHAS)
    expected = validation_curve(pipeline(), X, y, param_name="ridge__alpha", param_range=ALPHAS)
    assert_allclose((train, test), expected)
    assert_allclose(learning_curve(wrap(pipeline()), X, y)[2], learning_curve(pipeline(), X, y)[2])


def test_a_column_transformers_names():
    frame = pd.DataFrame(X, columns=list("abcde"))
    columns = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])], remainder=MinMaxScaler())
    plain = make_pipeline(columns, Ridge())
    wrapped = autoscale(plain)
    grid = {"columntransformer__scale__with_mean": [True, False], "columntransformer__remainder__clip": [True]}
    assert_allclose(
        GridSearchCV(wrapped, grid).fit(frame, y).cv_results_["mean_test_score"],
        GridSearchCV(plain, grid).fit(frame, y).cv_results_["mean_test_score"],
    )
    assert isinstance(wrapped[0].remainder, AutoScaleTransformer)
    assert wrapped.fit(frame, y)[0].named_transformers_["remainder"].backend_


@pytest.mark.parametrize("outside", [False, True], ids=["inside", "outside"])
def test_steps_that_a_grid_swaps_in_are_wrapped(outside):
    plain = Pipeline([("pre", StandardScaler()), ("reg", Ridge())])
    grid = [
        {"pre": [StandardScaler(), PCA(3), "passthrough"], "reg": [Ridge(), Lasso()], "reg__alpha": [0.1, 1.0]},
        {"reg": [DecisionTreeRegressor(random_state=0)], "reg__max_depth": [2]},
    ]
    expected = GridSearchCV(plain, grid).fit(X, y)
    search = autoscale(GridSearchCV(plain, grid)) if outside else GridSearchCV(autoscale(plain), grid)
    search.fit(X, y)
    assert_allclose(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    assert str(search.best_params_) == str(expected.best_params_)
    assert isinstance(search.best_estimator_["reg"], AutoScaleRegressor)
    assert_allclose(plain.set_params(**search.best_params_).fit(X, y).predict(X), search.predict(X))


def test_options_stay_with_what_is_swapped_in():
    model = autoscale(pipeline(), backend="sklearn").set_params(ridge=Lasso())
    assert (type(model["ridge"].estimator), model["ridge"].backend) == (Lasso, "sklearn")


def test_refit_and_scorers_speak_the_users_names():
    def refit(results):
        assert "param_ridge__alpha" in results
        return int(np.argmax(results["mean_test_score"]))

    seen = []

    def scorer(estimator, X, y):
        seen.append(estimator.get_params()["ridge__alpha"])
        return estimator.score(X, y)

    search = autoscale(GridSearchCV(pipeline(), {"ridge__alpha": ALPHAS}, refit=refit, scoring=scorer)).fit(X, y)
    assert search.best_params_ == {"ridge__alpha": 0.01}
    assert set(seen) == set(ALPHAS)
    several = {"r2": make_scorer(r2_score), "error": "neg_mean_squared_error"}
    plain = GridSearchCV(pipeline(), {"ridge__alpha": ALPHAS}, scoring=several, refit="error")
    ours = autoscale(plain).fit(X, y)
    assert_allclose(ours.cv_results_["mean_test_error"], plain.fit(X, y).cv_results_["mean_test_error"])


@pytest.mark.parametrize(
    ("plain", "names"),
    [
        (RFE(Ridge(), n_features_to_select=2), {"estimator__alpha": 10.0, "n_features_to_select": 3}),
        (BaggingRegressor(Ridge(), random_state=0), {"estimator__alpha": 10.0, "n_estimators": 3}),
        (BaggingRegressor(pipeline(), random_state=0), {"estimator__ridge__alpha": 10.0}),
        (VotingRegressor([("a", Ridge()), ("b", Lasso())]), {"a__alpha": 10.0, "b": "drop"}),
        (TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), {"regressor__alpha": 10.0}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_meta_estimators_keep_the_meaning_of_their_names(plain, names):
    expected = clone(plain).set_params(**names).fit(X, y)
    assert_allclose(autoscale(plain).set_params(**names).fit(X, y).predict(X), expected.predict(X))
    wrapped = AutoScaleRegressor(clone(plain)).set_params(**names)
    assert_allclose(wrapped.fit(X, y).predict(X), expected.predict(X))


def test_seeds_are_drawn_as_often_as_for_the_plain_object():
    plain = BaggingRegressor(DecisionTreeRegressor(max_features=2), n_estimators=5, random_state=3)
    assert_allclose(autoscale(plain).fit(X, y).predict(X), clone(plain).fit(X, y).predict(X))


class Sampler:
    """What optuna and skopt do: try values by name on clones."""

    def best(self, estimator, space, n_trials=4):
        rng = np.random.default_rng(0)
        trials = [{name: rng.choice(values) for name, values in space.items()} for _ in range(n_trials)]
        scores = [cross_validate(clone(estimator).set_params(**t), X, y)["test_score"].mean() for t in trials]
        return trials[int(np.argmax(scores))]


def test_other_searches_by_set_params():
    space = {"ridge__alpha": ALPHAS, "standardscaler__with_std": [True, False]}
    assert Sampler().best(autoscale(pipeline()), space) == Sampler().best(pipeline(), space)


class Damped(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """A meta-estimator of another package."""

    def __init__(self, base=None, parts=(), factor=0.5):
        self.base, self.parts, self.factor = base, parts, factor

    def fit(self, X, y):
        self.fitted_ = [clone(e).fit(X, y) for e in (self.base, *(part for _, part in self.parts))]
        return self

    def predict(self, X):
        return self.factor * np.mean([e.predict(X) for e in self.fitted_], axis=0)


def test_meta_estimators_of_others_are_stepped_into():
    plain = Damped(Ridge(), parts=[("lasso", Lasso(0.1)), ("other", Damped(LinearRegression()))])
    model = autoscale(plain).set_params(base__alpha=2.0, factor=0.25)
    assert isinstance(model, Damped)
    model.fit(X, y)
    assert {type(e).__name__ for e in model.fitted_} == {"AutoScaleRegressor", "AutoScaleDamped"}
    assert_allclose(model.predict(X), clone(plain).set_params(base__alpha=2.0, factor=0.25).fit(X, y).predict(X))
    assert "AutoScale" not in repr(vars(unwrap(model)))


def test_labels_of_classes_and_attributes():
    labels = np.where(y > 0, "up", "down")
    model = autoscale(make_pipeline(StandardScaler(), LogisticRegression())).fit(X, labels)
    assert model["logisticregression"].C == 1.0
    assert model.classes_.tolist() == ["down", "up"]


@pytest.mark.parametrize("ensemble", [VotingRegressor, StackingRegressor])
def test_columns_have_the_names_that_the_plain_object_gives(ensemble):
    plain = ensemble([("a", Ridge()), ("b", LinearRegression())]).fit(X, y)
    model = autoscale(plain).fit(X, y)
    assert model.get_feature_names_out().tolist() == plain.get_feature_names_out().tolist()
    frame = model.set_output(transform="pandas").transform(X)
    assert list(frame) == plain.get_feature_names_out().tolist()
