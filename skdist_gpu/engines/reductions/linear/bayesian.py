"""BayesianRidge and ARDRegression from one pass over the data.

Source: Tipping, "Sparse Bayesian Learning and the Relevance Vector Machine", JMLR 1, 2001, with the
updates of MacKay, "Bayesian Interpolation", Neural Computation 4, 1992, as scikit-learn has them.
The number of samples is in the updates, so that scikit-learn's loop cannot run on compressed rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from skdist_gpu.engines.reductions.core.compressed import Compressed, compress
from skdist_gpu.engines.reductions.core.protocol import Passes, too_few_rows
from skdist_gpu.engines.reductions.entries import everywhere
from skdist_gpu.engines.reductions.linear.penalised import keep_intercept

EPS = np.finfo(np.float64).eps
_ROUNDED = ("coef_", "intercept_", "alpha_", "lambda_", "sigma_", "X_offset_", "X_scale_")


def fit_bayesian_ridge(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``BayesianRidge`` in place."""
    rows = compress(data, estimator.fit_intercept)
    y, n_samples, n_features = rows.y[:, 0], rows.weight, data.n_features
    # all directions, those without data as well
    _, s, Vt = linalg.svd(rows.X, full_matrices=len(rows.X) < n_features)
    eigenvalues, projected = s**2, Vt[: len(s)] @ (rows.X.T @ y)

    def update(alpha: float, lambda_: float) -> tuple[np.ndarray, float]:
        coef = Vt[: len(s)].T @ (projected / (eigenvalues + lambda_ / alpha))
        return coef, float(np.sum((y - rows.X @ coef) ** 2))

    def log_likelihood(alpha: float, lambda_: float, coef: np.ndarray, errors: float) -> float:
        logdet = -np.sum(np.log(lambda_ + alpha * eigenvalues)) - (n_features - len(s)) * np.log(lambda_)
        score = estimator.lambda_1 * np.log(lambda_) - estimator.lambda_2 * lambda_
        score += estimator.alpha_1 * np.log(alpha) - estimator.alpha_2 * alpha
        score += 0.5 * (n_features * np.log(lambda_) + n_samples * np.log(alpha) - alpha * errors)
        return score - 0.5 * (lambda_ * np.sum(coef**2) - logdet + n_samples * np.log(2 * np.pi))

    alpha = float(1 / (_variance(rows, estimator.fit_intercept) + EPS))
    alpha = alpha if estimator.alpha_init is None else float(estimator.alpha_init)
    lambda_ = 1.0 if estimator.lambda_init is None else float(estimator.lambda_init)
    scores, previous, n_iterations = [], None, 0
    while n_iterations < estimator.max_iter:
        n_iterations += 1
        coef, errors = update(alpha, lambda_)
        if estimator.compute_score:
            scores.append(log_likelihood(alpha, lambda_, coef, errors))
        gamma = np.sum(alpha * eigenvalues / (lambda_ + alpha * eigenvalues))
        lambda_ = float((gamma + 2 * estimator.lambda_1) / (np.sum(coef**2) + 2 * estimator.lambda_2))
        alpha = float((n_samples - gamma + 2 * estimator.alpha_1) / (errors + 2 * estimator.alpha_2))
        if previous is not None and np.sum(np.abs(previous - coef)) < estimator.tol:
            break
        previous = coef
    coef, errors = update(alpha, lambda_)
    if estimator.compute_score:
        scores.append(log_likelihood(alpha, lambda_, coef, errors))
    estimator.scores_ = np.array(scores) if estimator.compute_score else []
    estimator.n_iter_ = n_iterations
    estimator.coef_, estimator.alpha_, estimator.lambda_ = coef, np.float64(alpha), np.float64(lambda_)
    precisions = np.full(n_features, lambda_)
    precisions[: len(s)] += alpha * eigenvalues
    estimator.sigma_ = Vt.T @ (Vt / precisions[:, None])
    _keep_offsets(estimator, rows)
    data.keep_dtype(estimator, "scores_", *_ROUNDED)


