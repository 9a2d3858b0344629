"""What a reduction over row blocks is, and how blocks of one piece of data are folded.

A reduction says what one block gives (`map`) and how two results become one (`combine`). What
happens between passes is plain Python in the function that fits: it calls ``reduce(reduction)``,
which an executor provides, as often as it needs the data. NumPy and CuPy blocks are treated alike.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from skdist_gpu.data.blocks import take_rows

# what the rows of one step take in float64: little enough for a cache, and enough for threads not to wait for the
# interpreter, which each operation needs for a moment
STEP_BYTES = 8 * 2**20
# a float64 copy of this size keeps a GPU busy and leaves room on small ones
GPU_STEP_BYTES = 2**29
# rows to start a few passes from; those to find centres in, of which more clusters need more to be seen
SAMPLED_ROWS = 20_000
SAMPLED_FOR_CLUSTERS, SAMPLED_PER_CLUSTER = 50_000, 200


class Reduction(Protocol):
    """A sum over rows. Objects are small and picklable: they travel to Dask workers.

    A reduction with ``takes_tables = True`` gets blocks in the user's own container, of any dtypes;
    one with ``rows_at_once`` gets so many rows at a time. One with ``targets_only = True`` looks at no `X`,
    which is then not read from files. One with ``keeps_order = True`` tells of each row, and needs them in order.
    """

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return what a block of rows contributes."""

    def combine(self, a: Any, b: Any) -> Any:
        """Return the contribution of two sets of rows together."""


Reduce = Callable[[Reduction], Any]


@dataclass(frozen=True)
class Passes:
    """The data of one fit, as something to pass over.

    Attributes
    ----------
    reduce : callable
        Runs a reduction over all rows and returns the total on the host; None without rows.
    n_features : int
        Columns of `X`.
    target_ndim : int
        Dimensions of `y`; 0 without `y`.
    dtype : numpy.dtype
        dtype of the blocks of `X`, float32 or float64; integers of Dask blocks are left as they are.
    input_dtype : numpy.dtype
        dtype of `X` as it was given, such as int64 where `dtype` is float64; float64 for mixed columns.
    weighted : bool
        Whether rows have weights.
    classes : ndarray or None
        The sorted labels of a classifier; its blocks of `y` hold codes 0 … n-1 into them.
    n_rows : int or None
        Number of rows; None where it is not known without computing.
    reduce_parts : callable or None
        Runs a reduction over a number of contiguous parts of the rows, cut alike but for a row, and returns
        the total of each; None where rows have no number.
    relabel : callable or None
        Returns the passes over the same rows with other codes as `y`, which it takes on the host in the order
        of the rows; None where rows have no number.
    reduce_sample : callable
        Returns the `reduce` of sampled rows, from their X, y and weights on the host, for so many unknowns, and their
        number.
    target_dtype : numpy.dtype
        dtype of `y`.
    sparse : bool
        Whether `X` is sparse, for which scikit-learn has other solvers and so other attributes.
    clusters : callable
        Returns the rows, held by a GPU that takes Lloyd's steps by itself; None where no GPU holds all of them.
    clusters_of : callable or None
        Returns the same for rows and weights on the host, sent to the GPU; None without one.
    starts : Starts or None
        Where fits of other penalties, or of other folds of the rows, have ended; None for a fit by itself.
    resident : bool
        Whether a GPU holds all rows from the first pass on, so that one block may be all of them, and `reduce_sample`
        takes rows of its own there, in place of those on the host.
    """

    reduce: Reduce
    n_features: int
    target_ndim: int
    dtype: Any
    input_dtype: Any = np.float64
    weighted: bool = False
    classes: np.ndarray | None = None
    n_rows: int | None = None
    reduce_parts: Callable[[Reduction, int], list[Any]] | None = None
    relabel: Callable[[np.ndarray], Passes] | None = None
    reduce_sample: Callable[[Any, Any, Any, int], tuple[Reduce, int]] = lambda X, y, weight, n_unknowns: (
        lambda reduction: fold(reduction, X, y, weight),
        len(X),
    )
    target_dtype: Any = np.float64
    sparse: bool = False
    starts: Any = None
    resident: bool = False
    clusters: Callable[[], Any] = lambda: None
    clusters_of: Callable[[np.ndarray, np.ndarray], Any] | None = None

    def keep_dtype(self, estimator: Any, *names: str) -> None:
        """Round fitted attributes to the dtype that scikit-learn gives them: float32 where `X` is.

        Plain Python numbers, such as the intercept 0.0 of a model without one, stay.
        """
        if self.dtype == np.float32:
            for name in names:
                setattr(estimator, name, _to_float32(getattr(estimator, name)))


