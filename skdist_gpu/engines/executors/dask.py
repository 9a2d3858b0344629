"""Reduce Dask collections where their blocks are."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property, partial
from itertools import chain, groupby, pairwise, zip_longest
from operator import itemgetter
from typing import Any
from uuid import uuid4

import numpy as np
from dask.array import from_delayed
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from sklearn.utils.multiclass import check_classification_targets

from skdist_gpu._compat.dask import call_of, stored_blocks
from skdist_gpu.data.blocks import part_bounds
from skdist_gpu.data.containers import GPU, container_of, find
from skdist_gpu.data.containers.dask import block_to_host
from skdist_gpu.data.convert import result_to_host, to_gpu
from skdist_gpu.data.labels import codes_beside, labels_in
from skdist_gpu.engines.executors.rows_on_worker import RowsOnWorker
from skdist_gpu.engines.reductions.core.protocol import Reduce, Reduction, combine_all, fold
from skdist_gpu.exceptions import MisalignedBlocksError
from skdist_gpu.hardware.threads import one_blas_thread
from skdist_gpu.progress import Progress
from skdist_gpu.protocols import DaskClient

# partial results that one task combines
FAN_IN = 16
# after a pass that took longer, tasks cost little, and Dask knows that its workers are not idle
MOST_CALL_SECONDS = 0.2
# how often a block is sent to a worker that passes it on, since it is busy
MOST_TRIES = 3
# bytes of partial results that may meet at the client
MOST_CLIENT_BYTES = 64 * 2**20

# a block by the keys of its parts: X, y and weights, None for what is not there
Block = tuple[Any, Any, Any]


class DaskExecutor:
    """Run reductions over Dask arrays or frames, with the client if there is one.

    Blocks that workers hold are reduced there by a call to each worker: a task for each would cost
    milliseconds in every pass (docs/adr/0005). For all others there is one task a block, then a tree of
    combining tasks. Either way, a lost worker costs only its blocks.
    """

    def __init__(self, X: Any, y: Any, sample_weight: Any, client: DaskClient, progress: Progress) -> None:
        self.data = (X, y, sample_weight)
        self.parts = [delayed_blocks(part) for part in (X, y, sample_weight)]
        self.client = client
        self.progress = progress
        self.n_passes = 0
        # whether the pass before this one took little time
        self.quick = True
        # futures of blocks of y and weights that were brought to another worker, which keeps them while these live
        self._copies: list[Any] = []
        # set once they are known; reductions then see codes in place of labels
        self.classes: np.ndarray | None = None

    def find_classes(self) -> np.ndarray:
        """Return the sorted labels of all blocks; reads no block of X."""
        labels = DaskExecutor(self.data[1], None, None, self.client, self.progress)
        classes = labels.reduce_blocks(_labels, _union)
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

    def reduce_sample(self, X: Any, y: Any, weight: Any, n_unknowns: int) -> tuple[Reduce, int]:
        """Return the `reduce` of sampled rows, which the GPU of a worker gets, and their number."""
        worker = self._first_worker
        if worker is None:
            return lambda reduction: fold(reduction, X, y, weight), len(X)

        def send(part: np.ndarray | None) -> Any:
            if part is None:
                return None
            sent = self.client.scatter(part, workers=[worker], hash=False)
            placed = self.client.submit(to_gpu, sent, pure=False, workers=[worker])
            return from_delayed(placed, part.shape, part.dtype)

        return DaskExecutor(send(X), send(y), send(weight), self.client, Progress()).reduce, len(X)

    def clusters_of(self, X: np.ndarray, weight: np.ndarray) -> RowsOnWorker | None:
        """Return sampled rows, which the GPU of a worker gets and clusters; None where no worker holds blocks."""
        worker = self._first_worker
        return None if worker is None else RowsOnWorker(self.client, worker, X, weight)

    @property
    def _first_worker(self) -> str | None:
        """Return the address of a worker that holds blocks; None if there is none."""
        return next(iter(self._held), None)

    def reduce_blocks(self, function: Callable[..., Any], combine: Callable[..., Any]) -> Any:
        """Return ``function(number, X, y, sample_weight)`` of all blocks, combined by ``combine(*results)``.

        `combine` is associative, and gets results in the order of the blocks.
        """
        held = self._held if self.quick else {}
        start_time = time.perf_counter()
        totals = self._reduce_where_held(function, combine, held)
        for start, stop in _gaps([numbers for numbers, _ in totals], len(self.parts[0])):
            tasks = [(partial(_on_host, function, i), [keys[i] for keys in self._keys]) for i in range(start, stop)]
            totals.append(((start, stop), self._compute(tasks, combine)))
        self.quick = time.perf_counter() - start_time < MOST_CALL_SECONDS
        if len(totals) == 1:
            return totals[0][1]
        return combine(*(total for _, total in sorted(totals, key=itemgetter(0))))

    def _reduce_where_held(
        self, function: Callable[..., Any], combine: Callable[..., Any], held: dict[str, list[tuple[int, Block]]]
    ) -> list[tuple[tuple[int, int], Any]]:
        """Return the totals of ranges of blocks that workers hold; what is lost meanwhile is left out."""
        n_ranges = sum(len(_ranges(blocks)) for blocks in held.values())
        width = self.data[0].shape[1] if self.data[0].ndim == 2 else 1
        if n_ranges == 0 or 8 * (width + 1) ** 2 * n_ranges > MOST_CLIENT_BYTES:
            return []
        # all workers are called: to look for one that is gone would take until a timeout
        answers = self.client.run(reduce_held, function, combine, held, on_error="return")
        totals = []
        for worker in held:
            answer = answers.get(worker, [])
            if isinstance(answer, Exception):
                if not isinstance(answer, (OSError, KeyError)):  # it is gone, or has just given a block away
                    raise answer
                answer = []
            totals += answer
        if sum(stop - start for (start, stop), _ in totals) < sum(map(len, held.values())):
            del self._held  # the next pass looks again
        return totals

    @cached_property
    def _futures(self) -> list[list[Any]]:
        """Return the futures of the blocks of X, y and weights that workers hold; none where a block is missing.

        Beside an X that workers hold, y and weights are computed once for all passes. The futures are the client's
        own: those of a collection that came with a task belong to no client, and would never be known to be ready.
        """
        if self.client is None:
            return [[] for _ in self.parts]
        pairs = zip(self.data, self.parts, strict=True)
        found = [stored_blocks(data, [block.key for block in part]) if part else [] for data, part in pairs]
        if not found[0]:
            return found
        return [
            stored if stored and all(block.client is self.client for block in stored) else self.client.compute(part)
            for stored, part in zip(found, self.parts, strict=True)
        ]

    @cached_property
    def _keys(self) -> list[list[Any]]:
        """Return the keys of the blocks of X, y and weights."""
        found = zip(self._futures, self.parts, strict=True)
        return [[block.key for block in stored or part] or [None] * len(self.parts[0]) for stored, part in found]

    @cached_property
    def _held(self) -> dict[str, list[tuple[int, Block]]]:
        """Return the numbers of the blocks that each worker holds and their keys; y and weights are brought to X first.

        Of several workers that hold a block, the one with the fewest others gets it.
        """
        held: dict[str, list[tuple[int, Block]]] = defaultdict(list)
        if not self._futures[0]:
            return held
        from distributed import wait

        futures = list(chain.from_iterable(self._futures))
        wait(futures)
        where = self.client.who_has(futures)
        places: dict[str, list[tuple[int, list[Any]]]] = defaultdict(list)
        for i, row in enumerate(zip_longest(*self._futures)):
            worker = min(where[row[0].key], key=lambda worker: (len(places.get(worker, ())), worker), default=None)
            if worker is not None:
                places[worker].append((i, list(row)))
        brought = [
            (worker, blocks, part)
            for worker, numbered in places.items()
            for _, blocks in numbered
            for part, block in enumerate(blocks)
            if block is not None and worker not in where[block.key]
        ]
        self._copies = self._bring([(worker, blocks[part]) for worker, blocks, part in brought])
        for (_, blocks, part), copy in zip(brought, self._copies, strict=True):
            blocks[part] = copy
        for worker, numbered in places.items():
            for i, (X, y, weight) in numbered:
                held[worker].append((i, (X.key, *(None if block is None else block.key for block in (y, weight)))))
        return held

    def _bring(self, blocks: list[tuple[str, Any]]) -> list[Any]:
        """Return copies of blocks in the workers that are named with them, as far as those take them."""
        from distributed import wait

        copies: list[Any] = [block for _, block in blocks]
        where: dict[Any, Any] = {}
        for _ in range(MOST_TRIES if blocks else 0):
            for n, (worker, _) in enumerate(blocks):
                if worker not in where.get(copies[n].key, ()):
                    # others may take it, since this worker may be lost; a busy one passes it on to another
                    place = {"workers": [worker], "allow_other_workers": True}
                    copies[n] = self.client.submit(_itself, copies[n], pure=False, **place)
            wait(copies)
            where = self.client.who_has(copies)
            if all(worker in where.get(copy.key, ()) for (worker, _), copy in zip(blocks, copies, strict=True)):
                break
        return copies

    def _compute(self, tasks: list[tuple[Any, Any]], combine: Callable[..., Any]) -> Any:
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
            groups = {(name, level[0][1] + 1, i): level[i : i + FAN_IN] for i in range(0, len(level), FAN_IN)}
            graph |= {key: call_of(key, combine, group) for key, group in groups.items()}
            level = list(groups)
        blocks = [part[0] for part in self.parts if part]
        task = Delayed(level[0], HighLevelGraph.from_collections(name, graph, dependencies=blocks), layer=name)
        if self.client is not None:
            return self.client.compute(task).result()
        # workers pin BLAS to one thread by themselves, Dask's local threads do not
        with one_blas_thread():
            return task.compute()


async def reduce_held(
    function: Callable[..., Any],
    combine: Callable[..., Any],
    held: dict[str, list[tuple[int, Block]]],
    dask_worker: Any,
) -> list[tuple[tuple[int, int], Any]]:
    """Reduce the blocks that this worker holds, on its own threads, and return the totals of ranges of them."""
    blocks = [
        (number, keys)
        for number, keys in held.get(dask_worker.contact_address, ())
        if all(key is None or key in dask_worker.data for key in keys)
    ]
    loop, threads = asyncio.get_running_loop(), dask_worker.executors["default"]

    def read(keys: Block) -> list[Any]:
        return [None if key is None else dask_worker.data[key] for key in keys]

    async def reduce_range(numbered: list[tuple[int, Block]]) -> tuple[tuple[int, int], Any]:
        total = None
        for number, keys in numbered:
            # read in the event loop, as Dask reads the inputs of a task: a block may have to come from disk;
            # without a name, so that it is gone before the next one is read
            total = await loop.run_in_executor(threads, _add_block, function, combine, total, number, read(keys))
        total = await loop.run_in_executor(threads, _to_host, total)
        return (numbered[0][0], numbered[-1][0] + 1), total

    async def reduce_share(start: int, stop: int) -> list[Any]:
        return [await reduce_range(numbered) for numbered in _ranges(blocks[start:stop])]

    shares = pairwise(part_bounds(len(blocks), max(1, min(len(blocks), dask_worker.state.nthreads))))
    return list(chain.from_iterable(await asyncio.gather(*(reduce_share(*share) for share in shares))))


def _add_block(function: Callable[..., Any], combine: Callable[..., Any], total: Any, number: int, block: Any) -> Any:
    result = function(number, *block)
    if total is None:
        return result
    return combine(total, result) if (pool := _gpu_pool()) is None else pool.from_pool(combine)(total, result)


def _on_host(function: Callable[..., Any], number: int, *block: Any) -> Any:
    return _to_host(function(number, *block))


def _to_host(total: Any) -> Any:
    """Return a total on the host, and give back what memory of a GPU it took."""
    if (pool := _gpu_pool()) is None:
        return total
    total = result_to_host(total)
    pool.release_memory()
    return total


def _gpu_pool() -> Any:
    """Return the module of the memory that work on GPUs takes; None where no block was on a GPU."""
    return sys.modules.get("skdist_gpu.engines.executors.pool")


def _ranges(blocks: list[tuple[int, Block]]) -> list[list[tuple[int, Block]]]:
    """Cut blocks where their numbers leave one out, since totals are combined in the order of all blocks."""
    groups = groupby(enumerate(blocks), key=lambda place: place[1][0] - place[0])
    return [[block for _, block in group] for _, group in groups]


def _gaps(ranges: list[tuple[int, int]], n_blocks: int) -> list[tuple[int, int]]:
    """Return the ranges of numbers that others leave out.

    Examples
    --------
    >>> _gaps([(4, 6), (0, 1)], 7)
    [(1, 4), (6, 7)]
    """
    bounds = [(0, 0), *sorted(ranges), (n_blocks, n_blocks)]
    return [(stop, start) for (_, stop), (start, _) in pairwise(bounds) if stop < start]


def _itself(block: Any) -> Any:
    return block


def _labels(number: int, labels: Any, *others: None) -> np.ndarray:
    return labels_in(labels)


def _combine(reduction: Reduction, *partials: Any) -> Any:
    return combine_all(reduction, list(partials))


def _union(*labels: np.ndarray) -> np.ndarray:
    present = [found for found in labels if len(found)]
    return np.unique(np.concatenate(present)) if present else np.empty(0)


def delayed_blocks(data: Any) -> list[Any]:
    return [] if data is None else find(data).delayed_blocks(data)


def _map_block(reduction: Reduction, classes: np.ndarray | None, index: int, X: Any, y: Any, sample_weight: Any) -> Any:
    """Reduce one block in a worker; the result is where the block is."""
    for name, part in (("y", y), ("sample_weight", sample_weight)):
        if part is not None and len(part) != X.shape[0]:
            raise MisalignedBlocksError(
                f"Block {index} has {X.shape[0]} rows of X and {len(part)} of {name}. The partitions of X and "
                f"{name} do not line up; take both from one frame, or repartition one like the other."
            )
    if classes is not None:
        y = codes_beside(X, y, classes)
    if getattr(reduction, "takes_tables", False):
        return fold(reduction, block_to_host(X), None, None)
    if container_of(X) in GPU and len(X):
        from skdist_gpu.engines.executors.gpu import GpuExecutor

        return GpuExecutor(_values(X), _values(y), _values(sample_weight), 1, None, Progress()).on_device(reduction)
    return fold(reduction, _values(X), _values(y), _values(sample_weight))


def _values(block: Any) -> Any:
    """Return a block as an array of numbers: CuPy for cuDF, NumPy for pandas; arrays and sparse as they are."""
    return None if block is None else find(block).numbers(block)
