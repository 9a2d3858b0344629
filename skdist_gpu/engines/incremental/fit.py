"""Train block after block with `partial_fit`: data larger than memory, one block of it at a time.

Each block waits for the one before, so that more cores or workers do not make it faster. Blocks of
Dask are met where they are, and the model travels.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from inspect import signature
from numbers import Integral
from typing import Any

import dask
import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from skdist_gpu.data.blocks import Block, DaskBlocks, FileBlocks, MemoryBlocks, given_columns, own_rows
from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.data.convert import check_lazy_input, remember_features, to_host, validate
from skdist_gpu.data.dataset import DatasetTable, table_of
from skdist_gpu.data.labels import classes_in
from skdist_gpu.engines.incremental.info import BLOCK_ROWS
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import EngineRefusal

# blocks of Dask that one graph trains on: workers read them ahead
GROUP = 8

Blocks = MemoryBlocks | FileBlocks | DaskBlocks


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
    if container_of(job.X) in DASK and type(estimator).__name__ == "Birch":
        raise EngineRefusal("a copy of a Birch tree does not go on as the tree would, and a model travels as a copy")
    takes = signature(estimator.partial_fit).parameters
    if job.sample_weight is not None and "sample_weight" not in takes:
        raise EngineRefusal(f"{type(estimator).__name__}.partial_fit takes no sample_weight")
    random = check_random_state(getattr(estimator, "random_state", None)) if shuffle else None
    blocks = blocks_of(job, BLOCK_ROWS, multi_target=get_tags(estimator).target_tags.multi_output)
    given = {}
    if is_classifier(estimator) and "classes" in takes:
        given["classes"] = classes_in(blocks.labels()) if classes is None else np.asarray(classes)
    for epoch in range(epochs):
        job.progress.start(f"epoch {epoch + 1} of {epochs}", total=_number_of(blocks, job))
        # only the first call may need the classes; some refuse them later
        estimator = _train(estimator, given, blocks if random is None else blocks.shuffled(random), job)
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
    if not isinstance(epochs, Integral):
        raise TypeError(f"epochs={epochs!r} is no whole number. Nothing was read.")
    if epochs < 1:
        raise ValueError(f"epochs={epochs} is not at least 1.")
    return epochs, shuffle, classes


def blocks_of(job: FitJob, n_rows: int, multi_target: bool, across_files: bool = False) -> Blocks:
    """Return the data of a fit as blocks of `n_rows` rows, of Dask as they are; checked as far as that costs no pass.

    With `across_files` blocks go on in the next file, and those of data in memory are of the same size, or less.
    """
    if container_of(job.X) in DASK:
        return _lazy_blocks(job)
    if job.info.location == "disk":
        table = table_of(job.X, job.y, job.sample_weight, as_frames=True)
        remember_features(_checker(job.estimator), table, job.y)
        read = DatasetTable.whole_blocks if across_files else DatasetTable.batches
        return FileBlocks(table, partial(read, n_rows=n_rows))
    columns = _checked_columns(job, multi_target)
    if across_files:
        return MemoryBlocks.in_parts(columns, max(1, -(-columns["X"].shape[0] // n_rows)))
    return MemoryBlocks.of_rows(columns, n_rows)


class _KeepsNoFeatures:
    """What a wrapper says of its features is said by what it wraps, and cannot be set."""

    @property
    def n_features_in_(self) -> int:
        raise AttributeError

    @n_features_in_.setter
    def n_features_in_(self, value: int) -> None:
        pass


def _checker(estimator: Any) -> Any:
    """Return what data are checked with: the first `partial_fit` is told by what the estimator does not have yet."""
    checker, cls = clone(estimator), type(estimator)
    if isinstance(getattr(cls, "n_features_in_", None), property):
        checker.__class__ = type(cls.__name__, (_KeepsNoFeatures, cls), {})
    return checker


def _checked_columns(job: FitJob, multi_target: bool) -> Block:
    """Return data in memory with scikit-learn's errors before any work; a model checks for what is not finite."""
    tags = get_tags(job.estimator)
    options = {"sparse": tags.input_tags.sparse, "multi_target": multi_target}
    # a few regressors do not require the target that they learn
    y = job.y if tags.target_tags.required or is_regressor(job.estimator) else None
    X, y, weight = validate(_checker(job.estimator), job.X, y, job.sample_weight, finite=False, **options)
    frame = to_host(job.X)
    return given_columns(frame if hasattr(frame, "columns") else X, y, weight)


def _lazy_blocks(job: FitJob) -> DaskBlocks:
    data = (_checker(job.estimator), job.X, job.y, job.sample_weight)
    X, y, weight = check_lazy_input(*data, labels=is_classifier(job.estimator), client=job.client)
    return DaskBlocks.of(given_columns(X, y, weight), job.client)


def _number_of(blocks: Blocks, job: FitJob) -> int | None:
    """Return the number of blocks, None for files that do not tell their rows."""
    if not isinstance(blocks, FileBlocks):
        return len(blocks)
    return None if job.info.n_samples is None else -(-job.info.n_samples // BLOCK_ROWS)


def _train(estimator: Any, given: dict[str, Any], blocks: Blocks, job: FitJob) -> Any:
    """Return the estimator after one pass over the blocks."""
    if isinstance(blocks, DaskBlocks):
        for start in range(0, len(blocks), GROUP):
            group = blocks[start : start + GROUP]
            (estimator,) = blocks.compute([_chain(estimator, given, group)])
            job.progress.advance(len(group))
        return estimator
    for block in blocks:
        estimator = step(estimator, given, **block)
        job.progress.advance()
    return estimator


def step(estimator: Any, given: dict[str, Any], X: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return the estimator after one more block."""
    if X.shape[0] == 0:
        return estimator
    weights = {} if sample_weight is None else {"sample_weight": np.asarray(sample_weight)}
    target = {} if y is None else {"y": np.asarray(y)}
    estimator.partial_fit(X, **target, **weights, **given)
    return estimator  # some return nothing


def _chain(estimator: Any, given: dict[str, Any], blocks: Sequence[Block]) -> Any:
    """Return the lazy estimator after a few blocks, each waiting for the one before."""
    train = dask.delayed(_copied_step, pure=False, traverse=False)
    model = dask.delayed(estimator, pure=False, traverse=False)
    for block in blocks:
        model = train(model, given, **block)
    return model


def _copied_step(estimator: Any, given: dict[str, Any], **block: Any) -> Any:
    """Return a copy that has seen one more block: Dask may run a task again if a worker is lost."""
    columns = {name: to_host(column) for name, column in block.items()}
    return step(deepcopy(estimator), given, **columns | {"X": own_rows(estimator, columns["X"])})
