"""Score rows with a fitted XGBoost estimator, where the rows are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skdist_gpu.data.blocks import take_rows, with_columns
from skdist_gpu.data.containers import FRAMES, container_of, find
from skdist_gpu.data.convert import place_like, to_gpu, to_host
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.engines.xgboost import nvforest
from skdist_gpu.engines.xgboost.arguments import (
    CHECKS,
    check_columns,
    codes_of_queries,
    is_ranker,
    queries_of,
    readable_categories,
)
from skdist_gpu.exceptions import EngineRefusal

# rows that a thread of XGBoost takes at a time: for fewer, the other threads only wait, on busy cores for long
ONE_BLOCK = 64
_IN_PLACE = {"output_margin", "iteration_range", "base_margin", "validate_features"}


@dataclass(frozen=True)
class XGBoostMethod(BlockMethod):
    """A method of a fitted XGBoost estimator that checks its rows as scikit-learn does.

    XGBoost alone takes infinite values and, without a word, rows under other names.
    """

    def __call__(self, block: Any) -> Any:
        named = self.params.get("validate_features", True)
        rows = block if _plainly_fine(self.estimator, block) else _checked_rows(self.estimator, block, named)
        few = rows.shape[0] <= ONE_BLOCK and container_of(rows) in ("numpy", "pandas")
        copy = _copy_of(self, self.copies.get_from_second_call, nthread=1) if few and _works_in_place(self) else None
        if copy is not None:
            return predict_in_place(self, rows, copy)
        return super().__call__(rows)

    def decode(self, result: Any) -> Any:
        """Return labels for codes; several targets in float64, as scikit-learn does."""
        if self.params.get("output_margin"):
            return result
        several = self.method == "predict" and result.ndim == 2 and result.dtype.kind == "f"
        return super().decode(result.astype(np.float64) if several else result)


def _checked_rows(estimator: Any, X: Any, named: bool = True) -> Any:
    if is_ranker(estimator) and "qid" not in (estimator.get_booster().feature_names or ()):
        X = queries_of(X, None)[0]  # a column of queries is no feature
    info = inspect_input(X)
    if info.container in FRAMES and (
        info.dtype == "object" or not all(isinstance(n, str) for n in find(X).names(X) or ())
    ):
        check_columns(X)
        return _with_seen_categories(estimator, readable_categories(X))
    if not named:
        return check_array(X, **CHECKS)
    return validate_data(estimator, X, reset=False, **CHECKS)


def _plainly_fine(estimator: Any, X: Any) -> bool:
    """Whether a few rows pass scikit-learn's checks for sure: these take longer than XGBoost does for one."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype.char not in "fd" or not 0 < len(X) <= ONE_BLOCK:
        return False
    booster = estimator.get_booster()
    return booster.feature_names is None and booster.num_features() == X.shape[1] and not np.isinf(X).any()


def _with_seen_categories(estimator: Any, X: Any) -> Any:
    """Return a frame without the categories that no row has; XGBoost checks the names of columns itself.

    Raises
    ------
    ValueError
        If a row has a category that the training data do not have; XGBoost raises only at times.
    """
    categorical = [name for name, dtype in find(X).fields(X) if str(dtype) == "category"]
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
    return with_columns(X, used)


def _values(categories: Any) -> list[Any]:
    return categories.to_arrow().to_pylist() if hasattr(categories, "to_arrow") else categories.tolist()


# --- prediction with a copy of the booster -------------------------------------------------


class XGBoostOnGPU(XGBoostMethod):
    """The same for CuPy and cuDF rows, as a CuPy array; labels that are text are on the host."""

    def __call__(self, X: Any) -> Any:
        if not _works_in_place(self) or container_of(X) == "cupy.sparse":
            result = super().__call__(to_host(X))
            return to_gpu(result) if result.dtype.kind in "fiub" else result
        if container_of(X) == "cudf":
            X = _with_seen_categories(self.estimator, X)
        import cupy

        number = cupy.cuda.Device().id
        if not self.params and nvforest.serves(self.estimator, X):
            return _answer(self, _forest_of(self, number)(X))
        return predict_in_place(self, X, _copy_of(self, self.copies.get, device=f"cuda:{number}"))

    def of_host_rows(self, X: Any, n_gpus: int = 1) -> Any:
        from skdist_gpu.engines.executors.gpu_turns import in_turns

        if not _works_in_place(self):
            raise EngineRefusal(f"XGBoost computes {self.method} of such a model on the host")
        return in_turns(self._of_rows_that_fit, X, n_gpus, self.memory_budget)

    def _of_rows_that_fit(self, X: Any, n_threads: int) -> Any:
        """Return the method's result for rows in main memory that the current GPU holds, copied by so many threads."""
        from skdist_gpu.engines.executors.gpu_copies import to_device

        values = to_device(X, n_threads)
        if bool((abs(values) == np.inf).any()):
            raise EngineRefusal("X has infinite values, which the checks of the plain estimator judge")
        return to_host(self(values))


