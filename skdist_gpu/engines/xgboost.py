"""XGBoost on one machine, on the CPU or on a GPU."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_array, check_consistent_length, check_X_y, validate_data

from skdist_gpu._compat.sklearn import check_sample_weight
from skdist_gpu.data.convert import to_gpu, to_host
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.data.kinds import FRAMES, GPU, container_of
from skdist_gpu.data.labels import codes_of, encode
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import EngineRefusal
from skdist_gpu.fitted import BlockMethod

# values in X below which a second thread costs more than it brings
TINY = 20_000
CHECKS: dict[str, Any] = {
    "accept_sparse": ["csr", "csc"],
    "dtype": [np.float64, np.float32],
    "ensure_all_finite": "allow-nan",  # NaN is XGBoost's missing value
}


def fit(job: FitJob) -> Fitted:
    """Fit the job's XGBRegressor or XGBClassifier with its own `fit`, on the job's device."""
    estimator, fit_params = job.estimator, dict(job.fit_params)
    wanted = {"device": estimator.device, "n_jobs": estimator.n_jobs}
    X, y, sample_weight = checked_in_memory(job)
    classes = None
    if is_classifier(estimator):
        classes, y = encode(y)
        _encode_eval_set(fit_params, classes)
    if "xgb_model" in fit_params:  # another AutoScale estimator may be continued, too
        fit_params["xgb_model"] = getattr(fit_params["xgb_model"], "estimator_", fit_params["xgb_model"])
    if job.device == "gpu":
        X, estimator.device = _on_gpu(X), estimator.device or "cuda"
    elif estimator.n_jobs is None and X.shape[0] * X.shape[1] < TINY:
        estimator.n_jobs = 1

    job.progress.start(f"{type(estimator).__name__} with XGBoost")
    with_memory_errors(estimator.fit, X, y, sample_weight=sample_weight, **fit_params)
    job.progress.finish()

    if job.device == "gpu":
        require_gpu(estimator.get_booster())
    bring_home(estimator, wanted)
    return Fitted(estimator, classes)


def checked_in_memory(job: FitJob) -> tuple[Any, Any, Any]:
    """Return `X`, `y` and weights checked with scikit-learn's errors, on the GPU if they are there for it."""
    X, y, weight = (
        data if job.device == "gpu" and container_of(data) in GPU else to_host(data)
        for data in (job.X, job.y, job.sample_weight)
    )
    if container_of(X) == "cupy.sparse":  # XGBoost reads no sparse matrix on the GPU
        X = to_host(X)
    # XGBoost reads the columns of frames and of data on the GPU itself: a table of zeros shows their shape
    stays = container_of(X) in FRAMES | GPU
    shown = np.broadcast_to(np.float32(0), X.shape) if stays else X
    options = CHECKS | {"estimator": job.estimator} | ({"ensure_all_finite": False} if stays else {})
    if container_of(y) in GPU:
        shown = check_array(shown, **options)
        check_consistent_length(shown, y)
    else:
        numeric = is_regressor(job.estimator)
        several = numeric or np.asarray(y).shape[1:] not in ((), (1,))
        shown, y = check_X_y(shown, y, multi_output=several, y_numeric=numeric, **options)
    if weight is not None and container_of(weight) not in GPU:
        weight = check_sample_weight(weight, shown, ensure_non_negative=True)
    return X if stays else shown, y, weight


def _encode_eval_set(fit_params: dict[str, Any], classes: np.ndarray) -> None:
    if fit_params.get("eval_set"):
        fit_params["eval_set"] = [(X, codes_of(y, classes)) for X, y in fit_params["eval_set"]]


def _on_gpu(X: Any) -> Any:
    """Copy a host array to the GPU as float32, in which XGBoost works; it moves frames and sparse data itself."""
    if type(X) is not np.ndarray or find_spec("cupy") is None:
        return X
    import cupy

    return cupy.asarray(X, dtype=np.float32)


