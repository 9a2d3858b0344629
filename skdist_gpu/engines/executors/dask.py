"""Reduce Dask collections where their blocks are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property, partial
from itertools import chain
from operator import itemgetter
from typing import Any
from uuid import uuid4

import numpy as np
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from sklearn.utils.multiclass import check_classification_targets

from skdist_gpu._compat.dask import call_of, stored_blocks
from skdist_gpu.data.convert import place_like, to_host
from skdist_gpu.data.kinds import GPU, container_of
from skdist_gpu.data.labels import codes_of
from skdist_gpu.exceptions import MisalignedBlocksError
from skdist_gpu.progress import Progress
from skdist_gpu.reductions.protocol import Reduction, combine_all, fold, one_blas_thread

# partial results that one task combines
FAN_IN = 16
# partial results of so many blocks may meet in one task
FEW_BLOCKS = 64


class DaskExecutor:
    """Run reductions over Dask arrays or frames, with the client if there is one.

    One task a block, then a tree of combining tasks: a lost worker costs only its blocks. Few blocks
    that workers hold already take one task a thread, since each task costs milliseconds.
    """

    def __init__(self, X: Any, y: Any, sample_weight: Any, client: Any, progress: Progress) -> None:
        self.data = (X, y, sample_weight)
        self.parts = [delayed_blocks(part) for part in (X, y, sample_weight)]
        self.client = client
        self.progress = progress
        self.n_passes = 0
        # set once they are known; reductions then see codes in place of labels
        self.classes: np.ndarray | None = None

    def find_classes(self) -> np.ndarray:
        """Return the sorted labels of all blocks; reads no block of X."""
        classes = self._compute([(_labels, [block.key]) for block in self._stored[1] or self.parts[1]], _union)
        # each twice: labels that all differ look like a regression to scikit-learn
        check_classification_targets(np.repeat(classes, 2))
        return classes

    def reduce(self, reduction: Reduction) -> Any:
        """Return the total over all rows, on the host."""
        self.n_passes += 1
        self.progress.start(f"pass {self.n_passes} over {len(self.parts[0])} blocks")
        total = self.reduce_blocks(partial(_map_block, reduction, self.classes), partial(_combine, reduction))
        self.progress.finish()
        return total

    def reduce_blocks(self, function: Callable[..., Any], combine: Callable[..., Any]) -> Any:
        """Return ``function(number, X, y, sample_weight)`` of all blocks, combined by ``combine(*results)``."""
        found = zip(self._stored, self.parts, strict=True)
        keys = ([block.key for block in stored or part] or [None] * len(self.parts[0]) for stored, part in found)
        blocks = list(zip(*keys, strict=True))
        if not self._groups:
            return self._compute([(partial(function, i), block) for i, block in enumerate(blocks)], combine)
        tasks = [
            (partial(_reduce_group, function, group), list(chain.from_iterable(blocks[i] for i in group)))
            for group in self._groups
        ]
        return self._compute(tasks, partial(_combine_groups, combine), fan_in=FEW_BLOCKS)

    @cached_property
    def _stored(self) -> list[list[Any]]:
        """Return the futures of the blocks of X, y and weights that workers hold; no block where any is missing."""
        if self.client is None:
            return [[] for _ in self.parts]
        pairs = zip(self.data, self.parts, strict=True)
        found = [stored_blocks(data, [block.key for block in part]) if part else [] for data, part in pairs]
        return [[] if any(block is None for block in blocks) else blocks for blocks in found]

    @cached_property
    def _groups(self) -> list[list[int]]:
        """Return the numbers of the blocks that each thread of a worker takes; empty where each has its own task."""
        stored = self._stored[0]
        if not 0 < len(stored) <= FEW_BLOCKS:
            return []
        where, n_threads = self.client.who_has(stored), self.client.nthreads()
        by_worker: dict[Any, list[int]] = defaultdict(list)
        for i, block in enumerate(stored):
            by_worker[min(where.get(block.key) or [""])].append(i)
        return [
            group.tolist()
            for worker, numbers in by_worker.items()
            for group in np.array_split(numbers, min(len(numbers), n_threads.get(worker, len(numbers))))
        ]

    def _compute(self, tasks: list[tuple[Any, Any]], combine: Callable[..., Any], fan_in: int = FAN_IN) -> Any:
        """Return the results of functions of blocks, combined by a tree of further tasks.

        The graph is written out here: a Delayed for each task would take a millisecond each.
        """
        name = f"reduce-{uuid4().hex}"
        graph: dict[Any, Any] = {}
        level = []
        for i, (function, inputs) in enumerate(tasks):
            level.append((name, 0, i))
            graph[level[-1]] = call_of(level[-1], function, inputs)
        while len(level) > 1 or level[0][1] == 0:
            groups = {(name, level[0][1] + 1, i): level[i : i + fan_in] for i in range(0, len(level), fan_in)}
            graph |= {key: call_of(key, combine, group) for key, group in groups.items()}
            level = list(groups)
        blocks = [part[0] for part in self.parts if part]
        task = Delayed(level[0], HighLevelGraph.from_collections(name, graph, dependencies=blocks), layer=name)
        if self.client is not None:
            return self.client.compute(task).result()
        # workers pin BLAS to one thread by themselves, Dask's local threads do not
        with one_blas_thread():
            return task.compute()


def _labels(y: Any) -> np.ndarray:
    return np.unique(np.asarray(to_host(y)))


def _combine(reduction: Reduction, *partials: Any) -> Any:
    return combine_all(reduction, list(partials))


def _reduce_group(function: Callable[..., Any], numbers: list[int], *inputs: Any) -> list[tuple[int, Any]]:
    """Reduce blocks that one worker holds, each by itself; `inputs` are X, y and weights of one after the other."""
    return [(number, function(number, *inputs[3 * i : 3 * i + 3])) for i, number in enumerate(numbers)]


def _combine_groups(combine: Callable[..., Any], *groups: list[tuple[int, Any]]) -> Any:
    """Combine in the order of the blocks, so that the answer does not depend on where they lie."""
    results = sorted(chain.from_iterable(groups), key=itemgetter(0))
    return combine(*(result for _, result in results))


def _union(*labels: np.ndarray) -> np.ndarray:
    present = [found for found in labels if len(found)]
    return np.unique(np.concatenate(present)) if present else np.empty(0)


def delayed_blocks(data: Any) -> list[Any]:
    if data is None:
        return []
    if container_of(data) == "dask.array":
        if data.ndim == 2 and data.numblocks[1] > 1:
            data = data.rechunk({1: -1})
        return list(data.to_delayed().ravel())
    # optimising X and y apart could fuse their partitions differently
    return list(data.to_delayed(optimize_graph=False))


def _map_block(reduction: Reduction, classes: np.ndarray | None, index: int, X: Any, y: Any, sample_weight: Any) -> Any:
    """Reduce one block in a worker."""
    for name, part in (("y", y), ("sample_weight", sample_weight)):
        if part is not None and len(part) != X.shape[0]:
            raise MisalignedBlocksError(
                f"Block {index} has {X.shape[0]} rows of X and {len(part)} of {name}. The partitions of X and "
                f"{name} do not line up; take both from one frame, or repartition one like the other."
            )
    if classes is not None:
        y = place_like(codes_of(y, classes), X)
    if getattr(reduction, "takes_tables", False):
        return fold(reduction, to_host(X), None, None)
    if container_of(X) in GPU and len(X):
        from skdist_gpu.engines.executors.gpu import GpuExecutor, release_memory

        sums = GpuExecutor(_values(X), _values(y), _values(sample_weight), 1, None, Progress()).reduce(reduction)
        release_memory()
        return sums
    return fold(reduction, _values(X), _values(y), _values(sample_weight))


def _values(block: Any) -> Any:
    """Return a block as an array: CuPy for cuDF, NumPy for pandas; arrays and sparse as they are."""
    if block is None:
        return None
    container = container_of(block)
    if container in ("cudf", "cudf.series"):
        return block.to_cupy()
    if container in ("pandas", "pandas.series"):
        return block.to_numpy(dtype=None if _floating(block) else np.float64)
    return block


def _floating(block: Any) -> bool:
    """Whether all columns share a floating dtype, which the block may keep."""
    dtypes = [block.dtype] if container_of(block) == "pandas.series" else list(block.dtypes)
    return len(set(map(str, dtypes))) == 1 and str(dtypes[0]) in ("float32", "float64")
