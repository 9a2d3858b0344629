"""Searches and cross-validation whose candidates share what is computed of a fold.

scikit-learn's own loops run, over rows that remember their sums: see :mod:`skdist_gpu.data.row_sets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline

from skdist_gpu._compat.sklearn import is_scorer, replace_splitter
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.folding import sets_output
from skdist_gpu.config import configured_budget
from skdist_gpu.data.containers import container_of
from skdist_gpu.data.row_sets import Column, RowSet, RowTable, belongs, is_table_of_numbers, plain_values
from skdist_gpu.data.weights import weights_in_memory
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.hardware.detect import detect_resources

_SQUARED: dict[str, Callable[[Any], float]] = {
    "r2": lambda errors: errors.r2,
    "neg_mean_squared_error": lambda errors: -errors.mean,
    "neg_root_mean_squared_error": lambda errors: -float(np.sqrt(errors.mean)),
}


def refusal(estimator: Any, X: Any, y: Any, n_jobs: Any = None) -> str | None:
    """Say why the fits of a search share nothing; None if they do.

    Parameters
    ----------
    estimator : estimator
        What is fitted to each fold.
    X, y : rows and target
        As they were given.
    n_jobs : int or None
        As a search takes it.
    """
    reason = refusal_of_steps(estimator, n_jobs)
    if reason is not None:
        return reason
    steps = _steps(estimator)
    if not (container_of(X) in ("numpy", "pandas", "scipy.sparse") or is_table_of_numbers(X)) or X.ndim != 2:
        return f"rows in {container_of(X)} are not taken by number"
    if len(steps) == 1 and not is_table_of_numbers(X):
        return "the rows are no dense numbers, and no step comes before the model"
    if y is None or container_of(y) not in ("numpy", "pandas", "pandas.series", "other"):
        return "there is no target in memory"
    target = np.asarray(y)
    if target.ndim != 1 and is_classifier(steps[-1]):
        return "a classifier of several outputs is not fitted from sums"
    if target.dtype.kind not in "biuf" and is_regressor(steps[-1]):
        return "the target holds no numbers"
    return None


def _steps(estimator: Any) -> list[Any]:
    return [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]


def refusal_of_steps(estimator: Any, n_jobs: Any = None) -> str | None:
    """Say what of an estimator keeps the fits of a search from sharing; None if nothing does."""
    steps = _steps(estimator)
    if isinstance(estimator, Pipeline) and estimator.memory is not None:
        return "the pipeline keeps its steps in a memory of its own"
    for step in steps:
        if not (isinstance(step, AutoScaleBase) or hasattr(step, "plain_class") or step in (None, "passthrough")):
            return f"{_name(step)} is handed rows in memory"
        if sets_output(step):
            return f"set_output is set on {_name(step)}"
    if steps[-1] in (None, "passthrough") or not (is_regressor(steps[-1]) or is_classifier(steps[-1])):
        return f"{_name(steps[-1])} predicts no target"
    if n_jobs not in (None, 1) and not is_fitted_in_one_pass(steps[-1]):
        return f"{_name(steps[-1])} is fitted by several processes, n_jobs={n_jobs}"
    if sklearn.get_config()["transform_output"] != "default":
        return "set_output is on for all of scikit-learn"
    if len(steps) == 1 and not is_fitted_from_sums(steps[0]):
        return f"{_name(steps[0])} is not fitted from sums, and no step comes before it"
    return None


def _name(step: Any) -> str:
    """Return the class that a step stands for."""
    return type(step._make_estimator() if isinstance(step, AutoScaleBase) else step).__name__


def is_fitted_from_sums(step: Any) -> bool:
    """Whether an AutoScale estimator wraps one that is fitted from sums, in one pass or in several."""
    return isinstance(step, AutoScaleBase) and any(
        entry.name == "reductions:cpu" and not entry.refusal for entry in entries_for(step._make_estimator())
    )


def is_fitted_in_one_pass(step: Any) -> bool:
    """Whether an AutoScale estimator wraps one whose sums no parameter changes."""
    from skdist_gpu.engines.reductions.kinds import ONE_PASS

    return isinstance(step, AutoScaleBase) and _name(step) in ONE_PASS


class RememberedSplits:
    """A splitter that tells the rows which sets it makes of them."""

    def __init__(self, splitter: Any, table: RowTable) -> None:
        self.splitter, self.table = splitter, table

    def split(self, X: Any, y: Any = None, groups: Any = None, **params: Any) -> Iterator[Any]:
        """Yield numbers of training and test rows, as the splitter does."""
        splits = list(self.splitter.split(*self._given(X, y), groups, **params))
        self.table.learn_splits(splits)
        return iter(splits)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None, **params: Any) -> int:
        """Return the number of splits."""
        n_splits: int = self.splitter.get_n_splits(*self._given(X, y), groups, **params)
        return n_splits

    def __getattr__(self, name: str) -> Any:
        """Answer what scikit-learn asks of a splitter beside its splits, such as the metadata that it wants."""
        if name in ("splitter", "table"):  # not there yet
            raise AttributeError(name)
        return getattr(self.splitter, name)

    def _given(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return rows and target as the user gave them, which a splitter may look at."""
        return (self.table.original, self.table.original_target) if X is self.table.all else (X, y)


