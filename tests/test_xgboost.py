"""XGBoost on one machine: the answers of XGBoost called directly, with scikit-learn's manners."""

import inspect
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdist_gpu import (
    AutoScaleClassifier,
    AutoScaleRegressor,
    AutoScaleXGB,
    AutoScaleXGBClassifier,
    AutoScaleXGBRanker,
    AutoScaleXGBRegressor,
)
from skdist_gpu.exceptions import BackendError, EngineRefusal
from skdist_gpu.testing import assert_ran_on, make_resources

xgboost = pytest.importorskip("xgboost")
XGBClassifier, XGBRegressor = xgboost.XGBClassifier, xgboost.XGBRegressor

FEW = {"n_estimators": 5}
OURS = {"backend", "fallback", "memory_budget", "precision", "progress", "reproducible", "validation_fraction"}


@pytest.fixture(scope="module")
def iris():
    data = load_iris()
    return data.data, data.target, data.target_names[data.target]


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


def _frame(X):
    return pd.DataFrame(X, columns=[f"column {i}" for i in range(X.shape[1])])


# --- scikit-learn's checks -----------------------------------------------------------------


@parametrize_with_checks([AutoScaleRegressor(XGBRegressor(**FEW)), AutoScaleClassifier(XGBClassifier(**FEW))])
def test_scikit_learn_checks_of_wrapped_estimators(estimator, check):
    # XGBoost's own objects; the AutoScaleXGB estimators are in checked_estimators.py
    check(estimator)


# --- the same answer as XGBoost ------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, _frame, sp.csr_array, lambda X: X.tolist()])
@pytest.mark.parametrize("weighted", [False, True])
def test_regressor_predicts_bit_for_bit_what_xgboost_does(diabetes, container, weighted):
    X, y = container(diabetes[0]), diabetes[1]
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    direct = XGBRegressor(n_estimators=30, max_depth=3).fit(X, y, sample_weight=weights)
    model = AutoScaleXGBRegressor(n_estimators=30, max_depth=3).fit(X, y, weights)
    assert_ran_on(model, "xgboost:cpu")
    np.testing.assert_array_equal(model.predict(X), direct.predict(X))
    assert model.estimator_.get_booster().save_raw() == direct.get_booster().save_raw()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifier_decodes_text_and_gives_xgboosts_probabilities(iris, n_classes):
    X, codes, names = (part[iris[1] < n_classes] for part in iris)
    direct = XGBClassifier(**FEW).fit(X, codes)
    model = AutoScaleXGBClassifier(**FEW).fit(X, names)
    assert model.classes_.tolist() == sorted(set(names))
    np.testing.assert_array_equal(model.predict_proba(X), direct.predict_proba(X))
    np.testing.assert_array_equal(model.predict(X), model.classes_[direct.predict(X)])
    assert model.score(X, names) == np.mean(direct.predict(X) == codes)


def test_labels_need_not_begin_at_zero(iris):
    X, codes, _ = iris
    labels = np.array([-7, 3, 12])[codes]
    model = AutoScaleClassifier(XGBClassifier(**FEW)).fit(X, labels)
    assert set(model.predict(X)) == {-7, 3, 12}
    assert model.predict(X).dtype == labels.dtype


def test_softmax_objective_is_kept(iris):
    X, codes, names = iris
    direct = XGBClassifier(objective="multi:softmax", **FEW).fit(X, codes)
    model = AutoScaleXGB(objective="multi:softmax", **FEW).fit(X, names)
    np.testing.assert_array_equal(model.predict(X), model.classes_[direct.predict(X)])
    np.testing.assert_array_equal(model.predict_proba(X), direct.predict_proba(X))


def test_several_targets_come_in_float64(diabetes):
    X, y = diabetes
    Y = np.column_stack((y, -y))
    predicted = AutoScaleXGBRegressor(**FEW).fit(X, Y).predict(X)
    np.testing.assert_array_equal(predicted, XGBRegressor(**FEW).fit(X, Y).predict(X))
    assert predicted.dtype == np.float64


def test_margins_are_not_decoded(iris):
    X, codes, names = iris
    margins = AutoScaleXGBClassifier(**FEW).fit(X, names).predict(X, output_margin=True)
    np.testing.assert_array_equal(margins, XGBClassifier(**FEW).fit(X, codes).predict(X, output_margin=True))


