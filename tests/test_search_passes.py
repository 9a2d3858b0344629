"""Searches over models of several passes, and behind steps that are not linear, against scikit-learn's own."""

import numpy as np
import pandas as pd
import pytest
from fits import assert_same_scores
from scipy import sparse
from sklearn import model_selection as plain
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import GammaRegressor, HuberRegressor, LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, QuantileTransformer, StandardScaler
from sklearn.svm import LinearSVC

from skdist_gpu import autoscale, model_selection

N_ROWS, N_COLUMNS = 600, 5
rng = np.random.default_rng(0)
X = rng.standard_normal((N_ROWS, N_COLUMNS)) @ rng.standard_normal((N_COLUMNS, N_COLUMNS)) + 2
Y = X @ rng.standard_normal(N_COLUMNS) + X[:, 0] * X[:, 1] + 4 * rng.standard_normal(N_ROWS)
LABELS = np.array(["high", "low", "mid"])[np.digitize(Y, np.quantile(Y, [0.3, 0.7]))]
SIDES = np.where(np.median(Y) < Y, "yes", "no")
COUNTS = rng.poisson(np.exp((Y - Y.mean()) / (2 * Y.std()))) + 1.0
GAPS = np.where(rng.random(X.shape) < 0.1, np.nan, X)
WEIGHTS = np.where(np.arange(N_ROWS) % 6 == 0, 0.0, rng.uniform(0.1, 3, N_ROWS))
GROUPS = np.arange(N_ROWS) % 9
CS = [1e-3, 0.1, 1.0, 10.0]
EXACT = {"tol": 1e-10, "max_iter": 5000}
SPLITS = {
    "number": 4,
    "shuffled": plain.KFold(3, shuffle=True, random_state=0),
    "stratified": plain.StratifiedKFold(3, shuffle=True, random_state=1),
    "repeated": plain.RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
    "groups": plain.GroupKFold(3),
    "one group": plain.LeaveOneGroupOut(),
    "predefined": plain.PredefinedSplit(np.arange(N_ROWS) % 4 - 1),
    "overlapping": plain.ShuffleSplit(3, random_state=0),
    "time": plain.TimeSeriesSplit(3),
    "arrays": [(np.arange(200, N_ROWS), np.arange(200)), (np.arange(500), np.arange(400, N_ROWS))],
}


def both(search, rows, y, tolerance=1e-6, backend="reductions", **params):
    """Fit a search wrapped and plain; both must find the same."""
    ours = autoscale(search, backend=backend, fallback="raise").fit(rows, y, **params)
    theirs = search.fit(rows, y, **params)
    assert_same_scores(ours, theirs, tolerance)
    if hasattr(theirs, "best_index_"):
        assert ours.best_index_ == theirs.best_index_
    return ours, theirs


def passes(search):
    """Return how often a search has read all rows."""
    assert search.sharing_.startswith("All fits share"), search.sharing_
    return float(search.sharing_.partition("read for them, ")[2].partition(" times")[0])


@pytest.mark.parametrize("name", SPLITS)
def test_logistic_regression_over_any_splits(name):
    search = GridSearchCV(
        LogisticRegression(**EXACT), {"C": CS}, cv=SPLITS[name], scoring="neg_log_loss", return_train_score=True
    )
    groups = {"groups": GROUPS} if "group" in name else {}
    ours, theirs = both(search, X, SIDES, **groups)
    assert "nothing was shared" not in ours.sharing_
    np.testing.assert_allclose(ours.best_estimator_.coef_, theirs.best_estimator_.coef_, rtol=1e-4, atol=1e-6)


def test_splits_from_a_generator():
    splits = list(plain.KFold(3).split(X))
    ours = autoscale(GridSearchCV(LogisticRegression(**EXACT), {"C": CS}, cv=iter(splits)), backend="reductions")
    theirs = GridSearchCV(LogisticRegression(**EXACT), {"C": CS}, cv=iter(splits)).fit(X, SIDES)
    np.testing.assert_allclose(
        ours.fit(X, SIDES).cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("estimator", "grid", "y"),
    [
        (LogisticRegression(**EXACT), {"C": CS, "class_weight": [None, "balanced"]}, LABELS),
        (LogisticRegression(solver="saga", tol=1e-9, max_iter=20000), {"C": [0.1, 1.0], "l1_ratio": [0.0, 0.5]}, SIDES),
        (PoissonRegressor(**EXACT), {"alpha": [1e-3, 0.1, 10.0]}, COUNTS),
        (GammaRegressor(**EXACT), {"alpha": [1e-3, 0.1, 10.0], "fit_intercept": [True, False]}, COUNTS),
        (HuberRegressor(**EXACT), {"alpha": [1e-4, 1.0], "epsilon": [1.2, 1.5]}, Y),
        (LinearSVC(dual=False, **EXACT), {"C": [1e-3, 0.1, 1.0]}, SIDES),
    ],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_models_of_several_passes(estimator, grid, y, weighted):
    params = {"sample_weight": WEIGHTS} if weighted else {}
    ours, _ = both(GridSearchCV(estimator, grid, cv=3), (X - X.mean(axis=0)) / X.std(axis=0), y, 1e-4, **params)
    assert "nothing was shared" not in ours.sharing_


def test_what_is_told_of_each_row_is_in_the_order_of_the_rows():
    search = GridSearchCV(
        HuberRegressor(**EXACT), {"alpha": [1e-4, 1.0]}, cv=plain.KFold(3, shuffle=True, random_state=0)
    )
    ours, theirs = both(search, X, np.where(np.arange(N_ROWS) % 50 == 7, 1e3, Y), 1e-4)
    assert theirs.best_estimator_.outliers_.any()
    np.testing.assert_array_equal(ours.best_estimator_.outliers_, theirs.best_estimator_.outliers_)


def test_fits_begin_where_others_have_ended():
    n_rows = 20_000
    rows = rng.standard_normal((n_rows, 8))
    y = (rows @ np.ones(8) + 3 * rng.standard_normal(n_rows) > 0).astype(int)
    several = GridSearchCV(LogisticRegression(), {"C": list(np.logspace(-3, 3, 10))}, cv=4)
    one = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=4)
    ours, single = (autoscale(search, backend="reductions").fit(rows, y) for search in (several, one))
    assert passes(ours) < 0.75 * 10 * passes(single)
    assert "begun where" in str(ours.best_estimator_.plan_)


