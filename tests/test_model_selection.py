"""Searches and cross-validation whose fits share sums, and scikit-learn's functions on rows in any container."""

import re
import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from fits import assert_same_scores
from sklearn import model_selection as plain
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_regression
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skdist_gpu import autoscale, model_selection

N_ROWS, N_COLUMNS = 600, 8


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_COLUMNS)) @ rng.standard_normal((N_COLUMNS, N_COLUMNS)) + 3
    return X, X @ rng.standard_normal(N_COLUMNS) + 4 * rng.standard_normal(N_ROWS)


@pytest.fixture(scope="module")
def classification():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, N_ROWS)
    return rng.standard_normal((N_ROWS, N_COLUMNS)) + y[:, None] * rng.standard_normal(N_COLUMNS), np.array(
        list("abc")
    )[y]


ALPHAS = list(np.logspace(-2, 4, 10))
GROUPS = np.arange(N_ROWS) % 7
FOLD = np.arange(N_ROWS) % 4 - 1
SPLITS = {
    "number": 5,
    "shuffled": plain.KFold(4, shuffle=True, random_state=0),
    "repeated": plain.RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
    "overlapping": plain.ShuffleSplit(4, random_state=0),
    "predefined": plain.PredefinedSplit(FOLD),
    "groups": plain.GroupKFold(3),
    "list": [(np.arange(100, N_ROWS), np.arange(100)), (np.arange(400), np.arange(400, 500))],
    "generator": None,
    "time": plain.TimeSeriesSplit(3),
}


def _same_results(ours, theirs, tolerance=1e-9):
    assert_same_scores(ours, theirs, tolerance)
    assert ours.best_index_ == theirs.best_index_
    assert ours.n_splits_ == theirs.n_splits_


def _both(search, X, y, shared=True, tolerance=1e-9, **params):
    ours = autoscale(search)
    parameters = str(ours.get_params())
    ours.fit(X, y, **params)
    assert str(ours.get_params()) == parameters
    _same_results(ours, search.fit(X, y, **params), tolerance)
    assert ours.sharing_.startswith("All fits share") == shared, ours.sharing_
    return ours, search


@pytest.mark.parametrize("name", SPLITS)
def test_ridge_over_any_splits(regression, name):
    cv = SPLITS[name] if name != "generator" else list(plain.KFold(3).split(regression[0]))
    search = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=cv, return_train_score=True)
    params = {"groups": GROUPS} if name == "groups" else {}
    ours, theirs = _both(search, *regression, **params)
    np.testing.assert_allclose(ours.best_estimator_.coef_, theirs.best_estimator_.coef_, rtol=1e-9)
    np.testing.assert_allclose(ours.predict(regression[0]), theirs.predict(regression[0]), rtol=1e-9)


def test_each_row_is_read_once(regression):
    ours, _ = _both(plain.GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": ALPHAS}), *regression)
    assert f" {N_ROWS} rows were read" in ours.sharing_


@pytest.mark.parametrize(
    ("steps", "grid"),
    [
        ([StandardScaler(), PCA(), Ridge()], {"pca__n_components": [2, 5], "standardscaler__with_std": [True, False]}),
        ([StandardScaler(), PCA(whiten=True), Ridge()], {"pca__n_components": [2, 5], "ridge__alpha": [1, 1e5]}),
        (
            [MinMaxScaler(), TruncatedSVD(algorithm="arpack", random_state=0), LinearRegression()],
            {"truncatedsvd__n_components": [2, 5]},
        ),
        (
            [MaxAbsScaler(), ElasticNet(tol=1e-9)],
            {"elasticnet__l1_ratio": [0.1, 0.9], "elasticnet__alpha": [0.01, 0.1]},
        ),
        ([VarianceThreshold(), SelectKBest(f_regression), Ridge()], {"selectkbest__k": [1, 4, "all"]}),
        ([SelectKBest(f_regression, k=5), StandardScaler(), PCA(3), Ridge()], {"ridge__alpha": [0.1, 10.0]}),
        (["passthrough", StandardScaler(with_std=False), Ridge()], {"ridge__fit_intercept": [True, False]}),
    ],
)
def test_linear_steps_are_folded_into_the_moments(regression, steps, grid):
    ours, _ = _both(
        plain.GridSearchCV(make_pipeline(*steps), grid, return_train_score=True), *regression, tolerance=1e-7
    )
    assert "nothing was shared" not in ours.sharing_


@pytest.mark.parametrize(
    "scoring", ["r2", "neg_mean_squared_error", "neg_root_mean_squared_error", "neg_mean_absolute_error"]
)
def test_one_scorer(regression, scoring):
    search = plain.GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": ALPHAS}, scoring=scoring)
    ours, theirs = _both(search, *regression)
    assert str(ours.scorer_) == str(theirs.scorer_)


@pytest.mark.parametrize("scoring", [["r2", "neg_max_error"], {"a": "r2", "b": "neg_mean_squared_error"}])
def test_several_scorers(regression, scoring):
    search = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring=scoring, refit=next(iter(scoring)))
    ours, theirs = _both(search, *regression)
    assert {k: str(s) for k, s in ours.scorer_.items()} == {k: str(s) for k, s in theirs.scorer_.items()}


