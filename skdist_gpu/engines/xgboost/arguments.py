"""What the XGBoost engines share: checks, the arguments of `fit`, and the way back to the user's estimator."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_array, check_consistent_length, check_X_y
from xgboost.callback import EarlyStopping, TrainingCallback
from xgboost.core import XGBoostError

from skdist_gpu._compat.sklearn import check_sample_weight
from skdist_gpu.data.containers import FRAMES, GPU, container_of, find
from skdist_gpu.data.convert import to_host, to_pandas
from skdist_gpu.data.dataset import is_read_from_files, read_all, table_of
from skdist_gpu.data.fragments import require_columns
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.xgboost.gradient_boosting import replace_by_xgboost
from skdist_gpu.exceptions import EngineRefusal

CHECKS: dict[str, Any] = {
    "accept_sparse": ["csr", "csc"],
    "dtype": [np.float64, np.float32],
    "ensure_all_finite": "allow-nan",  # NaN is XGBoost's missing value
}


def fit_arguments(job: FitJob) -> dict[str, Any]:
    """Return the further arguments of `fit`; another AutoScale estimator may be continued, too.

    scikit-learn's gradient boosting is replaced by XGBoost's. Files to evaluate on are read into memory.
    """
    replace_by_xgboost(job)
    if container_of(job.X) == "arrow.dataset":
        require_columns(job.X, table_of(job.X, job.y, job.sample_weight).features)
    arguments = dict(job.fit_params)
    if "xgb_model" in arguments:
        arguments["xgb_model"] = getattr(arguments["xgb_model"], "estimator_", arguments["xgb_model"])
    if arguments.get("eval_set"):
        arguments["eval_set"] = [
            read_all(table_of(X, y, None))[:2] if is_read_from_files(X, y) else (X, y) for X, y in arguments["eval_set"]
        ]
    return arguments


def is_ranker(estimator: Any) -> bool:
    """Whether an estimator of XGBoost ranks the rows of queries."""
    return type(estimator).__name__ == "XGBRanker"


def queries_of(X: Any, qid: Any) -> tuple[Any, Any]:
    """Return `X` and the query of each row, which may be its column ``qid``, as XGBoost's ranker takes it."""
    if "qid" not in getattr(X, "columns", ()):
        return X, qid
    if qid is not None:
        raise ValueError(
            "Found both the special column `qid` in `X` and the `qid` from the `fit` method. Nothing was fitted. "
            "Please remove one of them."
        )
    return X.drop("qid") if container_of(X) == "polars" else X.drop("qid", axis=1), X["qid"]


def codes_of_queries(qid: Any) -> np.ndarray:
    """Return the queries as whole numbers: of others, such as text, their place in the sorted order."""
    qid = np.asarray(qid).ravel()
    return qid if qid.dtype.kind in "iu" else np.unique(qid, return_inverse=True)[1].astype(np.uint32)


# --- checks --------------------------------------------------------------------------------


def checked_in_memory(job: FitJob, in_batches: bool = False) -> tuple[Any, Any, Any]:
    """Return `X`, `y` and weights checked with scikit-learn's errors, on the GPU if they are there for it.

    With `in_batches` the values of X are checked later, since that may take a copy of them.
    """
    X, y, weight = (
        data if job.device == "gpu" and container_of(data) in GPU else to_host(data)
        for data in (job.X, job.y, job.sample_weight)
    )
    if container_of(X) == "cupy.sparse":  # XGBoost reads no sparse matrix on the GPU
        X = to_host(X)
    if container_of(X) in FRAMES:
        X = readable_categories(X)
        check_columns(X)
    # XGBoost reads the columns of frames and of data on the GPU itself: a table of zeros shows their shape
    stays = container_of(X) in FRAMES | GPU or (in_batches and isinstance(X, np.ndarray) and X.ndim == 2)
    shown = np.broadcast_to(np.float32(0), X.shape) if stays else X
    options = CHECKS | {"estimator": job.estimator} | ({"ensure_all_finite": False} if stays else {})
    if container_of(y) in GPU:
        shown = check_array(shown, **options)
        check_consistent_length(shown, y)
    else:
        numeric = not is_classifier(job.estimator)
        several = numeric or np.asarray(y).shape[1:] not in ((), (1,))
        shown, y = check_X_y(shown, y, multi_output=several, y_numeric=numeric, **options)
    if weight is not None and container_of(weight) not in GPU and not is_ranker(job.estimator):
        weight = check_sample_weight(weight, shown, ensure_non_negative=True)
    return X if stays else shown, y, weight


