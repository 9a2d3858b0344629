"""Searches whose fits share sums, with weights, further arguments, scorers of the user's own and metadata routing."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import model_selection as plain
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skdist_gpu import autoscale

N_ROWS, N_COLUMNS = 400, 6
rng = np.random.default_rng(0)
X = rng.standard_normal((N_ROWS, N_COLUMNS)) @ rng.standard_normal((N_COLUMNS, N_COLUMNS)) + 2
Y = X @ rng.standard_normal(N_COLUMNS) + 4 * rng.standard_normal(N_ROWS)
LABELS = np.array(["high", "low", "mid"])[np.digitize(Y, [-2.0, 2.0])]
WEIGHTS = rng.uniform(0.1, 3, N_ROWS)
OTHER_WEIGHTS = np.where(np.arange(N_ROWS) % 5 == 0, 0.0, WEIGHTS[::-1])
GROUPS = np.arange(N_ROWS) % 9
ALPHAS = list(np.logspace(-2, 4, 7))


def same_results(ours, theirs, tolerance=1e-9):
    assert ours.keys() == theirs.keys()
    for key, values in theirs.items():
        if key == "params":
            assert ours[key] == values
        elif "time" not in key and values.dtype != object:
            np.testing.assert_allclose(ours[key], values, rtol=tolerance, atol=tolerance, err_msg=key)


def both(search, X, y, shared=True, tolerance=1e-9, **params):
    """Fit a search wrapped and plain; both must find the same, the wrapped one from shared sums."""
    ours, theirs = autoscale(search).fit(X, y, **params), search.fit(X, y, **params)
    same_results(ours.cv_results_, theirs.cv_results_, tolerance)
    if hasattr(theirs, "best_index_"):
        assert ours.best_index_ == theirs.best_index_
    assert ours.sharing_.startswith("All fits share") == shared, ours.sharing_
    return ours, theirs


@pytest.mark.parametrize(
    "cv",
    [
        5,
        plain.KFold(3, shuffle=True, random_state=0),
        plain.ShuffleSplit(3, random_state=0),
        plain.GroupKFold(3),
        plain.TimeSeriesSplit(3),
        plain.PredefinedSplit(np.arange(N_ROWS) % 4 - 1),
    ],
    ids=lambda cv: type(cv).__name__,
)
def test_weights_over_any_splits(cv):
    search = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=cv, return_train_score=True)
    groups = {"groups": GROUPS} if isinstance(cv, plain.GroupKFold) else {}
    ours, theirs = both(search, X, Y, sample_weight=WEIGHTS, **groups)
    assert "nothing was shared" not in ours.sharing_
    np.testing.assert_allclose(ours.best_estimator_.coef_, theirs.best_estimator_.coef_, rtol=1e-9)


def test_each_step_has_weights_of_its_own():
    search = plain.GridSearchCV(
        make_pipeline(StandardScaler(), PCA(4), Ridge()), {"ridge__alpha": ALPHAS, "pca__n_components": [2, 5]}
    )
    given = {"ridge__sample_weight": WEIGHTS, "standardscaler__sample_weight": OTHER_WEIGHTS}
    ours, _ = both(search, X, Y, **given)
    assert "nothing was shared" not in ours.sharing_
    for given in ({"ridge__sample_weight": WEIGHTS}, {"standardscaler__sample_weight": pd.Series(WEIGHTS)}):
        both(search, X, Y, **given)


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (RidgeClassifier(), {"alpha": ALPHAS}),
        (GaussianNB(), {"var_smoothing": [1e-9, 1e-2]}),
        (GaussianNB(), {"priors": [None, [0.2, 0.3, 0.5]]}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("weights", [WEIGHTS, OTHER_WEIGHTS], ids=["positive", "some zero"])
def test_weights_of_classifiers(estimator, grid, weights):
    both(plain.GridSearchCV(estimator, grid, return_train_score=True), X, LABELS, sample_weight=weights)


def test_a_last_step_that_is_not_fitted_from_sums_gets_its_weights():
    search = plain.GridSearchCV(
        make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)),
        {"decisiontreeclassifier__max_depth": [1, 4]},
    )
    ours, _ = both(search, X, LABELS, decisiontreeclassifier__sample_weight=WEIGHTS)
    assert "DecisionTreeClassifier is no function of sums" in ours.sharing_


def weighted_error(estimator, X, y, sample_weight=None):
    assert isinstance(X, np.ndarray)
    return -np.average(np.abs(estimator.predict(X) - y), weights=sample_weight)


def two_scores(estimator, X, y):
    assert y.index.equals(X.index)
    return {"r2": estimator.score(X, y), "error": weighted_error(estimator, X.to_numpy(), y)}


@pytest.mark.parametrize(
    "scoring",
    [
        weighted_error,
        make_scorer(mean_absolute_error, greater_is_better=False),
        {"own": weighted_error, "r2": "r2"},
        {"a": "r2", "b": make_scorer(mean_absolute_error)},
        "neg_root_mean_squared_error",
        "explained_variance",
    ],
    ids=["own", "made", "several with own", "several", "by name", "by another name"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_scorers(scoring, weighted):
    if weighted and isinstance(scoring, dict) and "own" in scoring:
        pytest.skip("scikit-learn asks each scorer of several for a method that functions do not have")
    refit = next(iter(scoring)) if isinstance(scoring, dict) else True
    search = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring=scoring, refit=refit, return_train_score=True)
    both(search, X, Y, **({"sample_weight": WEIGHTS} if weighted else {}))


def test_a_scorer_of_several_scores_sees_rows_and_target_as_they_were_given():
    frame = pd.DataFrame(X, columns=list("abcdef"), index=np.arange(N_ROWS) * 3)
    search = plain.GridSearchCV(
        Ridge(), {"alpha": ALPHAS}, scoring=two_scores, refit="error", cv=plain.KFold(4, shuffle=True, random_state=1)
    )
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        both(search, frame, pd.Series(Y, index=frame.index))


def test_a_failing_scorer_gets_the_error_score():
    def fails(estimator, X, y):
        if estimator.alpha > 1:
            raise ValueError("no score")
        return estimator.score(X, y)

    search = plain.GridSearchCV(Ridge(), {"alpha": [0.1, 10.0]}, scoring=fails, error_score=-5.0)
    with pytest.warns(UserWarning, match="no score"):
        both(search, X, Y)


def test_failing_fits_get_the_error_score():
    search = plain.GridSearchCV(Ridge(), {"alpha": [1.0, -1.0]}, error_score=-9.0)
    with pytest.warns(plain._validation.FitFailedWarning):
        both(search, X, Y, sample_weight=WEIGHTS)
    with pytest.raises(ValueError, match="alpha"):
        autoscale(plain.GridSearchCV(Ridge(), {"alpha": [1.0, -1.0]}, error_score="raise")).fit(X, Y)


def test_refit_by_the_users_own_rule():
    def cheapest(results):
        return int(np.argmin(results["mean_test_r2"]))

    scoring = {"r2": "r2", "error": "neg_mean_squared_error"}
    search = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring=scoring, refit=cheapest, n_jobs=2)
    both(search, X, Y, sample_weight=WEIGHTS)


def test_other_arguments_of_a_fit_reach_it():
    search = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS})
    for bad in (np.full(N_ROWS, np.nan), WEIGHTS[:-1]):
        with pytest.raises(ValueError) as ours:  # noqa: PT011  the message is compared
            autoscale(search).set_params(error_score="raise").fit(X, Y, sample_weight=bad)
        with pytest.raises(ValueError) as theirs:  # noqa: PT011
            search.set_params(error_score="raise").fit(X, Y, sample_weight=bad)
        assert str(ours.value) == str(theirs.value)
    one_weight = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring="r2")
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        autoscale(one_weight).set_params(error_score="raise").fit(X, Y, nothing=3)


@pytest.mark.parametrize("function", [plain.cross_validate, plain.cross_val_predict, plain.learning_curve])
def test_functions_with_weights(function):
    from skdist_gpu import model_selection

    pipe = make_pipeline(StandardScaler(), Ridge())
    params = {"ridge__sample_weight": WEIGHTS}
    ours = getattr(model_selection, function.__name__)(pipe, X, Y, cv=4, params=params)
    theirs = function(pipe, X, Y, cv=4, params=params)
    if isinstance(theirs, dict):
        same_results(ours, theirs)
    else:
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9)


def test_metadata_routing():
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        last = Ridge().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipe = make_pipeline(scaler, last)
        search = plain.GridSearchCV(pipe, {"ridge__alpha": ALPHAS}, cv=plain.GroupKFold(4))
        ours, _ = both(search, X, Y, sample_weight=WEIGHTS, groups=GROUPS)
        assert "nothing was shared" not in ours.sharing_
        scorer = sklearn.metrics.get_scorer("neg_mean_squared_error").set_score_request(sample_weight="eval_weight")
        search = plain.GridSearchCV(
            Ridge().set_fit_request(sample_weight=False), {"alpha": ALPHAS}, scoring={"a": scorer, "b": "r2"}, refit="a"
        )
        both(search, X, Y, eval_weight=WEIGHTS)
        search = plain.GridSearchCV(Ridge(), {"alpha": ALPHAS})
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError):
            autoscale(search).fit(X, Y, sample_weight=WEIGHTS)


def test_weights_of_halving_and_random_searches():
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401

    halving = plain.HalvingGridSearchCV(Ridge(), {"alpha": ALPHAS}, random_state=0, min_resources=50)
    both(halving, X, Y, sample_weight=WEIGHTS)
    both(plain.RandomizedSearchCV(Ridge(), {"alpha": ALPHAS}, n_iter=4, random_state=0), X, Y, sample_weight=WEIGHTS)


def test_logistic_regression_with_weights():
    search = plain.GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=5000)),
        {"logisticregression__C": [1e-2, 1.0]},
    )
    both(search, X, LABELS, logisticregression__sample_weight=WEIGHTS, tolerance=1e-6)
