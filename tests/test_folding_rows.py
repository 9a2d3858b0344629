"""Imputers, products of columns and clusters in pipelines that are fitted in the passes of the last step."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skdist_gpu import autoscale
from skdist_gpu.compose import folding

N_ROWS, NAMES = 2000, list("abcde")
rng = np.random.default_rng(0)
X = rng.standard_normal((N_ROWS, 5)) @ rng.standard_normal((5, 5)) + 3
Y = X @ rng.standard_normal(5) + X[:, 0] * X[:, 1] + rng.standard_normal(N_ROWS)
LABELS = np.array(["no", "yes"])[(np.median(Y) < Y).astype(int)]
COUNTS = rng.poisson(np.exp((Y - Y.mean()) / (2 * Y.std())))
GAPS = np.where(rng.random(X.shape) < 0.1, np.nan, X)
GAPS[:, 4] = X[:, 4]  # a column without a gap
WEIGHTS = np.where(np.arange(N_ROWS) % 6 == 0, 0.0, rng.uniform(0.1, 3, N_ROWS))


@pytest.fixture(autouse=True)
def _small_rows_are_worth_a_look(monkeypatch):
    monkeypatch.setattr(folding, "FEWEST_VALUES", 0)


def folded(model):
    return all("in the passes of" in step.plan_.reasons[0] for _, step in model.steps[:-1])


def both(pipe, rows, y, rtol=1e-8, is_folded=True, **params):
    """Fit a pipeline in the passes of its last step, and as scikit-learn does; both must predict alike."""
    ours = autoscale(pipe, backend="reductions", fallback="raise").fit(rows, y, **params)
    theirs = clone(pipe).fit(rows, y, **params)
    assert folded(ours) == is_folded
    function = "predict_proba" if hasattr(theirs, "predict_proba") else "predict"
    expected = getattr(theirs, function)(rows)
    assert_allclose(getattr(ours, function)(rows), expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    return ours, theirs


@pytest.mark.parametrize("strategy", ["mean", "median", "constant"])
@pytest.mark.parametrize("indicator", [False, True])
@pytest.mark.parametrize("rows", [X, GAPS], ids=["whole", "gaps"])
def test_imputers(strategy, indicator, rows):
    imputer = SimpleImputer(strategy=strategy, add_indicator=indicator, fill_value=2.0)
    ours, theirs = both(make_pipeline(imputer, StandardScaler(), Ridge()), rows, Y)
    assert_allclose(ours[0].statistics_.astype(float), theirs[0].statistics_.astype(float), rtol=1e-12)
    assert_allclose(ours[1].scale_, theirs[1].scale_, rtol=1e-9)
    assert_allclose(ours[2].coef_, theirs[2].coef_, rtol=1e-7)


@pytest.mark.parametrize(
    ("last", "y"),
    [
        (LogisticRegression(tol=1e-10, max_iter=5000), LABELS),
        (PoissonRegressor(tol=1e-10, max_iter=5000), COUNTS),
        (LinearRegression(), np.column_stack([Y, -2 * Y])),
    ],
    ids=["logistic", "poisson", "two targets"],
)
def test_an_imputer_before_other_models(last, y):
    both(make_pipeline(SimpleImputer(), StandardScaler(), PCA(4), last), GAPS, y, 1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"interaction_only": True}, {"include_bias": False}, {"degree": (2, 3)}], ids=str
)
@pytest.mark.parametrize(
    ("last", "y"),
    [(Ridge(), Y), (LogisticRegression(C=0.1, tol=1e-10, max_iter=5000), LABELS)],
    ids=["ridge", "logistic"],
)
def test_products_of_columns(options, last, y):
    frame = pd.DataFrame(X, columns=NAMES)
    ours, theirs = both(make_pipeline(PolynomialFeatures(**options), StandardScaler(), last), frame, y, 1e-5)
    assert_array_equal(ours[0].get_feature_names_out(), theirs[0].get_feature_names_out())
    assert_array_equal(ours[:-1].get_feature_names_out(), theirs[:-1].get_feature_names_out())
    both(make_pipeline(StandardScaler(), PolynomialFeatures(**options), PCA(3), last), X, y, 1e-5)


@pytest.mark.parametrize(
    "steps",
    [
        (SimpleImputer(), PolynomialFeatures(2), StandardScaler(), SelectKBest(f_regression, k=6), Ridge()),
        (SimpleImputer(strategy="median"), RobustScaler(), MinMaxScaler(clip=True), LinearRegression()),
    ],
    ids=["select", "clip"],
)
def test_several_steps(steps):
    both(make_pipeline(*steps), GAPS, Y, 1e-7)


def test_weights_reach_the_last_step_only():
    both(make_pipeline(SimpleImputer(), StandardScaler(), Ridge()), GAPS, Y, ridge__sample_weight=WEIGHTS)
    pipe = make_pipeline(SimpleImputer(), PolynomialFeatures(2), LogisticRegression(tol=1e-10, C=0.01, max_iter=5000))
    both(pipe, GAPS, LABELS, 1e-4, logisticregression__sample_weight=WEIGHTS)


@pytest.mark.parametrize(
    "rows",
    [
        GAPS.astype(np.float32),
        pd.DataFrame(GAPS, columns=NAMES).astype({"e": np.float32}).assign(f=np.arange(N_ROWS) % 3),
        np.column_stack([GAPS, np.full(N_ROWS, 7.0)]),
    ],
    ids=["float32", "mixed frame", "constant column"],
)
def test_kinds_of_rows(rows):
    tolerance = 1e-4 if getattr(rows, "dtype", None) == np.float32 else 1e-8
    ours, theirs = both(make_pipeline(SimpleImputer(), StandardScaler(), Ridge()), rows, Y, tolerance)
    assert ours[-1].coef_.dtype == theirs[-1].coef_.dtype


def test_integers_keep_their_kind():
    rows = rng.integers(0, 9, (N_ROWS, 3))
    pipe = make_pipeline(SimpleImputer(strategy="constant", fill_value=3), Ridge())
    ours, theirs = both(pipe, rows, Y, is_folded=False)
    assert ours[0].statistics_.dtype == theirs[0].statistics_.dtype
    both(make_pipeline(PolynomialFeatures(2), Ridge()), rows, Y)


def test_a_column_without_values_is_left_out_as_scikit_learn_does():
    rows = GAPS.copy()
    rows[:, 2] = np.nan
    with pytest.warns(UserWarning, match="without any observed values"):
        both(make_pipeline(SimpleImputer(), Ridge()), rows, Y)
    both(make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), Ridge()), rows, Y)


def test_infinity_is_refused_in_the_words_of_scikit_learn():
    rows = GAPS.copy()
    rows[7, 1] = np.inf
    pipe = make_pipeline(SimpleImputer(), StandardScaler(), Ridge())
    with pytest.raises(ValueError) as theirs:  # noqa: PT011  the message is compared
        clone(pipe).fit(rows, Y)
    with pytest.raises(ValueError) as ours:  # noqa: PT011
        autoscale(pipe, backend="reductions").fit(rows, Y)
    assert str(ours.value).partition("\n")[0] == str(theirs.value).partition("\n")[0]
    with pytest.raises(ValueError, match="Input X contains NaN"):
        autoscale(make_pipeline(PolynomialFeatures(2), Ridge())).fit(GAPS, Y)


@pytest.mark.parametrize("last", [KMeans(3, random_state=0, n_init=3), MiniBatchKMeans(3, random_state=0)])
@pytest.mark.parametrize("lazy", [False, True])
def test_clusters_behind_steps(last, lazy):
    centres = 20 * np.eye(3, 5)
    rows = np.where(
        rng.random((N_ROWS, 5)) < 0.02, np.nan, centres[np.arange(N_ROWS) % 3] + rng.standard_normal((N_ROWS, 5))
    )
    pipe = make_pipeline(SimpleImputer(), StandardScaler(), PCA(2), last)
    data = da.from_array(rows, chunks=(700, -1)) if lazy else rows
    ours = autoscale(pipe, backend="reductions", fallback="raise").fit(data)
    theirs = clone(pipe).fit(rows)
    assert folded(ours)
    assert_allclose(ours[-1].inertia_, theirs[-1].inertia_, rtol=0.02)
    labels, expected = np.asarray(ours.predict(data)), theirs.predict(rows)
    pairs = {(int(a), int(b)) for a, b in zip(labels, expected, strict=True)}
    assert len(pairs) <= 6
    agreeing = [np.mean(expected[labels == k] == np.bincount(expected[labels == k]).argmax()) for k in range(3)]
    assert min(agreeing) > 0.99


def test_dask_blocks_are_read_twice_with_an_imputer():
    read = []

    def counted(block):
        read.append(len(block))
        return block

    blocks = da.from_array(GAPS, chunks=(500, -1)).map_blocks(counted, dtype=GAPS.dtype, meta=np.empty((0, 0)))
    pipe = make_pipeline(SimpleImputer(), StandardScaler(), PCA(3), Ridge())
    model = autoscale(pipe).fit(blocks, da.from_array(Y, chunks=500))
    assert folded(model)
    assert sum(read) == 2 * N_ROWS
    assert_allclose(model[-1].coef_, clone(pipe).fit(GAPS, Y)[-1].coef_, rtol=1e-7)


def test_the_plan_names_the_step_that_keeps_others_apart():
    def note(*steps, **options):
        return autoscale(make_pipeline(*steps, **options)).plan(shape=(10**6, 20)).steps[-1].note

    assert note(SimpleImputer(), PolynomialFeatures(2), Ridge()) == ""
    assert "SimpleImputer" in note(StandardScaler(), SimpleImputer(strategy="most_frequent"), Ridge())
    assert "DecisionTreeRegressor" in note(StandardScaler(), DecisionTreeRegressor())
    assert "memory" in note(StandardScaler(), Ridge(), memory=".")
    wide = autoscale(make_pipeline(PolynomialFeatures(2), Ridge())).plan(shape=(10**6, 20))["ridge"]
    assert "231" in wide.plan.data
