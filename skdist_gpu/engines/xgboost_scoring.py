"""Score rows with a fitted XGBoost estimator, where the rows are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.utils.validation import validate_data

from skdist_gpu.data.convert import to_gpu, to_host
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.data.kinds import FRAMES, container_of
from skdist_gpu.engines.xgboost_arguments import CHECKS, check_columns, rows_of, with_known_categories
from skdist_gpu.fitted import BlockMethod


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
        check_columns(X)
        return _with_seen_categories(estimator, with_known_categories(X))
    return validate_data(estimator, X, reset=False, **CHECKS)


def _with_seen_categories(estimator: Any, X: Any) -> Any:
    """Return a frame without the categories that no row has; XGBoost checks the names of columns itself.

    Raises
    ------
    ValueError
        If a row has a category that the training data do not have; XGBoost raises only at times.
    """
    categorical = [name for name, dtype in dict(X.dtypes).items() if str(dtype) == "category"]
    if not categorical or not hasattr(estimator.get_booster(), "get_categories"):
        return X
    known = dict(estimator.get_booster().get_categories(export_to_arrow=True).to_arrow())
    used = {name: X[name].cat.remove_unused_categories() for name in categorical}
    for name, column in used.items():
        values = known.get(str(name))
        unseen = [] if values is None else sorted(set(_values(column.cat.categories)) - set(values.to_pylist()))
        if unseen:
            raise ValueError(
                f"column {name} has categories {unseen[:8]} that the training data do not have. Nothing was "
                "predicted. Make them missing values, for example with X[name].cat.set_categories(known)."
            )
    return X.assign(**used)


def _values(categories: Any) -> list[Any]:
    return categories.to_arrow().to_pylist() if hasattr(categories, "to_arrow") else categories.tolist()


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
    if container_of(X) == "cudf":
        X = _with_seen_categories(estimator, X)
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


def ranking_metric(estimator: Any, X: Any, y: Any, qid: Any = None) -> float:
    """Return a fitted ranker's last metric over queries; all rows are one query if none are named."""
    import xgboost

    X = _checked_rows(estimator, with_known_categories(to_host(X)))
    qid = np.zeros(X.shape[0], np.uint32) if qid is None else np.asarray(to_host(qid))
    order = np.argsort(qid, kind="stable")
    booster = estimator.get_booster()
    matrix = xgboost.DMatrix(
        rows_of(X, order),
        np.asarray(to_host(y))[order],
        qid=qid[order],
        missing=estimator.missing,
        enable_categorical=True,
        feature_names=booster.feature_names,
    )
    best = _best_iterations(estimator)[1]
    return float((booster[:best] if best else booster).eval(matrix).rpartition(":")[2])
