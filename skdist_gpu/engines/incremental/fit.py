"""Train block after block with `partial_fit`: data larger than memory, one block of it at a time.

Each block waits for the one before, so that more cores or workers do not make it faster. Blocks of
Dask are met where they are, and the model travels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from itertools import pairwise
from typing import Any

import dask
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.data.convert import check_lazy_input, remember_features, to_host, validate
from skdist_gpu.data.dataset import DatasetTable, shuffled, table_of
from skdist_gpu.data.labels import encode
from skdist_gpu.engines.executors.dask import DaskExecutor
from skdist_gpu.engines.executors.stream import StreamExecutor
from skdist_gpu.engines.incremental.info import BLOCK_ROWS
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import EngineRefusal

# blocks of Dask that one graph trains on: workers read them ahead
GROUP = 8


def fit(job: FitJob) -> Fitted:
    """Train the job's estimator on all blocks, in `epochs` passes.

    Arguments of `fit` beside the data: `epochs`, 1 if not given; `shuffle`, whether the blocks come
    in another order in each epoch, drawn with the estimator's `random_state`; and `classes` of a
    classifier, which saves the pass over `y` that finds them.
    """
    estimator = job.estimator
    epochs, shuffle, classes = _arguments(**job.fit_params)
    if shuffle and job.info.container == "polars.lazy":
        raise ValueError("A Polars query has no blocks to shuffle. Nothing was read. Write it to Parquet files first.")
    takes = signature(estimator.partial_fit).parameters
    if job.sample_weight is not None and "sample_weight" not in takes:
        raise EngineRefusal(f"{type(estimator).__name__}.partial_fit takes no sample_weight")
    random = check_random_state(getattr(estimator, "random_state", None)) if shuffle else None
    data = blocks_of(job, multi_target=get_tags(estimator).target_tags.multi_output)
    given = {}
    if is_classifier(estimator) and "classes" in takes:
        given["classes"] = data.find_classes() if classes is None else np.asarray(classes)
    for epoch in range(epochs):
        job.progress.start(f"epoch {epoch + 1} of {epochs}", total=data.n_blocks)
        # only the first call may need the classes; some refuse them later
        estimator = data.train(estimator, given, random, job.progress.advance)
        job.progress.finish()
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required: no block has rows.") from None
    return Fitted(estimator)


def _arguments(epochs: int = 1, shuffle: bool = False, classes: Any = None, **unknown: Any) -> tuple[int, bool, Any]:
    if unknown:
        names = ", ".join(sorted(unknown))
        raise TypeError(f"fit() takes epochs, shuffle and classes here, not {names}. Nothing was read.")
    if epochs < 1:
        raise ValueError(f"epochs={epochs} is not at least 1.")
    return epochs, shuffle, classes


def blocks_of(job: FitJob, multi_target: bool) -> Any:
    """Return the data of a fit as blocks of rows, checked as far as that costs no pass."""
    if container_of(job.X) in DASK:
        return DaskBlocks(job)
    if job.info.location == "disk":
        return FileBlocks(table_of(job.X, job.y, job.sample_weight, as_frames=True), job)
    return MemoryBlocks(job, multi_target)


def step(estimator: Any, given: dict[str, Any], X: Any, y: Any, sample_weight: Any) -> Any:
    """Return the estimator after one more block."""
    if X.shape[0] == 0:
        return estimator
    weights = {} if sample_weight is None else {"sample_weight": np.asarray(sample_weight)}
    target = {} if y is None else {"y": np.asarray(y)}
    return estimator.partial_fit(X, **target, **weights, **given)


class MemoryBlocks:
    """Rows in main memory, or in a file that is mapped to it."""

    def __init__(self, job: FitJob, multi_target: bool) -> None:
        tags = get_tags(job.estimator)
        options = {"sparse": tags.input_tags.sparse, "multi_target": multi_target}
        # scikit-learn's errors before any work; each block is checked for values that are not finite
        y = job.y if tags.target_tags.required else None
        X, self.y, self.weight = validate(clone(job.estimator), job.X, y, job.sample_weight, finite=False, **options)
        frame = to_host(job.X)
        self.rows = getattr(frame, "iloc", frame) if hasattr(frame, "columns") else X
        self.n_rows = X.shape[0]
        self.n_blocks = max(1, -(-self.n_rows // BLOCK_ROWS))

    def find_classes(self) -> np.ndarray:
        return encode(self.y)[0]

    def train(self, estimator: Any, given: dict[str, Any], random: Any, advance: Callable[[], None]) -> Any:
        for i in _order(self.n_blocks, random):
            estimator = step(estimator, given, *self._part(slice(i * BLOCK_ROWS, (i + 1) * BLOCK_ROWS)))
            advance()
        return estimator

    def read(self, n_rows: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield X, y and weights of blocks of the same size, of `n_rows` at most."""
        n_blocks = -(-self.n_rows // n_rows)
        bounds = [self.n_rows * i // n_blocks for i in range(n_blocks + 1)]
        return (self._part(slice(start, stop)) for start, stop in pairwise(bounds))

    def _part(self, rows: slice) -> tuple[Any, Any, Any]:
        y, weight = (None if part is None else part[rows] for part in (self.y, self.weight))
        return self.rows[rows], y, weight


class FileBlocks:
    """Rows of a dataset or a query."""

    def __init__(self, table: DatasetTable, job: FitJob) -> None:
        remember_features(clone(job.estimator), table, job.y)
        self.table, self.job = table, job
        self.n_blocks = None if job.info.n_samples is None else -(-job.info.n_samples // BLOCK_ROWS)

    def find_classes(self) -> np.ndarray:
        return StreamExecutor(self.table, self.job.resources.n_cores, self.job.progress).find_classes()

    def train(self, estimator: Any, given: dict[str, Any], random: Any, advance: Callable[[], None]) -> Any:
        table = self.table if random is None else replace(self.table, dataset=shuffled(self.table.dataset, random))
        for batch in table.batches(BLOCK_ROWS):
            estimator = step(estimator, given, *table.arrays(batch))
            advance()
        return estimator

    def read(self, n_rows: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield X, y and weights of blocks of `n_rows`, across files."""
        return (self.table.arrays(rows) for rows in self.table.whole_blocks(n_rows))


class DaskBlocks:
    """Blocks of Dask, with the client if there is one."""

    def __init__(self, job: FitJob) -> None:
        if type(job.estimator).__name__ == "Birch":
            raise EngineRefusal(
                "a copy of a Birch tree does not go on as the tree would, and a model travels as a copy"
            )
        # a clone, since the first partial_fit is told by what the estimator does not have yet
        labels = is_classifier(job.estimator)
        data = (clone(job.estimator), job.X, job.y, job.sample_weight)
        X, y, weight = check_lazy_input(*data, labels=labels, client=job.client)
        self.executor = DaskExecutor(X, y, weight, job.client, job.progress)
        self.client = job.client
        self.n_blocks = len(self.executor.parts[0])
        parts = (part or [None] * self.n_blocks for part in self.executor.parts)
        self.blocks: list[Any] = list(zip(*parts, strict=True))

    def find_classes(self) -> np.ndarray:
        return self.executor.find_classes()

    def train(self, estimator: Any, given: dict[str, Any], random: Any, advance: Callable[[int], None]) -> Any:
        order = _order(self.n_blocks, random)
        for start in range(0, self.n_blocks, GROUP):
            group = [self.blocks[i] for i in order[start : start + GROUP]]
            estimator = self._compute(_chain(estimator, given, group))
            advance(len(group))
        return estimator

    def _compute(self, model: Any) -> Any:
        if self.client is not None:
            return self.client.compute(model).result()
        return model.compute()


def _chain(estimator: Any, given: dict[str, Any], blocks: list[Any]) -> Any:
    """Return the lazy estimator after a few blocks, each waiting for the one before."""
    train = dask.delayed(_copied_step, pure=False, traverse=False)
    model = dask.delayed(estimator, pure=False, traverse=False)
    for block in blocks:
        model = train(model, given, *block)
    return model


def _copied_step(estimator: Any, given: dict[str, Any], X: Any, y: Any, sample_weight: Any) -> Any:
    """Return a copy that has seen one more block: Dask may run a task again if a worker is lost."""
    return step(deepcopy(estimator), given, to_host(X), to_host(y), to_host(sample_weight))


def _order(n_blocks: int, random: Any) -> np.ndarray:
    return np.arange(n_blocks) if random is None else random.permutation(n_blocks)
