"""Sums over the rows next to each centre, their labels, and the rows farthest from their centres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from skdist_gpu._compat.sklearn import lloyd_step
from skdist_gpu.engines.reductions.core.protocol import dot, namespace
from skdist_gpu.engines.reductions.core.sample import narrow_slices

# rows a cluster from which the compiled loop's own means take less time than a sum over its labels
MEANS_OF = 64


@dataclass
class ClusterSums:
    """Sums over the rows next to each centre; rows are less the origin."""

    weight: Any
    row: Any

    def plus(self, other: ClusterSums) -> ClusterSums:
        """Return the sums of both sets of rows."""
        return ClusterSums(self.weight + other.weight, self.row + other.row)


@dataclass
class Assignment:
    """The label of each row in order, in pieces, the inertia, and whether a cluster has a row.

    Labels are of the smallest dtype that holds them, since those of all rows go to the host, maybe through a network.
    """

    labels: list[Any]
    inertia: Any
    found: Any

    @classmethod
    def of(cls, labels: Any, inertia: Any, found: Any) -> Assignment:
        """Return the assignment of a block, from labels of any integers and a flag for each cluster."""
        return cls([labels.astype(np.min_scalar_type(len(found) - 1))], inertia, found)


class Centres:
    """The centres of a step, less an origin amid the rows, and the dtype to compute with."""

    def __init__(self, centres: np.ndarray, origin: np.ndarray, dtype: Any = np.float64) -> None:
        self.centres, self.origin, self.dtype = centres, origin, dtype

    def shift(self, X: Any) -> Any:
        """Return the rows less the origin."""
        xp = namespace(X)
        return X - xp.asarray(self.origin, dtype=self.dtype) if self.origin.any() else xp.asarray(X, dtype=self.dtype)

    def label(self, rows: Any) -> Any:
        """Return the centre next to each row."""
        centres = namespace(rows).asarray(self.centres, dtype=self.dtype)
        # squared distances, less the row's own square
        distances = dot(rows, -2 * centres.T)
        distances += (centres * centres).sum(axis=1)
        return distances.argmin(axis=1)

    def squared_distances(self, rows: Any, labels: Any) -> Any:
        """Return the squared distance of each row to its centre."""
        xp = namespace(rows)
        difference = rows - xp.asarray(self.centres)[labels]
        return xp.einsum("ij,ij->i", difference, difference)


class LloydReduction(Centres):
    """Sum the rows next to each centre."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> ClusterSums:
        """Return the sums of a block."""
        if isinstance(X, np.ndarray):
            return self._map_on_host(self.shift(X), sample_weight)
        total = ClusterSums(0.0, 0.0)
        for part in narrow_slices(X.shape[0], 1 + 2 * len(self.centres) / X.shape[1]):
            weight = None if sample_weight is None else sample_weight[part]
            total = total.plus(self._map_on_device(self.shift(X[part]), weight))
        return total

    def _map_on_host(self, rows: np.ndarray, sample_weight: Any) -> ClusterSums:
        n_clusters = len(self.centres)
        weight = np.ones(len(rows)) if sample_weight is None else sample_weight
        few = MEANS_OF * n_clusters < len(rows)
        labels, means = lloyd_step(rows, weight, self.centres, few)
        total = np.bincount(labels, weight, n_clusters)
        if few and total.all():
            return ClusterSums(total, means.astype(np.float64, copy=False) * total[:, None])
        # if clusters had no rows, the loop has moved rows to them, which is for the sums of all blocks to decide
        member = csr_array((weight.astype(rows.dtype), labels, np.arange(len(rows) + 1)), (len(rows), n_clusters))
        return ClusterSums(total, member.T.dot(rows).astype(np.float64, copy=False))

    def _map_on_device(self, rows: Any, sample_weight: Any) -> ClusterSums:
        xp = namespace(rows)
        member = (self.label(rows) == xp.arange(len(self.centres))[:, None]).astype(rows.dtype)
        if sample_weight is not None:
            member *= sample_weight
        return ClusterSums(member.sum(axis=1, dtype=np.float64), dot(member, rows).astype(np.float64, copy=False))

    def combine(self, a: ClusterSums, b: ClusterSums) -> ClusterSums:
        """Add the sums."""
        return a.plus(b)


class FarthestReduction(Centres):
    """Find the rows farthest from their centres, farthest first: distance, weight, label and row."""

    def __init__(self, centres: np.ndarray, origin: np.ndarray, n_rows: int) -> None:
        super().__init__(centres, origin)
        self.n_rows = n_rows

    def map(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any]:
        """Return the farthest rows of a block."""
        xp = namespace(X)
        rows = self.shift(X)
        labels = self.label(rows)
        weight = xp.ones(len(rows)) if sample_weight is None else sample_weight
        return self._first((self.squared_distances(rows, labels), weight, labels, rows))

    def combine(self, a: Any, b: Any) -> Any:
        """Return the farthest rows of both."""
        xp = namespace(a[0])
        return self._first(tuple(xp.concatenate(pair) for pair in zip(a, b, strict=True)))

    def _first(self, found: tuple[Any, ...]) -> Any:
        order = namespace(found[0]).argsort(-found[0])[: self.n_rows]
        return tuple(part[order] for part in found)


class AssignReduction(Centres):
    """Label the rows, and sum their squared distances."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Assignment:
        """Return the labels of a block."""
        rows = self.shift(X)
        labels = self.label(rows)
        distances = self.squared_distances(rows, labels)
        inertia = distances.sum() if sample_weight is None else dot(distances, sample_weight)
        found = namespace(X).zeros(len(self.centres), dtype=bool)
        found[labels] = True
        return Assignment.of(labels, inertia, found)

    def combine(self, a: Assignment, b: Assignment) -> Assignment:
        """Put the labels behind each other."""
        return Assignment(a.labels + b.labels, a.inertia + b.inertia, a.found | b.found)
