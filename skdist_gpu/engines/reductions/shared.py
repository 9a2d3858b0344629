"""Fits on sets of rows that share their sums: the folds of a search, whatever its candidates are.

The sums of a training set are those of the other folds merged, so that each row is read once for all candidates.
Linear steps, such as a scaler or a projection, change the second moments as they change the rows: what follows them
needs no look at the rows. Rows behind other steps are made once for each fold, and read once. A model of several passes
begins where those of other penalties and other folds have ended.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
from sklearn.utils.validation import has_fit_parameter

from skdist_gpu.config import get_config
from skdist_gpu.data.row_sets import RowSet
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.executors.threads import reduce_sets
from skdist_gpu.engines.parameters import check_as_scikit_learn
from skdist_gpu.engines.reductions.behind import BehindSteps
from skdist_gpu.engines.reductions.columns.selection import CorrelationReduction
from skdist_gpu.engines.reductions.core.moments import Moments, MomentsReduction
from skdist_gpu.engines.reductions.core.protocol import Passes, Reduction, combine_all
from skdist_gpu.engines.reductions.core.starts import Ends, Starts
from skdist_gpu.engines.reductions.info import INFO
from skdist_gpu.engines.reductions.kinds import (
    ONE_PASS,
    REGRESSORS,
    changes_rows,
    is_iterated,
    needs_target,
    predicts,
    takes_labels,
)
from skdist_gpu.engines.reductions.linear_steps import (
    follows_from_moments,
    linear_step,
    total_from,
)
from skdist_gpu.engines.reductions.row_values import before_steps, n_columns, shape_of, values_behind
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.hardware.detect import current_client
from skdist_gpu.progress import Progress

# regressors whose prediction is a sum over columns
LINEAR = frozenset((*REGRESSORS, "HuberRegressor", "LinearSVR", "RidgeCV", "LassoCV", "ElasticNetCV"))
# beyond so many columns their products cost more than what is saved
MOST_COLUMNS = 2000
# parameters that move a minimum, and what is minimised stays alike
PENALTIES = ("C", "alpha", "l1_ratio", "tol", "max_iter", "random_state")
# share of what is added up by which an error that is almost zero may be wrong
LOST = 1e-13
# relative error that a score may have
PRECISE = 1e-10


def refusal(estimator: Any, entry: Entry | None, rows: RowSet, y: Any, sample_weight: Any = None) -> str | None:
    """Say why an estimator cannot be fitted from the shared sums of a set of rows; None if it can.

    `entry` is that of the estimator, where one takes its parameters.
    """
    name = type(estimator).__name__
    known = any(each.backend == INFO.name for each in entries_for(estimator))
    if not known or not (name in ONE_PASS or predicts(estimator) or counts_gaps(estimator, rows.table)):
        return f"{name} is no function of sums that its candidates share"
    if entry is None:
        return f"these parameters of {name} are not fitted from sums"
    if entry.numbered_passes(estimator):
        return f"{name} makes folds of its own"
    if sample_weight is not None and not (entry.weights and has_fit_parameter(estimator, "sample_weight")):
        return f"{name} takes no weights"
    n_rows, n_features = len(rows), n_columns(rows)
    if n_features is None:
        return f"the rows before {name} are no dense numbers"
    if n_features > min(MOST_COLUMNS, entry.most_columns, n_rows):
        return f"{name} of {n_features} columns and {n_rows} rows costs less without their products"
    if needs_target(estimator):
        if y is None:
            return f"{name} needs a target"
        if y.ndim > 1 and not entry.multi_target:
            return f"{name} with several targets is not fitted from sums"
        if takes_labels(estimator) != (rows.table.classes is not None):
            return f"{name} reads the target in another way than the last step"
        if rows.table.classes is not None and not _has_all_classes(rows):
            return "a class is missing among the rows of a fold"
    return None


def counts_gaps(estimator: Any, table: Any) -> bool:
    """Whether an imputer learns from counts and means of the columns that are values of its own kind."""
    numbers = table.n_columns is not None and changes_rows(estimator, str(table.input_dtype))
    return type(estimator).__name__ == "SimpleImputer" and numbers and estimator.strategy != "median"


def check_parameters(estimator: Any, y: Any) -> None:
    """Raise and warn as scikit-learn does of parameters before it reads the data."""
    given = y if needs_target(estimator) else None
    checked: Any = SimpleNamespace(estimator=estimator, y=given, sample_weight=None, info=SimpleNamespace(sparse=False))
    check_as_scikit_learn(checked)


def fit_shared(estimator: Any, entry: Entry, rows: RowSet, sample_weight: Any = None) -> None:
    """Fit an estimator in place on a set of rows, from sums that fits on other sets use, too."""
    with_target = needs_target(estimator)
    _remember_features(estimator, rows)
    dtype = shape_of(rows)[1]
    sums = _Sums(rows, with_target, None if sample_weight is None else sample_weight.whole)
    sums.with_gaps = type(estimator).__name__ == "SimpleImputer"
    target = rows.table.target if with_target else None
    data = Passes(
        reduce=sums.reduce,
        n_features=sums.n_features,
        target_ndim=0 if target is None else target.ndim,
        dtype=dtype,
        input_dtype=dtype if rows.before is not None else rows.table.input_dtype,
        weighted=sample_weight is not None,
        classes=rows.table.classes if with_target else None,
        n_rows=len(rows),
        target_dtype=np.dtype(np.float64) if target is None else target.dtype,
        starts=_starts(estimator, rows, sample_weight) if is_iterated(estimator) else None,
    )
    assert entry.fit is not None
    entry.fit(estimator, data)


def _starts(estimator: Any, rows: RowSet, sample_weight: Any) -> Starts:
    """Return where fits have ended that differ from this one in their penalty and the fold only."""
    parameters = {name: v for name, v in estimator.get_params(deep=False).items() if name not in PENALTIES}
    weights = None if sample_weight is None else id(sample_weight.whole)
    alike = "ends", type(estimator), joblib.hash(parameters), n_columns(rows), weights
    # the axes of one fold mean nothing to another
    own_axes = any(hasattr(step, "components_") for step in rows.steps())
    home = rows if own_axes else rows.table.all
    return Starts(home.remember(alike, Ends), rows)


def _remember_features(estimator: Any, rows: RowSet) -> None:
    estimator.n_features_in_ = n_columns(rows)
    if rows.before is None and rows.table.names is not None:
        estimator.feature_names_in_ = rows.table.names


@dataclass
class Errors:
    """Squared errors of predictions for a set of rows: their (weighted) mean, and the variance of the target."""

    mean: float
    variance: float

    @property
    def r2(self) -> float:
        """The share of the variance that is explained."""
        return 1 - self.mean / self.variance


def linear_errors(model: Any, rows: RowSet, y: Any, sample_weight: Any = None) -> Errors | None:
    """Return the squared errors of a fitted linear regressor; None where sums would lose digits, or there are none."""
    if type(model).__name__ not in LINEAR or y is None or y.ndim != 1 or rows.table.classes is not None:
        return None
    if len(rows) < 2 or np.ndim(model.coef_) != 1 or not n_columns(rows) == len(model.coef_) <= MOST_COLUMNS:
        return None
    moments = _moments(rows, None if sample_weight is None else sample_weight.whole)
    if moments is None or not moments.weight > 0:
        return None
    direction = np.append(-model.coef_, 1.0).astype(np.float64)
    bias = float(moments.mean @ direction) - float(np.ravel(model.intercept_)[0])
    squares = float(direction @ moments.scatter @ direction)
    size = np.abs(direction)
    lost = LOST * float(size @ np.abs(moments.scatter) @ size)
    total = float(moments.scatter[-1, -1])
    if not squares > 0 or lost > PRECISE * squares or total <= LOST * moments.weight * float(moments.mean[-1]) ** 2:
        return None
    return Errors(squares / moments.weight + bias**2, total / moments.weight)


class _Sums:
    """The sums over a set of rows."""

    def __init__(self, rows: RowSet, with_target: bool, weights: np.ndarray | None) -> None:
        self.rows, self.with_target, self.weights = rows, with_target, weights
        found = n_columns(rows)
        assert found is not None
        self.n_features = found
        # whether NaN is likely, so that the moments are not finite
        self.with_gaps = False

    def reduce(self, reduction: Reduction) -> Any:
        """Return the total of a reduction, from what is known where that is enough."""
        with self.rows.table.lock:
            known = self._from_moments(reduction)
            # whoever asked may change what it gets
            if known is None:
                return deepcopy(_total(self.rows, reduction, self.with_target, self.weights))
            return known

    def _from_moments(self, reduction: Reduction) -> Any:
        """Return a total that follows from the second moments of the rows; None for another one."""
        if self.with_gaps or (type(reduction) is CorrelationReduction and self.rows.table.classes is not None):
            return None
        weights = self.weights if getattr(reduction, "weighted", True) else None
        moments = _moments(self.rows, weights) if follows_from_moments(reduction) else None
        with_target = self.with_target and self.rows.table.classes is None
        return None if moments is None else total_from(moments, reduction, self.n_features, with_target)


def _total(rows: RowSet, reduction: Reduction, with_target: bool, weights: np.ndarray | None) -> Any:
    """Return the total over rows, remembered where no array that a fit has found is part of the question."""
    key = _key(reduction)
    if key is None:
        return _read(rows, reduction, with_target, weights)
    question = key, with_target, id(weights)
    if rows.table.lazy is not None and rows.before is None and not rows.parts and question not in rows.known:
        # others will be asked for, and all are told by one reading
        totals = _read_lazy(rows.siblings, reduction, with_target, weights)
        for part, total in zip(rows.siblings, totals, strict=True):
            part.known.setdefault(question, total)
    return rows.remember(question, lambda: _read(rows, reduction, with_target, weights))


def _read(rows: RowSet, reduction: Reduction, with_target: bool, weights: np.ndarray | None) -> Any:
    """Return the total over rows: that of the sets that they are made of, or of a look at them."""
    table = rows.table
    before, steps = before_steps(rows)
    # what nobody else will ask for is read from all sets at once
    known = _key(reduction) is not None
    if steps and (known or table.lazy is not None):
        return _read(before, BehindSteps(steps, reduction, with_target), with_target, weights)
    parts = (before,) if getattr(reduction, "keeps_order", False) else before.parts or (before,)
    if before.parts and known:
        totals = [deepcopy(_total(part, reduction, with_target, weights)) for part in parts]
        return combine_all(reduction, totals)
    if table.lazy is not None:
        return combine_all(reduction, _read_lazy(parts, reduction, with_target, weights))
    table.rows_read += len(rows)
    sets = [
        (values_behind(part, steps, rows), part.target() if with_target else None, part.weights(weights))
        for part in parts
    ]
    return reduce_sets(reduction, sets, table.n_threads)


def _read_lazy(
    parts: tuple[RowSet, ...], reduction: Reduction, with_target: bool, weights: np.ndarray | None
) -> list[Any]:
    """Return the total over each of some sets of lazy rows that share none, from one reading of the rows."""
    import dask.array

    from skdist_gpu.engines.executors.dask import DaskExecutor

    table = parts[0].table
    table.rows_read += table.n_rows
    numbers = np.full(table.n_rows, -1.0)
    for i, part in enumerate(parts):
        numbers[slice(None) if part.numbers is None else part.numbers] = i
    assert table.lazy is not None
    columns: list[Any] = [numbers, *([table.target] if with_target else []), *([] if weights is None else [weights])]
    beside = np.column_stack(columns)
    lazy = dask.array.from_array(beside, chunks=(table.lazy.chunks[0], beside.shape[1]))
    of_each = PartsReduction(reduction, len(parts), weights is not None, table)
    executor = DaskExecutor(table.lazy, lazy, None, current_client(get_config()["client"]), Progress())
    totals: list[Any] = executor.reduce(of_each)
    return totals


class PartsReduction:
    """A reduction of each of several sets of rows, told apart by numbers beside the target and the weights.

    Parameters
    ----------
    reduction : Reduction
        What is summed.
    n_parts : int
        Number of sets; rows of number -1 are in none.
    weighted : bool
        Whether the last column holds weights.
    table : RowTable
        Whose target it is.
    """

    def __init__(self, reduction: Reduction, n_parts: int, weighted: bool, table: Any) -> None:
        self.reduction, self.n_parts, self.weighted = reduction, n_parts, weighted
        self.of_classes, self.one_target = table.classes is not None, getattr(table.target, "ndim", 1) == 1

    def map(self, X: Any, y: Any, sample_weight: Any) -> list[Any]:
        """Return what a block contributes to each set, None where it has no row of it."""
        numbers, weight = y[:, 0], y[:, -1] if self.weighted else None
        target = y[:, 1:-1] if self.weighted else y[:, 1:]
        target = target[:, 0] if self.one_target and target.shape[1] else target
        target = target.astype(np.intp) if self.of_classes else target
        partials = []
        for i in range(self.n_parts):
            own = numbers == i
            given = None if not target.size else target[own], None if weight is None else weight[own]
            partials.append(self.reduction.map(X[own], *given) if own.any() else None)
        return partials

    def combine(self, a: list[Any], b: list[Any]) -> list[Any]:
        """Return the contributions of two blocks together."""
        return [combine_all(self.reduction, [left, right]) for left, right in zip(a, b, strict=True)]


def _moments(rows: RowSet, weights: np.ndarray | None) -> Moments | None:
    """Return the moments of [X y], of [X] where `y` holds classes; None if they are not finite."""

    def compute() -> Moments | None:
        step = None if rows.before is None else linear_step(rows.step)
        if step is not None and rows.before is not None:
            before = _moments(rows.before, weights)
            return None if before is None else step.moments(before)
        with_target = rows.table.target is not None and rows.table.classes is None
        moments = _total(rows, MomentsReduction(), with_target, weights)
        return moments if np.isfinite(moments.scatter).all() else None

    found: Moments | None = rows.remember(("moments", id(weights)), compute)
    return found


def _key(reduction: Any) -> Any:
    """Return what tells a reduction from others; None if a fit has put an array into it."""
    parts: list[tuple[str, Any]] = []
    for name, value in sorted(vars(reduction).items()):
        if isinstance(value, (bool, int, float, str, type(None))):
            parts.append((name, value))
        elif isinstance(value, tuple) and all(hasattr(part, "map") for part in value):
            keys = tuple(map(_key, value))
            if None in keys:
                return None
            parts.append((name, keys))
        else:
            return None
    return type(reduction), tuple(parts)


def _has_all_classes(rows: RowSet) -> bool:
    classes, codes = rows.table.classes, rows.target()
    assert classes is not None
    assert codes is not None

    def look() -> bool:
        return bool(np.bincount(codes, minlength=len(classes)).min() > 0)

    found: bool = rows.raw().remember("has all classes", look)
    return found