def test_in_what_order_candidates_come_does_not_matter():
    grids = [{"C": CS}, {"C": CS[::-1]}]
    found = [
        autoscale(GridSearchCV(LogisticRegression(**EXACT), grid, cv=3, scoring="neg_log_loss"), backend="reductions")
        .fit(X, LABELS)
        .cv_results_["mean_test_score"]
        for grid in grids
    ]
    np.testing.assert_allclose(found[0], found[1][::-1], rtol=1e-7)


@pytest.mark.parametrize(
    ("steps", "y", "last"),
    [
        ([SimpleImputer(), StandardScaler(), Ridge()], Y, {"ridge__alpha": [0.1, 10.0]}),
        ([SimpleImputer(strategy="median"), PolynomialFeatures(2), PCA(4), Ridge()], Y, {"pca__whiten": [True, False]}),
        (
            [SimpleImputer(add_indicator=True), StandardScaler(), GaussianNB()],
            LABELS,
            {"gaussiannb__var_smoothing": [1e-9, 0.1]},
        ),
        (
            [SimpleImputer(), StandardScaler(), PCA(3), LogisticRegression(**EXACT)],
            SIDES,
            {"logisticregression__C": CS, "pca__n_components": [2, 4]},
        ),
        ([SimpleImputer(), QuantileTransformer(n_quantiles=20), Ridge()], Y, {"ridge__alpha": [0.1, 10.0]}),
    ],
    ids=["scaled", "products", "indicator", "logistic", "quantiles"],
)
def test_steps_that_are_not_linear(steps, y, last):
    search = GridSearchCV(make_pipeline(*steps), last, cv=plain.KFold(3, shuffle=True, random_state=0))
    ours, _ = both(search, GAPS, y, backend="auto" if isinstance(steps[-1], Ridge) else "reductions")
    assert type(steps[-1]).__name__ not in ours.sharing_


def test_many_penalties_behind_an_imputer_read_little():
    search = GridSearchCV(
        make_pipeline(SimpleImputer(), StandardScaler(), Ridge()), {"ridge__alpha": np.logspace(-3, 3, 30)}
    )
    ours, _ = both(search, GAPS, Y, 1e-9, backend="auto")
    assert passes(ours) < 8


def test_mixed_columns():
    frame = pd.DataFrame(GAPS, columns=list("abcde")).assign(word=np.array(["x", "y", "z"])[GROUPS % 3])
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), list("abcde")),
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["word"]),
    )
    ours, theirs = both(GridSearchCV(make_pipeline(columns, Ridge()), {"ridge__alpha": [0.1, 10.0]}), frame, Y, 1e-9)
    assert "nothing was shared" not in ours.sharing_
    np.testing.assert_allclose(ours.predict(frame), theirs.predict(frame), rtol=1e-9)


@pytest.mark.parametrize(
    "rows",
    [
        np.column_stack([X.astype(np.float32), np.ones(N_ROWS, np.float32)]),
        rng.integers(0, 9, (N_ROWS, 3)),
        pd.DataFrame(X, columns=list("abcde")).assign(n=np.arange(N_ROWS) % 7),
        sparse.random(N_ROWS, 6, 0.3, format="csr", random_state=0),
    ],
    ids=["float32 with a constant column", "integers", "frame", "sparse"],
)
def test_kinds_of_rows(rows):
    tolerance = 1e-3 if getattr(rows, "dtype", None) == np.float32 else 1e-6
    search = GridSearchCV(LogisticRegression(**EXACT), {"C": CS}, cv=3, scoring="neg_log_loss")
    ours, theirs = both(search, rows, SIDES, tolerance, backend="auto" if sparse.issparse(rows) else "reductions")
    assert getattr(ours.best_estimator_, "feature_names_in_", None) is getattr(
        theirs, "feature_names_in_", None
    ) or list(ours.feature_names_in_) == list(theirs.feature_names_in_)


