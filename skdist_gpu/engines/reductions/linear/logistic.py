"""Logistic regression, binary and multinomial, by Newton's method on sums over rows.

Sources: Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", 2nd ed., Springer
2009, section 4.4; Böhning, "Multinomial Logistic Regression Algorithm", Ann. Inst. Stat. Math. 44,
1992 (the matrix of second derivatives).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.classes.class_weights import check_classes, class_weights, weights_of_rows
from skdist_gpu.engines.reductions.core.newton import Sums
from skdist_gpu.engines.reductions.core.protocol import Passes, Reduction, dot, namespace
from skdist_gpu.engines.reductions.core.sample import narrow_slices
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.engines.reductions.linear.absolute import AbsolutePenalty
from skdist_gpu.engines.reductions.linear.linear import (
    Design,
    Model,
    ScoreReduction,
    free_design,
    look_ahead,
    some_rows,
)
from skdist_gpu.engines.reductions.linear.shortest import shorten


class BinomialLoss:
    """Negative log-likelihood of classes 0 and 1, the score being the log-odds of class 1."""

    def __init__(self, class_weight: np.ndarray | None) -> None:
        self.class_weight = class_weight

    def __call__(self, y: Any, score: Any) -> tuple[Any, Any]:
        """Return loss and derivative for each row."""
        xp = namespace(score)
        small = xp.abs(score)
        small = xp.exp(xp.negative(small, out=small), out=small)
        loss = xp.log1p(small)
        loss += xp.maximum(score, 0)
        loss -= y * score
        slope = xp.where(score >= 0, 1, small)
        slope /= xp.add(small, 1, out=small)
        slope -= y
        return loss, slope

    def curvature(self, y: Any, score: Any) -> Any:
        """Return the second derivative for each row."""
        xp = namespace(score)
        small = xp.exp(-xp.abs(score))
        return small / (1 + small) ** 2

    def weight(self, y: Any, sample_weight: Any) -> Any:
        """Return the weight of each row."""
        return weights_of_rows(self.class_weight, y, sample_weight)


class SoftmaxReduction:
    """Sum the negative log-likelihood of several classes, with its derivatives.

    The coefficients have a row for each class; the second derivatives are those of the flattened rows, summed over
    one of `every` rows of X, which stands for so many. There are none for 0.

    A common shift of all classes changes no probability. With `shifts`, no step leads along it, since coefficients
    begin at zero: a GPU that keeps second derivatives may then give that direction any size, so that they are definite.
    """

    def __init__(
        self, class_weight: np.ndarray | None, design: Design, coef: np.ndarray, every: int, shifts: bool = False
    ) -> None:
        self.class_weight, self.design, self.every, self.shifts = class_weight, design, every, shifts
        self.coef = coef.reshape(-1, design.n_columns)

    def map(self, X: Any, y: Any, sample_weight: Any) -> Sums:
        """Return the sums of a block."""
        # the products of second derivatives take as much room for each class
        widening = len(self.coef) * (1 / self.every if self.every else 1 / X.shape[1])
        weight = weights_of_rows(self.class_weight, y, sample_weight)
        total = None
        for rows in narrow_slices(X.shape[0], 1 + widening):
            sums = self._map_rows(X[rows], y[rows], None if weight is None else weight[rows])
            total = sums if total is None else total.plus(sums)
        assert total is not None
        return total

    def _map_rows(self, X: Any, y: Any, weight: Any) -> Sums:
        xp = namespace(X)
        rows = self.design.rows(X)
        scores = self.design.scores(rows, self.coef)
        scores -= scores.max(axis=1, keepdims=True)
        own = (xp.arange(len(y)), y)
        loss = -scores[own]
        probability = xp.exp(scores, out=scores)
        normaliser = probability.sum(axis=1)
        loss += xp.log(normaliser)
        probability /= normaliser[:, None]
        if weight is None:
            weight = xp.ones(len(y))
        slope = probability * weight[:, None]
        slope[own] -= weight
        hessian = None
        if self.every:
            some, share = some_rows(self.every, rows, probability, weight)
            hessian = share * softmax_hessian(self.design, *some)
        return Sums(dot(weight, loss), self.design.products(rows, slope).ravel(), hessian)

    def combine(self, a: Sums, b: Sums) -> Sums:
        """Add the sums."""
        return a.plus(b)


def softmax_hessian(design: Design, rows: Any, probability: Any, weight: Any) -> Any:
    """Return the sums of w (diag(p) - p pᵀ) ⊗ x xᵀ, as (classes, columns) by (classes, columns)."""
    xp = namespace(rows)
    n_rows, n_classes = probability.shape
    products = xp.empty((n_rows, n_classes, design.n_columns))
    products[:, :, design.n_features :] = design.constant
    products[:, :, : design.n_features] = rows[:, None, :]
    products *= (probability * xp.sqrt(weight)[:, None])[:, :, None]
    products = products.reshape(n_rows, -1)
    hessian = -dot(products.T, products)
    for k in range(n_classes):
        own = slice(k * design.n_columns, (k + 1) * design.n_columns)
        p = probability[:, k]
        hessian[own, own] = design.squares(rows, weight * p * (1 - p))
    return hessian


def fit_logistic_regression(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LogisticRegression`` in place.

    Parameters
    ----------
    estimator : LogisticRegression
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
    class_weight = class_weights(estimator.class_weight, classes, view)
    total = view.weight if class_weight is None else class_weight @ view.class_weight
    design = free_design(sample, estimator.fit_intercept, absolute=estimator.l1_ratio > 0)
    n_scores = 1 if len(classes) == 2 else len(classes)
    model = make_model(class_weight, design, n_scores, float(total), 1 / (estimator.C * total), estimator.l1_ratio)
    found = model.fit(data, sample, estimator.max_iter, estimator.tol)
    coef, intercept = coefficients(design, found.coef)
    coef, intercept = shorten(estimator, data, found, coef, intercept, penalised=np.isfinite(estimator.C))
    dtype = np.float32 if data.dtype == np.float32 else np.float64
    estimator.classes_ = classes
    estimator.coef_, estimator.intercept_ = coef.astype(dtype), intercept.astype(dtype)
    estimator.n_iter_ = np.array([found.n_iter], dtype=np.int32)


def coefficients(design: Design, coef: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts for X itself, a row and a value for each score."""
    slopes, intercepts = design.by_row_of_X(coef.reshape(-1, design.n_columns))
    return slopes, intercepts if len(intercepts) == 1 else intercepts - intercepts.mean()