def test_errors_that_sums_would_lose_come_from_predictions(regression):
    X, _ = regression
    y = X @ np.arange(1.0, N_COLUMNS + 1) + 1e-9 * np.sin(np.arange(N_ROWS))
    search = plain.GridSearchCV(
        LinearRegression(), {"fit_intercept": [True, False] * 20}, scoring="neg_mean_squared_error"
    )
    ours = autoscale(search).fit(X, y)
    search.fit(X, y)
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"], rtol=0.05)


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (GaussianNB(), {"var_smoothing": np.logspace(-12, 0, 5)}),
        (LinearDiscriminantAnalysis(solver="lsqr"), {"shrinkage": np.linspace(0, 1, 5)}),
        (RidgeClassifier(), {"alpha": ALPHAS}),
        (
            make_pipeline(StandardScaler(), PCA(), LogisticRegression()),
            {"pca__n_components": [2, 6], "logisticregression__C": [0.1, 1]},
        ),
    ],
)
@pytest.mark.parametrize("cv", [3, plain.StratifiedKFold(4, shuffle=True, random_state=0)])
def test_classifiers(classification, estimator, grid, cv):
    search = plain.GridSearchCV(
        estimator,
        grid,
        cv=cv,
        scoring=["accuracy", "neg_log_loss"] if hasattr(estimator, "predict_proba") else "accuracy",
        refit="accuracy" if hasattr(estimator, "predict_proba") else True,
    )
    ours, theirs = _both(search, *classification, tolerance=1e-5)
    assert (ours.predict(classification[0]) == theirs.predict(classification[0])).mean() > 0.999


def test_a_fold_without_a_class(classification):
    X, y = classification
    order = np.argsort(y, kind="stable")
    search = plain.GridSearchCV(GaussianNB(), {"var_smoothing": np.logspace(-12, 0, 5)}, cv=plain.KFold(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, _ = _both(search, X[order], y[order])
    assert "a class is missing" in ours.sharing_


class Counting(TransformerMixin, BaseEstimator):
    """Counts its fits."""

    fits = 0

    def fit(self, X, y=None):
        Counting.fits += 1
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.tanh(X)


def test_what_comes_before_is_fitted_once_for_each_fold(classification):
    X, y = classification
    Counting.fits = 0
    search = plain.GridSearchCV(
        make_pipeline(Counting(), LogisticRegression()), {"logisticregression__C": [0.1, 1, 10]}, cv=3
    )
    autoscale(search).fit(X, y)
    assert Counting.fits == 3 + 1  # and the refit


def test_tables_with_text_share_their_encoder(classification):
    X, y = classification
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(N_COLUMNS)]).assign(text=np.where(X[:, 0] > 0, "p", "q"))
    encoder = ColumnTransformer([("text", OneHotEncoder(), ["text"])], remainder=PowerTransformer())
    search = plain.GridSearchCV(make_pipeline(encoder, LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=3)
    ours, theirs = _both(search, frame, y, tolerance=1e-4)
    assert ours.feature_names_in_.tolist() == theirs.feature_names_in_.tolist()


def test_pandas_gives_names(regression):
    X, y = regression
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(N_COLUMNS)])
    search = plain.GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": ALPHAS})
    ours, _ = _both(search, frame, pd.Series(y))
    assert ours.best_estimator_[0].feature_names_in_.tolist() == list(frame)


def test_other_searches(regression):
    X, y = regression
    _both(plain.RandomizedSearchCV(Ridge(), {"alpha": ALPHAS}, n_iter=5, random_state=0, n_jobs=2), X, y)
    _both(
        plain.HalvingGridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": ALPHAS}, random_state=0),
        X,
        y,
    )


def test_steps_that_are_swapped(regression):
    grid = [{"model": [Ridge()], "model__alpha": [0.1, 1]}, {"model": [LinearRegression()]}]
    pipe = make_pipeline(StandardScaler(), Ridge())
    pipe.steps[1] = ("model", pipe.steps[1][1])
    ours, theirs = autoscale(plain.GridSearchCV(pipe, grid)), plain.GridSearchCV(pipe, grid)
    ours.fit(*regression), theirs.fit(*regression)
    np.testing.assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-9)


