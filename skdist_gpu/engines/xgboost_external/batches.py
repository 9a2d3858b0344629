"""Rows of data larger than memory, batch after batch, for XGBoost's external memory."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dask
import joblib
import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.multiclass import check_classification_targets
from xgboost import DataIter

from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.dataset import READ_AHEAD, DatasetTable, as_table, in_threads, table_of
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.xgboost.arguments import checked_in_memory, is_ranker, rows_of
from skdist_gpu.engines.xgboost_dask.partitions import Coding, Part, check_part, lazy_blocks, look_at, unite
from skdist_gpu.engines.xgboost_external.info import BATCH_BYTES, GPU_BATCH_BYTES

GPU_THREADS = 4  # that make arrays of what files hold, each of a batch; one on the CPU, where memory is scarce
FURTHER = ("base_margin", "qid")  # arguments of fit that belong to rows


@dataclass(frozen=True)
class FileRows:
    """Columns of a pyarrow dataset or Polars query; `further` are columns of margins and queries."""

    table: DatasetTable
    further: dict[str, str]
    batch_rows: int
    n_threads: int = 1

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return list(self.table.features)

    def parts(self) -> Iterator[Part]:
        """Yield some rows at a time, in their order; several threads make arrays of those that come next."""
        if self.n_threads == 1:
            return map(self._part, self._tables())
        return in_threads(self._part, self._tables(), self.n_threads)

    def _tables(self) -> Iterator[Any]:
        import pyarrow

        waiting: list[Any] = []
        read_ahead = max(READ_AHEAD, 2 * self.n_threads)
        for batch in self.table.batches(read_ahead=read_ahead, further=tuple(self.further.values())):
            waiting.append(as_table(batch))
            if sum(some.num_rows for some in waiting) >= self.batch_rows:
                yield pyarrow.concat_tables(waiting)
                waiting = []
        if waiting:
            yield pyarrow.concat_tables(waiting)

    def _part(self, table: Any) -> Part:
        X, y, weight = self.table.arrays(table)
        part = {"X": X, "y": y, "sample_weight": weight}
        part |= {name: table.column(column).to_numpy() for name, column in self.further.items()}
        return _given(part)

    def labels(self) -> Iterator[np.ndarray]:
        """Yield the labels alone; reads no other column."""
        only = self.table.targets_only()
        return (np.asarray(only.targets(batch)[0]) for batch in only.batches())


@dataclass(frozen=True)
class MemoryRows:
    """Arrays or frames that are there, perhaps mapped from a file, cut into batches."""

    columns: Part
    batch_rows: int

    @property
    def names(self) -> list[str] | None:
        """Names of the features, where a frame has them."""
        return list(map(str, self.columns["X"].columns)) if hasattr(self.columns["X"], "columns") else None

    def parts(self) -> Iterator[Part]:
        """Yield some rows at a time, in their order."""
        for start in range(0, self.columns["X"].shape[0], self.batch_rows):
            some = slice(start, start + self.batch_rows)
            yield {name: rows_of(column, some) for name, column in self.columns.items()}

    def labels(self) -> Iterator[np.ndarray]:
        """Yield the labels alone."""
        yield np.asarray(self.columns["y"])


@dataclass(frozen=True)
class DaskRows:
    """Dask partitions, computed one at a time and once; later passes read them from a folder."""

    columns: Part
    client: Any
    folder: Path

    @property
    def names(self) -> list[str] | None:
        """Names of the features, where a frame has them."""
        return list(map(str, self.columns["X"].columns)) if hasattr(self.columns["X"], "columns") else None

    def parts(self) -> Iterator[Part]:
        """Yield one partition at a time, those without rows left out."""
        for file in self._files:
            with file.open("rb") as stream:
                yield pickle.load(stream)

    def labels(self) -> Iterator[np.ndarray]:
        """Yield the labels alone."""
        return (part["y"] for part in self.parts())

    @cached_property
    def _files(self) -> list[Path]:
        files = []
        for i, blocks in enumerate(lazy_blocks(dict(self.columns))):
            part = {name: to_host(block) for name, block in zip(self.columns, self._compute(blocks), strict=True)}
            part = check_part(i, part)
            if len(part["y"]):
                files.append(self.folder / f"{i}.pickle")
                with files[-1].open("wb") as stream:
                    pickle.dump(part, stream, protocol=5)
        return files

    def _compute(self, blocks: Any) -> Any:
        if self.client is not None:
            return self.client.gather(self.client.compute(list(blocks)))
        return dask.compute(*blocks)


Rows = FileRows | MemoryRows | DaskRows


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
        return FileRows(replace(table, features=features), further, batch_rows, n_threads)
    if container_of(job.X) in DASK:
        columns = {"X": job.X, "y": job.y, "sample_weight": job.sample_weight} | further
        return DaskRows(_given(columns), job.client, folder)
    X, y, sample_weight = checked_in_memory(job, in_batches=True)
    columns = {"X": X, "y": y, "sample_weight": sample_weight}
    columns |= {name: np.asarray(to_host(column)) for name, column in further.items()}
    return MemoryRows(_given(columns), batch_rows)


def find_coding(rows: Rows, estimator: Any, given: Any) -> Coding:
    """Return the classes, unless they are given, and the categories of all batches; reads only what it must."""
    classes = None
    if is_classifier(estimator):
        labels: set[Any] = set() if given is None else set(given)
        for some in rows.labels() if given is None else ():
            labels.update(np.unique(some).tolist())
        classes = np.array(sorted(labels))
        # each twice: labels that all differ look like a regression to scikit-learn
        check_classification_targets(np.repeat(classes, 2))
    categories = {}
    if not isinstance(rows, FileRows) and "category" in map(str, getattr(rows.columns["X"], "dtypes", ())):
        categories = unite([look_at(part) for part in rows.parts()])
    return Coding(classes, categories)


class BatchIterator(DataIter):
    """What XGBoost reads batches from, several times."""

    def __init__(self, rows: Rows, prepare: Callable[[int, Part], Part | None], **options: Any) -> None:
        self._rows, self._prepare = rows, prepare
        self._parts: Iterator[tuple[int, Part]] = iter(())
        super().__init__(**options)

    def reset(self) -> None:
        """Begin again."""
        self._parts = enumerate(self._rows.parts())

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Give XGBoost the next batch with rows; False at the end."""
        for number, part in self._parts:
            prepared = self._prepare(number, part)
            if prepared is not None:
                input_data(feature_names=self._rows.names, **prepared)
                return True
        return False


def as_xgboost_names(part: Part) -> Part:
    """Return the columns of a batch under the names that a DMatrix has for them."""
    names = {"X": "data", "y": "label", "sample_weight": "weight"}
    return {names.get(name, name): block for name, block in part.items()}


def _given(columns: dict[str, Any]) -> Part:
    return {name: column for name, column in columns.items() if column is not None}
