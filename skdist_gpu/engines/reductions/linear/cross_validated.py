"""LassoCV, ElasticNetCV and RidgeCV: all folds and all penalties from one pass over the data.

The rows of each fold are summed apart. The moments of a training set are those of the other folds
merged, and the error on a fold follows from the fold's own moments; no row is read twice. RidgeCV
and RidgeClassifierCV without folds leave one row out, which takes a second pass: see `leave_one_out`.
"""

from __future__ import annotations

import warnings
from functools import reduce as fold_left
from numbers import Real
from typing import Any

import numpy as np
from sklearn.linear_model import enet_path
from sklearn.model_selection import check_cv
from sklearn.utils import check_scalar

from skdist_gpu._compat.sklearn_classes import ElasticNet, Lasso
from skdist_gpu.engines.reductions.core.compressed import Compressed, compress_moments
from skdist_gpu.engines.reductions.core.moments import NOISE, Moments, MomentsReduction, check_moments
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.entries import everywhere, no_array
from skdist_gpu.engines.reductions.linear.least_squares import ridge_by_svd
from skdist_gpu.engines.reductions.linear.leave_one_out import fit_known, fit_leave_one_out
from skdist_gpu.engines.reductions.linear.penalised import fit_rows


def fit_elastic_net_cv(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LassoCV`` or ``ElasticNetCV`` in place.

    Raises
    ------
    ValueError
        scikit-learn's own if there are fewer rows than folds.
    NotFiniteError
        If a value is NaN or infinite.
    """
    lasso = not hasattr(estimator, "l1_ratio")
    ratios = np.atleast_1d(1.0 if lasso else estimator.l1_ratio)
    folds = _moments_of_folds(data, estimator.cv)
    total = fold_left(Moments.merge, folds)
    rows = compress_moments(total, data.n_features, estimator.fit_intercept).per_row()
    grids = [_alphas(estimator, rows, ratio) for ratio in ratios]
    errors = np.array(
        [
            [_path_errors(estimator, data.n_features, folds, held_out, grid, ratio) for held_out in range(len(folds))]
            for grid, ratio in zip(grids, ratios, strict=True)
        ]
    )
    means = errors.mean(axis=1)
    best_ratio = int(np.argmin(means.min(axis=1)))
    best_alpha = int(np.argmin(means[best_ratio]))
    estimator.mse_path_ = np.squeeze(np.moveaxis(errors, 2, 1))
    estimator.alpha_ = grids[best_ratio][best_alpha]
    given = not isinstance(estimator.alphas, (int, np.integer))
    estimator.alphas_ = np.asarray(grids[0] if given or len(ratios) == 1 else grids)
    names = ("max_iter", "tol", "positive", "selection", "random_state", "fit_intercept")
    params = {name: getattr(estimator, name) for name in names}
    if lasso:
        final: Any = Lasso(alpha=estimator.alpha_, **params)
    else:
        estimator.l1_ratio_ = ratios[best_ratio]
        final = ElasticNet(alpha=estimator.alpha_, l1_ratio=estimator.l1_ratio_, **params)
    fit_rows(final, rows, target_ndim=1)
    for name in ("coef_", "intercept_", "dual_gap_", "n_iter_"):
        setattr(estimator, name, getattr(final, name))
    data.keep_dtype(estimator, "coef_", "intercept_", "dual_gap_")
    if data.target_dtype == np.float32:
        data.keep_dtype(estimator, "mse_path_")


def fit_ridge_cv(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``RidgeCV`` in place; raises as :func:`fit_elastic_net_cv` does."""
    if estimator.cv is None:
        fit_leave_one_out(estimator, data)
        return
    alphas = np.atleast_1d(np.asarray(estimator.alphas, dtype=np.float64))
    folds = _moments_of_folds(data, estimator.cv)
    scores = np.array([_ridge_scores(estimator, data, folds, held_out, alphas) for held_out in range(len(folds))])
    if np.isnan(scores).any():
        warnings.warn(f"One or more of the test scores are non-finite: {scores.mean(axis=0)}", stacklevel=2)
    best = int(np.argmax(scores.mean(axis=0)))
    estimator.alpha_, estimator.best_score_ = np.atleast_1d(estimator.alphas)[best], scores.mean(axis=0)[best]
    fit_known(estimator, data, fold_left(Moments.merge, folds))


def _moments_of_folds(data: Passes, cv: Any) -> list[Moments]:
    """Return the moments of each fold of KFold without shuffling."""
    assert data.reduce_parts is not None, "the plan refuses rows without numbers"
    n_folds = check_cv(cv).get_n_splits()
    folds = data.reduce_parts(MomentsReduction(), n_folds)
    n_rows = sum(fold.n_rows for fold in folds if fold is not None)
    if 0 < n_rows < n_folds:
        raise ValueError(
            f"Cannot have number of splits n_splits={n_folds} greater than the number of samples: n_samples={n_rows}."
        )
    return [check_moments(fold, data) for fold in folds]


def _alphas(estimator: Any, rows: Compressed, l1_ratio: float) -> np.ndarray:
    """Return the grid of penalties: the given ones, or from the smallest that leaves no coefficient."""
    if not isinstance(estimator.alphas, (int, np.integer)):
        for index, alpha in enumerate(estimator.alphas):
            check_scalar(alpha, f"alphas[{index}]", Real, min_val=0.0, include_boundaries="left")
        return np.sort(np.asarray(estimator.alphas, dtype=np.float64))[::-1]
    if l1_ratio == 0:
        raise ValueError(
            "Automatic alpha grid generation is not supported for l1_ratio=0. Please supply a grid by providing "
            "your estimator with the appropriate `alphas=` argument."
        )
    cross = rows.X.T @ rows.y[:, 0] / len(rows.X)
    largest = float(np.max(cross if estimator.positive else np.abs(cross))) / l1_ratio
    if largest <= np.finfo(np.float64).resolution:
        return np.full(estimator.alphas, np.finfo(np.float64).resolution)
    return np.geomspace(largest, largest * estimator.eps, num=estimator.alphas)


def _training(folds: list[Moments], held_out: int) -> Moments:
    return fold_left(Moments.merge, [fold for i, fold in enumerate(folds) if i != held_out])


def _path_errors(
    estimator: Any, n_features: int, folds: list[Moments], held_out: int, alphas: np.ndarray, l1_ratio: float
) -> np.ndarray:
    """Return the mean squared error on a fold, for each penalty."""
    train = compress_moments(_training(folds, held_out), n_features, estimator.fit_intercept).per_row()
    params = {name: getattr(estimator, name) for name in ("max_iter", "tol", "positive", "selection", "random_state")}
    _, coefs, _ = enet_path(train.X, train.y[:, 0], l1_ratio=l1_ratio, alphas=alphas, **params)
    return _errors(folds[held_out], n_features, train, coefs)[0]


def _errors(fold: Moments, n_features: int, train: Compressed, coefs: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean squared errors on a fold of a model with the training set's intercept; and of its mean."""
    centred = compress_moments(fold, n_features, fit_intercept=True)
    bias = (fold.mean[n_features] - train.y_mean[0]) - (fold.mean[:n_features] - train.x_mean) @ coefs
    residuals = np.sum((centred.y - centred.X @ coefs) ** 2, axis=0)
    return residuals / centred.weight + bias**2, float(np.sum(centred.y**2)) / centred.weight


def _ridge_scores(estimator: Any, data: Passes, folds: list[Moments], held_out: int, alphas: np.ndarray) -> np.ndarray:
    """Return R² on a fold for each penalty, the mean over the targets; NaN where it is not defined."""
    d = data.n_features
    training, fold = _training(folds, held_out), folds[held_out]
    if fold.n_rows < 2 or fold.weight == 0 or training.weight == 0:
        return np.full(len(alphas), np.nan)
    scores = np.empty((len(training.mean) - d, len(alphas)))
    for target in range(len(scores)):
        columns = [*range(d), d + target]
        train_part, fold_part = (_columns(moments, columns) for moments in (training, fold))
        train = compress_moments(train_part, d, estimator.fit_intercept)
        errors, variance = _errors(fold_part, d, train, ridge_by_svd(train.X, train.y, alphas))
        noise = (NOISE * fold_part.mean[d]) ** 2
        # a constant target is explained or not
        scores[target] = 1 - errors / variance if variance > noise else errors <= noise
    return scores.mean(axis=0)


def _columns(moments: Moments, columns: list[int]) -> Moments:
    return Moments(moments.n_rows, moments.weight, moments.mean[columns], moments.scatter[np.ix_(columns, columns)])


def _contiguous_folds(cv: Any) -> bool:
    """Whether folds are whole stretches of rows, whose sums need no row indices."""
    return cv is None or type(cv) is int or (type(cv).__name__ == "KFold" and not cv.shuffle)


_COORDINATE_DESCENT: dict[str, Any] = {
    "accepts": {"precompute": no_array, "cv": _contiguous_folds},
    "weights": False,
    "multi_target": False,
    "numbered_passes": lambda estimator: 1,
}
ENTRIES = (
    *everywhere(
        "RidgeCV",
        fit_ridge_cv,
        accepts={"cv": _contiguous_folds, "scoring": (None,), "store_cv_results": (False,)},
        numbered_passes=lambda ridge: int(ridge.cv is not None),
    ),
    *everywhere("LassoCV", fit_elastic_net_cv, **_COORDINATE_DESCENT),
    *everywhere("ElasticNetCV", fit_elastic_net_cv, **_COORDINATE_DESCENT),
)