def test_what_is_not_shared_says_why(regression):
    X, y = regression
    forest = plain.GridSearchCV(DecisionTreeRegressor(max_depth=2), {"min_samples_leaf": [1, 2]}, cv=2)
    assert "not fitted from sums" in autoscale(forest).fit(X, y).sharing_
    one_weight = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring=lambda model, X, y: float(model.score(X, y)))
    with pytest.warns(UserWarning, match="does not support sample_weight"):
        assert "weights of its own" in autoscale(one_weight).fit(X, y, sample_weight=2.0).sharing_


def test_bad_rows_get_the_error_of_a_fit(regression):
    X, y = regression
    broken = X.copy()
    broken[3, 3] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        autoscale(plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, error_score="raise")).fit(broken, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        autoscale(plain.GridSearchCV(Ridge(), {"alpha": ALPHAS})).fit(X, y[:-1])
    with pytest.raises(ValueError, match="alpha"):
        autoscale(plain.GridSearchCV(Ridge(), {"alpha": [-1.0] * 40}, error_score="raise")).fit(X, y)


# --- functions, and rows in any container -------------------------------------------------------


def _lazy(X, y, kind, tmp_path):
    names = [f"x{i}" for i in range(X.shape[1])]
    if kind == "dask.array":
        return da.from_array(X, chunks=(150, -1)), da.from_array(y, chunks=150)
    frame = pd.DataFrame(X, columns=names).assign(y=y)
    if kind == "dask.frame":
        lazy = dd.from_pandas(frame, npartitions=3)
        return lazy[names], lazy["y"]
    if kind == "dask.unknown":
        lazy = dd.from_pandas(frame, npartitions=3)
        return lazy[names].to_dask_array(), lazy["y"].to_dask_array()
    frame.to_parquet(tmp_path / "rows.parquet")
    if kind == "dataset":
        import pyarrow.dataset

        return pyarrow.dataset.dataset(tmp_path / "rows.parquet"), "y"
    import polars

    return polars.scan_parquet(tmp_path / "rows.parquet"), "y"


KINDS = ["numpy", "dask.array", "dask.frame", "dask.unknown", "dataset", "polars"]


@pytest.mark.parametrize("kind", KINDS)
def test_functions(regression, kind, tmp_path):
    X, y = regression
    ours = (X, y) if kind == "numpy" else _lazy(X, y, kind, tmp_path)
    pipe = make_pipeline(StandardScaler(), Ridge())
    for name in ("cross_val_score", "cross_val_predict"):
        theirs = getattr(plain, name)(pipe, X, y, cv=4)
        np.testing.assert_allclose(getattr(model_selection, name)(pipe, *ours, cv=4), theirs, rtol=1e-9)
    found = model_selection.cross_validate(
        pipe, *ours, scoring=["r2", "neg_mean_squared_error"], return_train_score=True
    )
    theirs = plain.cross_validate(pipe, X, y, scoring=["r2", "neg_mean_squared_error"], return_train_score=True)
    for key in theirs.keys() - {"fit_time", "score_time"}:
        np.testing.assert_allclose(found[key], theirs[key], rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_searches(regression, kind, tmp_path):
    X, y = regression
    ours = (X, y) if kind == "numpy" else _lazy(X, y, kind, tmp_path)
    grid = {"ridge__alpha": ALPHAS}
    search = model_selection.GridSearchCV(make_pipeline(StandardScaler(), Ridge()), grid).fit(*ours)
    _same_results(search, plain.GridSearchCV(make_pipeline(StandardScaler(), Ridge()), grid).fit(X, y))
    assert type(search.estimator).__name__ == "Pipeline"


def test_curves(regression):
    X, y = regression
    for ours, theirs in (
        (model_selection.learning_curve(Ridge(), X, y), plain.learning_curve(Ridge(), X, y)),
        (
            model_selection.validation_curve(Ridge(), X, y, param_name="alpha", param_range=ALPHAS),
            plain.validation_curve(Ridge(), X, y, param_name="alpha", param_range=ALPHAS),
        ),
    ):
        for found, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_groups_of_a_dask_frame(regression):
    X, y = regression
    X_lazy, y_lazy = _lazy(X, y, "dask.frame", None)
    groups = dd.from_pandas(pd.Series(GROUPS), npartitions=3)
    found = model_selection.cross_val_score(Ridge(), X_lazy, y_lazy, groups=groups, cv=model_selection.GroupKFold(3))
    np.testing.assert_allclose(found, plain.cross_val_score(Ridge(), X, y, groups=GROUPS, cv=plain.GroupKFold(3)))


def test_a_dask_array_is_read_once_by_a_search(regression):
    X, y = regression
    read = []

    def block(number):
        read.append(number)
        return X[number * 150 : number * 150 + 150]

    blocks = [da.from_delayed(dask.delayed(block, pure=False)(i), (150, N_COLUMNS), dtype=float) for i in range(4)]
    with dask.config.set(scheduler="synchronous"):
        model_selection.GridSearchCV(Ridge(), {"alpha": ALPHAS}).fit(
            da.concatenate(blocks), da.from_array(y, chunks=150)
        )
    assert sorted(read) == [0, 1, 2, 3]


def test_rows_that_do_not_fit_stay_lazy(regression, monkeypatch):
    X, y = regression
    monkeypatch.setattr("skdist_gpu.data.gather.COPIES", 1e12)
    for kind in ("dask.array", "dask.frame", "dask.unknown"):
        found = model_selection.cross_val_score(Ridge(), *_lazy(X, y, kind, None), cv=3)
        np.testing.assert_allclose(found, plain.cross_val_score(Ridge(), X, y, cv=3), rtol=1e-9)


@pytest.mark.parametrize("kind", ["dask.array", "dask.frame", "dask.unknown"])
def test_train_test_split_chooses_scikit_learns_rows(regression, kind):
    X, y = regression
    labels = y > y.mean()
    lazy = _lazy(X, y, kind, None)
    ours = model_selection.train_test_split(*lazy, test_size=0.25, random_state=3, stratify=labels)
    theirs = plain.train_test_split(X, y, test_size=0.25, random_state=3, stratify=labels)
    assert len(ours) == 4
    for found, expected in zip(ours, theirs, strict=True):
        assert type(found).__module__.startswith("dask")
        np.testing.assert_array_equal(np.sort(np.asarray(found.compute()), axis=0), np.sort(expected, axis=0))


def test_train_test_split_refuses_other_lengths_in_scikit_learns_words(regression):
    X, y = regression
    lazy, _ = _lazy(X, y, "dask.array", None)
    for other in (y[:-1], y[:-1].tolist()):
        with pytest.raises(ValueError) as expected:  # noqa: PT011  its text is what is compared
            plain.train_test_split(X, other)
        with pytest.raises(ValueError, match=re.escape(str(expected.value))):
            model_selection.train_test_split(lazy, other)


# --- columns of lazy tables ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(2)
    numbers = pd.DataFrame(rng.standard_normal((400, 3)) * [1, 10, 100], columns=["a", "b", "c"])
    return numbers.assign(text=rng.choice(["p", "q", "r"], 400))


COLUMNS = {
    "name": ["a", "b"],
    "position": [0, 1],
    "mask": [True, True, False, False],
    "slice": slice("a", "b"),
    "selector": make_column_selector(pattern="a|b"),
    "callable": lambda frame: list(frame.columns[:2]),
}


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("kind", ["dask", "dataset", "polars"])
def test_columns_of_lazy_tables(mixed, columns, kind, tmp_path):
    transformer = ColumnTransformer(
        [
            ("scale", StandardScaler(), COLUMNS[columns]),
            ("text", OneHotEncoder(), make_column_selector(dtype_exclude="number")),
        ],
        remainder=MinMaxScaler(),
        sparse_threshold=0,
    )
    theirs = clone(transformer).fit(mixed)
    ours = autoscale(transformer).fit(_stored(mixed, kind, tmp_path))
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()
    assert ours.transformers_[0][2] == theirs.transformers_[0][2]
    np.testing.assert_allclose(ours.transform(mixed), theirs.transform(mixed))
    np.testing.assert_allclose(ours.named_transformers_["scale"].mean_, mixed[["a", "b"]].mean())
    np.testing.assert_allclose(ours.named_transformers_["remainder"].data_max_, [mixed["c"].max()])


def _stored(frame, kind, tmp_path):
    if kind == "dask":
        return dd.from_pandas(frame, npartitions=4)
    frame.to_parquet(tmp_path / "rows.parquet")
    if kind == "polars":
        import polars

        return polars.scan_parquet(tmp_path / "rows.parquet")
    import pyarrow.dataset

    return pyarrow.dataset.dataset(tmp_path / "rows.parquet")


def test_a_pipeline_of_columns_over_dask_stays_lazy(mixed):
    lazy = dd.from_pandas(mixed, npartitions=4)
    y = lazy["a"] + lazy["b"]
    columns = ColumnTransformer(
        [("scale", StandardScaler(), ["a", "b", "c"]), ("text", OneHotEncoder(sparse_output=False), ["text"])]
    )
    ours = autoscale(make_pipeline(columns, Ridge())).fit(lazy, y)
    theirs = make_pipeline(columns, Ridge()).fit(mixed, mixed["a"] + mixed["b"])
    assert ours[0].named_transformers_["scale"].plan_.device == "dask"
    predicted = ours.predict(lazy)
    assert type(predicted).__module__.startswith("dask")
    np.testing.assert_allclose(predicted.compute(), theirs.predict(mixed), rtol=1e-8)
