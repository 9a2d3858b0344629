"""Linear support vector machines with squared losses, by Newton's method on sums over rows.

Sources: Mangasarian, "A Finite Newton Method for Classification", Optimization Methods and
Software 17, 2002; Fan et al., "LIBLINEAR: A Library for Large Linear Classification", JMLR 9, 2008
(the objective: the intercept is the coefficient of a constant column, and penalised like the others).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.classes.class_weights import check_classes, class_weights
from skdist_gpu.engines.reductions.core.newton import Minimum
from skdist_gpu.engines.reductions.core.protocol import Passes, namespace
from skdist_gpu.engines.reductions.core.sample import Rows
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.engines.reductions.linear.linear import Design, Model, RowLoss, ScoreReduction, bound_design, look_ahead


class SquaredHinge:
    """The squared hinge loss of one class against all others."""

    def __init__(self, positive: int, positive_weight: float, negative_weight: float) -> None:
        self.positive, self.weights = positive, (positive_weight, negative_weight)

    def __call__(self, y: Any, score: Any) -> tuple[Any, Any]:
        """Return loss and derivative for each row."""
        xp = namespace(score)
        sign = self._sign(y)
        slack = xp.maximum(1 - sign * score, 0)
        return slack * slack, -2 * sign * slack

    def curvature(self, y: Any, score: Any) -> Any:
        """Return the second derivative for each row."""
        return 2.0 * (self._sign(y) * score < 1)

    def _sign(self, y: Any) -> Any:
        return namespace(y).where(y == self.positive, 1.0, -1.0)

    def weight(self, y: Any, sample_weight: Any) -> Any:
        """Return the weight of each row."""
        if self.weights == (1, 1):
            return sample_weight
        weight = namespace(y).where(y == self.positive, *self.weights)
        return weight if sample_weight is None else weight * sample_weight


class SquaredEpsilonInsensitive:
    """The squared distance of the score from the target, less a tolerance."""

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def __call__(self, y: Any, score: Any) -> tuple[Any, Any]:
        """Return loss and derivative for each row."""
        xp = namespace(score)
        residual = score - y
        slack = xp.maximum(xp.abs(residual) - self.epsilon, 0)
        return slack * slack, 2 * xp.sign(residual) * slack

    def curvature(self, y: Any, score: Any) -> Any:
        """Return the second derivative for each row."""
        return 2.0 * (namespace(score).abs(score - y) > self.epsilon)

    def weight(self, y: Any, sample_weight: Any) -> Any:
        """Return the weight of each row."""
        return sample_weight


def fit_linear_svc(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LinearSVC`` with the squared hinge loss and the penalty "l2" in place.

    Parameters
    ----------
    estimator : LinearSVC
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, if there is one class only.
    """
    classes = check_classes(data)
    view, sample = look_ahead(data, len(classes))
    weights = class_weights(estimator.class_weight, classes, view)
    weights = np.ones(len(classes)) if weights is None else weights
    if len(classes) == 2:
        losses = [SquaredHinge(1, weights[1], weights[0])]
    else:
        # LIBLINEAR weighs only the class that is set against the others
        losses = [SquaredHinge(k, weights[k], 1.0) for k in range(len(classes))]
    design = _design(estimator, sample)
    found = [_minimise(estimator, loss, design, float(view.weight), data, sample) for loss in losses]
    coef, intercept = design.by_row_of_X(np.array([f.coef for f in found]))
    estimator.classes_ = classes
    estimator.coef_, estimator.intercept_ = coef, intercept if estimator.fit_intercept else 0.0
    estimator.n_iter_ = max(f.n_iter for f in found)


def fit_linear_svr(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LinearSVR`` with the squared loss in place; parameters as in :func:`fit_linear_svc`."""
    view, sample = look_ahead(data)
    design = _design(estimator, sample)
    loss = SquaredEpsilonInsensitive(estimator.epsilon)
    found = _minimise(estimator, loss, design, float(view.weight), data, sample)
    coef, intercept = design.by_row_of_X(found.coef[None])
    estimator.coef_, estimator.intercept_ = coef[0], intercept if estimator.fit_intercept else 0.0
    estimator.n_iter_ = found.n_iter


def _design(estimator: Any, sample: Rows) -> Design:
    return bound_design(sample, float(estimator.intercept_scaling) if estimator.fit_intercept else 0.0)


def _minimise(estimator: Any, loss: RowLoss, design: Design, total: float, data: Passes, sample: Rows) -> Minimum:
    """Minimise half of the squared coefficients plus C times the losses, as a mean over rows."""
    penalty = np.full(design.n_columns, 1 / (estimator.C * total))
    start = np.zeros(design.n_columns)
    model = Model(lambda coef, every: ScoreReduction(loss, design, coef, every), total, penalty, start, in_pieces=True)
    return model.fit(data, sample, estimator.max_iter, estimator.tol)


_COMMON: dict[str, Any] = {"verbose": (0, False), "max_iter": lambda n: n > 0}
_SVC: dict[str, Any] = {"loss": ("squared_hinge",), "penalty": ("l2",), "multi_class": ("ovr",), **_COMMON}
_SVR: dict[str, Any] = {"loss": ("squared_epsilon_insensitive",), **_COMMON}
ENTRIES = (
    *everywhere("LinearSVC", fit_linear_svc, accepts=_SVC, multi_target=False, tolerance=1e-6),
    *everywhere("LinearSVR", fit_linear_svr, accepts=_SVR, multi_target=False, tolerance=1e-6),
)
