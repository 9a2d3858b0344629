"""XGBoost on one machine, in memory, on the CPU or on a GPU."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from skdist_gpu._compat.xgboost import fit_from
from skdist_gpu.data.blocks import take_rows
from skdist_gpu.data.containers import container_of
from skdist_gpu.data.convert import to_host, to_pandas
from skdist_gpu.data.dataset import read_all, table_of
from skdist_gpu.data.labels import codes_of, encode
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.xgboost.arguments import (
    RoundProgress,
    bring_home,
    check_classes,
    checked_in_memory,
    codes_of_queries,
    fit_arguments,
    is_ranker,
    lend,
    queries_of,
    require_gpu,
    with_memory_errors,
)
from skdist_gpu.engines.xgboost.holdout import split, wanted_fraction
from skdist_gpu.engines.xgboost.reproducible import round_down, sampled, table_of_quantiles

# values in X below which a second thread costs more than it brings
TINY = 20_000


def fit(job: FitJob) -> Fitted:
    """Fit the job's estimator with XGBoost's own `fit`, on the job's device."""
    arguments, estimator = fit_arguments(job), job.estimator
    wanted = lend(estimator)
    if job.info.location == "disk":
        job = _loaded(job, arguments)
    if is_ranker(estimator):
        job.X, arguments["qid"] = queries_of(job.X, arguments.get("qid"))
        _take_queries_of_evaluation(arguments)
    X, y, sample_weight = checked_in_memory(job)
    classes = given = arguments.pop("classes", None)
    if is_classifier(estimator):
        classes, y = encode(y) if given is None else (np.unique(given), codes_of(y, np.unique(given)))
        check_classes(classes, job)
        encode_eval_set(arguments, classes)
    if is_ranker(estimator):
        X, y = _by_query(X, y, arguments)
    if job.device == "gpu":
        X, estimator.device = _on_gpu(X), estimator.device or "cuda"
    elif estimator.n_jobs is None and X.shape[0] * X.shape[1] < TINY:
        estimator.n_jobs = 1

    if job.options.get("reproducible"):
        X = to_pandas(X) if container_of(X) == "polars" else X
        X = round_down(X, table_of_quantiles(sampled(X), estimator.max_bin, estimator.missing), estimator.missing)
    arguments |= {"X": X, "y": y, "sample_weight": sample_weight}
    fraction = wanted_fraction(job.options, estimator, arguments)
    if fraction is not None:
        _hold_out(estimator, fraction, arguments)
    show_rounds(job)
    if given is None or classes is None:
        with_memory_errors(estimator.fit, **arguments)
    else:  # there may be classes without rows
        with_memory_errors(fit_from, estimator, {"label": arguments["y"]}, arguments | {"y": np.arange(len(classes))})
    job.progress.finish()

    if job.device == "gpu":
        require_gpu(estimator.get_booster())
    bring_home(estimator, wanted)
    return Fitted(estimator, classes)


def _take_queries_of_evaluation(arguments: dict[str, Any]) -> None:
    """Move the column of queries, or their names, of what ``eval_set`` gives to ``eval_qid``, as numbers."""
    if arguments.get("eval_set"):
        given = arguments.get("eval_qid") or [None] * len(arguments["eval_set"])
        found = [queries_of(X, qid) for (X, _), qid in zip(arguments["eval_set"], given, strict=True)]
        arguments["eval_set"] = [(X, y) for (X, _), (_, y) in zip(found, arguments["eval_set"], strict=True)]
        if any(qid is not None for _, qid in found):
            arguments["eval_qid"] = [None if qid is None else codes_of_queries(to_host(qid)) for _, qid in found]


def _hold_out(estimator: Any, fraction: float | int, arguments: dict[str, Any]) -> None:
    """Divide the rows in `arguments` into those to train on and those to stop early by."""
    y = np.asarray(to_host(arguments["y"]))
    names = {"sample_weight": "sample_weight_eval_set", "base_margin": "base_margin_eval_set", "qid": "eval_qid"}
    train, held_out = split(fraction, estimator, y, is_classifier(estimator), arguments.get("qid"))
    arguments["eval_set"] = [(take_rows(arguments["X"], held_out), take_rows(arguments["y"], held_out))]
    for name in ("X", "y", *names):
        if arguments.get(name) is not None:
            if name in names:
                arguments[names[name]] = [take_rows(arguments[name], held_out)]
            arguments[name] = take_rows(arguments[name], train)
    arguments.setdefault("verbose", False)


def _loaded(job: FitJob, arguments: dict[str, Any]) -> FitJob:
    """Return the job with the files in memory; margins and queries may be columns of them."""
    X, y, sample_weight = read_all(table_of(job.X, job.y, job.sample_weight))
    for name in ("base_margin", "qid"):
        if isinstance(arguments.get(name), str):
            arguments[name] = X.pop(arguments[name]).to_numpy()
    return replace(job, X=X, y=y, sample_weight=sample_weight)


def encode_eval_set(arguments: dict[str, Any], classes: np.ndarray) -> None:
    """Replace the labels of ``eval_set`` by their codes."""
    if arguments.get("eval_set"):
        arguments["eval_set"] = [(X, codes_of(y, classes)) for X, y in arguments["eval_set"]]


def show_rounds(job: FitJob) -> None:
    """Begin a progress bar of the rounds; XGBoost's forests take no callbacks, and have one round."""
    estimator = job.estimator
    job.progress.start(f"{type(estimator).__name__} with XGBoost", total=estimator.get_num_boosting_rounds())
    if job.progress.visible and "RF" not in type(estimator).__name__:
        estimator.callbacks = [*(estimator.callbacks or ()), RoundProgress(job.progress)]


def _by_query(X: Any, y: Any, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Bring the rows of each query together, as XGBoost needs them; rows without queries are one."""
    if arguments.get("group") is not None:
        return X, y
    if arguments.get("qid") is None:
        arguments["qid"] = np.zeros(X.shape[0], dtype=np.uint32)
        return X, y
    qid = codes_of_queries(to_host(arguments["qid"]))
    if len(qid) != X.shape[0]:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {[X.shape[0], len(qid)]}")
    if not (qid[1:] < qid[:-1]).any():
        arguments["qid"] = qid
        return X, y
    order = np.argsort(qid, kind="stable")
    arguments["qid"] = qid[order]
    if arguments.get("base_margin") is not None:
        arguments["base_margin"] = take_rows(arguments["base_margin"], order)
    return take_rows(X, order), take_rows(y, order)


def _on_gpu(X: Any) -> Any:
    """Copy a host array to the GPU as float32, in which XGBoost works; it moves frames and sparse data itself."""
    if type(X) is not np.ndarray or find_spec("cupy") is None:
        return X
    import cupy

    return cupy.asarray(X, dtype=np.float32)
