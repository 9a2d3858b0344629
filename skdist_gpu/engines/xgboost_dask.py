"""XGBoost on the workers of a Dask cluster; the result needs neither the cluster nor Dask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets

from skdist_gpu._compat.sklearn import check_sample_weight
from skdist_gpu._compat.xgboost import adopt_booster
from skdist_gpu.data.convert import check_aligned, split_like, to_host
from skdist_gpu.data.kinds import DASK, GPU, container_of
from skdist_gpu.data.labels import codes_of
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.xgboost import bring_home, checked_in_memory, require_gpu, with_memory_errors
from skdist_gpu.exceptions import EngineRefusal, MisalignedBlocksError

FIT_PARAMS = {"eval_set", "verbose", "xgb_model"}


def fit(job: FitJob) -> Fitted:
    """Fit on the workers, and put the model into the job's plain estimator."""
    from xgboost.dask import DaskXGBRegressor

    estimator, fit_params = job.estimator, dict(job.fit_params)
    wanted = {"device": estimator.device, "n_jobs": estimator.n_jobs}
    _check_fit_params(fit_params)
    lazy = container_of(job.X) in DASK
    blocks_on_gpu = lazy and job.info.backing in GPU
    on_gpu = blocks_on_gpu or str(estimator.device).startswith(("cuda", "gpu"))
    if on_gpu and not blocks_on_gpu and job.resources.cluster and not job.resources.cluster.n_gpus:
        raise EngineRefusal(
            f"device={estimator.device!r} was asked for, and none of the {job.resources.cluster.n_workers} Dask "
            "workers reports a GPU. Nothing was computed; leave device at None, or start the workers with dask_cuda"
        )
    X, y, sample_weight = (job.X, job.y, job.sample_weight) if lazy else checked_in_memory(job)
    X = X.to_pandas() if container_of(X) == "polars" else X  # Dask knows no other frames
    parts, looks = _start(job.client, X, y, sample_weight)
    if not any(len(look.labels) for look in looks):
        raise ValueError("Found array with 0 sample(s) in all partitions while a minimum of 1 is required.")
    if not any(look.rows for look in looks):
        raise ValueError("Sample weights must contain at least one non-zero number.")
    classes = _classes(looks) if is_classifier(estimator) else None
    coding = _Coding(classes, _categories(looks))

    derived = _objective(estimator, classes)
    params = estimator.get_params() | derived
    if on_gpu:
        params["device"] = estimator.device or "cuda"
    X, y, sample_weight = _collections(job.client, X, parts, looks, coding)
    del parts  # the workers keep what they train on, once
    if fit_params.get("eval_set"):
        pairs = fit_params["eval_set"]
        fit_params["eval_set"] = [_evaluation(job.client, pair, coding) for pair in pairs]
    if "xgb_model" in fit_params:
        fit_params["xgb_model"] = getattr(fit_params["xgb_model"], "estimator_", fit_params["xgb_model"])

    # XGBoost's Dask regressor trains any objective as it stands; its classifier would replace the objective
    trainer = DaskXGBRegressor(**params)
    trainer.client = job.client
    job.progress.start(f"{type(estimator).__name__} on {len(looks)} Dask partitions")
    with job.client.as_current():  # XGBoost asks Dask for the current one, too
        with_memory_errors(trainer.fit, X, y, sample_weight=sample_weight, **fit_params)
    job.progress.finish()

    booster = trainer.get_booster()
    if on_gpu and job.resources.gpus:  # a client without a GPU reads every model as one for the CPU
        require_gpu(booster)
    history = trainer.evals_result() if fit_params.get("eval_set") else {}
    adopt_booster(estimator, booster, None if classes is None else len(classes), history)
    estimator.objective = derived.get("objective", estimator.objective)  # as XGBClassifier.fit does
    bring_home(estimator, wanted)
    return Fitted(estimator, classes)