class SharedScorer:
    """A scorer that takes squared errors from the sums of a fold where it can, and rows in memory elsewhere.

    Parameters
    ----------
    scorer : callable
        scikit-learn's, or the user's own.
    errors : callable or None
        What the score is of the squared errors, where it is one of them.
    """

    def __init__(self, scorer: Any, errors: Callable[[Any], float] | None = None) -> None:
        self.scorer, self.errors = scorer, errors
        self.__wrapped__ = scorer  # scikit-learn reads the signature
        self.__module__ = getattr(scorer, "__module__", __name__)  # and where it comes from

    def __call__(self, estimator: Any, X: Any, y: Any = None, **params: Any) -> Any:
        """Return the score, or the scores, as the scorer does."""
        if isinstance(X, RowSet):
            known = self.errors is not None and not params.keys() - {"sample_weight"}
            found = _squared_errors(estimator, X, y, params.get("sample_weight")) if known else None
            if found is not None:
                return self.errors(found)  # type: ignore[misc]
            target = X.original_target() if isinstance(y, Column) and belongs(y, X) else plain_values(y)
            X, y = X.to_host(estimator), target
            params = {name: plain_values(value) for name, value in params.items()}
        return self.scorer(estimator, X, **params) if y is None else self.scorer(estimator, X, y, **params)

    def __getattr__(self, name: str) -> Any:
        """Answer what scikit-learn asks of a scorer, such as whether it takes weights."""
        if name == "scorer":  # not there yet
            raise AttributeError(name)
        return getattr(self.scorer, name)

    def __repr__(self) -> str:
        return repr(self.scorer)


def _squared_errors(estimator: Any, rows: RowSet, y: Any, sample_weight: Any) -> Any:
    from skdist_gpu.sharing import squared_errors

    if isinstance(estimator, Pipeline):
        *firsts, (_, last) = estimator.steps
        for _, step in firsts:
            if step not in (None, "passthrough"):
                rows = step.transform(rows)
        estimator = last
    known = isinstance(estimator, AutoScaleBase) and isinstance(rows, RowSet) and belongs(y, rows)
    return squared_errors(estimator, rows, y, sample_weight) if known else None


def shared_scoring(scoring: Any) -> Any:
    """Return a parameter `scoring` with scorers that take their sums from folds, where there are such."""
    if isinstance(scoring, str):
        return SharedScorer(get_scorer(scoring), _SQUARED[scoring]) if scoring in _SQUARED else scoring
    if isinstance(scoring, (list, tuple, set)) and all(isinstance(name, str) for name in scoring):
        scoring = {name: name for name in scoring}
    if isinstance(scoring, dict):
        return {key: shared_scoring(scorer) for key, scorer in scoring.items()}
    # scikit-learn's scorers hand the rows to the estimator only
    return SharedScorer(scoring) if callable(scoring) and not is_scorer(scoring) else scoring