def fit_ard(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``ARDRegression`` in place.

    Raises
    ------
    ValueError
        scikit-learn's own, if there is one row only.
    """
    rows = compress(data, estimator.fit_intercept)
    if rows.weight < 2:  # it takes no weights
        raise too_few_rows(1, data.n_features, 2, "ARDRegression")
    y, n_samples, n_features = rows.y[:, 0], rows.weight, data.n_features
    alpha = float(1 / (_variance(rows, estimator.fit_intercept) + EPS))
    lambdas, coef = np.ones(n_features), np.zeros(n_features)
    kept = np.ones(n_features, dtype=bool)

    def update() -> tuple[np.ndarray, np.ndarray]:
        """Set the coefficients; return their covariance, and how much of each one the data determine."""
        scale = np.sqrt(lambdas[kept])
        U, s, Vt = linalg.svd(np.sqrt(alpha) * rows.X[:, kept] / scale, full_matrices=len(rows.X) < kept.sum())
        precisions = np.ones(len(Vt))
        precisions[: len(s)] += s**2
        half = Vt / np.sqrt(precisions)[:, None] / scale
        along = U[:, : len(s)].T @ (np.sqrt(alpha) * y)
        coef[kept] = Vt[: len(s)].T @ (s / (1 + s**2) * along) / scale
        return half.T @ half, (s**2 / (1 + s**2)) @ Vt[: len(s)] ** 2

    scores, previous, n_iterations = [], None, 0
    while n_iterations < estimator.max_iter:
        n_iterations += 1
        sigma, gamma = update()
        errors = float(np.sum((y - rows.X @ coef) ** 2))
        lambdas[kept] = (gamma + 2 * estimator.lambda_1) / (coef[kept] ** 2 + 2 * estimator.lambda_2)
        alpha = float((n_samples - gamma.sum() + 2 * estimator.alpha_1) / (errors + 2 * estimator.alpha_2))
        kept = lambdas < estimator.threshold_lambda
        coef[~kept] = 0
        if estimator.compute_score:
            score = np.sum(estimator.lambda_1 * np.log(lambdas) - estimator.lambda_2 * lambdas)
            score += estimator.alpha_1 * np.log(alpha) - estimator.alpha_2 * alpha
            score += 0.5 * (np.linalg.slogdet(sigma)[1] + n_samples * np.log(alpha) + np.sum(np.log(lambdas)))
            scores.append(score - 0.5 * (alpha * errors + np.sum(lambdas * coef**2)))
        if previous is not None and np.sum(np.abs(previous - coef)) < estimator.tol:
            break
        previous = coef.copy()
        if not kept.any():
            break
    estimator.sigma_ = update()[0]
    estimator.scores_, estimator.n_iter_ = scores, n_iterations
    estimator.coef_, estimator.alpha_, estimator.lambda_ = coef, np.float64(alpha), lambdas
    _keep_offsets(estimator, rows)
    data.keep_dtype(estimator, "scores_", *_ROUNDED)
    if not kept.any():
        estimator.sigma_ = np.empty((0, 0))


def _variance(rows: Compressed, centered: bool) -> float:
    """Return the variance of y about its mean."""
    total = float(np.sum(rows.y[:, 0] ** 2)) / rows.weight
    return total if centered else max(total - float(rows.target_mean[0]) ** 2, 0.0)


def _keep_offsets(estimator: Any, rows: Compressed) -> None:
    estimator.X_offset_, estimator.X_scale_ = rows.x_mean, np.ones(len(rows.x_mean))
    keep_intercept(estimator, rows)


ENTRIES = (
    *everywhere("BayesianRidge", fit_bayesian_ridge, multi_target=False),
    *everywhere("ARDRegression", fit_ard, weights=False, multi_target=False),
)
