"""Lloyd's steps on a GPU by a kernel that reads the rows once, where array expressions would write them out as float64.

A block of threads brings a tile of rows to shared memory as float64, less the origin. Tensor cores multiply the tile
and the centres, which tells the centre next to each row, and then the tile and a table that has a one where a row is
next to a centre, which sums its rows. Each warp holds sums of its own, which are added in order: the answer does not
depend on timing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from skdist_gpu.engines.executors.sums import add_up
from skdist_gpu.engines.reductions.clusters.steps import Assignment, AssignReduction, ClusterSums, LloydReduction

THREADS, WARPS = 256, 8
# of a block of threads, what more of them would share a processor with
MOST_BLOCKS = 3
# rows of a tile, of which each warp compares 16
ROWS = (128, 64, 32)
# what a product takes of columns and clusters, and how many products a warp may sum: each takes 8 registers
LINE, CLUSTER_TILE, MOST_OWN = 16, 8, 16
# tiles of clusters that a warp compares at once, so that rows are fetched for several
MOST_TOGETHER = 4
# shared memory of a processor that the blocks on it divide, and what each of them takes besides its own
SHARED_BYTES, RESERVED_BYTES = 232_448, 1024

_C_TYPES = {"float32": "float", "float64": "double"}

_SOURCES = (Path(__file__).with_name("tensor_cores.cu"), Path(__file__).with_suffix(".cu"))


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
    """

    rows: int
    stride: int
    cluster_tiles: int
    together: int
    pairs: int
    own: int
    n_bytes: int

    @property
    def blocks_per_processor(self) -> int:
        """Blocks for which the shared memory of a processor is enough."""
        return min(MOST_BLOCKS, SHARED_BYTES // (self.n_bytes + RESERVED_BYTES))

    @property
    def words(self) -> dict[str, int]:
        """What the compiler is told."""
        return {
            "ROWS": self.rows,
            "CLUSTER_TILES": self.cluster_tiles,
            "TOGETHER": self.together,
            "PAIRS": min(self.pairs, WARPS),
            "OWN": self.own,
        }


@cache
def shape_of(n_columns: int, n_clusters: int) -> Shape | None:
    """Return how a block does its work; None where it has too little shared memory, or threads too few registers."""
    cluster_tiles = -(-n_clusters // CLUSTER_TILE)
    pairs = cluster_tiles * -(-(n_columns + 1) // LINE)
    own = -(-pairs // WARPS)
    # as few tiles without clusters as can be
    together = min(range(min(MOST_TOGETHER, cluster_tiles), 0, -1), key=lambda n: -cluster_tiles % n)
    if cluster_tiles > MOST_TOGETHER and together < 3:
        together = MOST_TOGETHER
    compared = -(-cluster_tiles // together) * together
    # a multiple of 4 but not of 8
    stride = (n_columns + 1 + 3) // 8 * 8 + 4
    shapes = []
    for rows in ROWS:
        # slopes; then the tile and what is known of its rows and of centres, or in the end the sums of all warps
        n_doubles = rows * stride + 16 + 2 * 8 * compared + n_columns + 2 * rows
        n_doubles = compared * -(-n_columns // 8) * 64 + max(n_doubles, WARPS * 128)
        shape = Shape(rows, stride, compared, together, pairs, own, 8 * n_doubles + 4 * rows)
        if shape.blocks_per_processor:
            shapes.append(shape)
    if own > MOST_OWN or not shapes:
        return None
    return max(shapes, key=lambda shape: shape.blocks_per_processor * shape.rows)


def has_kernel(reduction: Any, X: Any) -> bool:
    """Whether the kernel can do a reduction of such rows."""
    return type(reduction) in (LloydReduction, AssignReduction) and takes(X, len(reduction.centres))


def takes(X: Any, n_clusters: int) -> bool:
    """Whether the kernel can compare such rows with so many centres."""
    return (
        X.dtype.name in _C_TYPES
        and (X.flags.c_contiguous or X.flags.f_contiguous)
        and shape_of(X.shape[1], n_clusters) is not None
    )


def map_rows(reduction: Any, X: Any, sample_weight: Any) -> ClusterSums | Assignment:
    """Return what the reduction's own map would, computed in float64 throughout."""
    centres = cupy.asarray(np.vstack([reduction.centres, reduction.origin]))
    assigns = type(reduction) is AssignReduction
    sums, labels, launch = prepared(X, sample_weight, centres, assigns)
    launch()
    total = add_up(sums)
    if assigns:
        return Assignment.of(labels, total[-1], total[:-1] > 0)
    total = total.reshape(len(centres) - 1, -1)
    return ClusterSums(total[:, -1], total[:, :-1])


def prepared(
    X: Any, sample_weight: Any, centres: Any, assigns: bool, state: Any = None
) -> tuple[Any, Any, Callable[[], None]]:
    """Return the sums of each block of threads, the labels where asked for, and what computes both when called.

    `centres` are those less the origin, and the origin behind them, on the device; they may change between calls.
    Nothing is done if the number in `state` is not zero.
    """
    (n_rows, n_columns), n_clusters = X.shape, len(centres) - 1
    shape = shape_of(n_columns, n_clusters)
    assert shape is not None
    device = cupy.cuda.Device()
    at_once = shape.blocks_per_processor * device.attributes["MultiProcessorCount"]
    n_blocks = min(at_once, -(-n_rows // shape.rows))
    sums = cupy.empty((n_blocks, n_clusters + 1 if assigns else n_clusters * (n_columns + 1)))
    labels = cupy.empty(n_rows if assigns else 0, cupy.int32)
    if sample_weight is not None:
        sample_weight = cupy.ascontiguousarray(sample_weight, dtype=cupy.float64)
    arguments = (
        X,
        np.intp(0) if sample_weight is None else sample_weight,
        centres,
        np.int64(n_rows),
        np.int32(n_columns),
        np.int32(n_clusters),
        np.int32(shape.stride),
        np.bool_(X.flags.c_contiguous),
        sums,
        labels,
        np.intp(0) if state is None else state,
    )
    kernel = _kernel(device.id, X.dtype.name, assigns, tuple(shape.words.items()))
    kernel.max_dynamic_shared_size_bytes = shape.n_bytes
    return sums, labels, lambda: kernel((n_blocks,), (THREADS,), arguments, shared_mem=shape.n_bytes)


@cache
def _kernel(device: int, dtype: str, assigns: bool, words: tuple[tuple[str, int], ...]) -> Any:
    """Return the compiled kernel, from CuPy's cache on disk where it is in it."""
    numbers = {"VALUE": _C_TYPES[dtype], "ASSIGN": int(assigns), "THREADS": THREADS, "DEPTH": 8, **dict(words)}
    options = ("-std=c++17", *(f"-D{name}={word}" for name, word in numbers.items()))
    text = "".join(source.read_text() for source in _SOURCES)
    return cupy.RawModule(code=text, options=options).get_function("lloyd")
