"""Lloyd's steps on a GPU by a kernel that reads the rows once a step, where array expressions would write them out.

A block of threads brings a tile of rows to shared memory while it computes the one before. Tensor cores multiply the
tile, as float64 less the origin, and the centres, which tells the centre next to each row, and then the tile and a
table that has a one where a row is next to a centre, which sums its rows. Each warp holds sums of its own, which are
added in order: the answer does not depend on timing. Blocks that all run at once wait for each other, add up, and move
their copies of the centres alike, so that many steps are one launch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors.common_kernels import (
    FIRST_CAPABILITY,
    RESERVED_BYTES,
    capability,
    processors,
    shared_bytes,
    text_of,
)
from skdist_gpu.engines.reductions.clusters.steps import Assignment, AssignReduction, ClusterSums, LloydReduction

THREADS, WARPS = 256, 8
# rows of a tile, of which each warp compares 16; in smaller tiles several share them
ROWS = (128, 64, 32)
# what a product takes of columns and clusters, and how many products a warp may sum
LINE, CLUSTER_TILE, MOST_OWN = 16, 8, 16
# tiles of clusters that a warp compares at once, so that rows are fetched for several; beside many sums fewer
MOST_TOGETHER, FEW_TOGETHER = 4, 2
# products for which threads have registers where three blocks share a processor, and where two do
HELD_BY = {3: 3, 2: 12}
# how it stands after steps: as in the kernel
GOES_ON, STAYS, EMPTY = 0, 1, 2

_C_TYPES = {"float32": "float", "float64": "double"}


@dataclass(frozen=True)
class Shape:
    """How a block of threads divides its work.

    Attributes
    ----------
    rows : int
        Rows of a tile.
    stride : int
        Values from one row in shared memory to the next, so that the threads of a warp ask different banks.
    cluster_tiles, together : int
        Tiles of clusters to be compared, and at once.
    pairs, own : int
        Products that sum up rows, and how many of them each warp has.
    n_bytes : int
        Shared memory.
    resident : int
        Blocks for which the memory and the registers of a processor are enough.
    """

    rows: int
    stride: int
    cluster_tiles: int
    together: int
    pairs: int
    own: int
    n_bytes: int
    resident: int

    @property
    def words(self) -> dict[str, int]:
        """What the compiler is told."""
        return {
            "ROWS": self.rows,
            "CLUSTER_TILES": self.cluster_tiles,
            "TOGETHER": self.together,
            "PAIRS": min(self.pairs, WARPS),
            "OWN": self.own,
            "RESIDENT": self.resident,
        }


@cache
def shape_of(n_columns: int, n_clusters: int, itemsize: int, n_shared: int) -> Shape | None:
    """Return how a block works with so much shared memory; None where that or registers are too few."""
    cluster_tiles = -(-n_clusters // CLUSTER_TILE)
    pairs = cluster_tiles * -(-(n_columns + 1) // LINE)
    own = -(-pairs // WARPS)
    most_together = MOST_TOGETHER if own + min(cluster_tiles, MOST_TOGETHER) <= HELD_BY[2] else FEW_TOGETHER
    # a multiple of 4 but not of 8, and room for the sums of all warps where a tile is narrow
    stride = max(12, (n_columns + 1 + 3) // 8 * 8 + 4)
    shapes = []
    for rows in ROWS:
        together = min(most_together, -(-cluster_tiles * rows // (LINE * WARPS)))
        compared = -(-cluster_tiles // together) * together
        by_registers = next((n for n, held in HELD_BY.items() if own + together <= held), 1)
        n_doubles = compared * -(-n_columns // 8) * 64 + 8 * compared + n_columns + 16 + 16 * WARPS + 2 * rows
        n_bytes = 8 * n_doubles + itemsize * (2 * rows * stride + 16) + 4 * LINE * WARPS
        if resident := min(by_registers, n_shared // (n_bytes + RESERVED_BYTES)):
            shapes.append(Shape(rows, stride, compared, together, pairs, own, n_bytes, resident))
    if not shapes or own > MOST_OWN:
        return None
    return max(shapes, key=lambda shape: (shape.resident * shape.rows, shape.resident))


def has_kernel(reduction: Any, X: Any) -> bool:
    """Whether the kernel can do a reduction of such rows."""
    return type(reduction) in (LloydReduction, AssignReduction) and takes(X, len(reduction.centres))


def takes(X: Any, n_clusters: int) -> bool:
    """Whether the kernel can compare such rows with so many centres."""
    return (
        X.dtype.name in _C_TYPES
        and (X.flags.c_contiguous or X.flags.f_contiguous)
        and capability(X.device.id) >= FIRST_CAPABILITY
        and _shape(X, n_clusters) is not None
    )


def map_rows(reduction: Any, X: Any, sample_weight: Any) -> ClusterSums | Assignment:
    """Return what the reduction's own map would, computed in float64 throughout."""
    assigns = type(reduction) is AssignReduction
    work = LloydOnGpu(X, sample_weight, reduction.centres, reduction.origin, assigns)
    work.run()
    if assigns:
        return Assignment.of(work.labels, work.sums[-1], work.sums[:-1] > 0)
    sums = work.sums.reshape(len(reduction.centres), -1)
    return ClusterSums(sums[:, -1], sums[:, :-1])


