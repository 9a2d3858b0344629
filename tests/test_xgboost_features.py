"""Ranking, forests, callbacks and the other features of XGBoost: what XGBoost called directly gives."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV

from skdist_gpu import (
    AutoScaleXGB,
    AutoScaleXGBClassifier,
    AutoScaleXGBRanker,
    AutoScaleXGBRegressor,
    autoscale,
)

xgboost = pytest.importorskip("xgboost")

FEW = {"n_estimators": 5, "max_depth": 3}


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def queries():
    """Return rows, relevance and queries of 20 rows, sorted by query."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    return X, np.digitize(X[:, 0] + 0.3 * rng.normal(size=600), [-1, 0, 1]), np.repeat(np.arange(30), 20)


# --- ranking -------------------------------------------------------------------------------


def test_ranker_is_xgboosts(queries):
    X, relevance, qid = queries
    direct = xgboost.XGBRanker(**FEW).fit(X, relevance, qid=qid)
    model = AutoScaleXGBRanker(**FEW).fit(X, relevance, qid=qid)
    np.testing.assert_array_equal(model.predict(X), direct.predict(X))
    expected = direct.score(pd.DataFrame(X).assign(qid=qid).rename(columns=str), relevance)
    assert model.score(X, relevance, qid=qid) == pytest.approx(expected)
    by_size = AutoScaleXGB(objective="rank:ndcg", **FEW).fit(X, relevance, group=np.full(30, 20))
    np.testing.assert_array_equal(by_size.predict(X), direct.predict(X))
    wrapped = autoscale(xgboost.XGBRanker(**FEW)).fit(X, relevance, qid=qid)
    np.testing.assert_array_equal(wrapped.predict(X), direct.predict(X))


def test_rows_of_a_query_may_stand_anywhere(queries):
    X, relevance, qid = queries
    order = np.random.default_rng(1).permutation(len(X))
    sorted_again = order[np.argsort(qid[order], kind="stable")]
    direct = xgboost.XGBRanker(**FEW).fit(X[sorted_again], relevance[sorted_again], qid=qid[sorted_again])
    model = AutoScaleXGBRanker(**FEW).fit(X[order], relevance[order], qid=qid[order])
    np.testing.assert_array_equal(model.predict(X), direct.predict(X))


def test_rows_without_queries_are_one(queries):
    X, relevance, _ = queries
    direct = xgboost.XGBRanker(**FEW).fit(X, relevance, qid=np.zeros(len(X), int))
    np.testing.assert_array_equal(AutoScaleXGBRanker(**FEW).fit(X, relevance).predict(X), direct.predict(X))


def test_queries_of_another_length(queries):
    X, relevance, qid = queries
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[600, 599\]"):
        AutoScaleXGBRanker(**FEW).fit(X, relevance, qid=qid[1:])


# --- forests -------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`XGBRF:FutureWarning")
def test_random_forests(diabetes):
    X, y = diabetes
    forest = xgboost.XGBRFRegressor(n_estimators=10, random_state=0)
    model = autoscale(forest).fit(X, y)
    assert model.backend_ == "xgboost"
    np.testing.assert_array_equal(model.predict(X), forest.fit(X, y).predict(X))
    labels = np.where(y > 150, "high", "low")
    classifier = autoscale(xgboost.XGBRFClassifier(n_estimators=10, random_state=0)).fit(X, labels)
    direct = xgboost.XGBRFClassifier(n_estimators=10, random_state=0).fit(X, labels == "low")
    np.testing.assert_array_equal(classifier.predict_proba(X), direct.predict_proba(X))


# --- arguments -----------------------------------------------------------------------------


def squared(y_true, y_pred):
    return y_pred - y_true, np.ones_like(y_true)


def largest(y_true, y_pred):
    return float(np.abs(y_true - y_pred).max())