def test_a_fold_of_one_class_gets_the_error_score():
    y = np.repeat(["no", "yes"], [N_ROWS // 3, N_ROWS - N_ROWS // 3])
    search = GridSearchCV(
        LogisticRegression(**EXACT),
        {"C": [0.1, 1.0]},
        cv=[(np.arange(200), np.arange(200, 300)), (np.arange(N_ROWS), np.arange(300))],
        error_score=-3.0,
    )
    with pytest.warns(plain._validation.FitFailedWarning, match="at least 2 classes"):
        both(search, X, y)


def test_gaps_get_the_error_of_scikit_learn():
    search = GridSearchCV(LogisticRegression(**EXACT), {"C": [0.1, 1.0]}, cv=3, error_score=-3.0)
    with pytest.raises(ValueError) as ours:  # noqa: PT011  the message is compared
        autoscale(search, backend="reductions").fit(GAPS, SIDES)
    with pytest.raises(ValueError) as theirs:  # noqa: PT011
        search.fit(GAPS, SIDES)
    words = "Input X contains NaN"
    assert words in str(ours.value)
    assert words in str(theirs.value)


def test_too_few_steps_are_warned_of():
    search = GridSearchCV(LogisticRegression(max_iter=1, tol=1e-12), {"C": [100.0]}, cv=2)
    with pytest.warns(ConvergenceWarning):
        autoscale(search, backend="reductions").fit(X, LABELS)


@pytest.mark.parametrize(
    "function", ["cross_val_score", "cross_validate", "validation_curve", "learning_curve", "cross_val_predict"]
)
def test_functions(function):
    options = {
        "validation_curve": {"param_name": "logisticregression__C", "param_range": CS},
        "learning_curve": {"train_sizes": [0.4, 1.0], "shuffle": True, "random_state": 0},
        "cross_validate": {"scoring": ["accuracy", "neg_log_loss"], "return_train_score": True},
    }.get(function, {})
    pipe = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(**EXACT))
    ours = getattr(model_selection, function)(autoscale(pipe, backend="reductions"), GAPS, SIDES, cv=4, **options)
    theirs = getattr(plain, function)(pipe, GAPS, SIDES, cv=4, **options)
    pairs = [(ours[k], theirs[k]) for k in theirs if "time" not in k] if isinstance(theirs, dict) else [(ours, theirs)]
    for a, b in pairs:
        for one, other in zip(a, b, strict=True) if isinstance(b, tuple) else [(a, b)]:
            assert (one == other).all() if np.asarray(other).dtype.kind in "UO" else np.allclose(one, other, 1e-6, 1e-6)


def test_halving_and_random_searches():
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401

    model = LogisticRegression(**EXACT)
    both(plain.HalvingGridSearchCV(model, {"C": CS}, random_state=0, min_resources=100, cv=3), X, SIDES)
    both(plain.RandomizedSearchCV(model, {"C": CS}, n_iter=3, random_state=0, scoring="neg_log_loss"), X, SIDES)


def test_several_scores_and_a_rule_of_the_users_own():
    def margin(estimator, rows, y):
        return float(np.abs(estimator.decision_function(rows)).mean())

    search = GridSearchCV(
        LogisticRegression(**EXACT),
        {"C": CS},
        scoring={"accuracy": "accuracy", "auc": "roc_auc", "margin": margin},
        refit=lambda results: int(np.argmin(results["rank_test_auc"])),
        return_train_score=True,
    )
    both(search, X, SIDES)


def test_the_plan_says_what_is_shared():
    def note(search):
        return autoscale(search).plan(shape=(10**5, 20)).steps[0].note

    assert "share what is computed of a fold" in note(GridSearchCV(LogisticRegression(), {"C": CS}))
    tree = pytest.importorskip("sklearn.tree").DecisionTreeClassifier()
    assert "DecisionTreeClassifier" in note(GridSearchCV(tree, {"max_depth": [2, 3]}))
    assert "memory" in note(GridSearchCV(make_pipeline(StandardScaler(), Ridge(), memory="."), {"ridge__alpha": [1.0]}))


def test_rows_that_are_in_memory_already_are_not_counted_against_the_budget():
    X = np.random.default_rng(0).normal(size=(900, 300))
    y = (X[:, 0] > 0).astype(int)
    candidates = autoscale(LogisticRegression()).plan(X[:450], y[:450]).candidates
    needed = next(c.n_bytes for c in candidates if c.name == "sklearn:cpu")
    # for what scikit-learn's fit holds beside the rows of a fold, not for those rows once more
    model = autoscale(LogisticRegression(), memory_budget=needed + X.nbytes // 4)
    search = model_selection.GridSearchCV(model, {"C": [0.1, 1.0]}, cv=2, refit=False).fit(X, y)
    assert "Of 4 fits nothing was shared but the rows: LogisticRegression of 450 rows" in search.sharing_
    assert "is faster on sklearn:cpu" in search.sharing_
