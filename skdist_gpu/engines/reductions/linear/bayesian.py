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


def fit_bayesian_ridge(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``BayesianRidge`` in place."""
    rows = compress(data, estimator.fit_intercept)
    y, n_samples, n_features = rows.y[:, 0], rows.weight, data.n_features
    _, s, Vt = linalg.svd(rows.X, full_matrices=False)
    eigenvalues, projected = s**2, Vt @ (rows.X.T @ y)

    def update(alpha: float, lambda_: float) -> tuple[np.ndarray, float]:
        coef = Vt.T @ (projected / (eigenvalues + lambda_ / alpha))
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
    estimator.coef_, estimator.alpha_, estimator.lambda_ = coef, alpha, lambda_
    sigma = np.eye(n_features) / lambda_
    sigma += Vt.T @ ((1 / (alpha * eigenvalues + lambda_) - 1 / lambda_)[:, None] * Vt)
    estimator.sigma_ = sigma
    _keep_offsets(estimator, rows)


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
    gram, cross = rows.X.T @ rows.X, rows.X.T @ y
    alpha = float(1 / (_variance(rows, estimator.fit_intercept) + EPS))
    lambdas, coef = np.ones(n_features), np.zeros(n_features)
    kept = np.ones(n_features, dtype=bool)

    def update() -> np.ndarray:
        sigma = linalg.pinvh(np.diag(lambdas[kept]) + alpha * gram[np.ix_(kept, kept)])
        coef[kept] = alpha * sigma @ cross[kept]
        return sigma

    scores, previous, n_iterations = [], None, 0
    while n_iterations < estimator.max_iter:
        n_iterations += 1
        sigma = update()
        errors = float(np.sum((y - rows.X @ coef) ** 2))
        gamma = 1 - lambdas[kept] * np.diag(sigma)
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
    estimator.sigma_ = update() if kept.any() else np.empty((0, 0))
    estimator.scores_, estimator.n_iter_ = scores, n_iterations
    estimator.coef_, estimator.alpha_, estimator.lambda_ = coef, alpha, lambdas
    _keep_offsets(estimator, rows)


def _variance(rows: Compressed, centered: bool) -> float:
    """Return the variance of y about its mean."""
    total = float(np.sum(rows.y[:, 0] ** 2)) / rows.weight
    return total if centered else max(total - float(rows.target_mean[0]) ** 2, 0.0)


def _keep_offsets(estimator: Any, rows: Compressed) -> None:
    estimator.X_offset_, estimator.X_scale_ = rows.x_mean, np.ones(len(rows.x_mean))
    keep_intercept(estimator, rows)


ENTRIES = (
    *everywhere("BayesianRidge", fit_bayesian_ridge, 2e5, multi_target=False),
    *everywhere("ARDRegression", fit_ard, 2e5, weights=False, multi_target=False),
)
