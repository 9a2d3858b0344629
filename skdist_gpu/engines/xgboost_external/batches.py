"""Rows of data larger than memory, batch after batch, for XGBoost's external memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import is_classifier
from xgboost import DataIter

from skdist_gpu.data.blocks import Block, FileBlocks, MemoryBlocks, StoredBlocks, gathered, given_columns
from skdist_gpu.data.containers import DASK, container_of, find
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.dataset import READ_AHEAD, table_of
from skdist_gpu.data.labels import classes_in
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.xgboost.arguments import checked_in_memory, is_ranker
from skdist_gpu.engines.xgboost_dask.partitions import Coding, check_part, lazy_blocks, look_at, unite
from skdist_gpu.engines.xgboost_external.info import BATCH_BYTES, GPU_BATCH_BYTES

GPU_THREADS = 4  # that make arrays of what files hold, each of a batch; one on the CPU, where memory is scarce
FURTHER = ("base_margin", "qid")  # arguments of fit that belong to rows


@dataclass(frozen=True)
class Rows:
    """Blocks of rows that can be read several times, and what the columns of X are called, where they have names."""

    blocks: MemoryBlocks | FileBlocks | StoredBlocks
    names: list[str] | None
    has_categories: bool = False

    @classmethod
    def like(cls, X: Any, blocks: MemoryBlocks | StoredBlocks) -> Rows:
        """Return blocks of `X`."""
        names = find(X).names(X)
        has_categories = any(str(dtype) == "category" for _, dtype in find(X).fields(X))
        return cls(blocks, None if names is None else list(map(str, names)), has_categories)


def rows_for(job: FitJob, arguments: dict[str, Any], folder: Path) -> Rows:
    """Return the job's rows, with what `arguments` say of them."""
    if is_ranker(job.estimator) and arguments.get("qid") is None and job.info.location == "disk":
        names = table_of(job.X, job.y, job.sample_weight).features
        arguments["qid"] = "qid" if "qid" in names else None
    further = {name: arguments.pop(name) for name in FURTHER if arguments.get(name) is not None}
    size = GPU_BATCH_BYTES if job.device == "gpu" else BATCH_BYTES
    batch_rows = max(1, size // (4 * max(1, job.info.n_features or 1)))
    if job.info.location == "disk":
        table = table_of(job.X, job.y, job.sample_weight)
        missing = [name for name in further.values() if name not in table.features]
        if missing:
            raise ValueError(f"X is read from files, so that {', '.join(further)} must name columns of it.")
        features = tuple(name for name in table.features if name not in further.values())
        n_threads = min(GPU_THREADS, joblib.cpu_count()) if job.device == "gpu" else 1
        table = replace(table, features=features)
        read = partial(
            gathered, n_rows=batch_rows, further=tuple(further.values()), read_ahead=max(READ_AHEAD, 2 * n_threads)
        )
        return Rows(FileBlocks(table, read, further, n_threads), list(features))
    if container_of(job.X) in DASK:
        lazy = lazy_blocks(given_columns(job.X, job.y, job.sample_weight, **further), job.client)
        checked = (check_part(number, block) for number, block in enumerate(lazy.computed()))
        return Rows.like(job.X, StoredBlocks(checked, folder))
    X, y, sample_weight = checked_in_memory(job, in_batches=True)
    further = {name: np.asarray(to_host(column)) for name, column in further.items()}
    return Rows.like(X, MemoryBlocks.of_rows(given_columns(X, y, sample_weight, **further), batch_rows))


def find_coding(rows: Rows, estimator: Any, given: Any) -> Coding:
    """Return the classes, unless they are given, and the categories of all batches; reads only what it must."""
    classes = classes_in(rows.blocks.labels() if given is None else [given]) if is_classifier(estimator) else None
    categories = unite([look_at(block) for block in rows.blocks]) if rows.has_categories else {}
    return Coding(classes, categories)


class BatchIterator(DataIter):
    """What XGBoost reads batches from, several times."""

    def __init__(self, rows: Rows, prepare: Callable[[int, Block], Block | None], **options: Any) -> None:
        self._rows, self._prepare = rows, prepare
        self._parts: Iterator[tuple[int, Block]] = iter(())
        super().__init__(**options)

    def reset(self) -> None:
        """Begin again."""
        self._parts = enumerate(self._rows.blocks)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Give XGBoost the next batch with rows; False at the end."""
        for number, part in self._parts:
            prepared = self._prepare(number, part)
            if prepared is not None:
                input_data(feature_names=self._rows.names, **prepared)
                return True
        return False


def as_xgboost_names(part: Block) -> Block:
    """Return the columns of a batch under the names that a DMatrix has for them."""
    names = {"X": "data", "y": "label", "sample_weight": "weight"}
    return {names.get(name, name): block for name, block in part.items()}
