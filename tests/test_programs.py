"""Programs that nobody changed: scikit-learn's own classes plan, and all else stays scikit-learn's."""

import copy
import gc
import json
import pickle
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from inspect import signature

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from pyarrow import dataset
from scipy import sparse
from sklearn import set_config as set_sklearn_config
from sklearn.base import clone
from sklearn.cluster import AffinityPropagation, KMeans, MiniBatchKMeans
from sklearn.datasets import make_regression
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier, VotingRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler, TargetEncoder
from sklearn.svm import SVC

import skdist_gpu
from skdist_gpu import autoscale
from skdist_gpu.exceptions import BackendError
from skdist_gpu.programs.calls import Profile

X, Y = make_regression(n_samples=600, n_features=5, noise=1.0, random_state=0)
CLASSES = (Y > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abcde"))


@pytest.fixture
def forced():
    """Every fit that its plan does not refuse runs on the sums."""
    with skdist_gpu.installed(backend="reductions:cpu") as profile:
        yield profile


def engines_of(profile, method="fit"):
    return {(row.estimator, row.engine) for row in profile.rows if row.method == method}


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (Ridge(alpha=0.5), Y),
        (LinearRegression(), Y),
        (Lasso(alpha=0.1, tol=1e-12, max_iter=10_000), Y),
        (GaussianNB(), CLASSES),
        (StandardScaler(), None),
        (PCA(n_components=2), None),
        (TruncatedSVD(n_components=2, algorithm="arpack", random_state=0), None),
    ],
    ids=lambda case: type(case).__name__,
)
def test_a_fit_elsewhere_leaves_what_scikit_learn_leaves(estimator, y, forced):
    model = clone(estimator).fit(X, y)
    assert engines_of(forced) == {(type(estimator).__name__, "reductions:cpu")}
    skdist_gpu.uninstall()
    plain = clone(estimator).fit(X, y)
    assert type(model) is type(plain)
    assert vars(model).keys() == vars(plain).keys()
    for name, value in vars(plain).items():
        assert type(vars(model)[name]) is type(value), name
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert vars(model)[name].dtype == value.dtype
            assert_allclose(abs(vars(model)[name]), abs(value), rtol=1e-6, atol=1e-8)
    assert b"skdist" not in pickle.dumps(model)
    assert vars(pickle.loads(pickle.dumps(model))).keys() == vars(plain).keys()
    assert vars(clone(model)).keys() == vars(estimator).keys()
    assert vars(copy.deepcopy(model)).keys() == vars(plain).keys()


def test_classes_look_as_before():
    names = ("fit", "predict", "score", "get_params")
    before = {name: (getattr(Ridge, name).__doc__, signature(getattr(Ridge, name))) for name in names}
    own, inherited = vars(Ridge)["fit"], "predict" in vars(Ridge)
    with skdist_gpu.installed():
        after = {name: (getattr(Ridge, name).__doc__, signature(getattr(Ridge, name))) for name in names}
        assert vars(Ridge)["fit"] is not own
        assert Ridge.fit.__qualname__ == "Ridge.fit"
        assert pickle.loads(pickle.dumps(Ridge.fit)) is Ridge.fit
        assert not hasattr(SVC(probability=False), "predict_proba")
        assert not hasattr(KMeans(), "decision_function")
    assert after == before
    assert vars(Ridge)["fit"] is own
    assert ("predict" in vars(Ridge)) == inherited


def test_subclasses_are_not_touched(forced):
    class Mine(Ridge):
        def fit(self, X, y):
            self.mine_ = True
            return super().fit(X, y)

    class Plain(Ridge):
        pass

    assert Mine().fit(X, Y).mine_
    Plain().fit(X, Y).predict(X)
    assert not forced.rows


def test_errors_and_warnings_are_scikit_learns(forced):
    bad = X.copy()
    bad[3, 2] = np.nan
    calls = [
        lambda: Ridge(alpha=-1.0).fit(X, Y),
        lambda: Ridge().fit(bad, Y),
        lambda: Ridge().fit(X[:10], Y),
        lambda: Ridge().fit(X[0], Y),
        lambda: Ridge().fit(X),
        lambda: Ridge().fit(X, Y, weight=1),
        lambda: GaussianNB().fit(X, Y),
        lambda: PCA(n_components=9).fit(X),
        lambda: Ridge().predict(X),
        lambda: Ridge().fit(X, Y).predict(X[:, :2]),
    ]
    with pytest.warns(ConvergenceWarning):
        LogisticRegression(max_iter=1).fit(X, CLASSES)

    def error_of(call):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            call()
        return type(caught.value), str(caught.value)

    ours = [error_of(call) for call in calls]
    skdist_gpu.uninstall()
    assert ours == [error_of(call) for call in calls]


