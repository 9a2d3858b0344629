"""KMeans on a sample that a device clusters by itself, with the random numbers that scikit-learn would draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.utils import check_random_state

from skdist_gpu.engines.reductions.core.sample import Rows


@dataclass
class Steps:
    """Where Lloyd's steps have led.

    Attributes
    ----------
    centres : ndarray of shape (n_clusters, n_columns)
        The centres, less the origin.
    n_iter : int
        Steps taken.
    weight : ndarray of shape (n_clusters,)
        Weights of the rows next to each centre.
    stay : bool
        Whether the last step moved them by no more than the tolerance.
    """

    centres: np.ndarray
    n_iter: int
    weight: np.ndarray
    stay: bool


class RowsOnDevice(Protocol):
    """Rows that a device holds and clusters."""

    def takes(self, n_clusters: int) -> bool:
        """Whether it can for so many clusters."""

    def seed(self, first: int, uniform: np.ndarray) -> np.ndarray:
        """Return the rows that k-means++ chooses from the number of the first, and numbers from 0 to 1 for candidates.

        `uniform` has shape (n_clusters - 1, n_candidates).
        """

    def steps(self, centres: np.ndarray, origin: np.ndarray, max_iter: int, tolerance: float) -> Steps:
        """Move the centres, less the origin, until their squared moves are within the tolerance or one has no rows."""

    def inertia(self, centres: np.ndarray, origin: np.ndarray) -> float:
        """Return the weighted sum of the squared distances of the rows to their centres."""


@dataclass
class Found:
    """Clusters by the names that scikit-learn's KMeans has for them."""

    cluster_centers_: np.ndarray
    inertia_: float
    n_iter_: int


def fit_sample(
    estimator: Any,
    sample: Rows,
    place: Callable[[np.ndarray, np.ndarray], RowsOnDevice | None],
    origin: np.ndarray,
    tolerance: float,
) -> Found | None:
    """Return what scikit-learn would find; None where it has to do it itself.

    That is with other ways to begin than k-means++, for as many clusters as the device does not take, and where one
    lost all of its rows. `place` sends rows and weights to the device, if there is one, `origin` is amid the rows, and
    squared moves of the centres up to the tolerance end the steps.
    """
    X, weight, n_clusters = sample.X, sample.weight.astype(sample.X.dtype), estimator.n_clusters
    if not (isinstance(estimator.init, str) and estimator.init == "k-means++"):
        return None
    rows = place(X, weight)
    if rows is None or not rows.takes(n_clusters):
        return None
    random_state = check_random_state(estimator.random_state)
    before = random_state.get_state()
    # as RandomState.choice(len(X), p=weight / weight.sum()) draws, which adds up the weights each time
    up_to = (weight / weight.sum()).cumsum(dtype=np.float64)
    up_to /= up_to[-1]
    best = None
    for _ in range(1 if estimator.n_init == "auto" else estimator.n_init):
        first = int(up_to.searchsorted(random_state.random_sample(), side="right"))
        uniform = random_state.uniform(size=(n_clusters - 1, 2 + int(np.log(n_clusters))))
        steps = rows.steps(rows.seed(first, uniform) - origin, origin, estimator.max_iter, tolerance)
        if not steps.weight.all():
            random_state.set_state(before)
            return None
        found = Found(steps.centres + origin, rows.inertia(steps.centres, origin), steps.n_iter)
        best = found if best is None or found.inertia_ < best.inertia_ else best
    return best
