"""Every scoring method on every container: lazy for lazy input, with what it promises, and scikit-learn's values."""

import pickle
from contextlib import ExitStack, nullcontext

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdist_gpu import autoscale
from skdist_gpu.planning import scoring
from skdist_gpu.planning.cost import Prediction
from skdist_gpu.planning.scoring import BLOCK_ROWS, THREADS

# the table scores frames with models that were fitted to arrays
pytestmark = pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
generator = np.random.default_rng(0)
NAMES = ["a", "b", "c"]
X = generator.normal(size=(300, 3))
FRAME = pd.DataFrame(X, columns=NAMES, index=np.arange(1000, 1300))
CODES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
LABELS = np.array(["low", "middle", "very high"])[CODES]
TARGETS = np.column_stack([X @ [1.0, -2.0, 3.0], X[:, 0]])
BLOCKS = (100, 0, 50, 150)

CASES = [
    (LinearRegression(), TARGETS[:, 0], ["predict"]),
    (LinearRegression(), TARGETS, ["predict"]),
    (
        LogisticRegression(),
        LABELS,
        ["predict", "predict_proba", "predict_log_proba", "decision_function"],
    ),
    (LogisticRegression(), LABELS == "low", ["predict", "decision_function"]),
    (DecisionTreeClassifier(max_depth=3), np.column_stack([CODES, CODES > 0]), ["predict", "predict_proba"]),
    (GaussianMixture(2, random_state=0), None, ["predict", "predict_proba", "score_samples"]),
    (KMeans(3, random_state=0), None, ["predict", "transform"]),
    (PCA(2), None, ["transform", "inverse_transform"]),
    (StandardScaler(), None, ["transform", "inverse_transform"]),
    (OneHotEncoder(handle_unknown="ignore"), None, ["transform"]),
]
TABLE = [(estimator, y, method) for estimator, y, methods in CASES for method in methods]


def _array(data):
    return da.from_array(data, chunks=(BLOCKS, data.shape[1]))


def _unknown_chunks(data):
    frame = dd.from_pandas(pd.DataFrame(data), npartitions=3)
    return dd.concat([frame, frame.partitions[0].query("`0` > 1e9")]).to_dask_array()


def _frame(data):
    frame = pd.DataFrame(data, columns=NAMES[: data.shape[1]], index=FRAME.index)
    parts = [frame.iloc[:100], frame.iloc[:0], frame.iloc[100:]]
    return dd.from_map(lambda i: parts[i], range(3), meta=frame.iloc[:0])


CONTAINERS = {"array": _array, "unknown chunks": _unknown_chunks, "frame": _frame}


@pytest.fixture(name="forbid_compute")
def _forbid_compute():
    """Return a context in which any computation fails."""

    def get(dsk, keys, **options):
        raise AssertionError("something was computed")

    class Forbidden(ExitStack):  # may be entered again
        def __enter__(self):
            self.enter_context(dask.config.set(scheduler=get))
            return self

    return Forbidden()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("estimator", "y", "method"), TABLE, ids=lambda v: v if isinstance(v, str) else None)
def test_lazy_results_keep_what_they_promise(estimator, y, method, container, forbid_compute):
    model = autoscale(estimator, backend="sklearn").fit(X, y)
    rows = model.transform(X) if method == "inverse_transform" else X
    expected = getattr(model.estimator_, method)(rows)
    lazy_rows = CONTAINERS[container](rows)
    with forbid_compute:
        lazy = getattr(model, method)(lazy_rows)
    several = isinstance(expected, list)
    for result, values in zip(lazy if several else [lazy], expected if several else [expected], strict=True):
        computed = result.compute()
        assert result.npartitions == lazy_rows.npartitions
        if sp.issparse(values):
            assert type(computed) is type(values)
            assert type(result._meta) is type(values)
            assert_allclose(computed.toarray(), values.toarray())
            continue
        assert_allclose(computed, values) if values.dtype.kind == "f" else assert_array_equal(computed, values)
        if container == "frame":
            assert_array_equal(computed.index, FRAME.index)
            dd.utils.assert_eq(result, computed, check_divisions=False)
        else:
            da.utils.assert_eq(result, np.asarray(values), check_dtype=True)
            assert result.chunks[0] == lazy_rows.chunks[0] or container == "unknown chunks"


def test_the_model_is_one_key_of_the_graph():
    model = autoscale(RandomForestClassifier(20, random_state=0)).fit(X, LABELS)
    size = len(pickle.dumps(model.estimator_))
    blocks = da.from_array(X, chunks=(1, 3))
    for lazy in (model.predict(blocks), model.predict(dd.from_pandas(FRAME, npartitions=300))):
        graph = dict(lazy.optimize().__dask_graph__() if hasattr(lazy, "optimize") else lazy.__dask_graph__())
        assert len(graph) >= 300
        holders = [key for key, task in graph.items() if len(pickle.dumps(task)) > size / 2]
        assert len(holders) == 1


