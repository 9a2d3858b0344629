"""Poisson, gamma and Tweedie regression by Newton's method on sums over rows.

Source: McCullagh & Nelder, "Generalized Linear Models", 2nd ed., Chapman & Hall 1989, chapters 2
and 9; Jørgensen, "The Theory of Dispersion Models", Chapman & Hall 1997 (the Tweedie deviance).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn_learned import remember_loss
from skdist_gpu.engines.reductions.core.protocol import Passes, namespace
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.engines.reductions.linear.linear import Model, ScoreReduction, free_design, look_ahead
from skdist_gpu.engines.reductions.linear.shortest import shorten


class TweedieLoss:
    """Half of the deviance of a Tweedie distribution: normal (power 0), Poisson (1), gamma (2) and others.

    Parameters
    ----------
    power : float
        The variance is the mean to this power.
    log_link : bool
        Whether the score is the logarithm of the mean, or the mean itself.
    """

    def __init__(self, power: float, log_link: bool) -> None:
        self.power, self.log_link = power, log_link

    def __call__(self, y: Any, score: Any) -> tuple[Any, Any]:
        """Return loss and derivative for each row."""
        xp, power = namespace(score), self.power
        if power == 0 and not self.log_link:
            residual = score - y
            return 0.5 * residual * residual, residual
        log_mean = self._log_mean(score)
        first, second = xp.exp((1 - power) * log_mean), xp.exp((2 - power) * log_mean)
        loss = self._loss(y, log_mean, first, second)
        return loss, second - y * first if self.log_link else first - y * xp.exp(-power * log_mean)

    def curvature(self, y: Any, score: Any) -> Any:
        """Return the second derivative for each row; the expected one where it may be negative."""
        xp, power = namespace(score), self.power
        if power == 0 and not self.log_link:
            return xp.ones_like(score)
        log_mean = self._log_mean(score)
        if not self.log_link:
            return xp.exp(-power * log_mean)
        second = xp.exp((2 - power) * log_mean)
        if not 1 <= power <= 2:
            return second
        return (2 - power) * second - (1 - power) * y * xp.exp((1 - power) * log_mean)

    def _log_mean(self, score: Any) -> Any:
        xp = namespace(score)
        return score if self.log_link else xp.log(xp.where(score > 0, score, xp.nan))

    def _loss(self, y: Any, log_mean: Any, first: Any, second: Any) -> Any:
        xp, power = namespace(log_mean), self.power
        if power == 1:
            return second - y * log_mean + y * xp.log(xp.where(y > 0, y, 1)) - y
        if power == 2:
            return log_mean + y * first - 1 - xp.log(y)
        least = y if power == 0 else xp.maximum(y, 0)
        saturated = least ** (2 - power) / ((1 - power) * (2 - power))
        return saturated + second / (2 - power) - y * first / (1 - power)

    def weight(self, y: Any, sample_weight: Any) -> Any:
        """Return the weight of each row."""
        return sample_weight


def fit_generalized_linear(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``PoissonRegressor``, ``GammaRegressor`` or ``TweedieRegressor`` in place.

    Parameters
    ----------
    estimator : PoissonRegressor, GammaRegressor or TweedieRegressor
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, if a target is out of the distribution's range.
    """
    view, sample = look_ahead(data)
    theirs = remember_loss(estimator)
    if not theirs.in_y_true_range(np.array([float(view.smallest_target)])):
        name = type(theirs).__name__
        raise ValueError(f"Some value(s) of y are out of the valid range of the loss {name!r}.")
    power = {"PoissonRegressor": 1, "GammaRegressor": 2}.get(type(estimator).__name__)
    power = estimator.power if power is None else power
    link = getattr(estimator, "link", "log")
    loss = TweedieLoss(power, link == "log" or (link == "auto" and power > 0))
    design = free_design(sample, estimator.fit_intercept)
    penalty, start = np.full(design.n_columns, float(estimator.alpha)), np.zeros(design.n_columns)
    if estimator.fit_intercept:
        penalty[-1] = 0
        start[-1] = theirs.link.link(np.array([view.weighted_target / view.weight]))[0]
    model = Model(lambda coef, every: ScoreReduction(loss, design, coef, every), float(view.weight), penalty, start)
    found = model.fit(data, sample, estimator.max_iter, estimator.tol)
    coef, intercept = design.by_row_of_X(found.coef[None])
    coef, intercept = shorten(estimator, data, found, coef, intercept, penalised=estimator.alpha > 0)
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    estimator.coef_ = coef[0].astype(dtype)
    estimator.intercept_ = intercept.astype(dtype)[0] if estimator.fit_intercept else 0.0
    estimator.n_iter_ = found.n_iter


_OPTIONS: dict[str, Any] = {
    "accepts": {"verbose": (0, False), "max_iter": lambda n: n > 0},
    "multi_target": False,
    "tolerance": 1e-6,
}
ENTRIES = (
    *everywhere("PoissonRegressor", fit_generalized_linear, **_OPTIONS),
    *everywhere("GammaRegressor", fit_generalized_linear, **_OPTIONS),
    *everywhere("TweedieRegressor", fit_generalized_linear, **_OPTIONS),
)
