"""Searches and cross-validation whose candidates share what is computed of a fold.

scikit-learn's own loops run, over rows that remember their sums: see :mod:`skdist_gpu.data.row_sets`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import sklearn
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import check_scoring, get_scorer
from sklearn.model_selection import check_cv
from sklearn.pipeline import Pipeline

from skdist_gpu._compat.sklearn import has_output_config, replace_splitter
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.data.containers import container_of
from skdist_gpu.data.row_sets import RowSet, RowTable, belongs, is_table_of_numbers
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.hardware.detect import detect_resources

_SQUARED: dict[str, Callable[[Any], float]] = {
    "r2": lambda errors: errors.r2,
    "neg_mean_squared_error": lambda errors: -errors.mean,
    "neg_root_mean_squared_error": lambda errors: -float(np.sqrt(errors.mean)),
}


def refusal(estimator: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> str | None:
    """Say why the fits of a search share nothing; None if they do.

    Parameters
    ----------
    estimator : estimator
        What is fitted to each fold.
    X, y : rows and target
        As they were given.
    fit_params : dict
        Further arguments of `fit`.
    """
    if fit_params:
        return f"fit gets {', '.join(sorted(fit_params))}, which rows that are shared do not carry"
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
    if isinstance(estimator, Pipeline) and estimator.memory is not None:
        return "the pipeline keeps its steps in a memory of its own"
    for step in steps:
        if not isinstance(step, AutoScaleBase) and step not in (None, "passthrough"):
            return f"{type(step).__name__} is handed rows in memory"
        if has_output_config(step):
            return f"set_output is set on {type(step).__name__}"
    if not (is_regressor(steps[-1]) or is_classifier(steps[-1])):
        return f"{type(steps[-1]).__name__} predicts no target"
    config = sklearn.get_config()
    if config["transform_output"] != "default" or config["enable_metadata_routing"]:
        return "set_output or metadata routing is on for all of scikit-learn"
    if not is_table_of_numbers(X):
        return f"rows in {container_of(X)} are no dense numbers in NumPy or pandas"
    if y is None or container_of(y) not in ("numpy", "pandas", "other"):
        return "there is no target in memory"
    return None


def worth_sharing(estimator: Any, n_values: int, n_fits: float) -> bool:
    """Whether so many fits read enough values for sums to pay, as the catalogue's break-even says of one fit."""
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
    plain = [step._make_estimator() for step in steps if isinstance(step, AutoScaleBase)]
    sizes = [e.break_even for step in plain for e in entries_for(step) if e.name == "reductions:cpu"]
    return bool(sizes) and n_fits * n_values >= min(sizes)


def shared_table(estimator: Any, X: Any, y: Any) -> RowTable:
    """Return rows and target in a form of which folds share what is computed."""
    return RowTable(X, np.asarray(y), is_classifier(estimator), detect_resources().n_cores)


class RememberedSplits:
    """A splitter that tells the rows which sets it makes of them."""

    def __init__(self, splitter: Any, table: RowTable) -> None:
        self.splitter, self.table = splitter, table

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[Any]:
        """Yield numbers of training and test rows, as the splitter does."""
        # the splitter looks at no values of X, and knows nothing of targets that know their rows
        rows = np.empty((len(self.table.matrix), 0)) if isinstance(X, RowSet) else X
        splits = list(self.splitter.split(rows, None if y is None else np.asarray(y), groups))
        self.table.learn_splits(splits)
        return iter(splits)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits."""
        rows = np.empty((len(self.table.matrix), 0)) if isinstance(X, RowSet) else X
        n_splits: int = self.splitter.get_n_splits(rows, y, groups)
        return n_splits


@dataclass(frozen=True)
class SharedScorer:
    """A scorer of squared errors that takes them from the sums of a fold where it can."""

    name: str

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Return the score, as scikit-learn's scorer does."""
        errors = _squared_errors(estimator, X, y) if isinstance(X, RowSet) else None
        if errors is not None:
            return _SQUARED[self.name](errors)
        score: float = get_scorer(self.name)(estimator, X, y)
        return score


def _squared_errors(estimator: Any, rows: RowSet, y: Any) -> Any:
    from skdist_gpu.sharing import squared_errors

    if isinstance(estimator, Pipeline):
        *firsts, (_, last) = estimator.steps
        for _, step in firsts:
            if step not in (None, "passthrough"):
                rows = step.transform(rows)
        estimator = last
    known = isinstance(estimator, AutoScaleBase) and isinstance(rows, RowSet) and belongs(y, rows)
    return squared_errors(estimator, rows, y) if known else None


def shared_scoring(scoring: Any) -> Any:
    """Return a parameter `scoring` with scorers that take their sums from folds, where there are such."""
    if isinstance(scoring, str):
        return SharedScorer(scoring) if scoring in _SQUARED else scoring
    if isinstance(scoring, (list, tuple, set)) and all(isinstance(name, str) for name in scoring):
        scoring = {name: name for name in scoring}
    if isinstance(scoring, dict):
        return {key: shared_scoring(scorer) for key, scorer in scoring.items()}
    return scoring


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
    reason = refusal(search.estimator, X, y, params)
    if reason is None and not worth_sharing(search.estimator, int(np.prod(X.shape)), _n_fits(search)):
        reason = "all fits together read so few values that scikit-learn's are faster"
    if reason is not None:
        fit(X, y, **groups, **params)
        search.sharing_ = f"Nothing was shared: {reason}. Each fit read its own copy of its rows."
        return search
    table = shared_table(search.estimator, X, y)
    cv, scoring = search.cv, search.scoring
    splitter = check_cv(cv, y, classifier=is_classifier(search.estimator))
    search.cv, search.scoring = RememberedSplits(splitter, table), shared_scoring(scoring)
    try:
        with in_one_process():
            fit(table.all, table.targets(), **groups)
    finally:
        search.cv, search.scoring = cv, scoring
        replace_splitter(search, splitter)
    search.scorer_ = plain_scorer(search)
    search.sharing_ = sharing_text(table)
    return search


def _n_fits(search: Any) -> float:
    """Return about how many fits a search makes."""
    grid = getattr(search, "param_grid", None)
    n_candidates: float = getattr(search, "n_iter", 10)
    if grid is not None:
        grids = [grid] if isinstance(grid, dict) else grid
        n_candidates = sum(float(np.prod([len(values) for values in one.values()])) for one in grids)
    return n_candidates * (search.cv if isinstance(search.cv, int) else 5)


@contextmanager
def in_one_process() -> Iterator[None]:
    """Let workers be threads, which see what others have found."""
    with joblib.parallel_config("threading"):
        yield


def sharing_text(table: RowTable) -> str:
    """Say what was shared, and what was not."""
    n_rows = len(table.matrix)
    lines = [
        f"All fits share the sums of each fold: {table.rows_read} rows were read for them, "
        f"{table.rows_read / n_rows:.1f} times the {n_rows} rows. cv_results_ counts the time of a shared sum "
        "for the fit that asked first."
    ]
    lines += [f"Of {n} fits nothing was shared but the rows: {reason}." for reason, n in table.refusals.items()]
    return "\n".join(lines)
