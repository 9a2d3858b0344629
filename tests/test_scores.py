"""Scores over Dask and files: scikit-learn's values, without the predictions being collected."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sklearn import metrics
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.covariance import EmpiricalCovariance
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import (
    GammaRegressor,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    TweedieRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleRegressor, autoscale, config_context, get_scorer
from skdist_gpu.exceptions import CollectLimitError, MisalignedBlocksError

generator = np.random.default_rng(0)
N = 600
BLOCKS = (100, 0, 450, 50)
X, CODES = make_classification(N, 5, n_informative=4, n_redundant=0, n_classes=3, flip_y=0.2, random_state=0)
LABELS = np.array(["low", "middle", "very high"])[CODES]
Y = np.exp(0.3 * X[:, 0] + 0.3 * generator.normal(size=N)) + 10
WEIGHTS = generator.uniform(0, 2, size=N)
CLUSTER_METRICS = [n for n in metrics.get_scorer_names() if n.endswith("_score") and "d2" not in n]
CLUSTER_METRICS.remove("neg_brier_score")
MULTILABEL = ["f1_samples", "jaccard_samples", "precision_samples", "recall_samples"]
BINARY = ["average_precision", "f1", "jaccard", "precision", "recall", "roc_auc", "neg_negative_likelihood_ratio"]
BINARY += ["positive_likelihood_ratio"]
REGRESSION = [n for n in metrics.get_scorer_names() if "error" in n or "deviance" in n]
REGRESSION += ["r2", "explained_variance", "d2_absolute_error_score"]
OTHERS = {*CLUSTER_METRICS, *MULTILABEL, *BINARY, *REGRESSION}
CLASSIFICATION = [n for n in metrics.get_scorer_names() if n not in OTHERS]


def lazy(values):
    return da.from_array(values, chunks=(BLOCKS, *values.shape[1:]))


def assert_scores_agree(name, estimator, target, weights=None):
    model = autoscale(estimator, backend="sklearn").fit(X, target)
    options = {} if weights is None else {"sample_weight": weights}
    expected = metrics.get_scorer(name)(model.estimator_, X, target, **options)
    scorer = get_scorer(name)
    over_dask = {} if weights is None else {"sample_weight": lazy(weights)}
    assert scorer(model, lazy(X), lazy(target), **over_dask) == pytest.approx(expected, rel=1e-10)
    assert scorer(model.estimator_, X, target, **options) == pytest.approx(expected, rel=1e-12)
    table = pd.DataFrame(X, columns=list("abcde")).assign(target=target, weight=WEIGHTS)
    files = ds.dataset(pa.Table.from_pandas(table.drop(columns=[] if weights is not None else "weight")))
    names = {} if weights is None else {"sample_weight": "weight"}
    assert scorer(model, files, "target", **names) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("name", sorted(CLASSIFICATION))
def test_classification(name, weights):
    if weights is not None and "ovo" in name:
        with pytest.raises(ValueError, match="takes no sample_weight"):
            get_scorer(name)(LogisticRegression().fit(X, CODES), lazy(X), lazy(CODES), lazy(weights))
        return
    assert_scores_agree(name, LogisticRegression(), LABELS if name != "top_k_accuracy" else CODES, weights)


@pytest.mark.parametrize("name", sorted(BINARY))
def test_two_classes(name):
    for estimator in (RidgeClassifier(), GaussianNB()):
        assert_scores_agree(name, estimator, (CODES > 0).astype(int), None if "ratio" in name else WEIGHTS)
    assert_scores_agree("neg_log_loss", LogisticRegression(), LABELS == "low")
    assert_scores_agree("neg_brier_score", LogisticRegression(), LABELS == "low")


@pytest.mark.parametrize("name", sorted(set(REGRESSION) - {"neg_max_error"}))
def test_regression(name):
    assert_scores_agree(name, LinearRegression(), Y, WEIGHTS)
    assert_scores_agree(name, LinearRegression(), Y)


@pytest.mark.parametrize("name", ["r2", "neg_root_mean_squared_error", "neg_mean_absolute_error"])
def test_several_targets(name):
    model = autoscale(LinearRegression()).fit(X, np.column_stack([Y, X[:, 0] ** 2, np.ones(N)]))
    target = np.column_stack([Y, X[:, 0] ** 2, np.ones(N)])
    expected = metrics.get_scorer(name)(model.estimator_, X, target)
    assert get_scorer(name)(model, lazy(X), lazy(target)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["neg_max_error", *CLUSTER_METRICS])
def test_metrics_without_weights(name):
    if name == "neg_max_error":
        assert_scores_agree(name, LinearRegression(), Y)
    else:
        assert_scores_agree(name, KMeans(3, random_state=0), CODES)


def test_r2_far_from_zero_keeps_its_digits():
    target = Y + 1e9
    model = autoscale(LinearRegression()).fit(X, target)
    exact, predicted = target.astype(np.longdouble), model.predict(X).astype(np.longdouble)
    expected = 1 - ((exact - predicted) ** 2).sum() / ((exact - exact.mean()) ** 2).sum()
    assert model.score(lazy(X), lazy(target)) == pytest.approx(float(expected), abs=1e-8)


OWN = [
    (PoissonRegressor(), Y),
    (GammaRegressor(), Y),
    (TweedieRegressor(power=1.5), Y),
    (TweedieRegressor(power=0), Y),
    (KMeans(3, random_state=0), None),
    (PCA(2), None),
    (GaussianMixture(2, random_state=0), None),
    (KernelDensity(), None),
    (EmpiricalCovariance(), None),
    (LinearRegression(), Y),
    (RidgeClassifier(), LABELS),
]


@pytest.mark.parametrize(("estimator", "target"), OWN, ids=lambda v: type(v).__name__)
def test_the_estimators_own_score(estimator, target):
    model = autoscale(estimator, backend="sklearn").fit(X, target)
    expected = model.estimator_.score(X, target)
    assert model.score(X, target) == pytest.approx(expected, rel=1e-12)
    over_dask = model.score(lazy(X), None if target is None else lazy(target))
    assert over_dask == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("estimator", "target"), [case for case in OWN if case[1] is not None], ids=lambda v: type(v).__name__
)
def test_the_estimators_own_score_of_weighted_rows(estimator, target):
    model = autoscale(estimator, backend="sklearn").fit(X, target)
    expected = model.estimator_.score(X, target, sample_weight=WEIGHTS)
    assert expected != pytest.approx(model.estimator_.score(X, target), rel=1e-6)
    assert model.score(X, target, sample_weight=WEIGHTS) == pytest.approx(expected, rel=1e-12)
    over_dask = model.score(lazy(X), lazy(target), sample_weight=lazy(WEIGHTS))
    assert over_dask == pytest.approx(expected, rel=1e-9)


def test_frames_with_unknown_partitions():
    frame = pd.DataFrame(X, columns=list("abcde")).assign(label=LABELS)
    model = autoscale(LogisticRegression()).fit(frame[list("abcde")], LABELS)
    parts = dd.from_pandas(frame, npartitions=4).query("a > 0")
    rows = frame.query("a > 0")
    expected = model.estimator_.score(rows[list("abcde")], rows["label"])
    assert model.score(parts[list("abcde")], parts["label"]) == pytest.approx(expected)


def test_nothing_is_collected_beyond_the_limit():
    model = autoscale(LogisticRegression()).fit(X, CODES > 0)
    data = lazy(X), lazy(CODES > 0)
    with config_context(collect_limit="1kB"):
        assert 0 < model.score(*data) < 1
        with pytest.raises(CollectLimitError, match=r"roc_auc is no sum over rows.*limit of 1.0 kB.*collect_limit="):
            get_scorer("roc_auc")(model, *data)
        with pytest.raises(CollectLimitError, match=r"X of 24\.0 kB would have to be collected"):
            autoscale(EmpiricalCovariance()).fit(X).score(lazy(X))


def test_predictions_stay_on_the_workers():
    """What comes back from the scheduler is a few numbers."""
    model, results = autoscale(LinearRegression()).fit(X, Y), []

    def get(dsk, keys, **options):
        results.append(dask.get(dsk, keys, **options))
        return results[-1]

    with dask.config.set(scheduler=get):
        model.score(lazy(X), lazy(Y))
    assert sum(np.size(part) for result in results for total in result for part in total) < 10


def test_misaligned_or_no_rows():
    model = autoscale(LinearRegression()).fit(X, Y)
    with pytest.raises(MisalignedBlocksError):
        model.score(lazy(X), da.from_array(Y[1:], chunks=300))
    with pytest.raises(ValueError, match="nothing to score"):
        model.score(lazy(X)[:0], lazy(Y)[:0])
    with pytest.raises(ValueError, match="is not a valid scoring value"):
        get_scorer("acuracy")
    with pytest.raises(TypeError, match="takes a name such as 'accuracy'"):
        get_scorer(metrics.accuracy_score)


def test_scikit_learns_tools_take_the_scorers():
    model = autoscale(LogisticRegression(), backend="sklearn")
    ours = cross_val_score(model, X, CODES, scoring=get_scorer("roc_auc_ovr"))
    assert ours == pytest.approx(cross_val_score(LogisticRegression(), X, CODES, scoring="roc_auc_ovr"))


@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error"])
@pytest.mark.parametrize("kind", ["dataset", "dask.dataframe"])
@pytest.mark.parametrize("wrap", [autoscale, AutoScaleRegressor])
def test_searches_and_pipelines_score_rows_that_are_not_collected(wrap, kind, scoring, tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 3)), columns=["a", "b", "c"])
    y = frame.sum(axis=1) + np.random.default_rng(1).normal(size=300)
    pipeline = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(pipeline, {"ridge__alpha": [0.1, 10.0]}, scoring=scoring)
    if kind == "dataset":
        frame.assign(y=y).to_parquet(tmp_path / "rows.parquet")
        rows = ds.dataset(tmp_path), "y"
    else:
        rows = dd.from_pandas(frame, npartitions=3), dd.from_pandas(y, npartitions=3)
    for estimator in (pipeline, search):
        model, expected = wrap(clone(estimator)).fit(frame, y), clone(estimator).fit(frame, y)
        with config_context(collect_limit=1):
            assert model.score(*rows) == pytest.approx(expected.score(frame, y))


def test_files_are_not_collected_for_a_score_that_is_no_sum(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"])
    frame.to_parquet(tmp_path / "rows.parquet")
    search = GridSearchCV(PCA(), {"n_components": [1, 2]}, scoring=lambda model, X, y=None: 1.0)
    with pytest.raises(CollectLimitError, match=r"X is read from files.*X\.to_table\(\)"):
        autoscale(search).fit(frame).score(ds.dataset(tmp_path))
