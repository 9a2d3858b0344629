"""Rows behind steps, such as a scaler and a projection, as something to pass over without making them.

Second moments of the rows tell those of the rows behind linear steps; what follows from moments needs no look at the
rows. Other sums, and other steps, such as an imputer, apply the steps to each block on the way.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.reductions.core.learned import learn_from
from skdist_gpu.engines.reductions.core.moments import Moments, MomentsReduction
from skdist_gpu.engines.reductions.core.protocol import STEP_BYTES, Passes, Reduction, rows_per_step
from skdist_gpu.engines.reductions.info import INFO
from skdist_gpu.engines.reductions.kinds import LOOKS_AT_NO_VALUES, needs_target
from skdist_gpu.engines.reductions.linear_steps import (
    LinearStep,
    RowStep,
    Step,
    follows_from_moments,
    merged,
    step_of,
    total_from,
)
from skdist_gpu.engines.registry import entries_for


class BehindSteps:
    """A reduction of the rows behind steps.

    Parameters
    ----------
    steps : tuple of Step
        What is done to each block first.
    reduction : Reduction
        What is summed then.
    with_target : bool
        Whether it is handed the target.
    """

    def __init__(self, steps: tuple[Step, ...], reduction: Reduction, with_target: bool) -> None:
        self.steps, self.reduction, self.with_target = merged(steps), reduction, with_target
        for name in ("targets_only", "rows_at_once", "keeps_order"):  # what executors ask of a reduction
            if hasattr(reduction, name):
                setattr(self, name, getattr(reduction, name))
        # rows that become wider take room in the cache for what they become
        widest = max((step.n_out(0) for step in steps if isinstance(step, RowStep)), default=0)
        if widest:
            fitting = rows_per_step(widest, STEP_BYTES)
            self.rows_at_once = min(fitting, getattr(self, "rows_at_once", fitting))

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
    """The rows of a fit behind steps.

    Parameters
    ----------
    data : Passes
        The rows before the first step.
    steps : tuple of Step
        What changes them.
    known : dict
        Second moments of the rows behind so many steps, once they are known.
    """

    def __init__(self, data: Passes, steps: tuple[Step, ...] = (), known: dict[int, Any] | None = None) -> None:
        self.data, self.steps = data, steps
        self.known = {} if known is None else known
        self.n_features = data.n_features
        for step in steps:
            self.n_features = step.n_out(self.n_features)

    def through(self, step: Step) -> RowsBehind:
        """Return the rows behind one more step."""
        return RowsBehind(self.data, (*self.steps, step), self.known)

    def passes(self, with_target: bool, with_gaps: bool = False) -> Passes:
        """Return the rows as something to pass over, with the target or without; NaN is likely `with_gaps`."""
        data, reduce_parts, relabel = self.data, self.data.reduce_parts, self.data.relabel

        def parts(reduction: Reduction, n_parts: int) -> list[Any]:
            assert reduce_parts is not None
            return reduce_parts(BehindSteps(self.steps, reduction, with_target), n_parts)

        def relabelled(codes: np.ndarray) -> Passes:
            assert relabel is not None
            return RowsBehind(relabel(codes), self.steps).passes(True)

        return replace(
            data,
            reduce=partial(self._reduce, with_target, with_gaps),
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

    def _reduce(self, with_target: bool, with_gaps: bool, reduction: Reduction) -> Any:
        of_classes = self.data.classes is not None
        same_weights = getattr(reduction, "weighted", True) or not self.data.weighted
        # moments are not finite where there is something to fill
        worth_it = not with_gaps or len(self.steps) in self.known
        if follows_from_moments(reduction) and same_weights and worth_it:
            moments = self._moments(self.steps)
            if moments is not None:
                return total_from(moments, reduction, self.n_features, with_target and not of_classes)
        return self.data.reduce(BehindSteps(self.steps, reduction, with_target))

    def _moments(self, steps: tuple[Step, ...]) -> Moments | None:
        """Return the moments of the rows behind these steps, and of their target; None if they are not finite."""
        if len(steps) not in self.known:
            self.known[len(steps)] = self._look_at_moments(steps)
        moments: Moments | None = self.known[len(steps)]
        return moments

    def _look_at_moments(self, steps: tuple[Step, ...]) -> Moments | None:
        if steps and isinstance(steps[-1], LinearStep):
            before = self._moments(steps[:-1])
            return None if before is None else steps[-1].moments(before)
        reduction: Reduction = MomentsReduction()
        if steps:
            reduction = BehindSteps(steps, reduction, with_target=self.data.classes is None)
        moments: Moments | None = self.data.reduce(reduction)
        return moments if moments is not None and np.isfinite(moments.scatter).all() else None


def fit_before(job: FitJob, data: Passes, last: Passes) -> Passes:
    """Fit the steps before a job's estimator in place, and return the rows behind them for the estimator itself.

    Parameters
    ----------
    job : FitJob
        Its `before` are steps that :meth:`EngineInfo.fits_before` names.
    data : Passes
        The rows, without weights, and the target.
    last : Passes
        The same with the weights of the last step.
    """
    rows = RowsBehind(data)
    _hand_on_features(job.estimator, job.before[0])
    for step in job.before:
        step.n_features_in_ = rows.n_features
        if type(step).__name__ in LOOKS_AT_NO_VALUES:
            learn_from(step, np.zeros((1, rows.n_features)))
        else:
            fit = next(e.fit for e in entries_for(step) if e.backend == INFO.name and e.fit is not None)
            fit(step, rows.passes(needs_target(step), with_gaps=type(step).__name__ == "SimpleImputer"))
        rows = rows.through(step_of(step))
    job.estimator.n_features_in_ = rows.n_features
    return RowsBehind(last, rows.steps, rows.known if last is data else None).passes(needs_target(job.estimator))


def _hand_on_features(estimator: Any, first: Any) -> None:
    """Give the first step what the last one was told of the columns, whose own are others."""
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimator, name):
            setattr(first, name, getattr(estimator, name))
            delattr(estimator, name)
