"""Fits of AutoScale estimators on sets of rows that remember what other fits have found of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import joblib

from skdist_gpu._compat.sklearn import unfitted
from skdist_gpu._compat.sklearn_parameters import parameter_names
from skdist_gpu.data.inspect import described_input
from skdist_gpu.data.row_sets import RowSet, belongs, plain_values
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import Fitted
from skdist_gpu.engines.registry import entries_for, matches
from skdist_gpu.exceptions import EngineRefusal, NotFiniteError
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import parameter_refusals

_SHARED = "sums over the rows that all candidates share, each row read once"
_BEGUN = "passes over the rows, begun where fits of other penalties and other folds have ended"


def fit_row_set(wrapper: Any, rows: RowSet, y: Any, sample_weight: Any, fit_params: dict[str, Any]) -> None:
    """Fit an AutoScale estimator in place on a set of rows: from shared sums where it can be, else from the rows.

    A transformer that has been fitted to the same rows with the same parameters is not fitted again.
    """
    given = {name: value for name, value in fit_params.items() if value is not None}
    if given or not (belongs(y, rows) and belongs(sample_weight, rows)):
        what = ", ".join(given) or "a target or weights of its own"
        rows.table.refusals[f"fit gets {what}, which sums do not know"] += 1
        wrapper.fit(rows.to_host(wrapper), plain_values(y, wrapper), plain_values(sample_weight), **fit_params)
        return
    if not hasattr(wrapper, "transform"):
        _fit(wrapper, rows, y, sample_weight)
        return

    def fit() -> dict[str, Any]:
        _fit(wrapper, rows, y, sample_weight)
        kind: Any = type(wrapper)
        parameters = parameter_names(kind)
        return {name: value for name, value in vars(wrapper).items() if name not in parameters}

    weights = None if sample_weight is None else id(sample_weight.whole)
    key = "fit", wrapper.backend, _fingerprint(wrapper._make_estimator()), weights
    vars(wrapper).update(rows.remember(key, fit))


def _fit(wrapper: Any, rows: RowSet, y: Any, sample_weight: Any) -> None:
    from skdist_gpu.engines.reductions.kinds import is_iterated
    from skdist_gpu.engines.reductions.shared import fit_shared, refusal

    start = time.perf_counter()
    estimator = unfitted(wrapper._make_estimator())
    entry = rows.table.all.remember(
        ("entry", wrapper.backend, _fingerprint(estimator)), lambda: _checked_entry(wrapper, estimator, y)
    )
    reason = refusal(estimator, entry, rows, y, sample_weight)
    iterated = is_iterated(estimator)
    if reason is None and iterated:
        reason = _faster_elsewhere(wrapper, estimator, rows, sample_weight is not None)
    if reason is not None:
        rows.table.refusals[reason] += 1
        wrapper.fit(rows.to_host(wrapper), plain_values(y, wrapper), plain_values(sample_weight))
        return
    assert entry is not None
    try:
        fit_shared(estimator, entry, rows, sample_weight)
    except (EngineRefusal, NotFiniteError) as error:
        rows.table.refusals[str(error)] += 1
        wrapper.fit(rows.to_host(wrapper), plain_values(y, wrapper), plain_values(sample_weight))
        return
    way = _BEGUN if iterated else _SHARED
    candidate = Candidate(entry.backend, entry.device, "chosen", (way,))
    data = f"a set of {len(rows)} rows"
    plan = Plan(type(estimator).__name__, data, f"{rows.table.n_threads} threads", (candidate,))
    wrapper._keep(plan, Fitted(estimator), candidate, time.perf_counter() - start, [])


def _faster_elsewhere(wrapper: Any, estimator: Any, rows: RowSet, weighted: bool) -> str | None:
    """Say which engine the plan takes for a model of several passes, if it is not the one that shares them."""
    from skdist_gpu.engines.reductions.row_values import n_columns

    table, d = rows.table, n_columns(rows)
    n_classes = 0 if table.classes is None else len(table.classes)

    def look() -> str | None:
        info = described_input((len(rows), d or 1), "float64")
        known = replace(info, n_targets=1, n_classes=n_classes, weighted=weighted, exists=True)
        plan = wrapper._plan_for(known, None)
        chosen = plan.chosen
        shares = chosen is None or chosen.backend == "reductions"
        return None if shares else f"{plan.estimator} of {len(rows)} rows and {d} columns is faster on {chosen.name}"

    question = "faster", type(estimator), wrapper.backend, len(rows), d, weighted
    found: str | None = table.all.remember(question, look)
    return found


def _checked_entry(wrapper: Any, estimator: Any, y: Any) -> Entry | None:
    """Return the entry for sums on threads, if it takes the parameters, which are checked as scikit-learn does."""
    from skdist_gpu.engines.reductions.shared import check_parameters

    wrapper._check_parameters(estimator)
    for entry in entries_for(estimator):
        if entry.name == "reductions:cpu" and matches(entry, wrapper._option("backend")) and not entry.refusal:
            if parameter_refusals(entry, estimator, sparse=False):
                return None
            check_parameters(estimator, y)
            return entry
    return None


def _fingerprint(estimator: Any) -> Any:
    """Return what tells an estimator with its parameters from others."""
    kind: Any = type(estimator)
    values = [getattr(estimator, name, None) for name in parameter_names(kind)]
    simple = (bool, int, float, str, type(None))
    if all(isinstance(value, simple) for value in values):
        return kind, tuple((type(value), value) for value in values)
    return kind, joblib.hash(values)


def fit_holder(holder: Any, name: str, fit: Any, rows: RowSet, y: Any = None, *args: Any, **params: Any) -> Any:
    """Fit an object that holds AutoScale estimators in place on a set of rows, which it gets in memory.

    One that transforms, and has been fitted to the same rows with the same parameters, is not fitted again.

    Parameters
    ----------
    holder : estimator
        Such as a ColumnTransformer.
    name : str
        ``"fit"``, ``"fit_transform"`` …
    fit : callable
        The plain class's own method of that name.
    rows, y, *args, **params :
        What it was given.
    """
    if args or params or not belongs(y, rows) or not hasattr(holder, "transform"):
        return fit(rows.to_host(holder), plain_values(y, holder), *args, **params)

    def fit_once() -> dict[str, Any]:
        holder.fit(rows.to_host(holder), plain_values(y, holder))
        parameters = holder.get_params(deep=False)
        return {name: value for name, value in vars(holder).items() if name not in parameters}

    kind: Any = type(holder)
    vars(holder).update(rows.remember(("fit", kind, joblib.hash(holder.get_params(deep=False))), fit_once))
    return rows.through(holder) if name == "fit_transform" else holder


def squared_errors(wrapper: Any, rows: RowSet, y: Any, sample_weight: Any = None) -> Any:
    """Return the squared errors of a fitted linear regressor for a set of rows, from sums; None where they are none."""
    from skdist_gpu.engines.reductions.shared import linear_errors

    known = belongs(y, rows) and belongs(sample_weight, rows)
    return linear_errors(wrapper._fitted(), rows, y, sample_weight) if known else None
