"""scikit-learn decides by an estimator's class and penalty: with ours it decides as with the plain one."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import partial_dependence
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    RANSACRegressor,
    Ridge,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

from skdist_gpu import autoscale

SELECTORS = [
    Lasso(5.0),
    LassoCV(cv=3),
    ElasticNet(5.0, l1_ratio=1.0),
    ElasticNet(5.0, l1_ratio=0.9),
    ElasticNetCV(l1_ratio=1.0, cv=3),
    Ridge(),
    LogisticRegression(l1_ratio=1.0, solver="liblinear", C=0.05),
    LinearSVC(penalty="l1", C=0.05, random_state=0),
    LinearSVC(random_state=0),
]


def make_rows(estimator):
    if hasattr(estimator, "C"):
        return make_classification(300, 6, n_informative=3, random_state=0)
    return make_regression(300, 6, n_informative=3, noise=20, random_state=0)


@pytest.mark.parametrize("estimator", SELECTORS, ids=repr)
@pytest.mark.parametrize("prefit", [False, True])
def test_features_are_selected_as_with_the_plain_estimator(estimator, prefit):
    X, y = make_rows(estimator)
    ours, plain = autoscale(estimator), clone(estimator)
    if prefit:
        ours, plain = pickle.loads(pickle.dumps(ours.fit(X, y))), plain.fit(X, y)
    ours, plain = (SelectFromModel(model, prefit=prefit).fit(X, y) for model in (ours, plain))
    assert ours.threshold_ == pytest.approx(plain.threshold_, rel=1e-3)
    np.testing.assert_array_equal(ours.get_support(), plain.get_support())


def test_ransac_knows_a_linear_regression():
    X, y = make_rows(Ridge())
    ours, plain = (RANSACRegressor(e, random_state=0).fit(X, y) for e in (autoscale(LinearRegression()), None))
    np.testing.assert_allclose(ours.predict(X), plain.predict(X))
    with pytest.raises(ValueError, match="not a LinearRegression"):
        RANSACRegressor(autoscale(Ridge()), random_state=0).fit(X, y)


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeRegressor(max_depth=3, random_state=0),
        RandomForestRegressor(5, random_state=0),
        GradientBoostingRegressor(n_estimators=5, random_state=0),
        HistGradientBoostingClassifier(max_iter=5),
        Ridge(),
    ],
    ids=repr,
)
def test_dependence_is_found_by_the_method_of_the_plain_estimator(estimator):
    X, y = make_rows(Ridge())
    y = y > 0 if isinstance(estimator, HistGradientBoostingClassifier) else y
    # oneDAL draws another forest
    backend = "sklearn" if isinstance(estimator, RandomForestRegressor) else "auto"
    ours, plain = autoscale(estimator, backend=backend).fit(X, y), clone(estimator).fit(X, y)
    ours = partial_dependence(ours, X, [0], grid_resolution=5)
    plain = partial_dependence(plain, X, [0], grid_resolution=5)
    np.testing.assert_allclose(ours["average"], plain["average"], rtol=1e-6, atol=1e-9)


def test_parameters_are_read_from_the_estimator():
    X, y = make_rows(Ridge())
    model = autoscale(Ridge(alpha=3.0))
    assert model.alpha == model.fit(X, y).alpha == 3.0