def test_columns_have_names():
    model = autoscale(LogisticRegression()).fit(FRAME, LABELS)
    assert model.predict_proba(_frame(X)).columns.tolist() == ["low", "middle", "very high"]
    scaler = autoscale(StandardScaler()).fit(FRAME)
    assert scaler.transform(_frame(X)).columns.tolist() == NAMES
    assert scaler.inverse_transform(_frame(X)).columns.tolist() == NAMES


def test_encoders_that_refuse_unknown_categories():
    text = pd.DataFrame({"size": ["s", "m", "l"] * 100, "n": [1, 2, 3] * 100})
    lazy = dd.from_pandas(text, npartitions=3)
    dense = autoscale(OrdinalEncoder()).fit(text)
    assert_array_equal(dense.transform(lazy).compute(), OrdinalEncoder().fit_transform(text))
    sparse = autoscale(OneHotEncoder()).fit(text).transform(lazy)
    assert np.isnan(sparse.shape[0])
    assert sparse.shape[1] == 6
    assert_array_equal(sparse.compute().toarray(), OneHotEncoder().fit_transform(text).toarray())
    words = text[["size"]].to_numpy(dtype="U1")
    array = autoscale(OneHotEncoder()).fit(words).transform(da.from_array(words, chunks=(100, 1)))
    assert array.shape == (300, 3)
    assert_array_equal(array.compute().toarray(), OneHotEncoder().fit_transform(words).toarray())


def test_categorical_columns_through_a_column_transformer():
    text = pd.DataFrame({"size": pd.Categorical(["s", "m", "l"] * 100), "a": X[:, 0]})
    columns = make_column_transformer((OneHotEncoder(sparse_output=False), ["size"]), (StandardScaler(), ["a"]))
    model = autoscale(LinearRegression(), backend="sklearn")
    pipeline = make_pipeline(columns, LinearRegression()).fit(text, TARGETS[:, 0])
    model.estimator_ = pipeline  # a whole pipeline as the plain estimator
    lazy = model.predict(dd.from_pandas(text, npartitions=4))
    assert_allclose(lazy.compute(), pipeline.predict(text))


def test_frames_asked_for_by_set_output():
    model = autoscale(PCA(2).set_output(transform="pandas"), backend="sklearn").fit(FRAME)
    lazy = model.transform(_frame(X))
    assert lazy.columns.tolist() == ["pca0", "pca1"]
    assert_allclose(lazy.compute(), PCA(2).fit_transform(X))
    assert_allclose(model.transform(_frame(X).to_dask_array()).compute(), PCA(2).fit_transform(X))


@pytest.mark.parametrize("container", ["frame", "array"])
@pytest.mark.parametrize("configured", [False, True], ids=["set_output", "set_config"])
@pytest.mark.parametrize("estimator", [StandardScaler(), PCA(2)], ids=lambda e: type(e).__name__)
def test_frames_asked_for_of_lazy_rows_are_lazy(estimator, configured, container, forbid_compute):
    model = autoscale(clone(estimator), backend="sklearn").fit(FRAME)
    expected = clone(estimator).set_output(transform="pandas").fit_transform(FRAME)
    output = sklearn.config_context(transform_output="pandas") if configured else nullcontext()
    if not configured:
        model.set_output(transform="pandas")
    with forbid_compute, output:
        lazy = model.transform(CONTAINERS[container](FRAME.to_numpy()))
    assert isinstance(lazy, dd.DataFrame)
    assert list(lazy.columns) == list(expected.columns)
    assert_allclose(lazy.compute(), expected)


def test_blocks_of_dask_are_not_written_into():
    model = autoscale(StandardScaler(copy=False)).fit(X.copy())
    blocks = da.from_array(X, chunks=(100, 3))
    lazy = model.transform(blocks)
    assert_array_equal(lazy.compute(), lazy.compute())
    assert_array_equal(blocks.compute(), X)
    assert_allclose(lazy.compute(), StandardScaler().fit_transform(X))


def test_frames_of_others_are_refused_for_lazy_rows(forbid_compute):
    model = autoscale(StandardScaler(), backend="sklearn").fit(FRAME).set_output(transform="polars")
    with forbid_compute, pytest.raises(ValueError, match=r"no lazy result is a frame of polars\. Nothing was computed"):
        model.transform(_frame(X))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("strategy", [OneVsRestClassifier, OneVsOneClassifier])
def test_many_classes_by_several_of_two_over_dask(strategy, container, forbid_compute):
    plain = strategy(LogisticRegression()).fit(X, LABELS)
    rows, in_memory = CONTAINERS[container](X), container != "array"
    labels = LABELS if in_memory else da.from_array(LABELS, chunks=(BLOCKS,))
    model = autoscale(strategy(LogisticRegression())).fit(X if in_memory else rows, labels)
    methods = [m for m in ("predict", "decision_function", "predict_proba") if hasattr(plain, m)]
    assert [m for m in ("predict", "decision_function", "predict_proba") if hasattr(model, m)] == methods
    with forbid_compute:
        lazy = [getattr(model, method)(rows) for method in methods]
    predicted, *confidences = dask.compute(*lazy)
    assert (np.asarray(predicted) == plain.predict(X)).mean() > 0.99
    for found, method in zip(confidences, methods[1:], strict=True):
        assert_allclose(found, getattr(plain, method)(X), rtol=1e-2, atol=5e-3)