class LloydOnGpu:
    """Steps of Lloyd's over rows on the device, or the labels of the rows.

    Parameters
    ----------
    X : cupy.ndarray of shape (n_rows, n_columns)
        The rows, contiguous in either order.
    sample_weight : cupy.ndarray of shape (n_rows,) or None
        Their weights.
    centres : ndarray of shape (n_clusters, n_columns)
        Where to begin, less the origin.
    origin : ndarray of shape (n_columns,)
        What rows are less.
    assigns : bool
        Whether to label the rows, and not to sum them.

    Attributes
    ----------
    centres : cupy.ndarray of shape (n_clusters + 1, n_columns)
        The centres, and the origin behind them.
    sums : cupy.ndarray
        For each cluster the sums of its columns and its weight; of labels, whether it has a row, and then the inertia.
    labels : cupy.ndarray of shape (n_rows,), dtype int32
        The labels; empty without.
    state : cupy.ndarray of shape (3,), dtype int32
        How it stands, how often the centres were moved, and what the kernel counts with.
    """

    def __init__(self, X: Any, sample_weight: Any, centres: np.ndarray, origin: np.ndarray, assigns: bool) -> None:
        (n_rows, n_columns), n_clusters = X.shape, len(centres)
        shape = _shape(X, n_clusters)
        assert shape is not None
        self.kernel, at_once = _kernel(X.device.id, X.dtype.name, assigns, shape)
        n_blocks = min(at_once, -(-n_rows // shape.rows))
        self.launched = {"grid": (n_blocks,), "block": (THREADS,), "shared_mem": shape.n_bytes}
        if sample_weight is not None:
            sample_weight = cupy.ascontiguousarray(sample_weight, dtype=cupy.float64)
        n_values = n_clusters + 1 if assigns else n_clusters * (n_columns + 1)
        # vstack keeps columns together where they were
        self.centres = cupy.asarray(np.ascontiguousarray(np.vstack([centres, origin])))
        self.sums = cupy.empty(n_values)
        self.labels = cupy.empty(n_rows if assigns else 0, cupy.int32)
        self.state = cupy.empty(3, cupy.int32)
        self.given = (
            *(X, np.intp(0) if sample_weight is None else sample_weight, self.centres),
            *(np.int64(n_rows), np.int32(n_columns), np.int32(n_clusters), np.int32(shape.stride)),
            *(np.int32(_chunk(X)), np.bool_(X.flags.c_contiguous), np.bool_(origin.any())),
        )
        self.results = (cupy.empty((n_blocks, n_values)), self.sums, self.labels, self.state)

    def run(self, most_steps: int = 0, tolerance: float = 0.0) -> None:
        """Sum or label the rows; move the centres, and go on, until they stay, one has no rows, or after so many moves.

        They stay where the sum of their squared moves is within the tolerance.
        """
        self.state.fill(0)
        steps = (np.int32(most_steps), np.float64(tolerance))
        self.kernel(**self.launched, args=(*self.given, *steps, *self.results))


def _shape(X: Any, n_clusters: int) -> Shape | None:
    return shape_of(X.shape[1], n_clusters, X.dtype.itemsize, shared_bytes(X.device.id))


def _chunk(X: Any) -> int:
    """Return how many bytes of a row may be copied at once, by where rows begin."""
    row_bytes = X.shape[1] * X.dtype.itemsize
    return next(n for n in (16, 8, 4) if row_bytes % n == 0 and X.data.ptr % n == 0)


@cache
def _kernel(device: int, dtype: str, assigns: bool, shape: Shape) -> tuple[Any, int]:
    """Return the kernel, from CuPy's cache on disk where it is in it, and how many of its blocks run at once."""
    numbers = {"VALUE": _C_TYPES[dtype], "ASSIGN": int(assigns), "THREADS": THREADS, "DEPTH": 8, **shape.words}
    options = ("-std=c++17", *(f"-D{name}={word}" for name, word in numbers.items()))
    # blocks wait for each other, so that all of them must run at once
    module = cupy.RawModule(code=text_of(__file__), options=options, enable_cooperative_groups=True)
    kernel = module.get_function("lloyd")
    kernel.max_dynamic_shared_size_bytes = shared_bytes(device)
    registers = cupy.cuda.Device(device).attributes["MaxRegistersPerMultiprocessor"]
    at_once = min(shape.resident, registers // (THREADS * kernel.num_regs))
    return kernel, at_once * processors(device)
