"""Our own exact block reductions: on threads, on one GPU, or over Dask."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils import check_array, get_tags

from skdist_gpu._compat.sklearn import in_words_of
from skdist_gpu.data.blocks import part_bounds
from skdist_gpu.data.containers import DASK, GPU, HOST, container_of
from skdist_gpu.data.convert import (
    check_gpu_input,
    check_lazy_input,
    check_table,
    place_like,
    remember_features,
    to_dask,
    to_host,
    validate,
)
from skdist_gpu.data.dataset import DatasetTable, table_of
from skdist_gpu.data.labels import encode
from skdist_gpu.engines.parameters import check_as_scikit_learn
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.reductions.behind import fit_before
from skdist_gpu.engines.reductions.core.protocol import Passes, Reduction, sums_of_any_values, too_few_rows
from skdist_gpu.engines.reductions.gpus import n_gpus
from skdist_gpu.engines.reductions.info import INFO
from skdist_gpu.engines.reductions.kinds import ONE_PASS, REGRESSORS, needs_target, takes_labels
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.exceptions import NotFiniteError
from skdist_gpu.hardware.threads import at_most

# columns up to which a decomposition by several threads of BLAS saves little, and may wait a hundred times as long for
# them on cores that do something else; passes over rows are on threads of their own
FEW_COLUMNS = 1000


def fit(job: FitJob) -> Fitted:
    """Fit the job's estimator from sums over row blocks."""
    if job.device != "gpu":
        return _fit(job)
    from skdist_gpu.engines.executors.pool import from_pool, release_memory

    try:
        fitted: Fitted = from_pool(_fit)(job)
        return fitted
    finally:
        release_memory(n_gpus(job.info, job.resources))


def _fit(job: FitJob) -> Fitted:
    data = _open(job)
    if job.before:
        data = fit_before(job, data if job.sample_weight is None else _open(job.without_weights()), data)
    fit_in_place = next(e.fit for e in entries_for(job.estimator) if e.backend == INFO.name and e.fit is not None)
    few = (job.info.n_features or 0) <= FEW_COLUMNS
    try:
        with at_most(1 if few else None, ("blas",)):
            fit_in_place(job.estimator, data)
    except NotFiniteError:
        if container_of(job.X) in HOST:
            # scikit-learn says more about what to do
            estimator = job.estimator
            finite = "allow-nan" if get_tags(estimator).input_tags.allow_nan else True
            options = {"accept_sparse": True, "ensure_all_finite": finite, "input_name": "X"}
            with np.errstate(invalid="ignore"):
                check_array(to_host(job.X), estimator=estimator, **options)
        raise
    return Fitted(job.estimator)


def _open(job: FitJob) -> Passes:
    """Check the data, or raise scikit-learn's error, and return them as something to pass over."""
    check_as_scikit_learn(job)
    try:
        X, y, sample_weight = _checked(job)
    except ValueError as error:
        raise in_words_of(job.estimator, error, job.X) from None
    classes = None
    if takes_labels(job.estimator):
        if container_of(y) in DASK or job.info.location == "disk":
            classes = _executor(job, X, y, sample_weight).find_classes()
            if not len(classes):
                raise too_few_rows(0, X.shape[1])
        else:
            classes, y = encode(y)
            y = place_like(y, X)
    if job.device == "gpu" and not job.before:
        from skdist_gpu.engines.executors import ahead

        ahead.begin(job.estimator, X, y, job.info.n_targets, 0 if classes is None else len(classes))
    return _passes(job, X, y, sample_weight, classes)


def _passes(job: FitJob, X: Any, y: Any, sample_weight: Any, classes: np.ndarray | None) -> Passes:
    """Return the data as something to pass over, as a whole or in parts."""
    executor = _executor(job, X, y, sample_weight)
    executor.classes = classes

    def reduce_part(reduction: Reduction, start: int, stop: int) -> Any:
        y_part, weight_part = (None if data is None else data[start:stop] for data in (y, sample_weight))
        return None if start == stop else _passes(job, X[start:stop], y_part, weight_part, classes).reduce(reduction)

    def reduce_parts(reduction: Reduction, n_parts: int) -> list[Any]:
        bounds = part_bounds(X.shape[0], n_parts)
        return [reduce_part(reduction, start, stop) for start, stop in pairwise(bounds)]

    def relabel(codes: np.ndarray) -> Passes:
        new_classes = np.arange(codes.max() + 1)
        if from_files:
            return _passes(job, replace(X, codes=codes), None, None, new_classes)
        return _passes(job, X, place_like(codes, X), sample_weight, new_classes)

    from_files = isinstance(X, DatasetTable)
    numbered = from_files or isinstance(X.shape[0], (int, np.integer))
    on_gpu = ("reduce_sample", "resident", "clusters", "clusters_of") if job.device == "gpu" else ()
    on_workers = ("reduce_sample", "clusters_of") if job.device == "dask" and job.info.backing in GPU else ()
    elsewhere = {name: getattr(executor, name) for name in (*on_gpu, *on_workers)}
    return Passes(
        reduce=executor.reduce,
        n_features=X.shape[1],
        target_ndim=_target_ndim(X, y),
        dtype=getattr(X, "dtype", np.dtype(np.float64)),
        input_dtype=_input_dtype(job),
        weighted=job.info.weighted,
        target_dtype=getattr(y, "dtype", np.dtype(np.float64)),
        sparse=job.info.sparse,
        classes=classes,
        n_rows=int(X.shape[0]) if numbered and not from_files else None,
        reduce_parts=(executor.reduce_parts if from_files else reduce_parts) if numbered else None,
        relabel=relabel if numbered else None,
        **elsewhere,
    )


