"""What may be fitted block by block and vote, if it is asked for by name: scikit-learn's classifiers and regressors.

Left out is what a block cannot answer for the whole: several targets, rows without labels, isotonic fits.
"""

from __future__ import annotations

from skdist_gpu.engines.entry import Entry

# rows of a block of files or of data in memory; the partitions of Dask are blocks as they are
BLOCK_ROWS = 131_072
_BLOCK = f"{BLOCK_ROWS:,} rows".replace(",", " ")
_MODEL = f"another model, the vote or mean of one estimator for each Dask partition or {_BLOCK} (block_rows= of fit)"
# estimators whose fit takes sample weights, and those whose does not
_WEIGHTED = (
    "AdaBoostClassifier",
    "AdaBoostRegressor",
    "BaggingClassifier",
    "BaggingRegressor",
    "BayesianRidge",
    "BernoulliNB",
    "CalibratedClassifierCV",
    "CategoricalNB",
    "ComplementNB",
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ElasticNet",
    "ElasticNetCV",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "GammaRegressor",
    "GaussianNB",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "HuberRegressor",
    "KernelRidge",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "LinearSVC",
    "LinearSVR",
    "LogisticRegression",
    "LogisticRegressionCV",
    "MLPClassifier",
    "MLPRegressor",
    "MultinomialNB",
    "NuSVC",
    "NuSVR",
    "Perceptron",
    "PoissonRegressor",
    "QuantileRegressor",
    "RANSACRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "Ridge",
    "RidgeCV",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
    "SGDRegressor",
    "SVC",
    "SVR",
    "TweedieRegressor",
)
_UNWEIGHTED = (
    "ARDRegression",
    "GaussianProcessClassifier",
    "GaussianProcessRegressor",
    "KNeighborsClassifier",
    "KNeighborsRegressor",
    "Lars",
    "LarsCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearDiscriminantAnalysis",
    "NearestCentroid",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PLSRegression",
    "QuadraticDiscriminantAnalysis",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "TheilSenRegressor",
    "TransformedTargetRegressor",
)


def _voting(estimator: str, weights: bool) -> Entry:
    return Entry(estimator, "voting", "cpu", sparse=True, weights=weights, multi_target=False, explicit=_MODEL)


ROWS: tuple[Entry, ...] = (
    *(_voting(name, weights=True) for name in _WEIGHTED),
    *(_voting(name, weights=False) for name in _UNWEIGHTED),
)
