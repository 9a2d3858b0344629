"""Weighted means and centred second moments of [X y] in one pass, merged without loss.

Each block is shifted by the mean of a few of its own rows before it is squared, and blocks are
merged by the update of Chan, Golub & LeVeque, "Updating Formulae and a Pairwise Algorithm for
Computing Sample Variances", COMPSTAT 1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.core.protocol import Passes, column_sums, dot, namespace, too_few_rows
from skdist_gpu.exceptions import NotFiniteError

PILOT_ROWS = 64
# a mean of so many standard deviations costs two digits of sixteen in squares that are not shifted
NEAR_ZERO = 10
ALIGNED = 16
# relative distance from the mean that is rounding
NOISE = 16 * np.finfo(np.float64).eps
# variances below this share of the largest have fewer than nine digits left in squared sums
SMALLEST_SHARE = 1e-6


@dataclass
class Moments:
    """Sums over rows of the table [X y].

    Attributes
    ----------
    n_rows : int
        Rows seen.
    weight : float
        Sum of the weights; `n_rows` without weights.
    mean : ndarray of shape (n_columns,)
        Weighted mean of each column, float64.
    scatter : ndarray of shape (n_columns, n_columns)
        Weighted sum of the outer products of the centred rows, float64.
    """

    n_rows: int
    weight: Any
    mean: Any
    scatter: Any

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of rows."""
        weight = self.weight + other.weight
        share = other.weight / _positive(weight)
        delta = other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter += (delta * (self.weight * share))[:, None] * delta
        return Moments(self.n_rows + other.n_rows, weight, self.mean + delta * share, scatter)


class MomentsReduction:
    """Reduce rows to :class:`Moments`."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Moments:
        """Return the moments of a block."""
        xp = namespace(X)
        pilot = _pilot(X, y)
        if y is None and sample_weight is None and _needs_no_shift(X, pilot):
            return _moments_as_they_are(X)
        n_columns = pilot.shape[0]
        # a column of ones beside [X y] makes the product give the sums too
        table = centred_table(X, y, pilot, n_extra=1)
        table[:, n_columns] = 1
        if sample_weight is not None:
            table *= xp.sqrt(sample_weight.astype(np.float64))[:, None]
        products = dot(table.T, table)
        sums, weight = products[:n_columns, n_columns], products[n_columns, n_columns]
        shift = sums / _positive(weight)
        scatter = products[:n_columns, :n_columns] - sums[:, None] * shift
        return Moments(X.shape[0], weight, pilot + shift, scatter)

    def combine(self, a: Moments, b: Moments) -> Moments:
        """Merge two sets of rows."""
        return a.merge(b)


class TriangleReduction:
    """Reduce the centred rows of [X y] to the triangle R of a QR decomposition.

    R has the singular values of the data themselves, where their squared sums would have lost
    half of the digits. Source: Demmel, Grigori, Hoemmen & Langou, "Communication-optimal Parallel
    and Sequential QR and LU Factorizations", SIAM J. Sci. Comput. 34, 2012 (TSQR).
    """

    def __init__(self, center: np.ndarray) -> None:
        self.center = center

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the triangle of a block."""
        xp = namespace(X)
        table = centred_table(X, y, xp.asarray(self.center))
        if sample_weight is not None:
            table *= xp.sqrt(sample_weight.astype(np.float64))[:, None]
        return xp.linalg.qr(table, mode="r")

    def combine(self, a: Any, b: Any) -> Any:
        """Return the triangle of two triangles on top of each other."""
        xp = namespace(a)
        return xp.linalg.qr(xp.concatenate([a, b]), mode="r")


