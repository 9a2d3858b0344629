"""Lloyd's steps on a GPU by a kernel that reads the rows once a step, where array expressions would write them out.

A block of threads brings a tile of rows to shared memory while it computes the one before. Tensor cores multiply the
tile, as float64 less the origin, and the centres, which tells the centre next to each row, and then the tile and a
table that has a one where a row is next to a centre, which sums its rows. Each warp holds sums of its own, which are
added in order: the answer does not depend on timing. Blocks that all run at once wait for each other, add up, and move
their copies of the centres alike, so that many steps are one launch.

Where shared memory does not hold the centres and two tiles, or registers the sums, another kernel takes both by parts:
blocks label all rows, by panels of columns, and then sum them, each warp a few columns of some of the rows.
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
from skdist_gpu.engines.executors.once import Once
from skdist_gpu.engines.reductions.clusters.steps import Assignment, AssignReduction, ClusterSums, LloydReduction

THREADS, WARPS = 256, 8
# rows of a tile, of which each warp compares 16; in smaller tiles several share them
ROWS = (128, 64, 32)
# what a product takes of columns and clusters
LINE, CLUSTER_TILE = 16, 8
# products that a warp sums where one block has a processor for itself; with more the kernel for wide rows is faster
MOST_ALONE = 7
# tiles of clusters that a warp compares at once, so that rows are fetched for several; beside many sums fewer
MOST_TOGETHER, FEW_TOGETHER = 4, 2
# products for which threads have registers where three blocks share a processor, and where two do
HELD_BY = {3: 3, 2: 12}
# of wide rows: tiles of clusters of a warp, blocks that share a processor, and rows that a warp sums at least
MOST_TILES, RESIDENT, LEAST_ROWS = 7, 2, 64
# steps of 8 columns that are fetched ahead, and up to how many tiles so many, by the bytes of a value
AHEAD, FAR_AHEAD, FAR_AHEAD_TILES = 2, 4, {4: 4, 8: 3}
# tiles of all steps whose centres are in shared memory at once
PANEL_TILES = 32
# centres, of which k-means++ draws few enough candidates at once, and values of sums and wide rows that indices reach
MOST_CLUSTERS, MOST_SUMS, MOST_ROWS = 2**14, 2**27, 2**31 - 2**10
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


@dataclass(frozen=True)
class WideShape:
    """How warps divide rows and centres that shared memory and registers do not hold.

    Attributes
    ----------
    tiles, n_groups : int
        Tiles of clusters that a warp takes at once, and how often it does.
    ahead : int
        Steps of 8 columns, or of 8 rows, that it fetches ahead.
    """

    tiles: int
    n_groups: int
    ahead: int
    resident: int = RESIDENT

    @staticmethod
    def of(n_clusters: int, itemsize: int) -> WideShape:
        """Return how so many clusters are divided."""
        cluster_tiles = -(-n_clusters // CLUSTER_TILE)
        n_groups = -(-cluster_tiles // MOST_TILES)
        tiles = -(-cluster_tiles // n_groups)
        return WideShape(tiles, n_groups, FAR_AHEAD if tiles <= FAR_AHEAD_TILES[itemsize] else AHEAD)

    @property
    def words(self) -> dict[str, int]:
        """What the compiler is told."""
        return {"TILES": self.tiles, "AHEAD": self.ahead, "PANEL": self.panel, "RESIDENT": self.resident}

    @property
    def panel(self) -> int:
        """Steps of 8 columns whose centres are in shared memory at once."""
        return PANEL_TILES // self.tiles // self.ahead * self.ahead

    @property
    def n_bytes(self) -> int:
        """Shared memory: two panels of the centres, and some room."""
        return 8 * (8 * WARPS + 2 * self.panel * self.tiles * 64)

    def n_known(self, n_columns: int) -> int:
        """Return how many values tell the centres, twice."""
        n_steps = -(-n_columns // (8 * self.ahead)) * self.ahead
        return 2 * self.n_groups * self.tiles * (64 * n_steps + 16)

    def n_chunks(self, n_rows: int, n_columns: int, n_blocks: int) -> int:
        """Return in how many parts rows are summed, so that all warps have something to sum."""
        n_lines = -(-(n_columns + 1) // LINE)
        return max(1, min(n_blocks * WARPS // (n_lines * self.n_groups), -(-n_rows // LEAST_ROWS)))


@cache
def shape_of(n_columns: int, n_clusters: int, itemsize: int, n_shared: int) -> Shape | WideShape:
    """Return how a block works with so much shared memory."""
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
    best = max(shapes, key=lambda shape: (shape.resident * shape.rows, shape.resident), default=None)
    if best is None or (best.resident == 1 and own > MOST_ALONE):
        return WideShape.of(n_clusters, itemsize)
    return best


def has_kernel(reduction: Any, X: Any) -> bool:
    """Whether the kernel can do a reduction of such rows."""
    return type(reduction) in (LloydReduction, AssignReduction) and takes(X, len(reduction.centres))


def takes(X: Any, n_clusters: int) -> bool:
    """Whether the kernel can compare such rows with so many centres."""
    return (
        X.dtype.name in _C_TYPES
        and (X.flags.c_contiguous or X.flags.f_contiguous)
        and capability(X.device.id) >= FIRST_CAPABILITY
        and n_clusters <= MOST_CLUSTERS
        and n_clusters * (X.shape[1] + 1) <= MOST_SUMS
        and (len(X) <= MOST_ROWS or isinstance(_shape(X, n_clusters), Shape))
    )


def begin(device: int, dtype: str, n_columns: int, n_clusters: int) -> None:
    """Let threads compile what sums rows by cluster, and what labels them."""
    shape = shape_of(n_columns, n_clusters, np.dtype(dtype).itemsize, shared_bytes(device))
    if n_clusters <= MOST_CLUSTERS and capability(device) >= FIRST_CAPABILITY:
        for assigns in (False, True):
            _kernel.begin(device, dtype, assigns, shape)


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
        The labels; empty where there are none.
    state : cupy.ndarray of shape (3,), dtype int32
        How it stands, how often the centres were moved, and what the kernel counts with.
    """

    def __init__(self, X: Any, sample_weight: Any, centres: np.ndarray, origin: np.ndarray, assigns: bool) -> None:
        (n_rows, n_columns), n_clusters = X.shape, len(centres)
        shape = _shape(X, n_clusters)
        self.kernel, n_blocks = _kernel(X.device.id, X.dtype.name, assigns, shape)
        if sample_weight is not None:
            sample_weight = cupy.ascontiguousarray(sample_weight, dtype=cupy.float64)
        n_values = n_clusters + 1 if assigns else n_clusters * (n_columns + 1)
        # vstack keeps columns together where they were
        self.centres = cupy.asarray(np.ascontiguousarray(np.vstack([centres, origin])))
        self.sums = cupy.empty(n_values)
        self.state = cupy.empty(3, cupy.int32)
        layout: tuple[Any, ...]
        room: tuple[Any, ...]
        if isinstance(shape, Shape):
            n_blocks = n_partials = min(n_blocks, -(-n_rows // shape.rows))
            layout = (np.int32(shape.stride), np.int32(_chunk(X)), np.bool_(X.flags.c_contiguous))
            self.labels, room = cupy.empty(n_rows if assigns else 0, cupy.int32), ()
        else:
            n_chunks = shape.n_chunks(n_rows, n_columns, n_blocks)
            n_partials = n_blocks if assigns else n_chunks
            steps = (np.int64(step // X.itemsize) for step in X.strides)
            layout = (*steps, np.int32(n_chunks))
            self.labels, room = cupy.empty(n_rows, cupy.int32), (cupy.empty(shape.n_known(n_columns)),)
        self.launched = {"grid": (n_blocks,), "block": (THREADS,), "shared_mem": shape.n_bytes}
        self.given = (
            *(X, np.intp(0) if sample_weight is None else sample_weight, self.centres),
            *(np.int64(n_rows), np.int32(n_columns), np.int32(n_clusters), np.bool_(origin.any()), *layout),
        )
        self.results = (*room, cupy.empty((n_partials, n_values)), self.sums, self.labels, self.state)

    def run(self, most_steps: int = 0, tolerance: float = 0.0) -> None:
        """Sum or label the rows; move the centres, and go on, until they stay, one has no rows, or after so many moves.

        They stay where the sum of their squared moves is within the tolerance.
        """
        self.state.fill(0)
        steps = (np.int32(most_steps), np.float64(tolerance))
        self.kernel(**self.launched, args=(*self.given, *steps, *self.results))


def _shape(X: Any, n_clusters: int) -> Shape | WideShape:
    return shape_of(X.shape[1], n_clusters, X.dtype.itemsize, shared_bytes(X.device.id))


def _chunk(X: Any) -> int:
    """Return how many bytes of a row may be copied at once, by where rows begin."""
    row_bytes = X.shape[1] * X.dtype.itemsize
    return next(n for n in (16, 8, 4) if row_bytes % n == 0 and X.data.ptr % n == 0)


@Once
def _kernel(device: int, dtype: str, assigns: bool, shape: Shape | WideShape) -> tuple[Any, int]:
    """Return the kernel, from CuPy's cache on disk where it is in it, and how many of its blocks run at once."""
    numbers = {"VALUE": _C_TYPES[dtype], "ASSIGN": int(assigns), "THREADS": THREADS, "DEPTH": 8, **shape.words}
    options = ("-std=c++17", *(f"-D{name}={word}" for name, word in numbers.items()))
    name = "lloyd" if isinstance(shape, Shape) else "wide_lloyd"
    text = text_of(__file__, "lloyd_common.cu", f"{name}_kernels.cu")
    # blocks wait for each other, so that all of them must run at once
    kernel = cupy.RawModule(code=text, options=options, enable_cooperative_groups=True).get_function(name)
    kernel.max_dynamic_shared_size_bytes = shared_bytes(device)
    registers = cupy.cuda.Device(device).attributes["MaxRegistersPerMultiprocessor"]
    at_once = min(shape.resident, registers // (THREADS * kernel.num_regs))
    return kernel, at_once * processors(device)