def test_categories_of_a_frame(diabetes):
    X, y = diabetes
    frame = _frame(X).assign(group=pd.qcut(X[:, 2], 4, labels=list("dbca")).astype("category"))
    direct = XGBRegressor(enable_categorical=True, **FEW).fit(frame, y)
    model = AutoScaleXGBRegressor(enable_categorical=True, **FEW).fit(frame, y)
    np.testing.assert_array_equal(model.predict(frame), direct.predict(frame))
    assert model.feature_names_in_.tolist() == list(frame.columns)


# --- fit arguments -------------------------------------------------------------------------


def test_early_stopping_with_text_labels(iris):
    X, codes, names = iris
    options = {"n_estimators": 200, "early_stopping_rounds": 2, "eval_metric": "mlogloss"}
    direct = XGBClassifier(**options).fit(X[::2], codes[::2], eval_set=[(X[1::2], codes[1::2])], verbose=False)
    model = AutoScaleXGBClassifier(**options)
    model.fit(X[::2], names[::2], eval_set=[(X[1::2], names[1::2])], verbose=False)
    assert model.estimator_.best_iteration == direct.best_iteration
    assert model.evals_result_ == direct.evals_result_
    np.testing.assert_array_equal(model.predict_proba(X), direct.predict_proba(X))


def test_label_of_eval_set_that_y_lacks(iris):
    X, codes, names = iris
    first = codes < 2
    with pytest.raises(ValueError, match=r"there are labels \['virginica'\]"):
        AutoScaleXGBClassifier(**FEW).fit(X[first], names[first], eval_set=[(X, names)])


def test_training_continues_from_another_model(diabetes):
    X, y = diabetes
    start = AutoScaleXGBRegressor(**FEW).fit(X, y)
    direct = XGBRegressor(**FEW).fit(X, y, xgb_model=start.estimator_)
    model = AutoScaleXGBRegressor(**FEW).fit(X, y, xgb_model=start)
    assert model.estimator_.get_booster().num_boosted_rounds() == 10
    np.testing.assert_array_equal(model.predict(X), direct.predict(X))


# --- wrong input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D array"),
        (lambda X, y: (X[:-1], y), "inconsistent numbers of samples"),
        (lambda X, y: (X[:0], y[:0]), "Found array with 0 sample"),
        (lambda X, y: (np.where(X > 0, np.inf, X), y), "Input X contains infinity"),
        (lambda X, y: (X, np.where(y > 100, np.nan, y)), "Input y contains NaN"),
        (lambda X, y: (X, None), "requires y to be passed"),
        (lambda X, y: (_frame(X)[:-1], y), "inconsistent numbers of samples"),
    ],
)
def test_wrong_input_raises_scikit_learns_error(diabetes, change, message):
    with pytest.raises(ValueError, match=message):
        AutoScaleXGBRegressor(**FEW).fit(*change(*diabetes))


@pytest.mark.parametrize(("weight", "message"), [(0.0, "at least one non-zero"), (-1.0, "Negative values")])
def test_wrong_weights(diabetes, weight, message):
    X, y = diabetes
    with pytest.raises(ValueError, match=message):
        AutoScaleXGBRegressor(**FEW).fit(X, y, np.full(len(y), weight))


def test_continuous_labels_of_a_classifier(diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match="Unknown label type"):
        AutoScaleXGBClassifier(**FEW).fit(X, y + 0.5)


def test_rows_to_predict_are_checked(diabetes):
    X, y = diabetes
    model = AutoScaleXGBRegressor(**FEW).fit(_frame(X), y)
    with pytest.raises(ValueError, match="infinity"):
        model.predict(_frame(np.where(X > 0, np.inf, X)))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(_frame(X).rename(columns={"column 1": "other"}))
    with pytest.raises(ValueError, match="expecting 10 features"), pytest.warns(UserWarning, match="feature names"):
        model.predict(X[:, 1:])


def test_missing_values_are_fine(diabetes):
    X, y = np.where(diabetes[0] > 0.1, np.nan, diabetes[0]), diabetes[1]
    model = AutoScaleXGBRegressor(**FEW).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), XGBRegressor(**FEW).fit(X, y).predict(X))


# --- nothing of the user's changes ---------------------------------------------------------


def test_users_estimator_is_left_alone(iris):
    X, codes, names = iris
    plain = XGBClassifier(**FEW)
    before = plain.get_params()
    model = AutoScaleClassifier(plain).fit(X, names)
    after = plain.get_params()
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] or after[name] == before[name] for name in before)
    # with two classes, XGBoost's own clone of a model of three fails
    again = clone(model).fit(X[codes < 2], names[codes < 2])
    assert again.classes_.tolist() == ["setosa", "versicolor"]


