"""What may be fitted block by block and vote, if it is asked for by name: scikit-learn's classifiers and regressors.

Left out is what a block cannot answer for the whole: several targets, rows without labels, isotonic fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo, largest_block

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

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
    return Entry(estimator, "voting", "cpu", sparse=True, weights=weights, explicit=_MODEL)


_ENTRIES: tuple[Entry, ...] = (
    *(_voting(name, weights=True) for name in _WEIGHTED),
    *(_voting(name, weights=False) for name in _UNWEIGHTED),
)


class Voting(EngineInfo):
    """A model for each block of rows, which then vote: another model, by name only."""

    name = "voting"
    rank = 60
    packages = {"cpu": {}}
    reads = {"cpu": ("host", "gpu", "dask", "disk")}
    takes_fit_arguments = True

    def entries(self) -> Iterable[Entry]:
        return _ENTRIES

    def peak_bytes(self, entry: Entry, info: InputInfo, resources: Resources) -> int:
        # threads of this process fit the partitions of Dask, unless workers do
        at_once = resources.n_cores if info.block_sizes and resources.cluster is None else 1
        return at_once * largest_block(info, min(info.n_samples or 0, BLOCK_ROWS * 3 // 2))

    def instead(self, estimator: str) -> str | None:
        if all(entry.estimator != estimator for entry in _ENTRIES):
            return None
        return f"backend={self.name!r} fits a model to each block of rows and lets them vote"


INFO = Voting()
