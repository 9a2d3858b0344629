"""Robust linear regression by Newton's method on sums over rows.

Source: Huber & Ronchetti, "Robust Statistics", 2nd ed., Wiley 2009, section 7.7 (concomitant
estimates of scale); the objective is convex in coefficients and scale together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.core.newton import Sums, by_gradients
from skdist_gpu.engines.reductions.core.protocol import Passes, dot, namespace
from skdist_gpu.engines.reductions.core.sample import check_finite
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.engines.reductions.linear.linear import (
    Design,
    Model,
    free_design,
    look_ahead,
    some_rows,
    warn_if_unfinished,
)

ROWS_PER_UNKNOWN = 10
# columns up to so many times larger or smaller than one stay as they are
LIKE_SIZE = 10
# the scale of a perfect fit, as in scikit-learn
SMALLEST_SCALE = 10 * np.finfo(np.float64).eps


class HuberReduction:
    """Sum Huber's loss with its derivatives by the coefficients and, last, the scale.

    Second derivatives are those of one of `every` rows, which stands for so many; there are none for 0.
    """

    def __init__(self, epsilon: float, design: Design, unknowns: np.ndarray, every: int) -> None:
        self.epsilon, self.design, self.every = epsilon, design, every
        self.coef, self.scale = unknowns[:-1], float(unknowns[-1])

    def map(self, X: Any, y: Any, sample_weight: Any) -> Sums:
        """Return the sums of a block."""
        xp = namespace(X)
        if self.scale < SMALLEST_SCALE:
            return Sums(np.inf, xp.zeros(len(self.coef) + 1), xp.zeros((len(self.coef) + 1,) * 2))
        rows = self.design.rows(X)
        residual = y - self.design.scores(rows, self.coef)
        ratio = residual / self.scale
        inside = xp.abs(ratio) <= self.epsilon
        weight = xp.ones(len(y)) if sample_weight is None else sample_weight
        outside_loss = 2 * self.epsilon * xp.abs(residual) - self.scale * self.epsilon**2
        loss = self.scale + xp.where(inside, ratio * residual, outside_loss)
        slope = -2 * weight * xp.clip(ratio, -self.epsilon, self.epsilon)
        by_scale = dot(weight, 1 - xp.minimum(ratio * ratio, self.epsilon**2))
        gradient = xp.concatenate([self.design.products(rows, slope), by_scale[None]])
        if not self.every:
            return Sums(dot(weight, loss), gradient)
        (rows, inside, weight_used, ratio), share = some_rows(self.every, rows, inside, weight, ratio)
        curvature = weight_used * inside * (2 * share / self.scale)
        mixed = self.design.products(rows, curvature * ratio)
        corner = dot(curvature * ratio, ratio)
        upper = xp.concatenate([self.design.squares(rows, curvature), mixed[:, None]], axis=1)
        lower = xp.concatenate([mixed, corner[None]])
        return Sums(dot(weight, loss), gradient, xp.concatenate([upper, lower[None]]))

    def combine(self, a: Sums, b: Sums) -> Sums:
        """Add the sums."""
        return a.plus(b)


class OutliersReduction:
    """Tell for each row, in order, whether its residual is above a threshold."""

    keeps_order = True

    def __init__(self, coef: np.ndarray, intercept: float, threshold: float) -> None:
        self.coef, self.intercept, self.threshold = coef, intercept, threshold

    def map(self, X: Any, y: Any, sample_weight: Any) -> list[Any]:
        """Return the answers of a block."""
        xp = namespace(X)
        return [xp.abs(y - dot(X, xp.asarray(self.coef)) - self.intercept) > self.threshold]

    def combine(self, a: list[Any], b: list[Any]) -> list[Any]:
        """Put the answers behind each other."""
        return a + b


def fit_huber(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``HuberRegressor`` in place.

    Parameters
    ----------
    estimator : HuberRegressor
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.
    """
    view, sample = look_ahead(data)
    design = free_design(sample, estimator.fit_intercept)
    penalty, start = np.zeros(design.n_columns + 1), np.zeros(design.n_columns + 1)
    penalty[: data.n_features] = 2 * estimator.alpha / view.weight
    target = np.asarray(sample.y, dtype=np.float64)
    middle = np.median(target) if estimator.fit_intercept else 0.0
    start[data.n_features : -1] = middle
    # all rows inside at first, so that there are second derivatives
    start[-1] = max(np.abs(target - middle).max() / estimator.epsilon, 1e-10)
    model = Model(
        lambda unknowns, every: HuberReduction(estimator.epsilon, design, unknowns, every),
        float(view.weight),
        penalty,
        start,
        # rows that lie on a plane leave no scale
        inside=lambda unknowns: np.append(unknowns[:-1], max(unknowns[-1], SMALLEST_SCALE)),
    )
    if view.n_rows > ROWS_PER_UNKNOWN * len(start):
        found = model.fit(data, sample, estimator.max_iter, estimator.tol)
    else:
        # few rows may lie on a plane, where the scale is zero and has no second derivative
        bounds = [(None, None)] * (len(start) - 1) + [(SMALLEST_SCALE, None)]
        start[:-1], start[-1] = 0, 1
        objective = model.objective(data.reduce)
        check_finite(objective(start, 0).value, data)
        tol = estimator.tol / view.weight
        size = _sizes(design.rows(sample.X), penalty)
        found = by_gradients(objective, start, estimator.max_iter, tol, bounds=bounds, size=size)
        warn_if_unfinished(found, estimator.max_iter, tol)
    coef, intercept = design.by_row_of_X(found.coef[None, :-1])
    estimator.coef_, estimator.scale_ = coef[0], max(found.coef[-1], SMALLEST_SCALE)
    estimator.intercept_ = intercept[0] if estimator.fit_intercept else 0.0
    estimator.n_iter_ = found.n_iter
    threshold = estimator.scale_ * estimator.epsilon
    outliers = data.reduce(OutliersReduction(estimator.coef_, float(estimator.intercept_), threshold))
    estimator.outliers_ = np.concatenate(outliers)


def _sizes(rows: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Return by what to multiply each unknown, so that the derivatives are of like size.

    L-BFGS ends early where columns differ much in size. Where they do not, its way from zero leads to the
    shortest coefficients that fit few rows, as scikit-learn's does, and stays what it is.
    """
    size = np.ones(len(penalty))
    n_features = rows.shape[1]
    size[:n_features] = np.maximum(np.abs(rows).max(axis=0), np.sqrt(penalty[:n_features]))
    size[size == 0] = 1
    return size if np.abs(np.log(size)).max() > np.log(LIKE_SIZE) else np.ones(len(size))


ENTRIES = everywhere("HuberRegressor", fit_huber, multi_target=False, tolerance=1e-6)