def _check_fit_params(fit_params: dict[str, Any]) -> None:
    unknown = sorted(set(fit_params) - FIT_PARAMS)
    if unknown:
        raise EngineRefusal(
            f"xgboost.dask takes the fit arguments {', '.join(sorted(FIT_PARAMS))}, not {', '.join(unknown)}. "
            "Nothing was computed; leave them out, or gather the data and use backend='xgboost'"
        )


def _objective(estimator: Any, classes: np.ndarray | None) -> dict[str, Any]:
    """Return the parameters that XGBClassifier, too, derives from the number of classes."""
    if classes is None or len(classes) <= 2:
        return {}
    softmax = estimator.objective == "multi:softmax"
    return {"objective": "multi:softmax" if softmax else "multi:softprob", "num_class": len(classes)}


# --- one task a partition, so that X, y and weights cannot come apart -----------------------


@dataclass(frozen=True)
class _Look:
    """What the client must know of a partition; `rows` counts those that weigh something."""

    rows: int
    labels: np.ndarray
    targets: tuple[int, ...]
    categories: dict[str, Any]
    weighted: bool


@dataclass(frozen=True)
class _Coding:
    """How labels and categories become codes, the same in every partition."""

    classes: np.ndarray | None
    categories: dict[str, Any] = field(default_factory=dict)


def _start(client: Any, X: Any, y: Any, sample_weight: Any) -> tuple[list[Any], list[_Look]]:
    """Check what can be checked, then compute every partition on the workers, once."""
    if y is None:
        raise ValueError("XGBoost requires y to be passed, but the target y is None. Nothing was computed.")
    columns = {"X": X, "y": y} | ({} if sample_weight is None else {"sample_weight": sample_weight})
    blocks = _lazy_blocks(columns) if container_of(X) in DASK else _memory_blocks(client, columns)
    parts = list(client.persist([dask.delayed(_part)(i, *block) for i, block in enumerate(blocks)]))
    looks = client.gather(client.compute([dask.delayed(_look)(part) for part in parts]))
    return parts, looks


