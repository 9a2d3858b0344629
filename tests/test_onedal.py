"""oneDAL as an engine: scikit-learn's answers, plain estimators, and nothing that falls back in silence."""

import logging
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import make_blobs, make_classification, make_friedman1
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, NearestNeighbors
from sklearn.svm import SVC, SVR, NuSVC, NuSVR
from threadpoolctl import threadpool_limits

import skdist_gpu
from skdist_gpu import autoscale
from skdist_gpu.data.inspect import described_input
from skdist_gpu.engines.onedal.info import SCORED
from skdist_gpu.engines.onedal.score import OneDALMethod
from skdist_gpu.exceptions import BackendError, EngineRefusal
from skdist_gpu.planning.planner import Request, make_plan
from skdist_gpu.testing import assert_ran_on, make_resources

pytest.importorskip("sklearnex")

X2, Y2 = make_classification(600, 6, n_informative=5, n_redundant=0, random_state=0)
X3, Y3 = make_classification(600, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
XR, YR = make_friedman1(600, 6, noise=0.5, random_state=0)
WEIGHTS = np.random.default_rng(0).uniform(0.5, 2, 600)


def _fit(estimator, X, y=None, **options):
    model = autoscale(clone(estimator), backend="onedal", fallback="raise").fit(X, y, **options)
    assert_ran_on(model, "onedal:cpu")
    assert type(model.estimator_) is type(estimator)
    return model, model.estimator_


def _by_onedal(model, method, X):
    """Return what oneDAL's own model answers."""
    return model._block_method(method).as_class(OneDALMethod).of_host_rows(X)


def test_neighbours_keep_the_form_of_their_targets():
    plain = KNeighborsRegressor().fit(XR, YR[:, None]).predict(XR)
    with skdist_gpu.installed(backend="onedal") as profile:
        found = KNeighborsRegressor().fit(XR, YR[:, None]).predict(XR)
    assert [row.engine for row in profile.rows if row.method == "fit"] == ["onedal:cpu"]
    assert found.shape == plain.shape == (len(XR), 1)
    np.testing.assert_allclose(found, plain)
    # by name, where a regressor of one target has to say so
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        found = autoscale(KNeighborsRegressor(), backend="onedal").fit(XR, YR[:, None]).predict(XR)
    np.testing.assert_allclose(found, plain[:, 0])


def test_a_kmeans_of_too_few_points_warns_once():
    with pytest.warns(ConvergenceWarning) as shown:
        _fit(KMeans(3, n_init=2, random_state=0), np.ones((50, 2)))
    assert len(shown) == 1


EVERY = [
    (RandomForestClassifier(5, random_state=0), X3, Y3),
    (RandomForestRegressor(5, random_state=0), XR, YR),
    (SVC(), X2, Y2),
    (NuSVC(), X3, Y3),
    (SVR(), XR, YR),
    (NuSVR(), XR, YR),
    (KNeighborsClassifier(), X3, Y3),
    (KNeighborsRegressor(), XR, YR),
    (NearestNeighbors(), X2, None),
    (LocalOutlierFactor(novelty=True), X2, None),
    (DBSCAN(1.2), X2, None),
    (KMeans(4, random_state=0), X2, None),
]


@pytest.mark.parametrize(("estimator", "X", "y"), EVERY, ids=lambda v: type(v).__name__ if hasattr(v, "fit") else "")
def test_nothing_falls_back_to_scikit_learn(estimator, X, y, caplog):
    logger = logging.getLogger("sklearnex")
    kept = logger.propagate
    logger.propagate = True
    try:
        with caplog.at_level(logging.DEBUG, "sklearnex"):
            model, _ = _fit(estimator, X, y)
            for method in ("predict", "predict_proba", "decision_function", "score_samples"):
                if method in SCORED.get(type(estimator).__name__, ()):
                    _by_onedal(model, method, X)
    finally:
        logger.propagate = kept
    assert "fallback to original Scikit-learn" not in caplog.text
    assert "running accelerated version on CPU" in caplog.text


@pytest.mark.parametrize("data", [(X2, Y2), (X3, Y3)], ids=["two classes", "three classes"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("estimator", [SVC(C=3), SVC(kernel="poly", class_weight="balanced"), NuSVC(nu=0.2)], ids=str)
def test_support_vectors_are_scikit_learns(estimator, data, weights):
    X, y = data
    estimator = clone(estimator).set_params(decision_function_shape="ovo")  # a sum of votes may jump
    model, plain = _fit(estimator, X, y, sample_weight=weights)
    expected = clone(estimator).fit(X, y, sample_weight=weights)
    scores = expected.decision_function(X)
    np.testing.assert_allclose(plain.decision_function(X), scores, atol=1e-2 * np.abs(scores).max())
    np.testing.assert_allclose(_by_onedal(model, "decision_function", X), plain.decision_function(X), atol=1e-9)
    assert np.mean(plain.predict(X) != expected.predict(X)) < 0.002
    assert vars(plain).keys() == vars(expected).keys()
    np.testing.assert_array_equal(plain.n_support_, np.bincount(np.searchsorted(plain.classes_, y[plain.support_])))
    np.testing.assert_array_equal(plain.support_vectors_, X[plain.support_])


@pytest.mark.parametrize("estimator", [SVR(), NuSVR(C=2)], ids=str)
def test_support_vectors_of_regressors(estimator):
    model, plain = _fit(estimator, XR.astype(np.float32), YR, sample_weight=WEIGHTS)
    expected = clone(estimator).fit(XR.astype(np.float32), YR, sample_weight=WEIGHTS).predict(XR)
    np.testing.assert_allclose(plain.predict(XR), expected, atol=5e-3 * np.ptp(YR))
    np.testing.assert_allclose(_by_onedal(model, "predict", XR), plain.predict(XR), atol=1e-9)


@pytest.mark.parametrize(
    ("forest", "X", "y"),
    [
        (RandomForestClassifier(8, random_state=0), X3, Y3),
        (RandomForestClassifier(8, max_depth=4, random_state=0), X2, Y2),
        (RandomForestRegressor(8, min_samples_leaf=4, random_state=0), XR, YR + 1e6),
    ],
    ids=["pure leaves", "mixed leaves of two classes", "numbers"],
)
def test_plain_trees_answer_as_onedals_forest(forest, X, y):
    model, plain = _fit(forest, X, y)
    method = "predict_proba" if hasattr(plain, "predict_proba") else "predict"
    new = np.random.default_rng(1).normal(size=(500, 6))
    np.testing.assert_allclose(_by_onedal(model, method, new), getattr(plain, method)(new), rtol=1e-9, atol=1e-9)


def test_leaves_of_several_classes_have_their_shares():
    forest = RandomForestClassifier(20, max_depth=3, class_weight="balanced", random_state=0)
    model, plain = _fit(forest, X3, Y3)
    with pytest.raises(EngineRefusal, match="is gone"):
        _by_onedal(model, "predict_proba", X3)
    chances = plain.predict_proba(X3)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    expected, another = (clone(forest).set_params(random_state=s).fit(X3, Y3).predict_proba(X3) for s in (1, 2))
    assert np.abs(chances - expected).mean() < 1.5 * np.abs(another - expected).mean()
    np.testing.assert_array_equal(model.predict_proba(X3), chances)
    for tree in plain.estimators_:
        np.testing.assert_allclose(tree.tree_.value.sum(axis=2), 1)


def test_trees_are_scikit_learns():
    _, plain = _fit(RandomForestRegressor(4, bootstrap=False, max_features=1, random_state=0), XR, YR)
    expected = RandomForestRegressor(4, random_state=0).fit(XR, YR)
    for tree in plain.estimators_:
        np.testing.assert_allclose(tree.tree_.value[0, 0, 0], YR.mean())
    ours, theirs = ({n for n in vars(f.estimators_[0]) if not n.startswith("_")} for f in (plain, expected))
    assert ours == theirs
    assert plain.feature_importances_.sum() == pytest.approx(1)
    np.testing.assert_array_equal(plain.apply(XR), np.stack([t.apply(XR) for t in plain.estimators_], axis=1))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"min_samples_leaf": 5, "max_features": 0.5}], ids=str)