class _Faults:
    """Count the values of each input that are NaN or infinite, or weights below zero."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> dict[str, int]:
        """Return the faults of a block by name."""
        xp = namespace(X)
        faults = {}
        for name, part in (("X", X), ("y", y), ("sample_weight", sample_weight)):
            if part is not None:
                faults[f"Input {name} contains NaN."] = int(xp.isnan(part).sum())
                large = f"Input {name} contains infinity or a value too large for dtype('{part.dtype}')."
                faults[large] = int(xp.isinf(part).sum())
        if sample_weight is not None:
            faults["Negative values in data passed to `sample_weight`."] = int((sample_weight < 0).sum())
        return faults

    def combine(self, a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
        """Add the counts; a column with nulls in some blocks of files has another dtype, and name, there."""
        return {name: a.get(name, 0) + b.get(name, 0) for name in a | b}


def finite_moments(data: Passes) -> Moments:
    """Return the moments of [X y] over all rows.

    Raises
    ------
    ValueError
        scikit-learn's own error if there are no rows, or none with a weight.
    NotFiniteError
        If a value is NaN or infinite.
    """
    moments = check_moments(data.reduce(MomentsReduction()), data)
    check_weight(moments.weight)
    return moments


def check_weight(total: float) -> None:
    """Raise scikit-learn's own error if the weights of all rows are zero."""
    if total == 0:
        raise ValueError("Sample weights must contain at least one non-zero number.")


def check_moments(moments: Moments | None, data: Passes) -> Moments:
    """Return moments of rows of the data, or raise as :func:`finite_moments` does."""
    if moments is None:
        raise too_few_rows(0, data.n_features)
    if not np.isfinite(moments.scatter).all():
        raise_not_finite(data)
    return moments


def raise_not_finite(data: Passes, allow_nan: bool = False) -> None:
    """Say which input holds infinity, NaN unless `X` may, or weights below zero, or that the sums overflow."""
    for fault, count in data.reduce(_Faults()).items():
        if count and not (allow_nan and fault == "Input X contains NaN."):
            raise NotFiniteError(fault)
    if allow_nan:
        return
    raise NotFiniteError(
        "Sums over the rows exceed the largest float64 although all values are finite: values beyond 1e150 have "
        "squares that are. Nothing was fitted. Scale the columns down, or choose backend='sklearn'."
    )


def _pilot(X: Any, y: Any) -> Any:
    """Return the mean of a few rows of [X y], near enough to the mean that squares keep their digits."""
    xp = namespace(X)
    few = slice(None, None, max(1, X.shape[0] // PILOT_ROWS))
    pilot = X[few].mean(axis=0, dtype=np.float64)
    if y is None:
        return pilot
    return xp.concatenate([pilot, xp.atleast_1d(y[few].mean(axis=0, dtype=np.float64))])


def _needs_no_shift(X: Any, pilot: Any) -> bool:
    """Whether float64 rows in main memory are so near zero that their squares keep the digits without a copy."""
    if type(X) is not np.ndarray or X.dtype != np.float64:
        return False
    spread = X[:: max(1, X.shape[0] // PILOT_ROWS)].std(axis=0)
    return bool(np.all(np.abs(pilot) <= NEAR_ZERO * spread))


def _moments_as_they_are(X: np.ndarray) -> Moments:
    n_rows = X.shape[0]
    sums = column_sums(X)
    mean = sums / n_rows
    return Moments(n_rows, float(n_rows), mean, dot(X.T, X) - sums[:, None] * mean)


def centred_table(X: Any, y: Any, center: Any, n_extra: int = 0) -> Any:
    """Return [X y] - center as a new float64 array, with room for `n_extra` columns to its right."""
    xp = namespace(X)
    n_rows, n_features = X.shape
    width = center.shape[0] + n_extra
    if xp is np:
        table = np.empty((n_rows, width))
    else:
        # the GPU's products are fastest on rows that start at a multiple of 128 bytes
        table = xp.zeros((n_rows, -(-width // ALIGNED) * ALIGNED)) if n_extra else xp.empty((n_rows, width))
    xp.subtract(X, center[:n_features], out=table[:, :n_features])
    if y is not None:
        xp.subtract(y.reshape(n_rows, -1), center[n_features:], out=table[:, n_features : center.shape[0]])
    return table


def _positive(weight: Any) -> Any:
    """Avoid a division by zero where all weights are zero, without asking the GPU."""
    return weight + (weight == 0)