@pytest.mark.parametrize(
    "model", [LogisticRegression(max_iter=1), QuantileTransformer(n_quantiles=700, subsample=None)]
)
@pytest.mark.parametrize("action", ["ignore", "error"])
def test_filters_for_warnings_of_scikit_learn_are_kept(model, action, forced):
    """A filter may name the module that warns."""
    with warnings.catch_warnings(record=True, action="always") as shown:
        warnings.filterwarnings(action, module="sklearn")
        with pytest.raises(Warning) if action == "error" else nullcontext():
            model.fit(X, CLASSES)
    assert not shown
    with warnings.catch_warnings(record=True, action="always") as shown:
        model.fit(X, CLASSES)
    assert (type(model).__name__, "reductions:cpu") in engines_of(forced)
    assert [type(model).__module__.rpartition(".")[2] in warning.filename for warning in shown] == [True]


def test_a_fit_that_fails_elsewhere_warns_as_often_as_scikit_learns(forced):
    one_class = np.zeros((len(X), 1))

    def warned():
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            with pytest.raises(ValueError, match="one class"):
                LogisticRegression().fit(X, one_class)  # of a column, which is warned of first
            LogisticRegression(max_iter=1).fit(X, CLASSES[:, None])
        return [warning.category for warning in shown]

    ours = warned()
    skdist_gpu.uninstall()
    assert ours == warned()
    assert len(ours) == 3


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "float32", "int32"])
def test_dtypes_are_scikit_learns(dtype, forced):
    def dtypes():
        models = [LinearRegression().fit(X.astype(dtype), Y), RidgeCV().fit(X.astype(dtype), Y)]
        return [(model.coef_.dtype, model.predict(X.astype(dtype)).dtype) for model in models]

    found = dtypes()
    skdist_gpu.uninstall()
    assert found == dtypes()


def test_a_failed_fit_leaves_the_object_as_scikit_learn_leaves_it(forced):
    def refitted():
        model = Ridge().fit(FRAME, Y)
        with pytest.raises(ValueError, match="NaN"):
            model.fit(np.full_like(X, np.nan), Y)
        return model

    model = refitted()
    skdist_gpu.uninstall()
    assert vars(model).keys() == vars(refitted()).keys()
    assert_allclose(model.coef_, Ridge().fit(X, Y).coef_)


def test_a_second_fit_forgets_names_of_columns(forced):
    model = Ridge().fit(FRAME, Y)
    assert list(model.feature_names_in_) == list(FRAME)
    assert not hasattr(model.fit(X, Y), "feature_names_in_")


def test_a_random_state_goes_on_drawing(forced):
    def centers():
        model = KMeans(n_clusters=4, random_state=np.random.RandomState(3), n_init=1, max_iter=1)
        return model.fit(X).cluster_centers_, model.fit(X).cluster_centers_

    first, second = centers()
    assert ("KMeans", "reductions:cpu") in engines_of(forced)
    assert not np.allclose(first, second)


def test_methods_that_fit_and_score(forced):
    reduced = PCA(n_components=2).fit_transform(X)
    labels = KMeans(n_clusters=3, random_state=0).fit_predict(X)
    mixed = GaussianMixture(n_components=2, random_state=0).fit_predict(X)
    encoded = TargetEncoder(cv=KFold(3)).fit_transform(X.round(), Y)
    sparse = OneHotEncoder().fit_transform(X.round())
    assert ("PCA", "reductions:cpu") in engines_of(forced, "fit_transform")
    skdist_gpu.uninstall()
    assert_allclose(abs(reduced), abs(PCA(n_components=2).fit_transform(X)), atol=1e-8)
    assert (labels == KMeans(n_clusters=3, random_state=0).fit_predict(X)).all()
    assert (mixed == GaussianMixture(n_components=2, random_state=0).fit_predict(X)).all()
    assert_allclose(encoded, TargetEncoder(cv=KFold(3)).fit_transform(X.round(), Y))
    assert abs(sparse - OneHotEncoder().fit_transform(X.round())).nnz == 0