def test_sparse_blocks_and_text():
    matrix = sp.random(300, 3, density=0.5, format="csr", random_state=0)
    model = autoscale(LogisticRegression(), backend="sklearn").fit(matrix, LABELS)
    blocks = da.from_array(matrix, chunks=(100, 3), asarray=False)
    assert_array_equal(model.predict(blocks).compute(), model.predict(matrix))
    words = pd.Series(["a word", "two more words", "nothing"] * 10)
    hashed = autoscale(HashingVectorizer(n_features=16), backend="sklearn").fit(words)
    lazy = hashed.transform(dd.from_pandas(words, npartitions=3))
    assert_allclose(lazy.compute().toarray(), HashingVectorizer(n_features=16).transform(words).toarray())


def test_a_frame_of_float32_promises_what_its_blocks_hold():
    narrow = FRAME.astype(np.float32)
    lazy = autoscale(StandardScaler(), backend="sklearn").fit(narrow).transform(dd.from_pandas(narrow, npartitions=2))
    assert set(lazy.dtypes) == set(lazy.compute().dtypes) == {np.dtype(np.float32)}


def test_columns_in_several_blocks_and_further_arguments():
    model = autoscale(BayesianRidge(), backend="sklearn").fit(X, TARGETS[:, 0])
    mean, deviation = model.predict(da.from_array(X, chunks=(100, 2)), return_std=True)
    assert mean.chunks == deviation.chunks == ((100, 100, 100),)
    expected = model.estimator_.predict(X, return_std=True)
    assert_allclose(dask.compute(mean, deviation), expected)


def test_wrong_columns_are_told_before_anything_is_computed(forbid_compute):
    model = autoscale(LinearRegression()).fit(FRAME, TARGETS[:, 0])
    with forbid_compute, pytest.raises(ValueError, match="expecting 3 features"):
        model.predict(da.zeros((10, 2), chunks=5))
    with forbid_compute, pytest.raises(ValueError, match="feature names should match"):
        model.predict(_frame(X).rename(columns={"a": "z"}))


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="one core has nothing to share out")
@pytest.mark.parametrize("container", ["numpy", "pandas"])
@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (RandomForestClassifier(100, max_depth=3), "predict_proba"),
        (DecisionTreeRegressor(max_depth=4), "predict"),
        (SVC(C=1e-3), "decision_function"),
    ],
    ids=repr,
)
def test_many_rows_in_memory_are_scored_by_threads(estimator, method, container, monkeypatch):
    rows = generator.normal(size=(5 * BLOCK_ROWS + 1, 3))
    rows = pd.DataFrame(rows, columns=NAMES) if container == "pandas" else rows
    model = autoscale(estimator, backend="sklearn").fit(rows[:2000], CODES[np.arange(2000) % len(CODES)])
    seen = []
    scored = getattr(type(estimator), method)

    def spy(self, block):
        seen.append(len(block))
        return scored(self, block)

    with monkeypatch.context() as patch:
        # with few columns another way is predicted to be faster on some machines
        patch.setattr(scoring, "predict_scoring", lambda *call, **_: Prediction(float(call[2] != THREADS)))
        patch.setattr(type(estimator), method, spy)
        result = getattr(model, method)(rows)
    assert model._copies.last_call.candidate.backend == THREADS
    assert sorted(seen)[-5:] == [BLOCK_ROWS] * 5
    assert_allclose(result, getattr(model.estimator_, method)(rows))


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="one core has nothing to share out")
def test_threads_that_score_have_the_settings_of_the_caller(monkeypatch):
    rows = generator.normal(size=(5 * BLOCK_ROWS, 3))
    rows[-1] = np.nan
    model = autoscale(SVC(C=1e-3), backend="sklearn").fit(rows[:500], np.arange(500) % 2)
    monkeypatch.setattr(scoring, "predict_scoring", lambda *call, **_: Prediction(float(call[2] != THREADS)))
    with sklearn.config_context(assume_finite=True):
        result = model.decision_function(rows)
        assert_array_equal(result, model.estimator_.decision_function(rows))
    assert model._copies.last_call.candidate.backend == THREADS
    with pytest.raises(ValueError, match="contains NaN"):
        model.decision_function(rows)
    monkeypatch.setattr(
        SVC, "decision_function", lambda self, block: np.log(np.full(len(block), float(len(block) < 10)))
    )
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        model.decision_function(rows[:-1])


def test_a_gaussian_process_that_came_fitted_predicts_what_it_has_learned():
    process = GaussianProcessRegressor(alpha=0.1).fit(X, X[:, 0])
    assert_allclose(autoscale(process).predict(X), process.predict(X))
    assert_array_equal(autoscale(GaussianProcessRegressor()).predict(X), np.zeros(len(X)))
