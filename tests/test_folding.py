"""Linear steps of a pipeline fitted in the passes of the model behind them, against scikit-learn's fit step by step."""

import tracemalloc

import dask.array as da
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif, f_regression
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    RidgeCV,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from skdist_gpu import autoscale
from skdist_gpu.compose import folding

N_ROWS, N_COLUMNS = 3000, 8
rng = np.random.default_rng(0)
X = rng.standard_normal((N_ROWS, N_COLUMNS)) @ rng.standard_normal((N_COLUMNS, N_COLUMNS)) + 3
Y = X @ rng.standard_normal(N_COLUMNS) + 4 * rng.standard_normal(N_ROWS)
LABELS = np.array(["high", "low", "mid"])[np.digitize(Y, np.quantile(Y, [0.3, 0.7]))]
WEIGHTS = rng.uniform(0.1, 3, N_ROWS)
COUNTS = rng.poisson(np.exp((Y - Y.mean()) / (2 * Y.std())))


@pytest.fixture(autouse=True)
def _small_rows_are_worth_a_look(monkeypatch):
    monkeypatch.setattr(folding, "FEWEST_VALUES", 0)


def folded(model):
    """Whether all steps of a fitted pipeline were fitted in the passes of the last."""
    return all("in the passes of" in step.plan_.reasons[0] for _, step in model.steps[:-1])


def same(model, reference, rtol=1e-8):
    """Compare what each step has learned."""
    for (_, ours), (_, theirs) in zip(model.steps, reference.steps, strict=True):
        for name, expected in vars(theirs).items():
            if (
                name.endswith("_")
                and isinstance(expected, (np.ndarray, float, int, np.generic))
                and name not in ("n_iter_", "dual_gap_")
            ):
                found = np.asarray(getattr(ours.estimator_, name))
                expected = np.asarray(expected)
                assert found.shape == expected.shape, name
                if expected.dtype.kind in "OU":
                    assert_array_equal(found, expected)
                else:
                    scale = max(1.0, float(np.abs(expected).max(initial=0)))
                    assert_allclose(found / scale, expected / scale, rtol=0, atol=rtol, err_msg=name)


EXACT = [
    ([StandardScaler(), PCA(4), Ridge()], Y),
    ([StandardScaler(with_mean=False), PCA(3, whiten=True), LinearRegression()], Y),
    ([MinMaxScaler((-1, 2)), TruncatedSVD(4, algorithm="arpack", random_state=0), ElasticNet(0.1, tol=1e-10)], Y),
    ([VarianceThreshold(0.1), MaxAbsScaler(), SelectKBest(f_regression, k=4), Ridge(3.0)], Y),
    ([StandardScaler(), RidgeCV(cv=4)], Y),
    ([StandardScaler(), LassoCV(cv=3, tol=1e-9)], Y),
    ([StandardScaler(), Ridge()], np.column_stack([Y, Y**2])),
    ([StandardScaler(), SelectKBest(f_classif, k=3), LinearDiscriminantAnalysis(solver="eigen")], LABELS),
    ([MinMaxScaler(), PCA(5), GaussianNB()], LABELS),
    ([StandardScaler(), PCA(5)], None),
]
ITERATED = [
    ([StandardScaler(), PCA(4), LogisticRegression(tol=1e-10, max_iter=5000)], LABELS),
    ([StandardScaler(), LogisticRegression(tol=1e-10, max_iter=5000)], Y > 0),
    (
        [
            StandardScaler(),
            LogisticRegressionCV(
                Cs=3, l1_ratios=(0,), tol=1e-10, max_iter=5000, use_legacy_attributes=False, scoring="neg_log_loss"
            ),
        ],
        Y > 0,
    ),
    ([PCA(4), HuberRegressor(tol=1e-10, max_iter=5000)], Y),
    ([StandardScaler(), PoissonRegressor(tol=1e-10, max_iter=5000)], COUNTS),
]


@pytest.mark.parametrize(
    ("steps", "y"), EXACT + ITERATED, ids=lambda part: str(part)[:40] if isinstance(part, list) else ""
)
def test_rows_in_memory(steps, y):
    model = autoscale(make_pipeline(*steps), backend="reductions", fallback="raise").fit(X, y)
    reference = clone(make_pipeline(*steps)).fit(X, y)
    assert folded(model)
    iterated = any(steps is case for case, _ in ITERATED)
    same(model, reference, 1e-4 if iterated else 1e-8)
    if not hasattr(reference, "predict"):
        assert_allclose(model.transform(X), reference.transform(X), atol=1e-8)
    elif hasattr(reference, "predict_proba"):
        assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-4)
        assert (model.predict(X) == reference.predict(X)).mean() > 0.999
    else:
        predicted = reference.predict(X)
        assert_allclose(model.predict(X), predicted, rtol=0, atol=1e-4 * np.abs(predicted).max())


def test_float32_and_names():
    frame = pd.DataFrame(X.astype(np.float32), columns=list("abcdefgh"))
    pipe = make_pipeline(StandardScaler(), PCA(4), Ridge())
    model = autoscale(pipe, backend="reductions").fit(frame, Y.astype(np.float32))
    reference = clone(pipe).fit(frame, Y.astype(np.float32))
    assert folded(model)
    assert_array_equal(model.feature_names_in_, reference.feature_names_in_)
    assert not hasattr(model[-1].estimator_, "feature_names_in_")
    for ours, theirs in zip(model, reference, strict=True):
        for name in ("components_", "coef_", "scale_", "mean_"):
            if hasattr(theirs, name):
                assert getattr(ours, name).dtype == getattr(theirs, name).dtype, name
    assert_allclose(model.predict(frame), reference.predict(frame), rtol=1e-3, atol=1e-3)