def test_set_output_routing_and_searches(forced):
    scaled = StandardScaler().set_output(transform="pandas").fit_transform(FRAME)
    assert list(scaled) == list(FRAME)
    search = GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 10.0]}).fit(X, Y)
    assert type(search.best_estimator_[-1]) is Ridge
    assert {("Ridge", "reductions:cpu"), ("StandardScaler", "reductions:cpu")} <= engines_of(forced, "fit")
    weights = np.linspace(0.1, 1.0, len(Y))
    set_sklearn_config(enable_metadata_routing=True)
    try:
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, Ridge().set_fit_request(sample_weight=True))
        found = routed.fit(X, Y, sample_weight=weights)[-1].coef_
    finally:
        set_sklearn_config(enable_metadata_routing=False)
    skdist_gpu.uninstall()
    expected = Ridge().fit(StandardScaler().fit_transform(X), Y, sample_weight=weights).coef_
    assert_allclose(found, expected)
    best = GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 10.0]}).fit(X, Y)
    assert_allclose(search.cv_results_["mean_test_score"], best.cv_results_["mean_test_score"])


@pytest.fixture
def files(tmp_path):
    FRAME.assign(y=CLASSES).to_parquet(tmp_path / "rows.parquet")
    return tmp_path


def _lazy(files):
    """Yield rows, target, rows to predict, in containers that scikit-learn does not take."""
    array, target = da.from_array(X, chunks=(200, 5)), da.from_array(CLASSES, chunks=200)
    yield array, target, array
    frame = dd.from_pandas(FRAME.assign(y=CLASSES), npartitions=3)
    yield frame[list(FRAME)], frame["y"], frame[list(FRAME)]
    yield dataset.dataset(files), "y", dataset.dataset(files)
    query = pl.scan_parquet(files / "rows.parquet")
    yield query, "y", query


def test_containers_that_scikit_learn_does_not_take(files):
    estimator = LogisticRegression(tol=1e-10, max_iter=1000)
    plain = clone(estimator).fit(X, CLASSES)
    with skdist_gpu.installed() as profile:
        for rows, target, others in _lazy(files):
            model = clone(estimator).fit(rows, target)
            assert type(model) is LogisticRegression
            assert_allclose(model.coef_, plain.coef_, rtol=1e-3)
            predicted = model.predict(others)
            assert type(predicted) is not np.ndarray, "the rows are lazy"
            assert (np.asarray(predicted) == plain.predict(X)).all()
            if not isinstance(target, str):
                assert model.score(others, target) == plain.score(X, CLASSES)
        array = da.from_array(X, chunks=(200, 5))
        scaled = make_pipeline(StandardScaler(), PCA(n_components=2)).fit_transform(array)
        assert isinstance(scaled, da.Array)
        assert_allclose(abs(scaled.compute()), abs(make_pipeline(StandardScaler(), PCA(2)).fit_transform(X)), atol=1e-8)
        frame = StandardScaler().set_output(transform="pandas").fit_transform(dd.from_pandas(FRAME, npartitions=2))
        assert isinstance(frame, dd.DataFrame)
        assert list(frame.compute()) == list(FRAME)
    assert ("LogisticRegression", "sklearn:dask") in engines_of(profile, "predict")


def test_a_forced_engine_gives_way_where_it_refuses(forced):
    RandomForestClassifier(n_estimators=2).fit(X, CLASSES)
    Ridge(positive=True).fit(X, Y)
    MiniBatchKMeans(2, n_init=1).fit(X)  # whose batches end elsewhere than steps over all rows
    Lasso().fit(X, Y, sample_weight=2.0)  # which some of scikit-learn's estimators take, and some do not
    assert "reductions:cpu does not know it" in next(row.why for row in forced.rows if "Forest" in row.estimator)
    own = ("RandomForestClassifier", "Ridge", "MiniBatchKMeans", "Lasso")
    assert engines_of(forced) == {(name, "sklearn:cpu") for name in own}


def test_quantiles_of_a_subsample_are_scikit_learns(forced):
    rows = np.random.default_rng(0).normal(size=(3000, 2))
    for subsample, engine in ((1000, "sklearn:cpu"), (None, "reductions:cpu")):
        estimator = QuantileTransformer(n_quantiles=50, subsample=subsample, random_state=0)
        found = estimator.fit_transform(rows)
        assert ("QuantileTransformer", engine) in engines_of(forced)
        with skdist_gpu.installed(backend="sklearn"):
            assert_allclose(clone(estimator).fit_transform(rows), found, atol=1e-12)