METHODS = {"cpu": XGBoostMethod, "gpu": XGBoostOnGPU}


def _copy_of(function: BlockMethod, get: Callable[..., Any], **param: Any) -> Any:
    """Return the copy of an estimator's booster with another device or number of threads."""
    booster = function.estimator.get_booster()

    def make() -> Any:
        copy = booster.copy()
        copy.set_param(param)
        return copy

    return get(f"booster {param}", _state_of(function.estimator, booster), make)


def _forest_of(function: BlockMethod, number: int) -> Any:
    """Return nvForest's copy of an estimator's trees on the current GPU, whose number this is."""
    estimator = function.estimator
    state = (_state_of(estimator, estimator.get_booster()), _best_iterations(estimator))
    return function.copies.get(
        f"nvforest on GPU {number}", state, lambda: nvforest.load_forest(_best_booster(estimator))
    )


def _state_of(estimator: Any, booster: Any) -> tuple[Any, ...]:
    """Return what tells a trained booster from one that was trained on, or loaded into, in place; cheap for one row."""
    return booster, booster.num_boosted_rounds(), booster.attributes(), str(estimator.base_score)


def _works_in_place(function: BlockMethod) -> bool:
    """Whether a booster itself gives what the method does, for rows where they are."""
    estimator, method = function.estimator, function.method
    softmax = method == "predict_proba" and estimator.objective == "multi:softmax"
    known = method in ("predict", "predict_proba") and _IN_PLACE.issuperset(function.params)
    return known and not softmax and estimator.booster != "gblinear"


def predict_in_place(function: BlockMethod, X: Any, booster: Any) -> Any:
    """Return what the method of XGBoost's estimator gives, computed by a copy of its booster, where `X` is."""
    estimator, params = function.estimator, function.params
    values = booster.inplace_predict(
        X,
        iteration_range=params.get("iteration_range") or _best_iterations(estimator),
        predict_type="margin" if params.get("output_margin") else "value",
        missing=estimator.missing,
        base_margin=params.get("base_margin"),
        validate_features=params.get("validate_features", True),
    )
    return _answer(function, values)


def _answer(function: BlockMethod, values: Any) -> Any:
    """Return what the method of XGBoost's estimator makes of its booster's values."""
    estimator = function.estimator
    if function.params.get("output_margin") or not hasattr(estimator, "n_classes_"):
        return function.decode(values)
    if function.method == "predict_proba":
        return values if values.ndim == 2 else np.stack((1 - values, values), axis=1)
    codes, labels = _codes(estimator, values).astype(np.intp), function.labels
    if labels is None:
        return codes
    return place_like(labels, codes)[codes] if labels.dtype.kind in "iufb" else labels[to_host(codes)]


def _codes(estimator: Any, values: Any) -> Any:
    """Turn XGBoost's class probabilities into class codes, by its own rules."""
    if values.ndim == 2 and estimator.n_classes_ > 2:
        return values.argmax(axis=1)
    if estimator.objective == "multi:softmax":
        return values
    return values > 0.5


def _best_iterations(estimator: Any) -> tuple[int, int]:
    """Return the range of trees to use: up to the best one after early stopping, else all."""
    best = getattr(estimator, "best_iteration", None)
    return (0, 0) if best is None else (0, best + 1)


def _best_booster(estimator: Any) -> Any:
    """Return a booster with the trees to use."""
    best = _best_iterations(estimator)[1]
    return estimator.get_booster()[:best] if best else estimator.get_booster()


def ranking_metric(estimator: Any, X: Any, y: Any, qid: Any = None) -> float:
    """Return a fitted ranker's last metric over queries; all rows are one query if none are named."""
    import xgboost

    X, qid = queries_of(to_host(X), qid)
    X = _checked_rows(estimator, readable_categories(X))
    qid = np.zeros(X.shape[0], np.uint32) if qid is None else codes_of_queries(to_host(qid))
    order = np.argsort(qid, kind="stable")
    booster = estimator.get_booster()
    matrix = xgboost.DMatrix(
        take_rows(X, order),
        np.asarray(to_host(y))[order],
        qid=qid[order],
        missing=estimator.missing,
        enable_categorical=True,
        feature_names=booster.feature_names,
    )
    return float(_best_booster(estimator).eval(matrix).rpartition(":")[2])
