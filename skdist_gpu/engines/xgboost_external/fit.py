"""XGBoost on one machine from data larger than memory: compressed pages on disk, or in main memory for a GPU."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from xgboost import ExtMemQuantileDMatrix, config_context

from skdist_gpu._compat.xgboost import fit_from
from skdist_gpu.config import format_bytes
from skdist_gpu.data.blocks import Block, FileBlocks
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.xgboost.arguments import (
    bring_home,
    check_classes,
    fit_arguments,
    is_ranker,
    lend,
    require_gpu,
    with_memory_errors,
)
from skdist_gpu.engines.xgboost.fit import encode_eval_set, show_rounds
from skdist_gpu.engines.xgboost.holdout import RowDraw, wanted_fraction
from skdist_gpu.engines.xgboost.info import GPU_ROW_BYTES
from skdist_gpu.engines.xgboost.reproducible import Table, pooled, sampled, stride_of, table_of_quantiles
from skdist_gpu.engines.xgboost_dask.partitions import Coding, check_part, code_part, draw_part
from skdist_gpu.engines.xgboost_external.batches import (
    BatchIterator,
    Rows,
    as_xgboost_names,
    find_coding,
    rows_for,
)
from skdist_gpu.engines.xgboost_external.info import GPU_BATCH_BYTES
from skdist_gpu.exceptions import EngineRefusal

# bytes on disk for each value: its bin, by row and by column
CACHE_BYTES = 2.5


def fit(job: FitJob) -> Fitted:
    """Fit with XGBoost's own `fit`, from pages that are built batch after batch."""
    arguments, estimator = fit_arguments(job), job.estimator
    wanted = lend(estimator)
    with tempfile.TemporaryDirectory(prefix="skdist_gpu-") as folder:
        if job.device == "gpu":
            estimator.device = estimator.device or "cuda"
        else:
            _check_disk(job, folder)
        rows = rows_for(job, arguments, Path(folder))
        coding = find_coding(rows, estimator, arguments.pop("classes", None))
        if coding.classes is not None:
            check_classes(coding.classes, job)
            encode_eval_set(arguments, coding.classes)
        fraction = wanted_fraction(job.options, estimator, arguments)
        draw = None if fraction is None else RowDraw.of(fraction, estimator, job.info.n_samples)
        if job.options.get("reproducible"):
            coding = replace(coding, table=_quantiles(job, rows), missing=estimator.missing)
        matrices = _Matrices(job, rows, coding, Path(folder), draw)
        # the matrices hold the rows; XGBoost's fit looks at y for the classes alone
        labels = np.arange(1 if coding.classes is None else len(coding.classes))
        arguments |= {"X": rows, "y": labels}
        if draw is not None:
            arguments |= {"eval_set": [(draw, labels)], "verbose": arguments.get("verbose", False)}
            arguments |= {"eval_qid": [np.zeros(1, np.uint32)]} if is_ranker(estimator) else {}
        if is_ranker(estimator):
            arguments["qid"] = np.zeros(1, np.uint32)
        show_rounds(job)
        with config_context(**({"use_cuda_async_pool": True} if job.device == "gpu" else {})):
            with_memory_errors(fit_from, estimator, matrices.make, arguments)
        job.progress.finish()
    if job.device == "gpu":
        require_gpu(estimator.get_booster())
    bring_home(estimator, wanted)
    return Fitted(estimator, coding.classes)


@dataclass(frozen=True)
class _Matrices:
    """Build XGBoost's matrices from the batches of a job."""

    job: FitJob
    rows: Rows
    coding: Coding
    folder: Path
    draw: RowDraw | None

    def make(self, data: Any, ref: Any, missing: float, enable_categorical: bool, **_: Any) -> Any:
        """Return the matrix to train on, or that of the rows held out; None for data that are neither."""
        if data is not self.rows and data is not self.draw:
            return None
        estimator, on_gpu = self.job.estimator, self.job.device == "gpu"
        options = {"on_host": True, "min_cache_page_bytes": GPU_BATCH_BYTES // 4} if on_gpu else {}
        prefix = str(self.folder / ("train" if ref is None else "held_out"))
        batches = BatchIterator(self.rows, partial(self._prepare, ref is not None), cache_prefix=prefix, **options)
        return ExtMemQuantileDMatrix(
            batches,
            missing=missing,
            nthread=estimator.n_jobs,
            max_bin=estimator.max_bin,
            ref=ref,
            enable_categorical=enable_categorical,
            cache_host_ratio=_cache_host_ratio(self.job) if on_gpu else None,
        )

    def _prepare(self, held_out: bool, number: int, part: Block) -> Block | None:
        """Check a batch, replace labels by codes, and bring it to the device; None if no row is wanted."""
        part = check_part(number, part)
        if self.draw is not None:
            part = draw_part(part, number, self.draw, held_out)
            if not len(part["y"]):
                return None
        part = code_part(part, self.coding, keep_weightless=True)
        if self.job.device == "gpu":
            part["X"] = _on_gpu(part["X"])
        return as_xgboost_names(part)


def _quantiles(job: FitJob, rows: Rows) -> Table:
    """Return the values to round to, from evenly spaced rows."""
    known = None if isinstance(rows.blocks, FileBlocks) else job.info.n_samples
    stride = stride_of(known or rows.blocks.count_rows())
    start, samples = 0, []
    for block in rows.blocks:
        samples.append(sampled(block["X"], start, stride))
        start += len(block["y"])
    return table_of_quantiles(pooled(samples), job.estimator.max_bin, job.estimator.missing)


def _check_disk(job: FitJob, folder: str) -> None:
    free = shutil.disk_usage(folder).free
    needed = CACHE_BYTES * (job.info.n_elements or 0)
    if needed > free:
        raise EngineRefusal(
            f"the pages take about {format_bytes(needed)} in {folder}, where {format_bytes(free)} are free. Nothing "
            "was computed; the environment variable TMPDIR names another folder"
        )


def _cache_host_ratio(job: FitJob) -> float | None:
    """Return the part of the pages to keep in main memory: what a budget leaves no room for on the GPU."""
    info = job.info
    if job.memory_budget is None or info.n_elements is None or info.n_samples is None:
        return None  # XGBoost looks at the memory itself
    room = job.memory_budget - GPU_ROW_BYTES * info.n_samples * max(1, info.n_targets) - 6 * GPU_BATCH_BYTES
    return float(np.clip(1 - room / max(1, info.n_elements), 0, 1))


def _on_gpu(X: Any) -> Any:
    if hasattr(X, "columns"):
        import cudf

        return cudf.from_pandas(X)
    import cupy

    return cupy.asarray(X, dtype=np.float32)