def _to_float32(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_float32(part) for part in value]
    return value.astype(np.float32) if isinstance(value, (np.ndarray, np.floating)) else value


def namespace(array: Any) -> Any:
    """Return the module, NumPy or CuPy, that an array belongs to."""
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(array, cupy.ndarray) else np


def column_sums(table: Any) -> Any:
    """Return the sum of each column, as a product, since a GPU adds up a few long columns slowly."""
    return dot(namespace(table).ones(table.shape[0]), table)


def dot(a: Any, b: Any) -> Any:
    """Return the product of matrices or vectors.

    NumPy's ``@`` keeps other threads waiting where the product has fewer than 500 values, however long it takes, as
    for most sums over rows; its ``dot`` never does.
    """
    return np.dot(a, b) if namespace(a) is np else a @ b


def combine_all(reduction: Reduction, partials: Iterable[Any], apply: Callable[..., Iterable[Any]] = map) -> Any:
    """Combine partial results in their order, pair by pair; None stands for a part without rows.

    `apply` does what ``map`` does, and may work on the pairs of a round at the same time.
    """
    present = [p for p in partials if p is not None]

    def combine(a: Any, b: Any) -> Any:
        with sums_of_any_values():
            return reduction.combine(a, b)

    while len(present) > 1:
        # an odd one waits for the next round
        present = [*apply(combine, present[:-1:2], present[1::2]), *present[len(present) // 2 * 2 :]]
    return present[0] if present else None


def too_few_rows(n_rows: int, n_features: int, least: int = 1, by: str = "") -> ValueError:
    """Return scikit-learn's own error for an array with too few rows, `by` the estimator that needs them."""
    needed = f"while a minimum of {least} is required{f' by {by}' if by else ''}."
    return ValueError(f"Found array with {n_rows} sample(s) (shape=({n_rows}, {n_features})) {needed}")


def sums_of_any_values() -> Any:
    """Return a context in which NaN and infinity pass through the sums to where they are reported."""
    return np.errstate(invalid="ignore", over="ignore")


def fold(reduction: Reduction, X: Any, y: Any = None, sample_weight: Any = None, step_bytes: int = STEP_BYTES) -> Any:
    """Reduce rows that one thread or task holds, in steps of so many bytes; None if there are none."""
    n_rows, n_columns = X.shape
    step = getattr(reduction, "rows_at_once", None) or rows_per_step(n_columns, step_bytes)
    total = None
    with sums_of_any_values():
        for start in range(0, n_rows, step):
            rows = slice(start, min(n_rows, start + step))
            block = take_rows(X, rows)
            if hasattr(block, "toarray"):
                block = block.toarray()
            weight_block = None if sample_weight is None else sample_weight[rows]
            partial = reduction.map(block, None if y is None else y[rows], weight_block)
            total = partial if total is None else reduction.combine(total, partial)
    return total


def rows_per_step(n_columns: int, n_bytes: int) -> int:
    """Return the number of rows whose float64 copy takes so many bytes, and enough of them for a good product."""
    return max(256, n_bytes // (8 * max(1, n_columns)))