def _input_dtype(job: FitJob) -> np.dtype:
    """Return the dtype of the numbers that the user gave; float64 for columns of several."""
    try:
        dtype = np.dtype(job.info.dtype)
    except TypeError:
        return np.dtype(np.float64)
    return dtype if dtype.kind in "biuf" else np.dtype(np.float64)


def _target_ndim(X: Any, y: Any) -> int:
    if isinstance(X, DatasetTable):
        return 0 if X.target is None else 1 if isinstance(X.target, str) else 2
    return getattr(y, "ndim", 0)


def _takes_tables(estimator: Any) -> bool:
    """Whether a fit counts values of any kind, text among them."""
    encodes = type(estimator).__name__ in ("OneHotEncoder", "OrdinalEncoder")
    return encodes or getattr(estimator, "strategy", "") in ("most_frequent", "constant")


def _checked(job: FitJob) -> tuple[Any, Any, Any]:
    """Return the data ready for an executor, or raise scikit-learn's error before any work."""
    y = job.y if needs_target(job.estimator) else None
    if y is None and hasattr(job.estimator, "score_func"):
        raise ValueError("estimator requires y to be passed, but the target y is None")
    data = (job.estimator, job.X, y, job.sample_weight)
    container, tables = container_of(job.X), _takes_tables(job.estimator)
    if job.info.location == "disk":
        table = table_of(job.X, job.y, job.sample_weight, as_frames=tables)
        remember_features(job.estimator, table, y)
        return table if y is not None else replace(table, target=None), None, None
    if container in DASK:
        return check_lazy_input(*data, labels=takes_labels(job.estimator), text=tables, client=job.client)
    if tables:
        with sums_of_any_values():
            X = check_table(job.estimator, job.X)
        return to_dask(X) if job.device == "dask" else X, None, None
    if container in GPU:
        return check_gpu_input(*data, labels=takes_labels(job.estimator))
    # the sums tell whether all values of X are finite; where one pass sums X and y together, they tell the same of y
    tags = get_tags(job.estimator)
    # scikit-learn's ridge has an error of its own for solvers that do not take sparse rows
    sparse = tags.input_tags.sparse or type(job.estimator).__name__ in ("Ridge", "RidgeClassifier")
    sparse, several = sparse and job.device != "gpu", tags.target_tags.multi_output
    summed = type(job.estimator).__name__ in REGRESSORS
    X, y, sample_weight = validate(*data, sparse=sparse, multi_target=several, finite=False, finite_target=not summed)
    if y is not None and y.dtype == object and not takes_labels(job.estimator):
        y = y.astype(np.float64)
    if job.device == "dask":
        return to_dask(X), to_dask(y), to_dask(sample_weight)
    return X, y, sample_weight


def _executor(job: FitJob, X: Any, y: Any, sample_weight: Any) -> Any:
    """Choose the executor, and import only what it needs."""
    if job.info.location == "disk" and job.device == "cpu":
        from skdist_gpu.engines.executors.stream import StreamExecutor

        return StreamExecutor(X, job.resources.n_cores, job.progress)
    if job.device == "dask":
        from skdist_gpu.engines.executors.dask import DaskExecutor

        return DaskExecutor(X, y, sample_weight, job.client, job.progress)
    if job.device == "gpu":
        from skdist_gpu.engines.executors.gpu import GpuExecutor
        from skdist_gpu.engines.executors.gpus import GpusExecutor

        several_passes = type(job.estimator).__name__ not in ONE_PASS
        options = (X, y, sample_weight, job.resources.n_cores, job.memory_budget, job.progress, several_passes)
        n = n_gpus(job.info, job.resources)
        return GpuExecutor(*options) if n == 1 else GpusExecutor(*options, n)
    from skdist_gpu.engines.executors.threads import ThreadsExecutor

    return ThreadsExecutor(X, y, sample_weight, job.resources.n_cores, job.progress)