@pytest.mark.parametrize(
    "options",
    [
        {"objective": squared},
        {"monotone_constraints": (1, -1) + (0,) * 8},
        {"interaction_constraints": "[[0, 1], [2, 3, 4]]"},
        {"feature_weights": np.arange(1.0, 11), "colsample_bytree": 0.5},
        {"grow_policy": "lossguide", "max_leaves": 6},
        {"tree_method": "exact"},
        {"callbacks": [xgboost.callback.LearningRateScheduler(lambda epoch: 0.5 / (1 + epoch))]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_parameter_of_xgboost(diabetes, options):
    X, y = diabetes
    margin = np.linspace(0, 1, len(y))
    direct = xgboost.XGBRegressor(**FEW, **options).fit(X, y, base_margin=margin)
    model = AutoScaleXGBRegressor(**FEW, **options).fit(X, y, base_margin=margin)
    np.testing.assert_array_equal(model.predict(X), direct.predict(X))


def test_own_metric_and_margins_of_the_evaluation(diabetes):
    X, y = diabetes
    options = FEW | {"eval_metric": largest}
    further = {"eval_set": [(X[::3], y[::3])], "base_margin_eval_set": [np.ones(len(y[::3]))], "verbose": False}
    direct = xgboost.XGBRegressor(**options).fit(X, y, **further)
    assert AutoScaleXGBRegressor(**options).fit(X, y, **further).evals_result_ == direct.evals_result_


def test_parameters_that_xgboost_does_not_name(diabetes):
    X, y = diabetes
    options = FEW | {"objective": "reg:quantileerror"}
    direct = xgboost.XGBRegressor(**options, quantile_alpha=0.9).fit(X, y)
    model = AutoScaleXGBRegressor(**options, quantile_alpha=0.9)
    assert model.get_params()["quantile_alpha"] == 0.9
    assert "quantile_alpha=0.9" in repr(model)
    again = pickle.loads(pickle.dumps(clone(model).fit(X, y)))
    np.testing.assert_array_equal(again.predict(X), direct.predict(X))
    search = GridSearchCV(AutoScaleXGBRegressor(**options), {"quantile_alpha": [0.05, 0.5]}, cv=2).fit(X, y)
    assert search.best_params_ == {"quantile_alpha": 0.5}
    with pytest.raises(ValueError, match="Invalid parameter 'estimator'"):
        model.set_params(estimator__max_depth=3)


def test_model_is_shown_as_xgboosts_estimators_show_it(diabetes):
    X, y = diabetes
    sets, options = {"eval_set": [(X[::2], y[::2])], "verbose": False}, FEW | {"early_stopping_rounds": 2}
    direct = xgboost.XGBRegressor(**options).fit(X, y, **sets)
    model = AutoScaleXGBRegressor(**options)
    assert not hasattr(model, "best_iteration")
    model.fit(X, y, **sets)
    assert model.get_booster().save_raw() == direct.get_booster().save_raw()
    assert (model.best_iteration, model.best_score) == (direct.best_iteration, direct.best_score)
    assert model.evals_result() == direct.evals_result()
    np.testing.assert_array_equal(model.apply(X), direct.apply(X))
    np.testing.assert_array_equal(model.predict(X, iteration_range=(0, 2)), direct.predict(X, iteration_range=(0, 2)))


@pytest.mark.parametrize("container", ["array", "frame"])
@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob", "multi:softmax", "several labels"])
def test_few_rows_are_predicted_as_many_are(container, objective):
    X, y = load_iris(return_X_y=True)
    y = {"binary:logistic": y == 1, "several labels": np.column_stack((y == 0, y == 2))}.get(objective, y) * 2
    rows = pd.DataFrame(X, columns=list("abcd")) if container == "frame" else X
    options = {} if objective == "several labels" else {"objective": objective}
    model = AutoScaleXGBClassifier(**FEW, **options).fit(rows, y)
    for method in ("predict", "predict_proba"):
        many, few = getattr(model, method)(rows), getattr(model, method)(rows[50:53])
        np.testing.assert_array_equal(few, many[50:53])
        assert few.dtype == many.dtype


def test_callback_may_be_used_by_two_fits(diabetes):
    X, y = diabetes
    model = AutoScaleXGBRegressor(n_estimators=50, callbacks=[xgboost.callback.EarlyStopping(rounds=2)])
    for _ in range(2):
        model.fit(X[::2], y[::2], eval_set=[(X[1::2], y[1::2])], verbose=False)
    assert model.estimator_.best_iteration < 49


def test_several_labels_of_each_row():
    X, y = load_iris(return_X_y=True)
    Y = np.column_stack((y == 0, y == 2)).astype(int)
    direct = xgboost.XGBClassifier(**FEW).fit(X, Y)
    model = AutoScaleXGBClassifier(**FEW).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), direct.predict(X))
    np.testing.assert_array_equal(model.predict_proba(X), direct.predict_proba(X))


@pytest.mark.parametrize("backend", ["xgboost", "xgboost.external"])
def test_several_labels_of_several_classes(backend):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=r"multiclass-multioutput .* 2 columns of 3 classes"):
        AutoScaleXGBClassifier(**FEW, backend=backend).fit(X, np.column_stack((y, y)))


def test_trees_of_several_targets(diabetes):
    X, y = diabetes
    Y = np.column_stack((y, -y))
    options = FEW | {"multi_strategy": "multi_output_tree"}
    direct = xgboost.XGBRegressor(**options).fit(X, Y)
    np.testing.assert_array_equal(AutoScaleXGBRegressor(**options).fit(X, Y).predict(X), direct.predict(X))


def test_classes_that_the_user_gives_may_lack_rows():
    X, y = load_iris(return_X_y=True)
    names = np.array(["a", "c", "d"])[y]
    model = AutoScaleXGBClassifier(**FEW).fit(X, names, classes=["d", "c", "b", "a"])
    assert model.classes_.tolist() == ["a", "b", "c", "d"]
    assert model.predict_proba(X).shape == (150, 4)
    assert np.mean(model.predict(X) == names) > 0.95
    with pytest.raises(ValueError, match=r"labels \['d'\] that y does not have"):
        AutoScaleXGBClassifier(**FEW).fit(X, names, classes=["a", "b", "c"])