@pytest.mark.parametrize("backend", ["auto", "onedal"])
def test_a_forest_stays_scikit_learns_and_says_why(backend, capsys):
    pytest.importorskip("sklearnex")
    rows = np.random.default_rng(0).normal(size=(20_000, 10))
    target = (rows[:, 0] > 0).astype(int)
    plain = RandomForestClassifier(3, max_depth=3, random_state=0).fit(rows, target)
    with skdist_gpu.installed(backend=backend, profile=Profile(verbose=True)) as profile:
        model = RandomForestClassifier(3, max_depth=3, random_state=0).fit(rows, target)
        told = skdist_gpu.explain(model)
    assert (model.predict_proba(rows) == plain.predict_proba(rows)).all()
    (row,) = (row for row in profile.rows if row.method == "fit")
    for text in (str(told), row.why, capsys.readouterr().err):
        assert "other trees" in text
    assert told.report.candidate.name == row.engine == "sklearn:cpu"


def test_a_prediction_says_why_scikit_learn_made_it():
    model, rows = Ridge().fit(X, Y), np.zeros((100_000, 5))
    with skdist_gpu.installed(profile=Profile(trace=True)) as profile:
        KMeans(2, n_init=1, random_state=0).fit(X).score(rows, None, sample_weight=np.ones(100_000))
        model.predict(X)
        model.predict(sparse.csr_array(rows))
    why = [call.reason for call in profile.calls if call.method != "fit"]
    for text, reason in zip(why, ("arguments", "too little work", "csr_array"), strict=True):
        assert reason in text


def test_large_rows_go_to_the_engine_that_the_plan_chooses():
    rows, y = np.random.default_rng(0).normal(size=(200_000, 20)), np.arange(200_000) % 3
    with skdist_gpu.installed() as profile:
        model = GaussianNB().fit(rows, y)
        plan = skdist_gpu.explain(model).plan
        predicted = model.predict(rows)
    assert engines_of(profile) == {("GaussianNB", plan.chosen.name)}
    assert plan.backend != "sklearn"
    assert (predicted == GaussianNB().fit(rows, y).predict(rows)).all()


def test_a_score_is_planned_as_the_prediction_that_it_makes():
    rows = np.random.default_rng(0).normal(size=(200_000, 10))
    target = (rows[:, 0] > 0).astype(int)
    mixture = GaussianMixture(n_components=4, max_iter=2, random_state=0, tol=1.0).fit(rows[:3000])
    bayes = GaussianNB().fit(rows[:3000], target[:3000])
    expected = mixture.score(rows), bayes.score(rows, target)
    with skdist_gpu.installed() as profile:
        assert_allclose((mixture.score(rows), bayes.score(rows, target)), expected)
    for model, method in ((mixture, "score_samples"), (bayes, "predict")):
        plan = autoscale(model).plan(rows, method=method)
        assert engines_of(profile, method) == {(type(model).__name__, plan.chosen.name)}


def test_models_that_an_engine_leaves_score_until_the_estimator_changes():
    pytest.importorskip("sklearnex")
    rows = np.random.default_rng(0).normal(size=(5000, 10))
    target = (rows[:, 0] > 0).astype(int)
    with skdist_gpu.installed(backend="onedal") as profile:
        factor = LocalOutlierFactor(novelty=True).fit(rows[:1000])
        found = factor.score_samples(rows)
        factor._lrd = factor._lrd.copy()  # written to: oneDAL's model is of another state
        again = factor.score_samples(rows)
        machine = SVC().fit(rows[:1000], target[:1000])
        margins = machine.decision_function(rows)
        machine._dual_coef_ = machine._dual_coef_.copy()  # its vectors make oneDAL's model anew
        margins_again = machine.decision_function(rows)
    calls = {(row.method, row.engine): row.calls for row in profile.rows if row.method != "fit"}
    assert calls == {
        ("score_samples", "onedal:cpu"): 1,
        ("score_samples", "sklearn:cpu"): 1,
        ("decision_function", "onedal:cpu"): 2,
    }
    assert b"onedal" not in pickle.dumps((factor, machine))
    assert_allclose(found, again, atol=1e-9)
    assert_allclose(margins, margins_again, atol=1e-9)
    assert_allclose(margins, SVC().fit(rows[:1000], target[:1000]).decision_function(rows), atol=1e-2)


def test_models_that_a_program_gives_up_are_gone():
    rows = np.random.default_rng(0).normal(size=(200_000, 10))
    with skdist_gpu.installed():
        model = GaussianNB().fit(rows, rows[:, 0] > 0)
        model.predict(rows)
        left = weakref.ref(model)
        del model
        gc.collect()
        assert left() is None