def test_forests_err_no_more_than_scikit_learns(options):
    errors = []
    for seed in range(10):
        X, y = make_friedman1(2000, 10, noise=1.0, random_state=seed)
        forest = RandomForestRegressor(30, random_state=seed, **options)
        models = (_fit(forest, X[:1000], y[:1000])[1], clone(forest).fit(X[:1000], y[:1000]))
        errors.append([np.mean((m.predict(X[1000:]) - y[1000:]) ** 2) ** 0.5 for m in models])
    ours, theirs = np.mean(errors, axis=0)
    assert ours <= 1.01 * theirs


def test_same_seed_same_forest():
    forests = [_fit(RandomForestClassifier(5, random_state=7), X2, Y2)[1] for _ in range(2)]
    np.testing.assert_array_equal(forests[0].predict_proba(X2), forests[1].predict_proba(X2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_are_equal_up_to_ties(dtype):
    X = np.random.default_rng(0).integers(0, 4, size=(500, 3)).astype(dtype)
    model, plain = _fit(NearestNeighbors(n_neighbors=4), X)
    distances, neighbours = _by_onedal(model, "kneighbors", X)
    expected, _ = plain.kneighbors(X)
    np.testing.assert_allclose(distances, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(X[:, None] - X[neighbours], axis=2), expected, atol=1e-6)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_neighbours_vote_as_scikit_learns(weights):
    for estimator, X, y in ((KNeighborsClassifier(weights=weights), X3, Y3), (KNeighborsRegressor(), XR, YR)):
        model, _ = _fit(estimator, X, y)
        new = X + 0.01
        np.testing.assert_allclose(_by_onedal(model, "predict", new), clone(estimator).fit(X, y).predict(new))


@pytest.mark.parametrize(
    ("estimator", "method", "target"),
    [
        (KNeighborsClassifier(), "predict", Y3 + 5),
        (KNeighborsRegressor(), "predict", YR),
        (NearestNeighbors(), "kneighbors", None),
    ],
    ids=["classes", "numbers", "neighbours"],
)
def test_neighbours_of_any_fit_are_searched_by_onedal(estimator, method, target):
    rows = np.random.default_rng(0).normal(size=(600, 20))
    many = np.tile(rows, (100, 1)) + 0.1
    model = autoscale(clone(estimator), backend="sklearn").fit(rows, target)
    assert model.plan(many, method=method).chosen.name == "onedal:cpu"
    found = getattr(model, method)(many)
    assert model._copies.last_call.candidate.name == "onedal:cpu"
    expected = getattr(clone(estimator).fit(rows, target), method)(many)
    for part, right in zip(found, expected, strict=True) if method == "kneighbors" else [(found, expected)]:
        np.testing.assert_allclose(part, right, atol=1e-6)


def test_neighbours_of_several_targets_are_scikit_learns():
    rows = np.random.default_rng(0).normal(size=(600, 20))
    model = autoscale(KNeighborsRegressor(), backend="sklearn").fit(rows, np.stack([YR, -YR], axis=1))
    many = np.tile(rows, (60, 1)) + 0.1
    np.testing.assert_allclose(model.predict(many), model.estimator_.predict(many))


def test_outlier_factors_are_scikit_learns():
    for options in ({"novelty": True}, {"contamination": 0.1}):
        _, plain = _fit(LocalOutlierFactor(**options), X2)
        expected = LocalOutlierFactor(**options).fit(X2)
        np.testing.assert_allclose(plain.negative_outlier_factor_, expected.negative_outlier_factor_)
        assert plain.offset_ == pytest.approx(expected.offset_)


@pytest.mark.parametrize("weights", [None, np.linspace(0, 2, 600)], ids=["", "weighted"])
def test_dbscan_gives_scikit_learns_labels(weights):
    X = make_blobs(600, 3, centers=5, random_state=0)[0]
    for eps in (0.5, 0.8, 1.2):
        _, plain = _fit(DBSCAN(eps), X, sample_weight=weights)
        expected = DBSCAN(eps).fit(X, sample_weight=weights)
        np.testing.assert_array_equal(plain.labels_, expected.labels_)
        np.testing.assert_array_equal(plain.core_sample_indices_, expected.core_sample_indices_)
        np.testing.assert_array_equal(plain.components_, expected.components_)


def test_clusters_begin_where_scikit_learns_do():
    for seed in range(3):
        kmeans = KMeans(5, random_state=seed, tol=0)
        _, plain = _fit(kmeans, X2)
        expected = clone(kmeans).fit(X2)
        assert plain.inertia_ == pytest.approx(expected.inertia_)
        np.testing.assert_array_equal(plain.labels_, expected.labels_)
        np.testing.assert_array_equal(plain.predict(X2), plain.labels_)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (SVC(kernel="precomputed"), "kernel='precomputed' is not supported"),
        (SVC(max_iter=5), "max_iter=5 is not supported"),
        (SVC(probability=True), "probability=True is not supported"),
        (RandomForestClassifier(criterion="entropy"), "criterion='entropy' is not supported"),
        (RandomForestRegressor(oob_score=True), "oob_score=True is not supported"),
        (KNeighborsClassifier(metric="cosine"), "metric='cosine' is not supported"),
        (ExtraTreesClassifier(), "11.4 % of rows wrong"),
        (TSNE(), "diverge 8 to 20 % more"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:The `probability` parameter:FutureWarning")
def test_refused_before_it_computes(estimator, reason):
    with pytest.raises(BackendError, match=reason):
        autoscale(estimator, backend="onedal").fit(X2, Y2)


def test_refused_for_what_the_data_hold():
    """Its own conditions are the reasons."""
    X = X2.copy()
    X[0, 0] = np.nan
    with pytest.raises(BackendError, match="Non-finite input is not supported"):
        autoscale(RandomForestClassifier(2, random_state=0), backend="onedal").fit(X, Y2)
    with pytest.raises(BackendError, match="only one class"):
        autoscale(RandomForestClassifier(2, random_state=0), backend="onedal").fit(X2, np.zeros(600))
    with pytest.raises(BackendError, match="kd_tree"):
        autoscale(NearestNeighbors(algorithm="ball_tree"), backend="onedal").fit(X2)


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        SVC(kernel="poly", degree=2, coef0=1, decision_function_shape="ovo"),
        SVC(kernel="sigmoid", gamma=0.01, max_iter=50),
        SVC(kernel="linear", break_ties=True),
        NuSVC(nu=0.2),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Solver terminated early")
def test_vectors_of_any_fit_are_scored_by_onedal(estimator, n_classes):
    rows = np.random.default_rng(0).normal(3, 1, size=(500, 6))
    signal = rows[:, 0] + (rows[:, 1] - 3) * (rows[:, 2] - 3)
    names = np.array(list("abcdef"))[np.digitize(signal, np.quantile(signal, np.arange(1, n_classes) / n_classes))]
    plain = clone(estimator).fit(rows, names)
    model, many = autoscale(plain), np.random.default_rng(1).normal(3, 1, size=(30_000, 6))
    for method in ("predict", "decision_function"):
        found, expected = getattr(model, method)(many), getattr(plain, method)(many)
        assert model._copies.last_call.candidate.name == "onedal:cpu"
        assert found.dtype == expected.dtype
        if method == "predict":
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("estimator", [SVR(), NuSVR(kernel="poly")], ids=str)
def test_vectors_of_any_regressor_are_scored_by_onedal(estimator):
    model = autoscale(clone(estimator).fit(XR, YR))
    many = np.tile(XR, (50, 1)) + 0.01
    found, expected = model.predict(many), model.estimator_.predict(many)
    assert model._copies.last_call.candidate.name == "onedal:cpu"
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


def test_vectors_of_sparse_rows_are_scored_by_scikit_learn():
    plain = SVC().fit(csr_array(X2), Y2)
    many = np.tile(X2, (50, 1))
    model = autoscale(plain)
    np.testing.assert_array_equal(model.predict(many), plain.predict(many))
    assert model._copies.last_call.candidate.name != "onedal:cpu"


@pytest.mark.parametrize(
    ("forest", "shape", "engine"),
    [
        (RandomForestClassifier(20), (20_000, 20), "onedal"),
        (RandomForestRegressor(20, max_depth=6), (20_000, 20), "onedal"),
        (RandomForestRegressor(1), (20_000, 20), "onedal"),
        (RandomForestClassifier(20, max_samples=500), (50_000, 20), "sklearn"),
    ],
    ids=str,
)
def test_forests_are_onedals_where_that_is_faster(forest, shape, engine):
    """It sorts all rows into bins, so that trees of few rows take longer than scikit-learn's."""
    machine = make_resources(cpus=2)
    assert make_plan(forest, described_input(shape, "float64"), machine, Request()).chosen.backend == engine


def test_scores_follow_the_plain_estimator():
    """oneDAL's model serves where that is faster, until the estimator is written to."""
    model, plain = _fit(SVC(), X2, Y2)
    many = np.tile(X2, (40, 1))
    before = model.decision_function(many)
    assert model._copies.last_call.candidate.name == "onedal:cpu"
    np.testing.assert_allclose(before, plain.decision_function(many), atol=1e-9)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.decision_function(many), before)
    assert again._copies.last_call.candidate.name == "onedal:cpu"
    plain.intercept_ += 1.0
    plain._intercept_ -= 1.0  # which libsvm reads
    np.testing.assert_allclose(model.decision_function(many), plain.decision_function(many))
    assert np.abs(model.decision_function(many) - before).min() > 0.5
    with pytest.raises(ValueError, match="5 features"):
        model.predict(many[:, :5])


def test_a_warning_is_heard_once_though_some_rows_are_scored_twice():
    model, plain = _fit(KNeighborsClassifier(), X2, Y2)
    many = pd.DataFrame(np.tile(X2, (40, 1))).astype({0: pd.SparseDtype(float)})
    with warnings.catch_warnings(record=True, action="always") as theirs:
        expected = plain.predict(many)
    with warnings.catch_warnings(record=True, action="always") as ours:
        np.testing.assert_array_equal(model.predict(many), expected)
    assert model._copies.last_call.candidate.name == "onedal:cpu"
    assert [str(w.message) for w in ours] == [str(w.message) for w in theirs]
    assert "sparse columns" in str(theirs[0].message)


def test_models_of_forests_stay_with_the_fit():
    # trees that the caches do not hold
    X, y = make_classification(20_000, 13, n_informative=8, flip_y=0.2, random_state=0)
    model, _ = _fit(RandomForestClassifier(20, random_state=0), X, y)
    many = np.tile(X, (3, 1))
    before = model.predict(many)
    assert model._copies.last_call.candidate.name == "onedal:cpu"
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(again.predict(many), before)
    assert again._copies.last_call.candidate.name != "onedal:cpu"


def test_threads_are_those_that_were_left(monkeypatch):
    import daal4py

    from skdist_gpu.engines.onedal.threads import thread_budget

    assert thread_budget(KNeighborsClassifier(n_jobs=1), 8) == 1
    with threadpool_limits(1):
        assert thread_budget(SVC(), 8) == 1
        assert thread_budget(KNeighborsClassifier(n_jobs=-1), 8) == 1
    used, before = [], daal4py.num_threads()
    real = daal4py.daalinit
    monkeypatch.setattr(daal4py, "daalinit", lambda n: (used.append(n), real(n)))
    _fit(RandomForestRegressor(3, n_jobs=1), XR, YR)
    assert daal4py.num_threads() == before
    assert used == ([] if before == 1 else [1, before])


def test_fits_in_threads():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = Parallel(4, prefer="threads")(delayed(_fit)(SVC(), X2, Y2) for _ in range(8))
    scores = [model.decision_function(X2) for model, _ in fitted]
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0])