def _lazy_blocks(columns: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    X = columns["X"]
    _check_columns(X)
    for name, column in columns.items():
        columns[name] = split_like(column, X, name)
        check_aligned(X, columns[name], name)
    return zip(*(_delayed(column) for column in columns.values()), strict=True)


def _memory_blocks(client: Any, columns: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Cut data in memory into a block for each thread of the cluster, and send them there."""
    n_rows, n_blocks = columns["X"].shape[0], sum(client.nthreads().values())
    bounds = np.linspace(0, n_rows, min(n_blocks, n_rows) + 1).astype(int)
    slices = [slice(start, stop) for start, stop in pairwise(bounds)]
    blocks = [[_rows(column, rows) for rows in slices] for column in columns.values()]
    return zip(*(client.scatter(column) for column in blocks), strict=True)


def _rows(column: Any, which: Any) -> Any:
    return column.iloc[which] if hasattr(column, "iloc") else column[which]


def _check_columns(X: Any) -> None:
    if X.shape[1] == 0:
        raise ValueError("Found array with 0 feature(s) in X while a minimum of 1 is required. Nothing was computed.")
    dtypes = dict(X.dtypes) if container_of(X) == "dask.dataframe" else {"X": X.dtype}
    bad = [str(c) for c, t in dtypes.items() if getattr(t, "kind", "O") not in "biuf" and str(t) != "category"]
    if bad:
        raise ValueError(
            f"could not convert string to float: X has columns that are neither numbers nor categories: "
            f"{', '.join(bad[:8])}. Nothing was computed. Make them categories with X.astype('category'), or drop them."
        )


def _delayed(column: Any) -> list[Any]:
    if container_of(column) == "dask.array":
        column = column.rechunk({1: -1}) if column.ndim == 2 else column
        return column.to_delayed(optimize_graph=False).ravel().tolist()
    # the full optimisation would fuse Parquet partitions, and differently for X and y
    return column.simplify().to_delayed(optimize_graph=False)


def _part(index: int, X: Any, y: Any, weight: Any = None) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """Check one partition; runs on a worker."""
    y = np.asarray(to_host(y))
    y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
    if X.shape[0] != len(y) or (weight is not None and X.shape[0] != len(weight)):
        more = "" if weight is None else f", sample_weight has {len(weight)}"
        raise MisalignedBlocksError(
            f"Partition {index} of X has {X.shape[0]} rows, of y {len(y)}{more}. Nothing was fitted. "
            "Take X, y and weights from one persisted frame, or give them the same partitions."
        )
    assert_all_finite(y, input_name="y")
    if isinstance(X, np.ndarray):
        assert_all_finite(X, allow_nan=True, input_name="X")
    if weight is not None:
        weight = np.asarray(to_host(weight), dtype=np.float64).reshape(len(y))
        weight = check_sample_weight(weight, weight, ensure_non_negative=True, allow_all_zero_weights=True)
    return X, y, weight


def _look(part: tuple[Any, np.ndarray, np.ndarray | None]) -> _Look:
    X, y, weight = part
    frame_types = dict(getattr(X, "dtypes", {}))
    categories = {c: X[c].cat.categories for c, dtype in frame_types.items() if str(dtype) == "category"}
    rows = len(y) if weight is None else int(np.count_nonzero(weight))
    return _Look(rows, np.unique(y), y.shape[1:], categories, weight is not None)


def _code(part: tuple[Any, np.ndarray, np.ndarray | None], coding: _Coding) -> tuple[Any, ...]:
    X, y, weight = part
    if weight is not None and not weight.all():
        # over Dask, other than on one machine, XGBoost's bins depend on rows that weigh nothing
        keep = np.flatnonzero(weight)
        X, y, weight = (_rows(column, keep) for column in (X, y, weight))
    if coding.categories:
        X = X.assign(**{c: X[c].cat.set_categories(values) for c, values in coding.categories.items()})
    return X, y if coding.classes is None else codes_of(y, coding.classes), weight


def _classes(looks: list[_Look]) -> np.ndarray:
    classes = np.unique(np.concatenate([look.labels for look in looks if len(look.labels)]))
    check_classification_targets(classes)
    return classes


def _categories(looks: list[_Look]) -> dict[str, Any]:
    """Unite the categories of all partitions; XGBoost would mix up equal codes of different ones."""
    united: dict[str, Any] = {}
    for look in looks:
        for column, values in look.categories.items():
            known = united.setdefault(column, values)
            united[column] = known if known.equals(values) else known.union(values)
    return united


def _collections(client: Any, like: Any, parts: list[Any], looks: list[_Look], coding: _Coding) -> tuple[Any, ...]:
    """Return `X`, codes and weights as Dask collections of the same, persisted, partitions with rows."""
    rows = [look.rows for look in looks if look.rows]
    full = [part for part, look in zip(parts, looks, strict=True) if look.rows]
    ready = client.persist([dask.delayed(_code)(part, coding) for part in full])
    meta = like._meta if container_of(like) in DASK else _rows(like, slice(0))
    if hasattr(meta, "columns"):
        X = dd.from_delayed([r[0] for r in ready], meta=_code_meta(meta, coding), verify_meta=False)
    else:
        X = _join([r[0] for r in ready], rows, (like.shape[1],), meta)
    y = _join([r[1] for r in ready], rows, looks[0].targets, np.empty((0,) * (1 + len(looks[0].targets))))
    return X, y, _join([r[2] for r in ready], rows, (), np.empty(0)) if looks[0].weighted else None


def _code_meta(meta: Any, coding: _Coding) -> Any:
    return _code((meta, np.empty(0), None), _Coding(None, coding.categories))[0]


def _join(blocks: list[Any], rows: list[int], columns: tuple[int, ...], meta: Any) -> Any:
    pieces = [da.from_delayed(b, (n, *columns), meta=meta) for b, n in zip(blocks, rows, strict=True)]
    return da.concatenate(pieces)


def _evaluation(client: Any, pair: tuple[Any, Any], coding: _Coding) -> tuple[Any, Any]:
    parts, looks = _start(client, *pair, None)
    return _collections(client, pair[0], parts, looks, coding)[:2]
