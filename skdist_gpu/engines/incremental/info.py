"""What can be trained block after block: scikit-learn's estimators with `partial_fit`."""

from __future__ import annotations

from skdist_gpu.engines.entry import NEVER, Entry

_SOURCE = "partial_fit sees the blocks one after the other, and its answer is not that of fit on all rows"
# estimators whose partial_fit takes sample weights, and those whose does not
_WEIGHTED = (
    "SGDClassifier",
    "SGDRegressor",
    "SGDOneClassSVM",
    "Perceptron",
    "MLPClassifier",
    "MLPRegressor",
    "MiniBatchKMeans",
    "GaussianNB",
    "MultinomialNB",
    "ComplementNB",
    "BernoulliNB",
    "CategoricalNB",
    "StandardScaler",
)
_UNWEIGHTED = (
    "IncrementalPCA",
    "MiniBatchNMF",
    "MiniBatchDictionaryLearning",
    "LatentDirichletAllocation",
    "BernoulliRBM",
    "Birch",
    "MinMaxScaler",
    "MaxAbsScaler",
)
_SEVERAL_TARGETS = ("MLPRegressor",)
_DENSE = ("GaussianNB", "CategoricalNB", "IncrementalPCA", "MiniBatchDictionaryLearning", "MinMaxScaler")


def _incremental(estimator: str, weights: bool) -> Entry:
    return Entry(
        estimator,
        "incremental",
        "cpu",
        sparse=estimator not in _DENSE,
        weights=weights,
        multi_target=estimator in _SEVERAL_TARGETS,
        break_even=NEVER,
        source=_SOURCE,
    )


ROWS: tuple[Entry, ...] = (
    *(_incremental(name, weights=True) for name in _WEIGHTED),
    *(_incremental(name, weights=False) for name in _UNWEIGHTED),
)