def test_explain_tells_of_every_fit(forced):
    assert skdist_gpu.explain(Ridge().fit(X, Y)).plan.backend == "reductions"
    model = clone(Ridge()).fit(X, Y)
    skdist_gpu.uninstall()
    assert "ran on reductions:cpu" in skdist_gpu.explain(model)
    with skdist_gpu.installed():
        small = Ridge().fit(X[:20], Y[:20])
    assert "ran on sklearn:cpu" in skdist_gpu.explain(small)
    assert "fewer than" in skdist_gpu.explain(small)
    with pytest.raises(NotFittedError, match="Nothing is known of this Ridge"):
        skdist_gpu.explain(Ridge().fit(X, Y))


def test_explain_tells_of_what_an_estimator_holds(forced):
    steps = make_pipeline(StandardScaler(), VotingRegressor([("first", Ridge()), ("second", Lasso())]))
    search = GridSearchCV(steps, {"votingregressor__first__alpha": [0.1, 1.0]}).fit(X, Y)
    told = skdist_gpu.explain(search)
    voting = "best_estimator_.votingregressor.estimators_"
    assert list(told.parts) == ["best_estimator_.standardscaler", f"{voting}[0]", f"{voting}[1]"]
    assert {part.plan.backend for part in told.parts.values()} == {"reductions"}
    assert f"{voting}[1]: Lasso on 600 × 5" in told
    assert "Lasso" in told._repr_html_()
    assert json.dumps(told.to_dict())


def test_a_fit_that_fails_leaves_what_scikit_learn_leaves(forced):
    def failed():
        model = MultinomialNB(class_prior=[0.5, 0.5])
        with pytest.raises(ValueError, match="Number of priors must match number of classes"):
            model.fit(abs(X), np.arange(len(X)) % 3)
        return model.classes_

    classes = failed()
    skdist_gpu.uninstall()
    assert (classes == failed()).all()


@pytest.mark.parametrize("container", [np.asarray, list, pd.DataFrame, pl.from_numpy, sparse.csr_array])
def test_few_values_are_not_planned(container):
    rows = container(X[:50])
    with skdist_gpu.installed() as profile:
        model = LinearRegression().fit(rows, Y[:50])
    assert "fewer than" in skdist_gpu.explain(model)
    assert [row.engine for row in profile.rows] == ["sklearn:cpu"]


def test_sparse_centers_are_scored():
    rows = sparse.csr_array(np.kron(np.eye(2), np.ones((20, 3))))
    with skdist_gpu.installed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AffinityPropagation(random_state=0).fit(rows)
        found = model.predict(rows.toarray())
    assert sparse.issparse(model.cluster_centers_)
    assert (found == model.predict(rows.toarray())).all()


def test_threads_of_a_program_fit_at_once(forced):
    alphas = np.logspace(-3, 3, 16)
    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(lambda alpha: Ridge(alpha=alpha).fit(X, Y), alphas))
    assert engines_of(forced) == {("Ridge", "reductions:cpu")}
    assert next(row for row in forced.rows if row.method == "fit").calls == len(alphas)
    skdist_gpu.uninstall()
    for alpha, model in zip(alphas, models, strict=True):
        assert_allclose(model.coef_, Ridge(alpha=alpha).fit(X, Y).coef_)


def test_options_are_checked_and_installing_twice_is_installing_once():
    own = vars(Ridge)["fit"]
    with pytest.raises(BackendError, match="is not known"):
        skdist_gpu.install(backend="nothing")
    assert vars(Ridge)["fit"] is own
    skdist_gpu.install()
    skdist_gpu.install(backend="reductions")
    with skdist_gpu.installed() as profile:
        Ridge().fit(X, Y)
    assert engines_of(profile) == {("Ridge", "sklearn:cpu")}
    assert skdist_gpu.explain(Ridge().fit(X, Y)).plan.backend == "reductions"
    skdist_gpu.uninstall()
    skdist_gpu.uninstall()
    assert vars(Ridge)["fit"] is own


def test_no_warnings_of_ours():
    rows = np.random.default_rng(0).normal(size=(100_000, 10))
    with skdist_gpu.installed(), warnings.catch_warnings():
        warnings.simplefilter("error")
        StandardScaler().fit_transform(rows)
        KMeans(n_clusters=2, n_init=1, random_state=0).fit(rows)