def test_weights_of_the_last_step():
    pipe = make_pipeline(StandardScaler(), PCA(4), Ridge())
    model = autoscale(pipe, backend="reductions").fit(X, Y, ridge__sample_weight=WEIGHTS)
    assert folded(model)
    same(model, clone(pipe).fit(X, Y, ridge__sample_weight=WEIGHTS))
    model = autoscale(pipe, backend="reductions").fit(X, Y, standardscaler__sample_weight=WEIGHTS)
    assert not folded(model)
    same(model, clone(pipe).fit(X, Y, standardscaler__sample_weight=WEIGHTS))


@pytest.mark.parametrize("kind", ["dask.array", "dask.dataframe", "parquet"])
@pytest.mark.parametrize(("steps", "y"), [EXACT[0], EXACT[3], EXACT[7], ITERATED[0]], ids=range(4))
def test_lazy_rows(steps, y, kind, tmp_path):
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    if kind == "parquet":
        pq.write_table(pa.Table.from_pandas(frame.assign(y=y), preserve_index=False), tmp_path / "0.parquet", 400)
        data, target = ds.dataset(tmp_path), "y"
    elif kind == "dask.array":
        data, target = da.from_array(X, chunks=(700, -1)), da.from_array(y, chunks=700)
    else:
        lazy = pytest.importorskip("dask.dataframe").from_pandas(frame.assign(y=y), npartitions=4)
        data, target = lazy[frame.columns.tolist()], lazy["y"]
    # rows that fit in memory, as those of these files do, may be faster step by step
    backend = "reductions" if kind == "parquet" else "auto"
    model = autoscale(make_pipeline(*steps), backend=backend, fallback="raise").fit(data, target)
    assert folded(model)
    same(model, clone(make_pipeline(*steps)).fit(X, y), 1e-4 if steps is ITERATED[0][0] else 1e-8)


def test_dask_blocks_are_read_once():
    read = []

    def counted(block):
        read.append(len(block))
        return block

    blocks = da.from_array(X, chunks=(1000, -1)).map_blocks(counted, dtype=X.dtype, meta=np.empty((0, 0)))
    pipe = autoscale(make_pipeline(StandardScaler(), PCA(4), Ridge())).fit(blocks, da.from_array(Y, chunks=1000))
    assert folded(pipe)
    assert sum(read) == N_ROWS


def test_nothing_between_the_steps_is_made():
    rows = np.random.default_rng(0).standard_normal((200_000, 20))
    y = rows[:, 0] + 1
    model = autoscale(make_pipeline(StandardScaler(), PCA(10), Ridge()))
    model.fit(rows[:20_000], y[:20_000])  # imports
    tracemalloc.start()
    model.fit(rows, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert folded(model)
    assert peak < rows.nbytes


def test_a_search_shares_sums_and_folds_nothing():
    search = autoscale(GridSearchCV(make_pipeline(StandardScaler(), PCA(4), Ridge()), {"ridge__alpha": [0.1, 10.0]}))
    search.fit(X, Y)
    assert f" {N_ROWS} rows were read" in search.sharing_
    assert "sums over the rows that all candidates share" in search.best_estimator_[0].plan_.reasons[0]


def test_the_plan_says_it():
    pipe = autoscale(make_pipeline(StandardScaler(), PCA(4), Ridge()))
    plan = pipe.plan(shape=(10**7, 50))
    assert [step.note for step in plan.steps] == ["in the passes of ridge"] * 2 + [""]
    assert "all are fitted in its passes" in plan["ridge"].plan.reasons[0]
    assert plan.seconds == plan["ridge"].seconds
    tree = pytest.importorskip("sklearn.tree").DecisionTreeRegressor()
    assert not autoscale(make_pipeline(StandardScaler(), tree)).plan(shape=(10**7, 50))["standardscaler"].note


def test_errors_are_those_of_the_step_that_finds_them():
    broken = X.copy()
    broken[5, 5] = np.nan
    for pipe in (make_pipeline(StandardScaler(), PCA(2), Ridge()), make_pipeline(StandardScaler(), PCA(99), Ridge())):
        rows = broken if pipe[1].n_components == 2 else X
        with pytest.raises(ValueError) as theirs:  # noqa: PT011  the message is compared
            clone(pipe).fit(rows, Y)
        with pytest.raises(ValueError) as ours:  # noqa: PT011
            autoscale(pipe, backend="reductions").fit(rows, Y)
        assert str(ours.value).partition("\n")[0] == str(theirs.value).partition("\n")[0]


@pytest.mark.parametrize(
    "pipe",
    [
        make_pipeline(MinMaxScaler(clip=True), Ridge()),
        make_pipeline(SelectKBest(f_classif, k=2), Ridge()),
        make_pipeline("passthrough", StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(), Ridge(), memory="."),
        make_pipeline(make_pipeline(StandardScaler()), Ridge()),
    ],
    ids=["clip", "labels", "passthrough", "memory", "nested"],
)
def test_other_pipelines_are_fitted_step_by_step(pipe, tmp_path):
    if pipe.memory is not None:
        pipe.set_params(memory=str(tmp_path))
    y = np.round(Y / 10)
    model = autoscale(pipe).fit(X, y)
    assert_allclose(model.predict(X), clone(pipe).fit(X, y).predict(X), rtol=1e-8)


def test_set_output_is_kept():
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    pipe = make_pipeline(StandardScaler(), Ridge()).set_output(transform="pandas")
    model = autoscale(pipe, backend="reductions").fit(frame, Y)
    assert_array_equal(model[-1].feature_names_in_, frame.columns)