# --- columns that are no numbers -----------------------------------------------------------


def _text(X):
    return pd.DataFrame({"a": X[:, 0], "word": np.where(X[:, 1] > 0, "up", "down")})


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_text_is_refused_alike(diabetes, library):
    X, y = diabetes
    frame = _text(X)
    as_given = {
        "pandas": lambda: frame,
        "polars": lambda: pytest.importorskip("polars").from_pandas(frame),
        "arrow": lambda: pytest.importorskip("pyarrow").Table.from_pandas(frame),
    }[library]()
    with pytest.raises(ValueError, match="neither numbers nor categories: word"):
        AutoScaleXGBRegressor(**FEW).fit(as_given, y)
    model = AutoScaleXGBRegressor(**FEW).fit(frame[["a"]].assign(word=X[:, 1]), y)
    with pytest.raises(ValueError, match="neither numbers nor categories: word"):
        model.predict(as_given)


@pytest.mark.parametrize("library", ["pandas", "polars", "polars enum", "arrow"])
def test_categories_of_every_library(diabetes, library):
    X, y = diabetes
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    frame = _text(X).astype({"word": "category"})
    kinds = {"polars": polars.Categorical, "polars enum": polars.Enum(["down", "up"])}
    as_given = {
        "pandas": lambda: frame,
        "arrow": lambda: pyarrow.Table.from_pandas(frame),
    }.get(library, lambda: polars.from_pandas(_text(X)).with_columns(polars.col("word").cast(kinds[library])))()
    direct = xgboost.XGBRegressor(enable_categorical=True, **FEW).fit(frame, y)
    model = AutoScaleXGBRegressor(**FEW).fit(as_given, y)
    np.testing.assert_allclose(model.predict(as_given), direct.predict(frame), rtol=1e-6)


def test_unseen_category_is_refused(diabetes):
    X, y = diabetes
    frame = _text(X).astype({"word": "category"})
    model = AutoScaleXGBRegressor(**FEW).fit(frame, y)
    with pytest.raises(ValueError, match=r"column word has categories \['sideways'\]"):
        model.predict(frame.assign(word=pd.Categorical(["sideways", "up"] * (len(frame) // 2))))
    level = frame.assign(word=frame["word"].cat.add_categories(["sideways"]))  # which no row has
    np.testing.assert_array_equal(model.predict(level), model.predict(frame))


def test_missing_entries_of_a_sparse_matrix_are_missing_values(diabetes):
    import scipy.sparse as sp

    X, y = diabetes
    X = np.where(X > 0, X, 0)
    sparse = AutoScaleXGBRegressor(**FEW).fit(sp.csr_array(X), y)
    dense = AutoScaleXGBRegressor(**FEW).fit(np.where(X > 0, X, np.nan), y)
    np.testing.assert_array_equal(sparse.predict(sp.csr_array(X)), dense.predict(np.where(X > 0, X, np.nan)))


# --- plots and progress --------------------------------------------------------------------


def test_plots(diabetes):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    X, y = diabetes
    frame = pd.DataFrame(X, columns=[f"column {i}" for i in range(10)])
    model = AutoScaleXGBRegressor(n_estimators=100, learning_rate=1.0, validation_fraction=0.3).fit(frame, y)
    axes = model.plot_importance(max_num_features=3)
    scores = model.estimator_.get_booster().get_score(importance_type="gain")
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(sorted(scores.values())[-3:])
    curve, best = model.plot_evaluation().lines
    np.testing.assert_array_equal(curve.get_ydata(), model.evals_result_["validation_0"]["rmse"])
    assert best.get_xdata()[0] == model.estimator_.best_iteration
    pyplot.close("all")


def test_plot_without_matplotlib_or_evaluation(diabetes, monkeypatch):
    import sys

    model = AutoScaleXGBRegressor(**FEW).fit(*diabetes)
    with pytest.raises(ValueError, match="neither eval_set nor validation_fraction"):
        model.plot_evaluation()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"needs matplotlib.*pip install 'skdist_gpu\[plots\]'"):
        model.plot_importance()


def test_progress_shows_rounds_and_metric(diabetes, capsys, monkeypatch):
    X, y = diabetes
    monkeypatch.setenv("FORCE_COLOR", "1")  # by which rich takes the output for a terminal
    model = AutoScaleXGBRegressor(**FEW, progress=True)
    model.fit(X, y, eval_set=[(X, y)], verbose=False)
    assert "validation_0 rmse" in capsys.readouterr().out
    assert model.estimator_.callbacks is None


@pytest.mark.parametrize("n_rows", [3, 200])
def test_names_are_not_compared_where_nobody_wants_it(n_rows):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    model = AutoScaleXGBRegressor(n_estimators=3, n_jobs=1).fit(X, y)
    renamed = X[:n_rows].rename(columns={"age": "years"})
    with pytest.raises(ValueError, match="years"):
        model.predict(renamed)
    np.testing.assert_array_equal(model.predict(renamed, validate_features=False), model.predict(X[:n_rows]))
