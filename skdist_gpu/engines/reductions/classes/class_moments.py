"""Means and centred second moments of each class in one pass.

Each row is shifted by the mean of a few rows of its class before it is squared, and blocks are
merged class by class by the update of Chan, Golub & LeVeque, "Updating Formulae and a Pairwise
Algorithm for Computing Sample Variances", COMPSTAT 1982. Sums over the rows of a class are
products with a one-hot matrix of the codes, which processors and GPUs do fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.columns.columns import check_finite, positive, total
from skdist_gpu.engines.reductions.core.moments import NEAR_ZERO, PILOT_ROWS, check_weight
from skdist_gpu.engines.reductions.core.protocol import Passes, dot, namespace

# classes of one product; the one-hot matrix stays small beside the data
CLASSES_AT_ONCE = 32
# rows of a class in a block from which a class of one row only is rare
MANY_ROWS = 100


@dataclass
class ClassMoments:
    """Moments of the columns of X by class.

    Attributes
    ----------
    weight : ndarray of shape (n_classes,)
        Sum of the weights of each class; its number of rows without weights.
    mean : ndarray of shape (n_classes, n_columns)
        Weighted means, float64.
    scatter : ndarray
        Weighted sums of products of the rows less the mean of their class, float64: squares of
        shape (n_classes, n_columns), outer products of shape (n_classes, n_columns, n_columns),
        or these summed over the classes, of shape (n_columns, n_columns).
    """

    weight: Any
    mean: Any
    scatter: Any


class ClassReduction:
    """Reduce rows to :class:`ClassMoments`.

    Parameters
    ----------
    n_classes : int
        Number of codes in `y`.
    products : {"columns", "pooled", "classes"}
        Which of the three forms `scatter` takes.
    """

    def __init__(self, n_classes: int, products: str) -> None:
        self.n_classes, self.products = n_classes, products

    def map(self, X: Any, y: Any, sample_weight: Any) -> ClassMoments:
        """Return the moments of a block."""
        if self.products == "columns" and namespace(X) is np and X.shape[0] > MANY_ROWS * self.n_classes:
            # one shift for all classes saves a third of the work, and costs no digits where they are near
            pilot = X[:: max(1, X.shape[0] // PILOT_ROWS)].mean(axis=0, dtype=np.float64)
            found = self._around(pilot, np.subtract(X, pilot, dtype=np.float64), y, sample_weight)
            distance = found.weight[:, None] * (found.mean - pilot) ** 2
            if not (distance > NEAR_ZERO**2 * found.scatter).any():
                return found
        pilots = _class_pilots(X, y, self.n_classes)
        return self._around(pilots, centered_by_class(X, y, pilots), y, sample_weight)

    def _around(self, pilots: Any, table: Any, y: Any, sample_weight: Any) -> ClassMoments:
        """Return the moments of a block from its rows less the pilots; overwrites `table`."""
        xp = namespace(table)
        weight = class_sums(xp.ones((len(table), 1)), y, self.n_classes, sample_weight)[:, 0]
        sums = class_sums(table, y, self.n_classes, sample_weight)
        shift = sums / positive(weight)[:, None]
        if self.products == "columns":
            squares = xp.multiply(table, table, out=table)
            scatter = class_sums(squares, y, self.n_classes, sample_weight) - sums * shift
        elif self.products == "pooled":
            scatter = dot(table.T, table) - dot(sums.T, shift)
        else:
            scatter = _class_products(table, y, self.n_classes) - sums[:, :, None] * shift[:, None, :]
        return ClassMoments(weight, pilots + shift, scatter)

    def combine(self, a: ClassMoments, b: ClassMoments) -> ClassMoments:
        """Merge two sets of rows."""
        weight = a.weight + b.weight
        share = (b.weight / positive(weight))[:, None]
        delta = b.mean - a.mean
        scaled = delta * share * a.weight[:, None]
        if self.products == "columns":
            between = scaled * delta
        elif self.products == "pooled":
            between = scaled.T @ delta
        else:
            between = scaled[:, :, None] * delta[:, None, :]
        return ClassMoments(weight, a.mean + delta * share, a.scatter + b.scatter + between)


def class_moments(data: Passes, products: str) -> ClassMoments:
    """Return the moments of each class of `data.classes`.

    Raises
    ------
    ValueError
        scikit-learn's own error if there are no rows, or none with a weight.
    NotFiniteError
        If a value is NaN or infinite.
    """
    assert data.classes is not None
    moments = total(data, ClassReduction(len(data.classes), products))
    check_finite(moments.scatter, data)
    check_weight(moments.weight.sum())
    return moments


def class_sums(table: Any, codes: Any, n_classes: int, weights: Any = None) -> Any:
    """Return the (weighted) sum of the rows of each code, of shape (n_classes, n_columns)."""
    xp = namespace(table)
    sums = xp.empty((n_classes, table.shape[1]))
    for start in range(0, n_classes, CLASSES_AT_ONCE):
        some = slice(start, min(n_classes, start + CLASSES_AT_ONCE))
        one_hot = (xp.arange(some.start, some.stop)[:, None] == codes).astype(np.float64)
        if weights is not None:
            one_hot *= weights
        sums[some] = dot(one_hot, table)
    return sums


def centered_by_class(X: Any, codes: Any, centers: Any) -> Any:
    """Return each row less the center of its class, as a new float64 array."""
    xp = namespace(X)
    table = xp.take(centers, codes, axis=0)
    return xp.subtract(X, table, out=table)


def _class_products(table: Any, codes: Any, n_classes: int) -> Any:
    """Return the sum of the outer products of the rows of each code."""
    xp = namespace(table)
    products = xp.empty((n_classes, table.shape[1], table.shape[1]))
    for code in range(n_classes):
        # on a GPU to pick rows waits for their number, a mask does not
        rows = table[codes == code] if xp is np else table * (codes == code)[:, None]
        products[code] = dot(rows.T, rows)
    return products


def _class_pilots(X: Any, codes: Any, n_classes: int) -> Any:
    """Return the mean of a few rows of each class; of all of these where a class is not among them."""
    xp = namespace(X)
    few = slice(None, None, max(1, X.shape[0] // (PILOT_ROWS * min(n_classes, 8))))
    rows, codes = X[few].astype(np.float64), codes[few]
    counts = class_sums(xp.ones((len(rows), 1)), codes, n_classes)
    sums = class_sums(rows, codes, n_classes)
    return xp.where(counts > 0, sums / positive(counts), rows.mean(axis=0))