def plain_scorer(search: Any) -> Any:
    """Return the attribute ``scorer_`` as scikit-learn makes it."""
    scoring = search.scoring
    if isinstance(scoring, (list, tuple, set)):
        scoring = {name: name for name in scoring}
    if isinstance(scoring, dict):
        return {key: check_scoring(search.estimator, scoring=scorer) for key, scorer in scoring.items()}
    return check_scoring(search.estimator, scoring=scoring)


def fit_search(search: Any, fit: Callable[..., Any], X: Any, y: Any = None, **params: Any) -> Any:
    """Fit a search in place, its candidates sharing what is computed of a fold where they can.

    The attribute ``sharing_`` says in words what was shared, how many rows were read for it, and what was not.

    Parameters
    ----------
    search : BaseSearchCV
        Its `estimator` holds AutoScale estimators.
    fit : callable
        scikit-learn's own `fit`, ``fit(X, y, **params)``.
    X, y, **params :
        What it was given.
    """
    groups = {name: params.pop(name) for name in ("groups",) if name in params}
    reason = refusal(search.estimator, X, y, search.n_jobs)
    if reason is not None:
        fit(X, y, **groups, **params)
        search.sharing_ = f"Nothing was shared: {reason}. Each fit read its own copy of its rows."
        return search
    table = _table_of(X, y, search.estimator)
    cv, scoring = search.cv, search.scoring
    splitter = check_cv(cv, y, classifier=is_classifier(search.estimator))
    search.cv, search.scoring = RememberedSplits(splitter, table), shared_scoring(scoring)
    try:
        with joblib.parallel_config("threading"):  # threads see what others have found
            fit(table.all, table.column(table.y), **groups, **columns_of(table, params))
    finally:
        search.cv, search.scoring = cv, scoring
        replace_splitter(search, splitter)
    search.scorer_ = plain_scorer(search)
    search.sharing_ = sharing_text(table)
    return search


def call_sharing(
    function: Callable[..., Any], estimator: Any, X: Any, y: Any, *, cv: Any = None, **options: Any
) -> Any:
    """Call one of scikit-learn's functions that fit an estimator to each fold, with folds that remember their sums.

    Parameters
    ----------
    function : callable
        Such as :func:`sklearn.model_selection.cross_validate`.
    estimator : estimator
        One that holds AutoScale estimators.
    X, y : rows and target
        In main memory.
    cv, **options :
        As the function takes them.
    """
    reason = refusal(estimator, X, y, options.get("n_jobs"))
    if reason is not None:
        return function(estimator, X, y, cv=cv, **options)
    table = _table_of(X, y, estimator)
    splitter = RememberedSplits(check_cv(cv, y, classifier=is_classifier(estimator)), table)
    if "scoring" in options:
        options["scoring"] = shared_scoring(options["scoring"])
    if options.get("params"):
        options["params"] = columns_of(table, options["params"])
    with joblib.parallel_config("threading"):
        return function(estimator, table.all, table.column(table.y), cv=splitter, **options)


def _table_of(X: Any, y: Any, estimator: Any) -> RowTable:
    resources = detect_resources()
    return RowTable(X, y, is_classifier(estimator), resources.n_cores, configured_budget() or resources.available_bytes)


def columns_of(table: RowTable, params: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of `fit` with the weights among them as columns of the rows; others stay as they are."""

    def column_of(name: str, value: Any) -> Any:
        weights = weights_in_memory(value, table.n_rows) if name.rpartition("__")[2] == "sample_weight" else None
        return value if weights is None else table.column(weights)

    return {name: column_of(name, value) for name, value in params.items()}


def sharing_text(table: RowTable) -> str:
    """Say what was shared, and what was not."""
    n_rows = len(table.all)
    lines = [
        f"All fits share the sums of each fold: {table.rows_read} rows were read for them, "
        f"{table.rows_read / n_rows:.1f} times the {n_rows} rows. cv_results_ counts the time of a shared sum "
        "for the fit that asked first."
    ]
    lines += [f"Of {n} fits nothing was shared but the rows: {reason}." for reason, n in table.refusals.items()]
    return "\n".join(lines)