def with_memory_errors(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function of XGBoost; what it says about memory becomes a :class:`MemoryError`."""
    from xgboost.core import XGBoostError

    try:
        return function(*args, **kwargs)
    except XGBoostError as error:
        if any(words in str(error).lower() for words in ("out of memory", "out_of_memory", "bad_alloc")):
            raise MemoryError(f"XGBoost ran out of memory: {str(error).splitlines()[0]}") from error
        raise


def require_gpu(booster: Any) -> None:
    """Raise :class:`EngineRefusal` if XGBoost, which only warns, trained on the CPU."""
    device = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if not device.startswith("cuda"):
        raise EngineRefusal(
            f"XGBoost was asked for the GPU and trained on {device!r}: it sees no GPU, or is a build without CUDA "
            "(xgboost.build_info()['USE_CUDA'] tells). Its result was thrown away; backend='xgboost:cpu' asks for it"
        )


def bring_home(estimator: Any, wanted: dict[str, Any]) -> None:
    """Give the estimator the user's parameters back, and a model that predicts on any machine."""
    vars(estimator).update(wanted)  # set_params would hand them on to the booster
    estimator.get_booster().set_param({"device": "cpu", "nthread": wanted["n_jobs"] or 0})


# --- scoring -------------------------------------------------------------------------------


@dataclass(frozen=True)
class XGBoostMethod(BlockMethod):
    """A method of a fitted XGBoost estimator that checks its rows as scikit-learn does.

    XGBoost alone takes infinite values and, without a word, rows under other names.
    """

    def __call__(self, block: Any) -> Any:
        return super().__call__(_checked_rows(self.estimator, block))

    def decode(self, result: Any) -> Any:
        """Return labels for codes; several targets in float64, as scikit-learn does."""
        if self.params.get("output_margin"):
            return result
        several = self.method == "predict" and result.ndim == 2 and result.dtype.kind == "f"
        return super().decode(result.astype(np.float64) if several else result)


def _checked_rows(estimator: Any, X: Any) -> Any:
    info = inspect_input(X)
    if info.container in FRAMES and (info.dtype == "object" or not all(isinstance(n, str) for n in X.columns)):
        return X  # XGBoost reads categories, and checks such names, itself
    return validate_data(estimator, X, reset=False, **CHECKS)


_device_boosters: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def predict_on_gpu(function: BlockMethod, X: Any) -> Any:
    """Return the method's result for CuPy or cuDF rows as a CuPy array; labels that are text on the host."""
    import cupy

    estimator, params = function.estimator, function.params
    margin = bool(params.get("output_margin"))
    soft_labels = function.method == "predict_proba" and estimator.objective == "multi:softmax"
    known = function.method in ("predict", "predict_proba")
    if not known or soft_labels or estimator.booster == "gblinear" or container_of(X) == "cupy.sparse":
        result = function(to_host(X))
        return to_gpu(result) if result.dtype.kind in "fiub" else result
    values = _device_booster(estimator).inplace_predict(
        X,
        iteration_range=params.get("iteration_range") or _best_iterations(estimator),
        predict_type="margin" if margin else "value",
        missing=estimator.missing,
        base_margin=params.get("base_margin"),
        validate_features=params.get("validate_features", True),
    )
    if margin or function.labels is None:
        return function.decode(values)
    if function.method == "predict_proba":
        return values if values.ndim == 2 else cupy.stack((1 - values, values), axis=1)
    codes = _codes(estimator, values).astype(np.intp)
    if function.labels.dtype.kind in "iufb":
        return cupy.asarray(function.labels)[codes]
    return function.labels[codes.get()]


def _codes(estimator: Any, values: Any) -> Any:
    """Turn XGBoost's class probabilities on the GPU into class codes, by its own rules."""
    if values.ndim == 2 and estimator.n_classes_ > 2:
        return values.argmax(axis=1)
    if estimator.objective == "multi:softmax":
        return values
    return values > 0.5


def _best_iterations(estimator: Any) -> tuple[int, int]:
    """Return the range of trees to use: up to the best one after early stopping, else all."""
    best = getattr(estimator, "best_iteration", None)
    return (0, 0) if best is None else (0, best + 1)


def _device_booster(estimator: Any) -> Any:
    """Return the copy of an estimator's booster that lives on the GPU."""
    if estimator not in _device_boosters:
        booster = estimator.get_booster().copy()
        booster.set_param({"device": "cuda"})
        _device_boosters[estimator] = booster
    return _device_boosters[estimator]