def test_finished_estimator_has_the_users_parameters(iris):
    X, codes, _ = iris
    estimator = AutoScaleXGBClassifier(**FEW).fit(X, codes).estimator_
    assert (type(estimator), estimator.n_jobs, estimator.device) == (XGBClassifier, None, None)


def test_pickle_gives_the_same_predictions(iris):
    X, _, names = iris
    model = AutoScaleXGBClassifier(**FEW).fit(X, names)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))


# --- parameters and tags -------------------------------------------------------------------


@pytest.mark.parametrize("cls", [AutoScaleXGB, AutoScaleXGBRegressor, AutoScaleXGBClassifier, AutoScaleXGBRanker])
def test_parameters_are_those_of_the_installed_xgboost(cls):
    theirs = set(inspect.signature(xgboost.XGBModel.__init__).parameters) - {"self"}
    parameters = inspect.signature(cls).parameters
    assert set(parameters) - OURS == theirs
    assert all(p.default is None for name, p in parameters.items() if name not in OURS | {"kwargs"})


def test_parameters_reach_xgboost():
    plain = AutoScaleXGBRegressor(max_depth=3, learning_rate=0.2, missing=-1.0)._make_estimator()
    assert (plain.max_depth, plain.learning_rate, plain.missing) == (3, 0.2, -1.0)
    default = AutoScaleXGBRegressor()._make_estimator().get_params()
    assert {k: v for k, v in default.items() if v == v} == {
        k: v for k, v in XGBRegressor(enable_categorical=True).get_params().items() if v == v
    }


@pytest.mark.parametrize("objective", ["reg:squarederror", "count:poisson", "survival:cox", None, "binary:logistic"])
def test_objective_tells_the_task(objective):
    model = AutoScaleXGB(objective=objective)
    classifies = objective == "binary:logistic"
    assert (is_classifier(model), is_regressor(model)) == (classifies, not classifies)
    assert hasattr(model, "predict_proba") == classifies


def test_objective_without_a_task():
    with pytest.raises(ValueError, match=r"own:loss.*tells no task"):
        AutoScaleXGB(objective="own:loss").fit([[0.0], [1.0]], [0, 1])


def test_grid_search_in_two_processes(iris):
    X, _, names = iris
    search = GridSearchCV(AutoScaleXGBClassifier(**FEW), {"max_depth": [1, 3]}, n_jobs=2, cv=3)
    search.fit(X, names)
    reference = GridSearchCV(XGBClassifier(**FEW), {"max_depth": [1, 3]}, cv=3).fit(X, iris[1])
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], reference.cv_results_["mean_test_score"])


def test_import_and_repr_leave_xgboost_alone():
    code = "import sys, skdist_gpu; repr(skdist_gpu.AutoScaleXGB(max_depth=3)); assert 'xgboost' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_error_without_xgboost():
    code = (
        "import sys; sys.modules['xgboost'] = None\n"
        "import skdist_gpu\n"
        "try: skdist_gpu.AutoScaleXGBRegressor().fit([[0.0]], [0.0])\n"
        "except ImportError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 'pip install "skdist_gpu[cpu]"' in ran.stdout


# --- devices -------------------------------------------------------------------------------


def test_plan_respects_the_device_that_the_user_set():
    machine = make_resources(gpus=1)
    size = {"shape": (10**8, 20), "dtype": "float32", "resources": machine}
    assert AutoScaleXGBRegressor().plan(**size).chosen.name == "xgboost:gpu"
    assert AutoScaleXGBRegressor(device="cpu").plan(**size).chosen.name == "xgboost:cpu"
    assert AutoScaleXGBRegressor(tree_method="exact").plan(**size).chosen.name == "xgboost:cpu"


def test_gpu_that_is_not_there_is_refused():
    if xgboost.build_info().get("USE_CUDA"):
        pytest.skip("needs XGBoost without CUDA")
    with pytest.raises(BackendError, match="needs a GPU"):
        AutoScaleXGBRegressor(device="cuda").fit([[0.0], [1.0]], [0.0, 1.0])


def test_model_that_trained_on_the_cpu_is_no_gpu_model(diabetes):
    from skdist_gpu.engines.xgboost.arguments import require_gpu

    if xgboost.build_info().get("USE_CUDA"):
        pytest.skip("needs XGBoost without CUDA")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # XGBoost only warns that it falls back
        booster = XGBRegressor(device="cuda", **FEW).fit(*diabetes).get_booster()
    with pytest.raises(EngineRefusal, match="trained on 'cpu'"):
        require_gpu(booster)
