"""What can be trained block after block: scikit-learn's estimators with `partial_fit`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import EngineInfo, largest_block, of_blocks

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

# rows of a block that partial_fit gets from files or from memory
BLOCK_ROWS = 16_384

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
        tolerance=float("inf"),
        differs="takes other steps than scikit-learn's fit, and ends elsewhere",
        slower=_SOURCE,
    )


_ENTRIES: tuple[Entry, ...] = (
    *(_incremental(name, weights=True) for name in _WEIGHTED),
    *(_incremental(name, weights=False) for name in _UNWEIGHTED),
)


class Incremental(EngineInfo):
    """scikit-learn's `partial_fit`, one block of rows after the other."""

    name = "incremental"
    rank = 80
    packages = {"cpu": {}}
    reads = {"cpu": ("host", "gpu", "dask", "disk")}
    takes_fit_arguments = True
    continues = True

    def entries(self) -> Iterable[Entry]:
        return _ENTRIES

    def why_slower(self, entry: Entry, info: InputInfo) -> str:
        return f"sequential by nature: {entry.slower}"

    def held(self, entry: Entry, estimator: Any, info: InputInfo, resources: Resources) -> dict[str, float]:
        return of_blocks(8.0 * (info.n_features or 0) * min(info.n_samples or 0, BLOCK_ROWS), info)

    def peak_bytes(self, entry: Entry, info: InputInfo, resources: Resources) -> int:
        return largest_block(info, BLOCK_ROWS)


INFO = Incremental()
