"""oneDAL's models of support vector machines, made of the vectors that a fitted scikit-learn estimator keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn_learned import gamma_of, scores_of_classes
from skdist_gpu._compat.sklearnex import kernel_of, machine_from
from skdist_gpu.exceptions import EngineRefusal

# values of the kernel that are computed at a time: as many as caches hold are no slower than more
KERNEL_VALUES = 2_000_000


def machine_of(estimator: Any) -> Any:
    """Return the model of a fitted SVC, NuSVC, SVR or NuSVR."""
    if not isinstance(estimator.support_vectors_, np.ndarray):
        raise EngineRefusal("oneDAL's model is made of dense support vectors, and these are sparse")
    classes = getattr(estimator, "classes_", ())
    return VotingMachine(estimator) if len(classes) > 2 else machine_from(estimator, gamma_of(estimator))


class VotingMachine:
    """A classifier of several classes: oneDAL compares rows with vectors, and each pair of classes has a vote.

    oneDAL makes models of two classes only from vectors, and its own ones of several compare a row with each vector as
    often as there are other classes.

    Parameters
    ----------
    estimator : SVC or NuSVC
        Fitted, with dense support vectors.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator, self.n_classes = estimator, len(estimator.classes_)
        # the two classes of each pair
        self.first, self.second = np.triu_indices(self.n_classes, 1)
        # support vectors are in the order of their classes
        ends = np.cumsum(estimator.n_support_)
        self.vectors_of = [slice(end - n, end) for n, end in zip(estimator.n_support_, ends, strict=True)]

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return the margins of each pair of classes, or a score for each class, as the estimator says."""
        margins, estimator = self._margins(X), self.estimator
        if estimator.decision_function_shape == "ovo":
            return margins
        return scores_of_classes(margins, self.n_classes)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the class with most votes, the first of several."""
        estimator = self.estimator
        if estimator.break_ties and estimator.decision_function_shape == "ovr":
            return estimator.classes_[self.decision_function(X).argmax(axis=1)]
        wins, votes = self._margins(X) > 0, np.zeros((len(X), self.n_classes), dtype=np.intp)
        for first, second, won in zip(self.first, self.second, wins.T, strict=True):
            votes[:, first] += won
            votes[:, second] += ~won
        return estimator.classes_[votes.argmax(axis=1)]

    def _margins(self, X: np.ndarray) -> np.ndarray:
        """Return the margin of each pair of classes, above zero for the first."""
        estimator, n_rows = self.estimator, max(1, KERNEL_VALUES // len(self.estimator.support_vectors_))
        margins = np.empty((len(X), len(self.first)))
        for start in range(0, len(X), n_rows):
            rows = slice(start, start + n_rows)
            values = kernel_of(estimator, gamma_of(estimator), X[rows], estimator.support_vectors_)
            # what the vectors of a class add to its pairs with each other class, in the order of these
            added = np.stack([values[:, v] @ estimator.dual_coef_[:, v].T for v in self.vectors_of])
            margins[rows] = (added[self.first, :, self.second - 1] + added[self.second, :, self.first]).T
        return margins + estimator.intercept_