def check_classes(classes: np.ndarray, job: FitJob) -> None:
    """Raise where rows have several labels of several classes, which XGBoost says in C++."""
    if job.info.n_targets > 1 and len(classes) > 2:
        raise ValueError(
            f"multiclass-multioutput labels are not supported: y has {job.info.n_targets} columns of {len(classes)} "
            f"classes, {classes[:8].tolist()}, where XGBoost takes two. Nothing was fitted. Fit a model to each "
            "column, for example with sklearn.multioutput.MultiOutputClassifier."
        )


def readable_categories(X: Any) -> Any:
    """Return a Polars frame with categories as a pandas frame: XGBoost reads only some kinds of them."""
    if container_of(X) == "polars" and any(_is_category(dtype) for _, dtype in find(X).fields(X)):
        return to_pandas(X)
    return X


def check_columns(X: Any) -> None:
    """Raise scikit-learn's error for columns that hold neither numbers nor categories.

    XGBoost's own errors differ: none, ``KeyError``, ``AssertionError`` or ``ValueError``.
    """
    fields = find(X).fields(X) or [("X", X.dtype)]
    bad = [str(name) for name, dtype in fields if not _is_number(dtype) and not _is_category(dtype)]
    if bad:
        raise ValueError(
            f"could not convert string to float: X has columns that are neither numbers nor categories: "
            f"{', '.join(bad[:8])}. Nothing was computed. Make them categories with X.astype('category'), or drop them."
        )


def _is_number(dtype: Any) -> bool:
    if hasattr(dtype, "is_numeric"):  # Polars
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "O") in "biuf"


def _is_category(dtype: Any) -> bool:
    return str(dtype).startswith(("category", "Categorical", "Enum"))


# --- training ------------------------------------------------------------------------------


class RoundProgress(TrainingCallback):
    """Show the rounds of boosting, and the last value of the last metric, on a progress bar."""

    def __init__(self, progress: Any) -> None:
        self.progress = progress

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Move the bar by one round; never stops the training."""
        self.progress.advance()
        if evals_log:
            self.progress.note(last_metric(evals_log))
        return False


def last_metric(history: Any) -> str:
    """Return the newest value of the metric that early stopping reads, as text."""
    data, metrics = list(history.items())[-1]
    name, values = list(metrics.items())[-1]
    return f"{data} {name} {values[-1]:.5g}"


def with_memory_errors(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function of XGBoost; what it says about memory becomes a :class:`MemoryError`."""
    try:
        return function(*args, **kwargs)
    except XGBoostError as error:
        if any(words in str(error).lower() for words in ("out of memory", "out_of_memory", "bad_alloc")):
            raise MemoryError(f"XGBoost ran out of memory: {str(error).splitlines()[0]}") from error
        raise


# --- the result ----------------------------------------------------------------------------


def lend(estimator: Any) -> dict[str, Any]:
    """Return the parameters of the user that an engine may change during the fit; callbacks begin anew."""
    for callback in estimator.callbacks or ():
        if type(callback) is EarlyStopping:
            # a second fit would go on counting the rounds of the first
            callback.stopping_history, callback.best_scores, callback.current_rounds = {}, {}, 0
    names = ("device", "n_jobs", "callbacks", "early_stopping_rounds")
    return {name: getattr(estimator, name) for name in names}


def bring_home(estimator: Any, wanted: dict[str, Any]) -> None:
    """Give the estimator the user's parameters back, and a model that predicts on any machine."""
    vars(estimator).update(wanted)  # set_params would hand them on to the booster
    booster = estimator.get_booster()
    estimator.device_used_ = device_of(booster)
    booster.set_param({"device": "cpu", "nthread": wanted["n_jobs"] or 0})


def device_of(booster: Any) -> str:
    """Return the device on which a booster was trained, such as ``"cpu"`` or ``"cuda:0"``."""
    return json.loads(booster.save_config())["learner"]["generic_param"]["device"]


def require_gpu(booster: Any) -> None:
    """Raise :class:`EngineRefusal` if XGBoost, which only warns, trained on the CPU."""
    device = device_of(booster)
    if not device.startswith("cuda"):
        raise EngineRefusal(
            f"XGBoost was asked for the GPU and trained on {device!r}: it sees no GPU, or is a build without CUDA "
            "(xgboost.build_info()['USE_CUDA'] tells). Its result was thrown away; backend='xgboost:cpu' asks for it"
        )
