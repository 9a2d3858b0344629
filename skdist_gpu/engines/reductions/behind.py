"""Rows behind linear steps, such as a scaler and a projection, as something to pass over without making them.

Second moments of the rows tell those of the rows behind; what follows from moments needs no look at the rows. Other
sums apply the steps to each block on the way.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.reductions.core.moments import Moments, MomentsReduction
from skdist_gpu.engines.reductions.core.protocol import Passes, Reduction
from skdist_gpu.engines.reductions.info import INFO
from skdist_gpu.engines.reductions.kinds import needs_target
from skdist_gpu.engines.reductions.linear_steps import LinearStep, follows_from_moments, linear_step, total_from
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.exceptions import EngineRefusal


class BehindSteps:
    """A reduction of the rows behind linear steps.

    Parameters
    ----------
    steps : tuple of LinearStep
        What is done to each block first.
    reduction : Reduction
        What is summed then.
    with_target : bool
        Whether it is handed the target.
    """

    def __init__(self, steps: tuple[LinearStep, ...], reduction: Reduction, with_target: bool) -> None:
        self.steps, self.reduction, self.with_target = steps, reduction, with_target
        for name in ("targets_only", "rows_at_once"):  # what executors ask of a reduction
            if hasattr(reduction, name):
                setattr(self, name, getattr(reduction, name))

    def arguments(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Return what the reduction is to map, of a block of rows before the steps."""
        for step in self.steps:
            X = step.rows(X)
        return X, y if self.with_target else None, sample_weight

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return what a block contributes."""
        return self.reduction.map(*self.arguments(X, y, sample_weight))

    def combine(self, a: Any, b: Any) -> Any:
        """Return the contribution of two sets of rows together."""
        return self.reduction.combine(a, b)


class RowsBehind:
    """The rows of a fit behind linear steps.

    Parameters
    ----------
    data : Passes
        The rows before the first step.
    steps : tuple of LinearStep
        What changes them.
    known : dict
        Second moments of the rows before the first step, once they are known.
    """

    def __init__(self, data: Passes, steps: tuple[LinearStep, ...] = (), known: dict[str, Any] | None = None) -> None:
        self.data, self.steps = data, steps
        self.known = {} if known is None else known
        self.n_features = data.n_features
        for step in steps:
            self.n_features = step.n_out(self.n_features)

    def through(self, step: LinearStep) -> RowsBehind:
        """Return the rows behind one more step."""
        return RowsBehind(self.data, (*self.steps, step), self.known)

    def passes(self, with_target: bool) -> Passes:
        """Return the rows as something to pass over, with the target or without."""
        data, reduce_parts, relabel = self.data, self.data.reduce_parts, self.data.relabel

        def parts(reduction: Reduction, n_parts: int) -> list[Any]:
            assert reduce_parts is not None
            return reduce_parts(BehindSteps(self.steps, reduction, with_target), n_parts)

        def relabelled(codes: np.ndarray) -> Passes:
            assert relabel is not None
            return RowsBehind(relabel(codes), self.steps).passes(True)

        return replace(
            data,
            reduce=partial(self._reduce, with_target),
            n_features=self.n_features,
            target_ndim=data.target_ndim if with_target else 0,
            input_dtype=data.dtype if self.steps else data.input_dtype,
            classes=data.classes if with_target else None,
            reduce_parts=None if reduce_parts is None else parts,
            relabel=None if relabel is None else relabelled,
            # what a GPU holds are the rows before the steps
            reduce_sample=Passes.reduce_sample,
            resident=False,
            clusters=Passes.clusters,
            clusters_of=None,
        )

    def _reduce(self, with_target: bool, reduction: Reduction) -> Any:
        of_classes = self.data.classes is not None
        same_weights = getattr(reduction, "weighted", True) or not self.data.weighted
        if follows_from_moments(reduction) and same_weights:
            moments = self._moments()
            if moments is not None:
                return total_from(moments, reduction, self.n_features, with_target and not of_classes)
        return self.data.reduce(BehindSteps(self.steps, reduction, with_target))

    def _moments(self) -> Moments | None:
        """Return the moments of the rows and their target; None if they are not finite."""
        if "moments" not in self.known:
            self.known["moments"] = self.data.reduce(MomentsReduction())
        moments = self.known["moments"]
        if moments is None or not np.isfinite(moments.scatter).all():
            return None
        for step in self.steps:
            moments = step.moments(moments)
        return moments


def fit_before(job: FitJob, data: Passes, last: Passes) -> Passes:
    """Fit the steps before a job's estimator in place, and return the rows behind them for the estimator itself.

    Parameters
    ----------
    job : FitJob
        Its `before` are linear steps.
    data : Passes
        The rows, without weights, and the target.
    last : Passes
        The same with the weights of the last step.
    """
    rows = RowsBehind(data)
    _hand_on_features(job.estimator, job.before[0])
    for step in job.before:
        fit = next(e.fit for e in entries_for(step) if e.backend == INFO.name and e.fit is not None)
        step.n_features_in_ = rows.n_features
        fit(step, rows.passes(needs_target(step)))
        linear = linear_step(step)
        if linear is None:
            raise EngineRefusal(f"{type(step).__name__} changes rows in a way that sums do not follow")
        rows = rows.through(linear)
    job.estimator.n_features_in_ = rows.n_features
    return RowsBehind(last, rows.steps, rows.known if last is data else None).passes(needs_target(job.estimator))


def _hand_on_features(estimator: Any, first: Any) -> None:
    """Give the first step what the last one was told of the columns, whose own are others."""
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimator, name):
            setattr(first, name, getattr(estimator, name))
            delattr(estimator, name)