def make_model(
    class_weight: np.ndarray | None, design: Design, n_scores: int, total: float, penalty: float, l1_ratio: float
) -> Model:
    """Return what to minimise; one score for two classes.

    `penalty` is that of each coefficient as a share of the mean over rows, `l1_ratio` the part of it
    that is for absolute coefficients and not for squared ones.
    """
    penalised = np.tile(np.arange(design.n_columns) < design.n_features, n_scores)
    absolute = AbsolutePenalty(penalty * l1_ratio, penalised) if penalty * l1_ratio > 0 else None
    loss = BinomialLoss(class_weight)

    def make(coef: np.ndarray, every: int) -> Reduction:
        if n_scores == 1:
            return ScoreReduction(loss, design, coef, every)
        return SoftmaxReduction(class_weight, design, coef, every, shifts=absolute is None)

    return Model(
        make,
        total,
        np.where(penalised, penalty * (1 - l1_ratio), 0.0),
        np.zeros(len(penalised)),
        # with absolute coefficients a common shift of all classes does change the objective
        None if absolute or n_scores == 1 else lambda hessian: _fix_common_shift(hessian, n_scores),
        absolute,
    )


def _fix_common_shift(hessian: np.ndarray, n_classes: int) -> np.ndarray:
    """Make second derivatives definite along the shift of all classes, which changes no probability.

    The gradient is orthogonal to these directions, so that steps stay the same.
    """
    n_columns = len(hessian) // n_classes
    by_class = hessian.reshape(n_classes, n_columns, n_classes, n_columns)
    column = np.arange(n_columns)
    size = np.einsum("kjkj->j", by_class) / n_classes**2
    by_class[:, column, :, column] += np.where(size > 0, size, 1.0)[:, None, None]
    return hessian


# all these solvers are after one answer, which sag and saga stop short of; liblinear penalises the intercept
ACCEPTED: dict[str, Any] = {
    "solver": ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"),
    "penalty": ("deprecated",),
    "dual": (False,),
    "verbose": (0, False),
    "max_iter": lambda n: n > 0,
}
_ONE_FIT: dict[str, Any] = {"l1_ratio": lambda ratio: ratio is not None, "n_jobs": (None,)}
ENTRIES = everywhere(
    "LogisticRegression",
    fit_logistic_regression,
    accepts=ACCEPTED | _ONE_FIT,
    multi_target=False,
    tolerance=1e-6,
)