def _run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 2, 6, 9, 10, 11], ids=lambda number: type(EVERY[number][0]).__name__)
def test_many_fits_leave_no_memory_behind(number):
    """scikit-learn-intelex had leaked a part of its input with each fit."""
    code = """
import sys
import numpy as np, psutil
sys.path.insert(0, sys.argv[2])
from test_onedal import EVERY, _fit
estimator, X, y = EVERY[int(sys.argv[1])]
sizes = []
for i in range(500):
    _fit(estimator, X, y)
    if i % 100 == 99:
        sizes.append(psutil.Process().memory_info().rss)
# a leak grows with every hundred fits, what a process keeps for itself does not
print(min(np.diff(sizes)))
"""
    grown = int(_run(code, str(number), str(Path(__file__).parent)))
    assert grown < 100 * X2.nbytes / 4


def test_loads_without_the_package(tmp_path):
    for estimator, X, y in (EVERY[0], EVERY[2], EVERY[6]):
        _, plain = _fit(estimator, X, y)
        path = tmp_path / "model.pickle"
        path.write_bytes(pickle.dumps((plain, X, plain.predict(X))))
        code = (
            "import sys; sys.modules.update(dict.fromkeys(['sklearnex', 'onedal', 'daal4py', 'skdist_gpu']))\n"
            "import pickle; model, X, y = pickle.load(open(sys.argv[1], 'rb')); print((model.predict(X) == y).all())"
        )
        assert _run(code, str(path)) == "True\n"


def test_beside_a_patched_scikit_learn():
    code = """
import warnings
warnings.simplefilter("ignore")
from sklearnex import patch_sklearn
patch_sklearn(verbose=False)
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
import skdist_gpu
from skdist_gpu import autoscale
assert SVC.__module__.startswith("sklearnex")
X, y = make_classification(300, random_state=0)
for estimator in (SVC(C=2), RandomForestClassifier(3, random_state=0)):
    for backend in ("onedal", "sklearn"):
        model = autoscale(estimator, backend=backend).fit(X, y)
        print(type(model.estimator_).__module__, model.backend_, model.score(X, y) > 0.9)
"""
    lines = _run(code).splitlines()
    modules = ["sklearn.svm._classes"] * 2 + ["sklearn.ensemble._forest"] * 2
    assert lines == [
        f"{module} {backend} True" for module, backend in zip(modules, ["onedal", "sklearn"] * 2, strict=True)
    ]
