"""AutoScale estimators inside scikit-learn's own tools."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelBinarizer, LabelEncoder, MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.validation import has_fit_parameter

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, AutoScaleTransformer, autoscale, load, save

X, y = load_diabetes(return_X_y=True, as_frame=True)
XC, yc = load_breast_cancer(return_X_y=True)
BACKENDS = ["auto", "reductions"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_cross_validation_gives_the_plain_estimators_scores(backend):
    assert_allclose(
        cross_val_score(AutoScaleRegressor(Ridge(0.1), backend=backend), X, y),
        cross_val_score(Ridge(0.1), X, y),
        rtol=1e-8,
    )
    assert_allclose(
        cross_val_predict(AutoScaleRegressor(Ridge(0.1), backend=backend), X, y),
        cross_val_predict(Ridge(0.1), X, y),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_grid_search_in_processes_over_the_inner_parameters(backend):
    grid = {"estimator__alpha": [0.01, 1.0, 100.0]}
    search = GridSearchCV(AutoScaleRegressor(Ridge(), backend=backend), grid, n_jobs=2).fit(X, y)
    plain = GridSearchCV(Ridge(), {"alpha": [0.01, 1.0, 100.0]}).fit(X, y)
    assert search.best_params_["estimator__alpha"] == plain.best_params_["alpha"]
    assert_allclose(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])


def test_pipeline_and_autoscale_of_a_pipeline():
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(XC, yc)
    wrapped = autoscale(make_pipeline(StandardScaler(), LogisticRegression())).fit(XC, yc)
    assert_allclose(wrapped.predict_proba(XC), plain.predict_proba(XC))
    assert isinstance(wrapped[0], AutoScaleTransformer)


def test_autoscale_wraps_what_is_inside():
    names = list(X.columns)
    columns = ColumnTransformer([("scale", StandardScaler(), names[:5]), ("keep", "passthrough", names[5:])])
    union = FeatureUnion([("scale", StandardScaler()), ("other", MinMaxScaler())])
    search = GridSearchCV(Ridge(), {"alpha": [1.0]})
    assert_allclose(autoscale(columns).fit_transform(X), columns.fit_transform(X))
    assert_allclose(autoscale(union).fit_transform(X), union.fit_transform(X))
    assert isinstance(autoscale(search).fit(X, y).best_estimator_, AutoScaleRegressor)
    assert isinstance(search.estimator, Ridge)
    with pytest.raises(TypeError, match="takes a scikit-learn estimator"):
        autoscale(3)


def test_a_search_tries_the_parameters_that_it_was_given():
    steps = ColumnTransformer([("scale", StandardScaler(), list(X.columns))]), BaggingRegressor(Ridge(), random_state=0)
    grid = {"columntransformer__scale__with_mean": [True], "baggingregressor__estimator__alpha": [0.01, 100.0]}
    plain = GridSearchCV(make_pipeline(*steps), [grid, {"columntransformer__remainder": ["drop"]}]).fit(X, y)
    search = autoscale(plain).fit(X, y)
    assert isinstance(search.best_estimator_[1].estimators_[0], AutoScaleRegressor)
    assert_allclose(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    renamed = GridSearchCV(AutoScaleRegressor(Ridge()), {"estimator__alpha": [1.0]})
    assert autoscale(renamed).fit(X, y).best_params_ == {"estimator__alpha": 1.0}
    drawn = RandomizedSearchCV(Ridge(), {"alpha": [1.0]}, n_iter=1)
    assert autoscale(drawn).fit(X, y).best_params_ == {"alpha": 1.0}


@pytest.mark.parametrize("step", [KMeans(2, random_state=0), LinearDiscriminantAnalysis()])
def test_clusterers_and_classifiers_that_transform_are_steps_before_others(step):
    plain = make_pipeline(clone(step), StandardScaler()).set_output(transform="pandas").fit_transform(XC, yc)
    wrapped = autoscale(make_pipeline(step, StandardScaler())).set_output(transform="pandas").fit_transform(XC, yc)
    pd.testing.assert_frame_equal(wrapped, plain)
    union = autoscale(FeatureUnion([("step", step), ("other", MinMaxScaler())]))
    assert union.fit_transform(XC, yc).shape[0] == len(XC)


def test_clone_and_parameters():
    model = AutoScaleRegressor(Ridge(alpha=5.0), backend="reductions", memory_budget="1GB")
    assert clone(model).get_params()["estimator__alpha"] == 5.0
    model.set_params(estimator__alpha=7.0).fit(X, y)
    assert model.estimator.alpha == 7.0
    assert not hasattr(model.estimator, "coef_")
    assert not hasattr(clone(model), "coef_")


def test_set_output_and_feature_names():
    scaled = AutoScaleTransformer().set_output(transform="pandas").fit_transform(X)
    assert isinstance(scaled, pd.DataFrame)
    assert scaled.columns.tolist() == X.columns.tolist()
    model = AutoScaleRegressor(backend="reductions").fit(X, y)
    assert_array_equal(model.feature_names_in_, X.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[X.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X.to_numpy())


def test_routing_of_sample_weight():
    weights = np.linspace(0.1, 2, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        step = AutoScaleRegressor(Ridge(), backend="reductions").set_fit_request(sample_weight=True)
        model = Pipeline([("scale", StandardScaler().set_fit_request(sample_weight=False)), ("fit", step)])
        model.fit(X, y, sample_weight=weights)
        asking = Ridge().set_fit_request(sample_weight=True)
        carried = autoscale(
            Pipeline([("scale", StandardScaler().set_fit_request(sample_weight=False)), ("fit", asking)])
        )
        carried.fit(X, y, sample_weight=weights)
    plain = Pipeline([("scale", StandardScaler()), ("fit", Ridge())]).fit(X, y, fit__sample_weight=weights)
    assert_allclose(model[-1].coef_, plain[-1].coef_)
    assert_allclose(carried[-1].coef_, plain[-1].coef_)


def test_weights_are_offered_only_where_the_estimator_takes_them():
    assert has_fit_parameter(AutoScaleRegressor(), "sample_weight")
    assert not has_fit_parameter(AutoScaleRegressor(KNeighborsRegressor()), "sample_weight")


def test_meta_estimators_that_read_fitted_attributes():
    rfe = RFE(AutoScaleRegressor(backend="reductions"), n_features_to_select=3).fit(X, y)
    assert_array_equal(rfe.support_, RFE(LinearRegression(), n_features_to_select=3).fit(X, y).support_)
    chosen = SelectFromModel(AutoScaleRegressor(Lasso(0.5)), threshold=1e-5).fit(X, y).get_support()
    assert_array_equal(chosen, SelectFromModel(Lasso(0.5)).fit(X, y).get_support())


def test_voting_and_calibration():
    parts = [
        ("one", LogisticRegression(max_iter=5000)),
        ("two", AutoScaleClassifier(LogisticRegression(max_iter=5000))),
    ]
    voting = VotingClassifier(parts, voting="soft").fit(XC, yc)
    assert_allclose(voting.predict_proba(XC), LogisticRegression(max_iter=5000).fit(XC, yc).predict_proba(XC))
    mean = VotingRegressor([("one", AutoScaleRegressor(backend="reductions"))]).fit(X, y)
    assert_allclose(mean.predict(X), LinearRegression().fit(X, y).predict(X))
    calibrated = CalibratedClassifierCV(AutoScaleClassifier(LogisticRegression(max_iter=5000))).fit(XC, yc)
    plain = CalibratedClassifierCV(LogisticRegression(max_iter=5000)).fit(XC, yc)
    assert_allclose(calibrated.predict_proba(XC), plain.predict_proba(XC))


@pytest.mark.parametrize("backend", BACKENDS)
def test_pickle_and_skops(tmp_path, backend):
    model = AutoScaleRegressor(Ridge(), backend=backend).fit(X, y)
    save(model, tmp_path / "model.skops")
    for loaded in (pickle.loads(pickle.dumps(model)), load(tmp_path / "model.skops")):
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert loaded.backend_ == model.backend_
        assert loaded.plan_ == model.plan_
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain) is Ridge


def test_html_shows_the_plan_of_a_fitted_estimator():
    model = AutoScaleRegressor(Ridge())
    assert "skdist-gpu-plan" not in model._repr_html_()
    html = model.fit(X, y)._repr_mimebundle_()["text/html"]
    assert "skdist-gpu-plan" in html
    assert "reductions:cpu" in html
    assert len(repr(model.plan_)) <= 30


@pytest.mark.parametrize("strategy", [OneVsRestClassifier, OneVsOneClassifier])
def test_one_classifier_for_each_class_or_pair_chooses_by_itself(strategy):
    X, y = make_classification(300, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
    model = autoscale(strategy(LinearSVC()), backend="reductions:cpu").fit(X, y)
    assert {inner.backend_ for inner in model.estimators_} == {"reductions"}
    assert model.score(X, y) == pytest.approx(strategy(LinearSVC()).fit(X, y).score(X, y), abs=0.01)


@pytest.mark.parametrize("encoder", [LabelEncoder(), LabelBinarizer()], ids=lambda e: type(e).__name__)
def test_what_transforms_a_target_stays_as_it_is(encoder):
    wrapped = autoscale(encoder)
    assert type(wrapped) is type(encoder)
    assert wrapped is not encoder
    assert wrapped.fit(["b", "a"]).classes_.tolist() == ["a", "b"]
    with pytest.raises(TypeError, match=r"transforms X, and Label.* a target"):
        AutoScaleTransformer(encoder).fit([[1.0], [2.0]])


def test_text_stays_with_scikit_learn():
    texts = ["a good day", "a bad day", "good good", "bad bad day"] * 5
    model = autoscale(make_pipeline(TfidfVectorizer(), LogisticRegression())).fit(texts, [0, 1, 0, 1] * 5)
    assert model[0].backend_ == "sklearn"
    assert model.predict(["good", "bad"]).tolist() == [0, 1]


@pytest.mark.parametrize("estimator", [Ridge(alpha=np.float64(2.0)), Ridge(solver="svd"), StandardScaler()])
def test_what_was_set_on_an_estimator_stays_in_its_copies(estimator):
    if hasattr(estimator, "transform"):
        configured = estimator.set_output(transform="pandas")
        model = autoscale(configured).fit(pd.DataFrame({"a": [1.0, 2.0]}))
        assert isinstance(model.estimator_.transform(pd.DataFrame({"a": [1.0]})), pd.DataFrame)
    else:
        with sklearn.config_context(enable_metadata_routing=True):
            configured = estimator.set_fit_request(sample_weight=True)
            model = autoscale(configured).fit([[1.0], [2.0]], [1.0, 2.0])
            assert model.estimator_.get_metadata_routing().fit.requests["sample_weight"] is True
    assert model.estimator_ is not configured
    assert model.estimator_.get_params() == clone(configured).get_params()


def test_questions_to_a_fitted_model_are_answered():
    X = np.random.default_rng(0).normal(size=(60, 4))
    selector = autoscale(SelectKBest(k=2))
    assert not hasattr(selector, "get_support")
    selector.fit(X, X[:, 1] + X[:, 3] > 0)
    np.testing.assert_array_equal(selector.get_support(indices=True), selector.estimator_.get_support(indices=True))
    pca = autoscale(PCA(2)).fit(X)
    np.testing.assert_allclose(pca.get_covariance(), pca.estimator_.get_covariance())
    with pytest.raises(AttributeError, match="no attribute 'mahalanobis'; the fitted LedoitWolf in estimator_ has one"):
        autoscale(LedoitWolf()).fit(X).mahalanobis(X)
    with pytest.raises(AttributeError, match=r"'AutoScaleTransformer' object has no attribute 'colour'$"):
        _ = pca.colour


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_functions_without_names_give_the_frames_that_are_asked_for(container):
    frame = (pd if container == "pandas" else pl).DataFrame({"a": [0.0, 1.0], "b": [2.0, 3.0]})
    plain = ColumnTransformer([("f", FunctionTransformer(), ["b"])], verbose_feature_names_out=False)
    expected = clone(plain).set_output(transform=container).fit_transform(frame)
    result = autoscale(plain).set_output(transform=container).fit_transform(frame)
    assert type(result) is type(expected)
    assert list(result.columns) == list(expected.columns)
    assert_allclose(result.to_numpy(), expected.to_numpy())


def test_holders_after_a_step_by_sums_are_fitted_from_many_rows():
    # so many values that a pipeline is looked at for steps to fit together
    X = np.random.default_rng(0).normal(size=(30_000, 5))
    targets = X @ np.ones((5, 2)) + X[:, :2]
    plain = make_pipeline(StandardScaler(), MultiOutputRegressor(Ridge()))
    assert_allclose(autoscale(plain).fit(X, targets).predict(X), clone(plain).fit(X, targets).predict(X))


def test_absent_methods_are_told_of_as_scikit_learn_does():
    search = autoscale(GridSearchCV(Ridge(), {"alpha": [1.0]}, refit=False)).fit(X, y)
    with pytest.raises(AttributeError, match="has no attribute 'predict'") as raised:
        search.predict(X)
    assert "refit=False" in str(raised.value.__cause__)
    with pytest.raises(ValueError, match="empty"):
        autoscale(Pipeline([])).fit(X, y)


def test_a_search_puts_in_a_last_step_that_was_left_out():
    plain = Pipeline([("scale", StandardScaler()), ("last", None)])
    grid = {"last": [LogisticRegression()], "last__C": [0.01, 1.0]}
    search = GridSearchCV(plain, grid, cv=3, scoring="accuracy")
    expected = clone(search).fit(XC, yc).cv_results_["mean_test_score"]
    for ours in (autoscale(search), search.set_params(estimator=autoscale(plain))):
        assert_allclose(ours.fit(XC, yc).cv_results_["mean_test_score"], expected)
