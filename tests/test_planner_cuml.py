"""What the planner knows of cuML: parameters, memory, float32 sums that drift."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.manifold import TSNE, SpectralEmbedding
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.utils import get_tags

from skdist_gpu import AutoScaleRegressor, autoscale, config_context, set_config
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.planning.planner import Request, gains_from_all_gpus, make_plan
from skdist_gpu.testing import make_resources

SERVER = make_resources(gpus=1)


def judge(estimator, n_rows, request=None, n_columns=100, **info):
    """Return the plan, and what it says of cuML."""
    plan = make_plan(estimator, InputInfo("numpy", n_rows, n_columns, **info), SERVER, request or Request())
    return plan, next(c for c in plan.candidates if c.name == "cuml:gpu")


@pytest.mark.parametrize(
    ("location", "container", "n_rows", "gpus", "chosen"),
    [
        ("host", "numpy", 10**6, 4, "cuml:gpu"),
        ("host", "numpy", 3 * 10**6, 4, "cuml.dask:dask"),
        ("host", "numpy", 3 * 10**6, 1, "cuml:gpu"),
        ("dask", "dask.array", 10**5, 1, "cuml:gpu"),
        ("dask", "dask.array", 10**6, 4, "cuml.dask:dask"),
        ("dask", "dask.array", 3 * 10**6, 1, "cuml:gpu"),
    ],
)
def test_rows_compared_with_all_others_go_to_all_gpus(location, container, n_rows, gpus, chosen):
    info = InputInfo(container, n_rows, 10, location=location, dtype="float32")
    machine = make_resources(gpus=gpus, workers=gpus if gpus > 1 else 0)
    plan = make_plan(DBSCAN(), info, machine, Request())
    assert plan.chosen.name == chosen
    if gpus > 1 and n_rows > 10**6:
        assert "on all GPUs" in str(plan)


def test_what_is_handed_to_all_gpus():
    few, many = InputInfo("numpy", 1000, 10), InputInfo("numpy", 3 * 10**6, 10)
    machine = make_resources(gpus=2, workers=2)
    assert gains_from_all_gpus(DBSCAN(), many, Request(), machine)
    assert gains_from_all_gpus(DBSCAN(), few, Request(all_gpus=True), machine)
    assert not gains_from_all_gpus(DBSCAN(), few, Request(), machine)
    assert not gains_from_all_gpus(DBSCAN(), many, Request("cuml"), machine)
    assert not gains_from_all_gpus(PCA(), many, Request(all_gpus=True), machine)
    # no workers are started for what the engine refuses
    assert not gains_from_all_gpus(DBSCAN(metric="manhattan"), many, Request(), machine)
    assert not gains_from_all_gpus(DBSCAN(), replace(many, weighted=True), Request(), machine)
    without_cuml = make_resources(gpus=2, workers=2, packages=("dask", "distributed"))
    assert not gains_from_all_gpus(DBSCAN(), many, Request(), without_cuml)
    assert make_plan(DBSCAN(), few, machine, Request(all_gpus=True)).chosen.name == "cuml.dask:dask"


def test_a_plan_foresees_the_cluster_that_a_fit_would_start():
    def chosen(n_rows, gpus):
        return autoscale(DBSCAN()).plan(shape=(n_rows, 10), resources=make_resources(gpus=gpus)).chosen.name

    assert chosen(3 * 10**6, gpus=4) == "cuml.dask:dask"
    assert chosen(3 * 10**6, gpus=1) == chosen(10**6, gpus=4) == "cuml:gpu"
    with config_context(auto_cluster="off"):
        assert chosen(3 * 10**6, gpus=4) == "cuml:gpu"
    with config_context(auto_cluster="on"):
        assert chosen(10**6, gpus=4) == "cuml.dask:dask"
    named = autoscale(PCA(), backend="cuml.dask").plan(shape=(1000, 10), resources=make_resources(gpus=4))
    assert named.chosen.name == "cuml.dask:dask"


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        SVR(),
        DBSCAN(),
        HDBSCAN(copy=True),
        SpectralClustering(affinity="nearest_neighbors"),
        TSNE(),
    ],
    ids=lambda e: type(e).__name__,
)
def test_large_data_go_to_cuml_and_small_data_stay(estimator):
    assert judge(estimator, 10**6)[0].chosen.name == "cuml:gpu"
    assert judge(estimator, 50)[0].chosen.name == "sklearn:cpu"


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (SVC(kernel="precomputed"), "kernel='precomputed' is not supported, only 'linear'"),
        (SVC(probability=True), "probability=True is not supported"),
        (HDBSCAN(min_samples=1, copy=True), "min_samples=1 is not supported"),
        (SpectralClustering(), "affinity='rbf' is not supported, only 'nearest_neighbors'"),
        (AgglomerativeClustering(), "linkage='ward' is not supported, only 'single'"),
        (TSNE(3), "n_components=3 is not supported, only 2"),
        (RandomForestClassifier(max_samples=100), "max_samples=100 is not supported"),
        (RandomForestClassifier(class_weight="balanced_subsample"), "class_weight='balanced_subsample' is not"),
        (PCA("mle"), "n_components='mle' is not supported"),
        (PCA(0.9), "n_components=0.9 is not supported"),
        (LinearSVC(penalty="l1", dual=False), "penalty='l1' is not supported, only 'l2'"),
        (LinearSVC(loss="hinge"), "loss='hinge' is not supported, only 'squared_hinge'"),
        (LinearSVC(loss="hinge", dual=False), "loss='hinge' is not supported"),
        (LinearSVR(), "loss='epsilon_insensitive' is not supported, only 'squared_epsilon_insensitive'"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_parameters_that_cuml_does_not_convert_are_refused_before_any_work(estimator, reason):
    plan, cuml = judge(estimator, 10**6)
    assert cuml.verdict == "refused"
    assert any(reason in text for text in cuml.reasons)
    assert plan.backend != "cuml"


def test_parameters_that_cuml_ignores_are_refused_unless_the_user_allows_it():
    estimator = LogisticRegression(solver="liblinear")
    _, cuml = judge(estimator, 10**6)
    assert cuml.verdict == "refused"
    assert "solver='liblinear' changes the result and cuml does not read it" in cuml.reasons[0]
    assert judge(estimator, 10**6, Request(allow_ignored=True))[1].verdict != "refused"
    with config_context(allow_ignored_parameters=True):
        plan = AutoScaleRegressor(LinearRegression()).plan(shape=(10**6, 10), resources=SERVER)
    assert plan.backend == "reductions"


def test_drift_of_float32_sums_is_refused_with_its_number_unless_accepted():
    _, cuml = judge(LinearRegression(), 25_000_000, dtype="float32")
    assert cuml.verdict == "refused"
    assert "1.7e-01 off scikit-learn's in float64 at 2.5e+07 rows" in cuml.reasons[0]
    assert "precision='float32' accepts that" in cuml.reasons[0]
    assert judge(LinearRegression(), 25_000_000, Request(precision="float32"), dtype="float32")[1].verdict != "refused"
    assert judge(LinearRegression(), 25_000_000, dtype="float64")[1].verdict != "refused"
    assert judge(LinearRegression(), 50_000, dtype="float32")[1].verdict != "refused"
    plan, forced = judge(LinearRegression(), 25_000_000, Request("cuml"), dtype="float32")
    assert plan.chosen is forced
    assert "1.7e-01" in forced.reasons[0]


def test_precision_is_a_parameter_and_a_default():
    regressor = AutoScaleRegressor(precision="float32")
    shape = {"shape": (25_000_000, 100), "dtype": "float32", "resources": SERVER}
    verdicts = {c.name: c.verdict for c in regressor.plan(**shape).candidates}
    assert verdicts["cuml:gpu"] != "refused"
    with config_context(precision="float32"):
        assert {c.name: c.verdict for c in AutoScaleRegressor().plan(**shape).candidates} == verdicts
    with pytest.raises(ValueError, match="precision='float16' is not known"):
        AutoScaleRegressor(precision="float16").plan(**shape)
    with pytest.raises(ValueError, match="Unknown option"):
        set_config(precisions="float32")


def test_memory_for_all_pairs_of_rows_counts():
    _, cuml = judge(KernelRidge(kernel="rbf"), 200_000, n_columns=10)
    assert cuml.verdict == "refused"
    assert "needs about 640.0 GB on GPU 0" in cuml.reasons[0]
    assert judge(KernelRidge(kernel="rbf"), 50_000, n_columns=10)[1].verdict == "chosen"


def test_further_fit_arguments_are_scikit_learns_alone():
    _, cuml = judge(RandomForestClassifier(), 10**6, Request(fit_params=("callbacks",)))
    assert cuml.verdict == "refused"
    assert "callbacks are only for scikit-learn itself" in cuml.reasons[0]


def sparse(n_rows, n_stored):
    return InputInfo("scipy.sparse", n_rows, 100_000, backing="scipy.sparse", sparse=True, n_stored=n_stored)


def judge_sparse(estimator, info):
    return next(c for c in make_plan(estimator, info, SERVER, Request()).candidates if c.name == "cuml:gpu")


@pytest.mark.parametrize(
    ("estimator", "verdict"),
    [
        (LogisticRegression(), "chosen"),
        (SVC(), "chosen"),
        (Ridge(), "chosen"),
        (TSNE(init="random"), "refused"),
        (DBSCAN(), "refused"),
        (RandomForestClassifier(), "refused"),
        (Ridge(solver="cholesky"), "refused"),
        (NearestNeighbors(metric="chebyshev"), "refused"),
        (PCA(svd_solver="full"), "refused"),
    ],
    ids=str,
)
def test_sparse_rows_go_to_cuml_where_it_takes_them(estimator, verdict):
    cuml = judge_sparse(estimator, sparse(10**6, 5 * 10**7))
    assert cuml.verdict == verdict
    assert verdict == "chosen" or "sparse X" in cuml.reasons[0]


def test_memory_and_size_of_sparse_rows_are_those_of_their_stored_values():
    assert judge_sparse(LogisticRegression(), sparse(10**6, 5 * 10**7)).n_bytes == 2 * 12 * 5 * 10**7


def judge_on_gpu(estimator):
    plan = make_plan(estimator, InputInfo("cupy", 10**6, 10, location="gpu", backing="cupy"), SERVER, Request())
    return plan.chosen.name


@pytest.mark.parametrize(
    "estimator",
    [Normalizer(), Binarizer(), PolynomialFeatures(), OneHotEncoder(), OrdinalEncoder(), TfidfTransformer()],
    ids=lambda e: type(e).__name__,
)
def test_what_has_little_to_learn_is_fitted_where_the_data_are(estimator):
    assert judge(estimator, 10**6)[0].chosen.device == "cpu"
    assert judge_on_gpu(estimator) == "cuml:gpu"


def test_our_own_sums_go_before_cumls_statistics():
    for estimator in (MinMaxScaler(), RobustScaler(), KBinsDiscretizer(strategy="uniform", subsample=None)):
        assert judge_on_gpu(estimator) == "reductions:gpu"
        assert judge(estimator, 10**6, Request("cuml"))[0].chosen.name == "cuml:gpu"


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (QuantileTransformer(), "cuML copies X to the host and takes its quantiles there"),
        (KBinsDiscretizer(), "strategy='quantile' is not supported, only 'uniform'"),
        (PowerTransformer(), "its search for a power ends in an error"),
        (PolynomialFeatures((2, 3)), "degree=(2, 3) is not supported"),
        (RobustScaler(unit_variance=True), "unit_variance=True is not supported"),
        (OneHotEncoder(min_frequency=2), "min_frequency=2 is not supported, only None"),
        (TargetEncoder(), "smooth='auto' is not supported"),
        (SimpleImputer(strategy="most_frequent"), "strategy='most_frequent' is not supported"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_preprocessing_that_cuml_does_otherwise_is_refused(estimator, reason):
    cuml = judge(estimator, 10**6, Request("cuml"))[1]
    assert cuml.verdict == "refused"
    assert any(reason in text for text in cuml.reasons)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (Lasso(), "leaves no dual_gap_"),
        (ElasticNet(), "leaves no dual_gap_"),
        (TSNE(), "places rows elsewhere"),
        (IsolationForest(), "grows other trees"),
        (SpectralEmbedding(affinity="nearest_neighbors"), "a graph of neighbours in several parts"),
        (SpectralClustering(affinity="nearest_neighbors"), "a graph of neighbours in several parts"),
        (StandardScaler(), "a column that is constant but for rounding"),
        (NearestNeighbors(), "leaves no tree"),
        (KNeighborsClassifier(), "leaves no tree"),
        (KNeighborsRegressor(), "leaves no tree"),
        (LogisticRegression(max_iter=5), "after a few steps its search is elsewhere"),
        (LinearSVC(max_iter=5), "after a few steps its search is elsewhere"),
        (LinearSVR(loss="squared_epsilon_insensitive", max_iter=5), "after a few steps its search is elsewhere"),
        (KMeans(max_iter=1), "begins with centres that are means of rows already"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_program_that_stays_as_it_is_gets_no_other_answer(estimator, reason):
    cuml = judge(estimator, 10**5, Request("cuml", same_answer=True))[1]
    assert cuml.verdict == "refused"
    assert any(reason in text for text in cuml.reasons)
    assert judge(estimator, 10**5, Request("cuml"))[1].verdict == "chosen"


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (NearestNeighbors(p=0.5), "p=0.5 is not supported"),
        (NearestNeighbors(algorithm="ball_tree"), "algorithm='ball_tree' is not supported, only 'auto' or 'brute'"),
        (KMeans(tol=0), "tol=0 is not supported"),
        (KMeans(tol=1e-20), "tol=1e-20 is not supported"),
        (LogisticRegression(n_jobs=2), "n_jobs=2 is not supported, only None"),
        (LogisticRegression(penalty=None), "penalty=None is not supported"),
        (LogisticRegression(C=np.inf), "C=inf is not supported"),
        (LogisticRegression(C=1e30), "C=1e+30 is not supported"),
        (SVC(probability=False), "probability=False is not supported, only 'deprecated'"),
        (SVC(max_iter=100), "max_iter=100 is not supported, only -1"),
        (SVR(max_iter=100), "max_iter=100 is not supported, only -1"),
        (TfidfTransformer(smooth_idf=False), "smooth_idf=False is not supported, only True"),
    ],
)
def test_parameters_that_mean_something_else_to_cuml(estimator, reason):
    cuml = judge(estimator, 10**5, Request("cuml"))[1]
    assert cuml.verdict == "refused"
    assert any(reason in text for text in cuml.reasons)


@pytest.mark.parametrize(
    "estimator",
    [
        *(cls(algorithm="brute") for cls in (NearestNeighbors, KNeighborsClassifier, KNeighborsRegressor)),
        *(LogisticRegression(), LogisticRegression(max_iter=1000, penalty="l1", solver="saga"), LinearSVC(), KMeans()),
    ],
    ids=str,
)
def test_a_program_gets_cumls_fit_where_it_is_the_same(estimator):
    assert judge(estimator, 10**5, Request("cuml", same_answer=True))[1].verdict == "chosen"


def test_weights_of_which_cuml_makes_another_answer_are_refused():
    svr = LinearSVR(loss="squared_epsilon_insensitive")
    cuml = judge(svr, 10**5, Request("cuml"), weighted=True)[1]
    assert (cuml.verdict, cuml.reasons) == ("refused", ("sample_weight is not supported",))
    assert judge(svr, 10**5, Request("cuml"))[1].verdict == "chosen"
    assert judge(LinearSVC(), 10**5, Request("cuml"), weighted=True)[1].verdict == "chosen"


def test_estimators_of_other_packages_are_told_from_scikit_learns():
    hdbscan = type("HDBSCAN", (HDBSCAN,), {"__module__": "hdbscan.hdbscan_"})
    assert {e.estimator for e in entries_for(hdbscan()) if e.backend == "cuml"} == {"hdbscan.HDBSCAN"}
    assert {e.estimator for e in entries_for(HDBSCAN()) if e.backend == "cuml"} == {"HDBSCAN"}
    mine = type("HDBSCAN", (HDBSCAN,), {"__module__": "mine"})
    assert [e.backend for e in entries_for(mine())] == ["sklearn"]


def test_the_tag_for_sparse_rows_follows_the_parameters():
    neighbours, others = NearestNeighbors(), NearestNeighbors(metric="chebyshev")
    for estimator, sparse in ((TSNE(), False), (neighbours, True), (others, False), (SVC(), True)):
        tags = get_tags(autoscale(estimator, backend="cuml"))
        assert tags.input_tags.sparse is sparse, estimator
    assert get_tags(autoscale(TSNE())).input_tags.sparse


@pytest.mark.parametrize(
    ("estimator", "n_rows", "request_"),
    [
        (LogisticRegression(solver="liblinear"), 10**6, Request()),
        (LogisticRegression(dual=True), 10**6, Request()),
        (LogisticRegression(max_iter=3), 10**6, Request(same_answer=True)),
        (KMeans(max_iter=1), 10**6, Request(same_answer=True)),
        (KMeans(tol=0.0), 10**6, Request()),
        (RandomForestClassifier(), 10**6, Request(same_answer=True)),
        (RandomForestRegressor(oob_score=True), 10**6, Request()),
        (DBSCAN(metric_params={"p": 3}), 10**6, Request()),
        (PCA(svd_solver="randomized"), 10**6, Request()),
        (PCA(), 10**8, Request()),
    ],
    ids=lambda value: str(value) if hasattr(value, "fit") else "",
)
def test_cuml_over_dask_refuses_what_cuml_refuses(estimator, n_rows, request_):
    info = InputInfo("dask.array", n_rows, 10, location="dask", dtype="float32")
    machine = make_resources(gpus=4, gpu_memory="80GB", workers=4)
    plan = make_plan(estimator, info, machine, request_)
    one, over_dask = (next(c for c in plan.candidates if c.name == name) for name in ("cuml:gpu", "cuml.dask:dask"))
    assert one.verdict == over_dask.verdict == "refused"
    assert [reason.replace("cuml.dask", "cuml") for reason in over_dask.reasons] == list(one.reasons)
