"""What people do with the names of parameters: the same comes out of a wrapped object as of the plain one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingRegressor, StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    ParameterGrid,
    RandomizedSearchCV,
    cross_val_score,
    validation_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skdist_gpu import AutoScaleRegressor, autoscale

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("abcd"))
y = X.to_numpy() @ [1.0, 2.0, 0.0, -1.0] + 0.1 * rng.normal(size=120)
GRID = {"ridge__alpha": [0.01, 1.0, 100.0], "standardscaler__with_mean": [True, False]}


def scaled_ridge():
    return make_pipeline(StandardScaler(), Ridge())


def scaled_columns():
    columns = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])], remainder=MinMaxScaler())
    return Pipeline([("columns", columns), ("reg", Ridge())])


def found_by(search):
    """Return what a search tells in the names of its parameters."""
    search.fit(X, y)
    results = search.cv_results_
    tried = {name: list(results[name]) for name in results if name.startswith("param_")}
    return search.best_params_, tried, results["params"], np.round(results["mean_test_score"], 9).tolist()


def grid_search(wrap):
    return found_by(GridSearchCV(wrap(scaled_ridge()), GRID, cv=3))


def randomized_search(wrap):
    return found_by(RandomizedSearchCV(wrap(scaled_ridge()), GRID, n_iter=4, cv=3, random_state=0))


def halving_search(wrap):
    return found_by(HalvingGridSearchCV(wrap(scaled_ridge()), GRID, cv=3, random_state=0))


def halving_random_search(wrap):
    return found_by(HalvingRandomSearchCV(wrap(scaled_ridge()), GRID, n_candidates=4, cv=3, random_state=0))


def search_wrapped_outside(wrap):
    return found_by(wrap(GridSearchCV(scaled_ridge(), GRID, cv=3)))


def best_params_of_the_plain_object(wrap):
    best = GridSearchCV(wrap(scaled_ridge()), GRID, cv=3).fit(X, y).best_params_
    return scaled_ridge().set_params(**best).fit(X, y).predict(X).round(9).tolist()


def set_params(wrap):
    model = wrap(scaled_ridge()).set_params(ridge__alpha=3.0, standardscaler__with_std=False)
    return model.fit(X, y).predict(X).round(9).tolist()


def get_params(wrap):
    params = wrap(scaled_columns()).get_params()
    return {name: params[name] for name in scaled_columns().get_params() if isinstance(params[name], (bool, float))}


def parameters_of_a_clone(wrap):
    model = wrap(scaled_ridge())
    other = clone(model).set_params(ridge__alpha=5.0)
    return model.get_params()["ridge__alpha"], other.get_params()["ridge__alpha"]


def curve(wrap):
    found = validation_curve(wrap(scaled_ridge()), X, y, param_name="ridge__alpha", param_range=[0.1, 10.0], cv=3)
    return np.round(found, 9).tolist()


def trials_as_optuna_makes_them(wrap):
    def objective(alpha, with_std):
        model = wrap(scaled_ridge())
        model.set_params(**{"ridge__alpha": alpha, "standardscaler__with_std": with_std})
        return round(cross_val_score(model, X, y, cv=3).mean(), 9)

    return [objective(alpha, with_std) for alpha in (0.1, 10.0) for with_std in (True, False)]


class SequentialSearch(MetaEstimatorMixin, BaseEstimator):
    """A search of another package, which sets parameters one by one on clones, as skopt's does."""

    def __init__(self, estimator, space):
        self.estimator, self.space = estimator, space

    def fit(self, X, y):
        unknown = self.space.keys() - self.estimator.get_params().keys()
        assert not unknown
        self.scores_ = {}
        for point in ParameterGrid(self.space):
            model = clone(self.estimator)
            for name, value in point.items():
                model.set_params(**{name: value})
            self.scores_[str(point)] = round(model.fit(X, y).score(X, y), 9)
        self.best_ = max(self.scores_, key=self.scores_.get)
        return self


def search_of_another_package(wrap):
    search = SequentialSearch(wrap(scaled_ridge()), GRID).fit(X, y)
    return search.best_, search.scores_


def attribute_of_a_step(wrap):
    model = wrap(scaled_ridge())
    model["ridge"].alpha = 7.0
    return model["ridge"].alpha, model[0].with_mean, model.named_steps.ridge.fit_intercept


def names_of_a_column_transformer(wrap):
    model = wrap(scaled_columns()).set_params(columns__scale__with_mean=False, columns__remainder__clip=True)
    return model.fit(X, y).predict(X).round(9).tolist()


def search_in_a_column_transformer(wrap):
    grid = {"columns__scale__with_mean": [True, False], "columns__remainder": ["drop", "passthrough"]}
    return found_by(GridSearchCV(wrap(scaled_columns()), grid, cv=3))[2:]


def steps_that_are_swapped(wrap):
    grid = {"reg": [Ridge(), Lasso()], "reg__alpha": [0.1, 1.0], "columns": ["passthrough", StandardScaler()]}
    search = GridSearchCV(wrap(scaled_columns()), grid, cv=3).fit(X, y)
    plain = scaled_columns().set_params(**search.best_params_)
    return str(search.best_params_), plain.fit(X, y).predict(X).round(9).tolist()


def refit_by_names(wrap):
    def simplest(results):
        return int(np.argmax(results["param_ridge__alpha"]))

    return GridSearchCV(wrap(scaled_ridge()), GRID, cv=3, refit=simplest).fit(X, y).best_params_


def scorer_that_reads_names(wrap):
    def scorer(estimator, X, y):
        return -estimator.get_params()["ridge__alpha"] - estimator["standardscaler"].with_mean

    return found_by(GridSearchCV(wrap(scaled_ridge()), GRID, cv=3, scoring=scorer))


def names_of_holders(wrap):
    models = [
        wrap(RFE(Ridge(), n_features_to_select=2)).set_params(estimator__alpha=10.0, n_features_to_select=3),
        wrap(BaggingRegressor(scaled_ridge(), 2, random_state=0)).set_params(estimator__ridge__alpha=10.0),
        wrap(StackingRegressor([("a", Ridge()), ("b", Lasso())], cv=3)).set_params(a__alpha=10.0, b="drop"),
    ]
    return [model.fit(X, y).predict(X).round(9).tolist() for model in models]


USES = [
    *(grid_search, randomized_search, halving_search, halving_random_search, search_wrapped_outside),
    *(best_params_of_the_plain_object, set_params, get_params, parameters_of_a_clone, curve),
    *(trials_as_optuna_makes_them, search_of_another_package, attribute_of_a_step, names_of_a_column_transformer),
    *(search_in_a_column_transformer, steps_that_are_swapped, refit_by_names, scorer_that_reads_names),
    names_of_holders,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_the_same_comes_out(use):
    assert use(autoscale) == use(clone)


def test_paths_through_the_wrapper_stay_valid():
    assert found_by(GridSearchCV(AutoScaleRegressor(Ridge()), {"estimator__alpha": [1.0]}, cv=3))[0] == {
        "estimator__alpha": 1.0
    }
    assert autoscale(scaled_ridge()).set_params(ridge__estimator__alpha=2.0)["ridge"].alpha == 2.0
