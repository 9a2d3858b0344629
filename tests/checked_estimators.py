"""Every public estimator with every engine that scikit-learn's checks are run on."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from cuml_family import cuml_family, small
from sklearn.base import is_classifier
from sklearn.cluster import DBSCAN, KMeans, MiniBatchKMeans, SpectralClustering
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf, ShrunkCovariance
from sklearn.decomposition import PCA, IncrementalPCA, MiniBatchNMF, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.feature_selection import SelectKBest, SelectPercentile, VarianceThreshold, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    OrthogonalMatchingPursuit,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
    NearestCentroid,
    NearestNeighbors,
)
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR
from sklearn.tree import DecisionTreeClassifier

from skdist_gpu import (
    AutoScaleClassifier,
    AutoScaleClusterer,
    AutoScaleNeighbors,
    AutoScaleOutlierDetector,
    AutoScaleRegressor,
    AutoScaleTransformer,
    AutoScaleXGB,
    AutoScaleXGBClassifier,
    AutoScaleXGBRanker,
    AutoScaleXGBRegressor,
    autoscale,
)

KMEANS_WEIGHTS = (
    "scikit-learn's KMeans itself does not treat weights as repeated rows (k-means++ draws differ); "
    "scikit-learn lists the same two checks for it"
)
ISOLATION_WEIGHTS = (
    "repeated rows change the draws of scikit-learn's IsolationForest itself; scikit-learn lists the same two checks"
)
SGD_WEIGHTS = "a row of weight two is one step, two equal rows are two; scikit-learn lists the same two checks for SGD"
SVM_WEIGHTS = "scikit-learn lists the same two checks for SVC and SVR"
XGBOOST_WEIGHTS = "100 trees in float32 differ by 3e-7, the check allows 1e-7; with 5 trees it passes"
CUML_WEIGHTS = "cuML's own: NVIDIA/cuml lists the check as failing in tests/test_sklearn_compatibility.py"
CUML_WEIGHED_ALIKE = ("LogisticRegression", "LinearSVC", "SVC", "SVR", "KMeans")
CUML_NAN = "cuML's forests, HDBSCAN and RobustScaler take missing values not at all, or wrongly; fit says so"
ONEDAL_NAN = "oneDAL's forests take no missing values; fit says so"
ONEDAL_ONE_CLUSTER = "oneDAL's KMeans takes no single cluster, which the check asks for; fit says so"
ONE_CLUSTER = (
    "check_dont_overwrite_parameters",
    "check_methods_subset_invariance",
    "check_fit2d_1sample",
    "check_fit2d_1feature",
    "check_fit2d_predict1d",
)
GPU_CUTS = "XGBoost's cut points on the GPU are sketched from rows, whose number weights do not change"
LEAVE_ONE_OUT = (
    "leaving out a row of weight two is not leaving out one of two equal rows: scikit-learn's RidgeCV differs, too, "
    "unless it gets folds, which the check sets through a parameter `cv` that the wrapper has as estimator__cv"
)
_WEIGHTS = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")


def least_squares_family() -> list[Any]:
    """Return plain, penalised, Bayesian and cross-validated least squares, with penalties that the checks pass with."""
    found = [
        LinearRegression(),
        Ridge(),
        Lasso(0.01),
        ElasticNet(0.01),
        LassoCV(),
        ElasticNetCV(),
        Lars(),
        LassoLars(0.01),
    ]
    found += [OrthogonalMatchingPursuit(), BayesianRidge(), ARDRegression()]
    return [*found, RidgeCV(), RidgeCV(cv=3), RidgeClassifier(), RidgeClassifierCV()]


def one_pass_family() -> list[Any]:
    """Return the transformers, classifiers and covariances that our reductions fit from one pass."""
    found: list[Any] = [StandardScaler(), StandardScaler(with_mean=False), MinMaxScaler(), MaxAbsScaler()]
    found += [VarianceThreshold(), SimpleImputer(add_indicator=True), SelectKBest(k=1), SelectPercentile(f_regression)]
    found += [RobustScaler(), SimpleImputer(strategy="median", add_indicator=True)]
    found += [
        QuantileTransformer(n_quantiles=10, subsample=None),
        QuantileTransformer(n_quantiles=5, output_distribution="normal", subsample=None),
    ]
    found += [KBinsDiscretizer(strategy="uniform", subsample=None), PCA(1), PCA(1, svd_solver="full")]
    found += [IncrementalPCA(1), TruncatedSVD(1), EmpiricalCovariance(), ShrunkCovariance(), LedoitWolf(), OAS()]
    found += [GaussianNB(), MultinomialNB(), ComplementNB(), BernoulliNB(), CategoricalNB(), NearestCentroid()]
    return [*found, LinearDiscriminantAnalysis(), QuadraticDiscriminantAnalysis(reg_param=0.1)]


def counted_family() -> list[Any]:
    """Return the transformers that count values of any kind, on the host."""
    found: list[Any] = [OneHotEncoder(), OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist")]
    return [*found, OrdinalEncoder(), SimpleImputer(strategy="most_frequent", add_indicator=True)]


def few_pass_family() -> list[Any]:
    """Return the estimators that pass over the data a few times."""
    # with more steps than scikit-learn's own checks take, Huber's scale shrinks to zero on rows in a plane
    found = [PoissonRegressor(), GammaRegressor(), TweedieRegressor(power=1.5), HuberRegressor(max_iter=5)]
    found += [LinearSVR(loss="squared_epsilon_insensitive"), LinearSVC(), LogisticRegression()]
    # the checks are of few rows, where a strong penalty leaves no coefficient
    found.append(LogisticRegression(l1_ratio=0.9, C=10.0, solver="saga"))
    found.append(LogisticRegressionCV(Cs=3, cv=3, l1_ratios=(0,), scoring=None, use_legacy_attributes=False))
    found.append(MiniBatchKMeans(random_state=0))
    return [*found, KMeans(random_state=0), GaussianMixture(random_state=0)]


def onedal_family() -> list[Any]:
    """Return the estimators that oneDAL fits, on few rows."""
    forest = {"n_estimators": 5, "random_state": 0}
    found: list[Any] = [RandomForestClassifier(**forest), RandomForestRegressor(**forest)]
    found += [SVC(), SVR(), NuSVC(), NuSVR(), KNeighborsClassifier(), KNeighborsRegressor(), NearestNeighbors()]
    return [*found, LocalOutlierFactor(), DBSCAN(), KMeans(random_state=0)]


def cpu_estimators() -> list[Any]:
    """Return the estimators to check where there is no GPU."""
    few = {"n_estimators": 5}
    found: list[Any] = []
    for backend in ("auto", "sklearn", "reductions:dask"):
        found += [AutoScaleRegressor(backend=backend), AutoScaleRegressor(Ridge(), backend=backend)]
    found += [autoscale(e, backend="reductions:cpu") for e in least_squares_family() + one_pass_family()]
    found += [autoscale(e, backend="reductions:cpu") for e in counted_family() + few_pass_family()]
    found += [autoscale(e, backend="reductions:dask") for e in (LogisticRegression(), KMeans(random_state=0))]
    few_on_dask = [OneHotEncoder(), StandardScaler(), PCA(1), GaussianNB(), LinearDiscriminantAnalysis(), LedoitWolf()]
    found += [autoscale(e, backend="reductions:dask") for e in few_on_dask]
    found.append(AutoScaleRegressor(RidgeCV(), backend="reductions:dask"))
    found.append(AutoScaleClassifier(RidgeClassifier(), backend="reductions:dask"))
    for backend in ("auto", "sklearn"):
        found += [AutoScaleClassifier(backend=backend), AutoScaleClusterer(backend=backend)]
        found += [AutoScaleTransformer(backend=backend), AutoScaleTransformer(Normalizer(), backend=backend)]
    found += [AutoScaleOutlierDetector(IsolationForest(n_estimators=5, random_state=0)), AutoScaleNeighbors()]
    found += [
        AutoScaleTransformer(backend="dask_ml"),
        AutoScaleTransformer(MinMaxScaler(), backend="dask_ml"),
        AutoScaleTransformer(PCA(n_components=1, svd_solver="full"), backend="dask_ml"),
        AutoScaleTransformer(TruncatedSVD(1), backend="dask_ml"),
        AutoScaleClusterer(SpectralClustering(2, random_state=0), backend="dask_ml"),
    ]
    incremental = [SGDClassifier(random_state=0), BernoulliNB(), StandardScaler(), MiniBatchNMF(1, random_state=0)]
    found += [autoscale(e, backend="incremental") for e in incremental]
    found += [autoscale(e, backend="onedal") for e in onedal_family()] if find_spec("sklearnex") else []
    found += [autoscale(e, backend="voting") for e in (SVC(), SVR(), DecisionTreeClassifier(random_state=0))]
    for backend in ("auto", "xgboost:cpu"):
        found += [AutoScaleXGBRegressor(**few, backend=backend), AutoScaleXGBClassifier(**few, backend=backend)]
        found += [AutoScaleXGB(**few, backend=backend)]
    found += [AutoScaleXGB(**few, objective="binary:logistic"), AutoScaleXGB(**few, objective="rank:pairwise")]
    found += [AutoScaleXGBRanker(**few)]
    found += [AutoScaleXGBRegressor(n_jobs=1), AutoScaleXGBClassifier(n_jobs=1)]
    return found


def gpu_estimators() -> list[Any]:
    """Return the estimators to check on a GPU, each forced to run there."""
    # the checks make a penalty small, which they find only on the plain estimator
    regressors = [None, Ridge(), Lasso(0.01), ElasticNet(0.01), KNeighborsRegressor()]
    classifiers = [LogisticRegression(), LinearSVC(), KNeighborsClassifier()]
    forest = {"n_estimators": 5, "random_state": 0}
    found: list[Any] = [autoscale(e, backend="reductions:gpu") for e in one_pass_family()]
    found += [autoscale(e, backend="reductions:gpu") for e in least_squares_family()]
    found += [autoscale(e, backend="reductions:gpu") for e in few_pass_family()]
    found += [AutoScaleRegressor(e, backend="cuml") for e in [*regressors, RandomForestRegressor(**forest)]]
    found += [AutoScaleClassifier(e, backend="cuml") for e in [*classifiers, RandomForestClassifier(**forest)]]
    found.append(AutoScaleClusterer(KMeans(random_state=0), backend="cuml"))
    found.append(AutoScaleTransformer(PCA(n_components=1), backend="cuml"))
    found += [autoscale(small(e), backend="cuml") for e in cuml_family()]
    # the targets of the checks have more classes than cuML's TargetEncoder takes
    found += [autoscale(e, backend="cuml") for e in (OneHotEncoder(), OrdinalEncoder(), TfidfTransformer())]
    found += [AutoScaleXGBRegressor(n_estimators=5, backend="xgboost:gpu")]
    found += [AutoScaleXGBClassifier(n_estimators=5, backend="xgboost:gpu")]
    return found


def expected_failures(estimator: Any) -> dict[str, str]:
    """Return the checks that scikit-learn's or XGBoost's own estimator fails, with the reason."""
    return _by_name(estimator) | _other_failures(estimator)


def _by_name(estimator: Any) -> dict[str, str]:
    """Return the checks that fail because they ask for, or set, parameters of the plain estimator."""
    plain = estimator._make_estimator()
    if estimator.backend == "incremental" and isinstance(plain, SGDClassifier):
        return {"check_class_weight_classifiers": "it asks for more epochs by max_iter, and this engine trains in one"}
    folds = isinstance(plain, (RidgeCV, LogisticRegressionCV)) and isinstance(plain.cv, int)
    if folds and estimator.backend.startswith("reductions"):
        return dict.fromkeys(_WEIGHTS, "it sets cv to a list of folds, which the engine that is asked for refuses")
    return {}


def _other_failures(estimator: Any) -> dict[str, str]:
    if estimator.backend == "onedal":
        plain = estimator._make_estimator()
        if isinstance(plain, (SVC, SVR, NuSVC, NuSVR)):
            return {_WEIGHTS[0]: SVM_WEIGHTS}
        if isinstance(plain, KMeans):
            return dict.fromkeys(ONE_CLUSTER, ONEDAL_ONE_CLUSTER)
        return {"check_estimators_pickle": ONEDAL_NAN} if hasattr(plain, "n_estimators") else {}
    if estimator.backend == "cuml":
        name = type(estimator._make_estimator()).__name__
        weights = dict.fromkeys(_WEIGHTS, CUML_WEIGHTS)
        if name in ("IsolationForest", "RandomForestClassifier", "RandomForestRegressor"):
            return weights | {"check_estimators_pickle": CUML_NAN}
        if name in ("HDBSCAN", "RobustScaler"):
            return {"check_estimators_pickle": CUML_NAN}
        return weights if name in CUML_WEIGHED_ALIKE else {}
    if estimator.backend == "xgboost:gpu":
        return dict.fromkeys(_WEIGHTS, GPU_CUTS)
    if isinstance(estimator._make_estimator(), (RidgeCV, RidgeClassifierCV)) and estimator.estimator.cv is None:
        return dict.fromkeys(_WEIGHTS, LEAVE_ONE_OUT)
    if isinstance(estimator, AutoScaleOutlierDetector):
        return dict.fromkeys(_WEIGHTS, ISOLATION_WEIGHTS)
    if isinstance(estimator._make_estimator(), (SVC, SVR)):
        return dict.fromkeys(_WEIGHTS, SVM_WEIGHTS)
    if isinstance(estimator._make_estimator(), SGDClassifier):
        return dict.fromkeys(_WEIGHTS, SGD_WEIGHTS)
    if isinstance(estimator, AutoScaleClusterer) and isinstance(estimator._make_estimator(), (KMeans, MiniBatchKMeans)):
        return dict.fromkeys(_WEIGHTS, KMEANS_WEIGHTS)
    if getattr(estimator, "n_estimators", 0) is None and is_classifier(estimator):
        return dict.fromkeys(_WEIGHTS, XGBOOST_WEIGHTS)
    return {}
