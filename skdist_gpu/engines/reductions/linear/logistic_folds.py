"""Sums of many logistic models at once, each over the rows outside, or inside, one fold.

`y` holds codes of class and fold together: ``class * n_folds + fold``. The scores of all models are
one product of the rows with all coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.classes.class_weights import weights_of_rows
from skdist_gpu.engines.reductions.core.newton import Sums
from skdist_gpu.engines.reductions.core.protocol import column_sums, namespace
from skdist_gpu.engines.reductions.core.sample import narrow_slices
from skdist_gpu.engines.reductions.linear.linear import Design
from skdist_gpu.engines.reductions.linear.logistic import BinomialLoss, softmax_hessian


@dataclass(frozen=True)
class Models:
    """Coefficients to evaluate, all of one design.

    Attributes
    ----------
    design : Design
        How rows become rows of numbers.
    n_folds : int
        Folds that `y` counts.
    fold : ndarray of int of shape (n_models,)
        The fold that each model leaves out.
    coef : ndarray of shape (n_models, n_scores, n_columns)
        One score for two classes.
    """

    design: Design
    n_folds: int
    fold: np.ndarray
    coef: np.ndarray

    def slices(self, X: Any, widening: float = 0.0) -> Any:
        """Yield slices of a block for which the work on all models takes about the room of the block."""
        n_models, n_scores, n_columns = self.coef.shape
        return narrow_slices(X.shape[0], max(1 + 4 * n_models * n_scores / n_columns, widening))

    def scores(self, rows: Any) -> Any:
        """Return the scores, of shape (n_rows, n_models, n_scores)."""
        n_models, n_scores, n_columns = self.coef.shape
        return self.design.scores(rows, self.coef.reshape(-1, n_columns)).reshape(-1, n_models, n_scores)

    def held_out(self, y: Any) -> Any:
        """Return which rows each model leaves out, of shape (n_rows, n_models)."""
        return (y % self.n_folds)[:, None] == namespace(y).asarray(self.fold)


class TrainingReduction:
    """Sum the negative log-likelihood over the rows that each model does not leave out, with derivatives.

    The second derivatives are those of the models in `second_order`.
    """

    def __init__(self, models: Models, class_weight: np.ndarray | None, second_order: list[int]) -> None:
        self.models, self.class_weight, self.second_order = models, class_weight, second_order

    def map(self, X: Any, y: Any, sample_weight: Any) -> Sums:
        """Return the sums of a block."""
        weight = weights_of_rows(self.class_weight, y // self.models.n_folds, sample_weight)
        total = None
        widening = self.models.coef.shape[1] if self.second_order else 0
        for part in self.models.slices(X, widening):
            sums = self._map_rows(X[part], y[part], None if weight is None else weight[part])
            total = sums if total is None else self.combine(total, sums)
        assert total is not None
        return total

    def _map_rows(self, X: Any, y: Any, weight: Any) -> Sums:
        xp, models = namespace(X), self.models
        rows, codes = models.design.rows(X), y // models.n_folds
        used = (~models.held_out(y)).astype(np.float64)
        if weight is not None:
            used *= weight[:, None]
        scores = models.scores(rows)
        if scores.shape[2] == 1:
            loss, slope = BinomialLoss(None)(codes[:, None], scores[:, :, 0])
            curvature, slope = BinomialLoss(None).curvature(codes, scores[:, self.second_order, 0]), slope[:, :, None]
        else:
            loss, slope, probability = _softmax_loss(codes, scores)
            curvature = probability[:, self.second_order]
        slope *= used[:, :, None]
        gradient = models.design.products(rows, slope.reshape(len(rows), -1)).reshape(len(models.coef), -1)
        hessian = [self._hessian(rows, curvature[:, k], used[:, i]) for k, i in enumerate(self.second_order)]
        return Sums(column_sums(loss * used), gradient, xp.stack(hessian) if hessian else None)

    def _hessian(self, rows: Any, curvature: Any, weight: Any) -> Any:
        """Return the second derivatives of a model, `curvature` being probabilities for several classes."""
        if curvature.ndim == 1:
            return self.models.design.squares(rows, curvature * weight)
        return softmax_hessian(self.models.design, rows, curvature, weight)

    def combine(self, a: Sums, b: Sums) -> Sums:
        """Add the sums."""
        return a.plus(b)


def _softmax_loss(codes: Any, scores: Any) -> tuple[Any, Any, Any]:
    """Return the loss of each row and model, its derivatives by the scores, and the probabilities."""
    xp = namespace(scores)
    own = (xp.arange(len(codes)), slice(None), codes)
    scores = scores - scores.max(axis=2, keepdims=True)
    loss = -scores[own]
    probability = xp.exp(scores, out=scores)
    normaliser = probability.sum(axis=2)
    loss += xp.log(normaliser)
    probability /= normaliser[:, :, None]
    slope = probability.copy()
    slope[own] -= 1
    return loss, slope, probability


@dataclass
class TestSums:
    """Weight of the rows that each model leaves out, of those that it classifies rightly, and their log-likelihood."""

    weight: Any
    right: Any
    log_likelihood: Any


class TestReduction:
    """Sum what scores of the models on the rows that they leave out are made of."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def map(self, X: Any, y: Any, sample_weight: Any) -> TestSums:
        """Return the sums of a block."""
        total = None
        for part in self.models.slices(X):
            sums = self._map_rows(X[part], y[part], None if sample_weight is None else sample_weight[part])
            total = sums if total is None else self.combine(total, sums)
        assert total is not None
        return total

    def _map_rows(self, X: Any, y: Any, sample_weight: Any) -> TestSums:
        xp, models = namespace(X), self.models
        rows, codes = models.design.rows(X), y // models.n_folds
        used = models.held_out(y).astype(np.float64)
        if sample_weight is not None:
            used *= sample_weight[:, None]
        scores = models.scores(rows)
        if scores.shape[2] == 1:
            right = (scores[:, :, 0] > 0) == (codes[:, None] == 1)
            loss = BinomialLoss(None)(codes[:, None], scores[:, :, 0])[0]
        else:
            right = scores.argmax(axis=2) == codes[:, None]
            loss = _softmax_loss(codes, scores)[0]
        # scikit-learn keeps probabilities off 0 and 1 by this
        smallest = np.finfo(np.float64).eps
        logs = xp.clip(-loss, np.log(smallest), np.log1p(-smallest))
        return TestSums(column_sums(used), column_sums(right * used), column_sums(logs * used))

    def combine(self, a: TestSums, b: TestSums) -> TestSums:
        """Add the sums."""
        return TestSums(a.weight + b.weight, a.right + b.right, a.log_likelihood + b.log_likelihood)


class TargetsReduction:
    """Collect the codes of the classes, in the order of the rows."""

    targets_only = True

    def map(self, X: Any, y: Any, sample_weight: Any) -> list[Any]:
        """Return the codes of a block."""
        return [y.astype(np.int32)]

    def combine(self, a: list[Any], b: list[Any]) -> list[Any]:
        """Put the codes behind each other."""
        return a + b
