"""scikit-learn's classifiers of many classes by several of two, for rows that are still to be computed."""

from __future__ import annotations

from typing import Any

from sklearn import multiclass
from sklearn.utils.metaestimators import available_if

from skdist_gpu.data.containers import container_of
from skdist_gpu.scoring.apply import apply_to
from skdist_gpu.scoring.methods import block_method

_IN_MEMORY = ("numpy", "pandas", "scipy.sparse", "other")


def _inner_has(method: str) -> Any:
    def check(self: Any) -> bool:
        fitted = getattr(self, "estimators_", None)
        return hasattr(fitted[0] if fitted else self.estimator, method)

    return check


class _ByBlocks:
    """Score rows in other containers than scikit-learn's block by block, each in memory."""

    def predict(self, X: Any) -> Any:
        """Predict the class of each row of `X`."""
        return self._by_blocks("predict", X)

    def decision_function(self, X: Any) -> Any:
        """Return the confidence in each class."""
        return self._by_blocks("decision_function", X)

    def _by_blocks(self, method: str, X: Any) -> Any:
        if container_of(X) in _IN_MEMORY:
            return getattr(super(), method)(X)
        return apply_to(block_method(self, method), X)


class OneVsRestClassifier(_ByBlocks, multiclass.OneVsRestClassifier):
    """scikit-learn's OneVsRestClassifier, for rows in any container."""

    @available_if(_inner_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class."""
        return self._by_blocks("predict_proba", X)

    @available_if(_inner_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Return the confidence in each class."""
        return self._by_blocks("decision_function", X)


class OneVsOneClassifier(_ByBlocks, multiclass.OneVsOneClassifier):
    """scikit-learn's OneVsOneClassifier, for rows in any container."""
