"""What scikit-learn's estimators of a few passes minimise, written out in NumPy from its user guide."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.metrics import mean_tweedie_deviance


def objective(model, X, y):
    """Return the value at a fitted model's coefficients."""
    return float(_OBJECTIVES[type(model).__name__](model, X, y))


def _log_loss(model, X, y, C, l1_ratio):
    scores = X @ model.coef_.T + model.intercept_
    codes = np.searchsorted(model.classes_, y)
    if len(model.classes_) == 2:
        loss = np.logaddexp(0, np.where(codes == 1, -1, 1) * scores[:, 0])
    else:
        top = scores.max(axis=1)
        loss = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - scores[np.arange(len(y)), codes]
    penalty = l1_ratio * np.abs(model.coef_).sum() + (1 - l1_ratio) / 2 * (model.coef_**2).sum()
    return C * loss.sum() + penalty


def _logistic(model, X, y):
    return _log_loss(model, X, y, model.C, model.l1_ratio or 0)


def _logistic_cv(model, X, y):
    return _log_loss(model, X, y, float(np.ravel(model.C_)[0]), float(np.ravel(model.l1_ratio_ or 0)[0]))


def _deviance(power):
    def function(model, X, y):
        half = mean_tweedie_deviance(y, model.predict(X), power=power(model)) / 2
        return half + model.alpha / 2 * model.coef_ @ model.coef_

    return function


def _svc(model, X, y):
    # two classes have one score, which is that of the second
    signs = np.where(y[:, None] == model.classes_[-len(model.coef_) :], 1, -1)
    slack = np.maximum(0, 1 - signs * (X @ model.coef_.T + model.intercept_))
    # liblinear penalises the intercept, too
    return ((model.coef_**2).sum() + (model.intercept_**2).sum()) / 2 + model.C * (slack**2).sum()


def _svr(model, X, y):
    slack = np.maximum(0, np.abs(model.predict(X) - y) - model.epsilon)
    return (model.coef_ @ model.coef_ + float(np.ravel(model.intercept_)[0]) ** 2) / 2 + model.C * (slack**2).sum()


def _huber(model, X, y):
    distance, scale, epsilon = np.abs(model.predict(X) - y), model.scale_, model.epsilon
    far = distance > epsilon * scale
    loss = np.where(far, 2 * epsilon * distance - scale * epsilon**2, distance**2 / scale)
    return len(y) * scale + loss.sum() + model.alpha * model.coef_ @ model.coef_


def _inertia(model, X, y):
    squares = ((X[:, None] - model.cluster_centers_) ** 2).sum(axis=2)
    return squares.min(axis=1).sum()


def _log_likelihood(model, X, y):
    densities = [
        multivariate_normal(mean, covariance).logpdf(X) + np.log(weight)
        for mean, covariance, weight in zip(model.means_, model.covariances_, model.weights_, strict=True)
    ]
    return -logsumexp(densities, axis=0).mean()


_OBJECTIVES = {
    "LogisticRegression": _logistic,
    "LogisticRegressionCV": _logistic_cv,
    "PoissonRegressor": _deviance(lambda model: 1),
    "GammaRegressor": _deviance(lambda model: 2),
    "TweedieRegressor": _deviance(lambda model: model.power),
    "LinearSVC": _svc,
    "LinearSVR": _svr,
    "HuberRegressor": _huber,
    "KMeans": _inertia,
    "MiniBatchKMeans": _inertia,
    "GaussianMixture": _log_likelihood,
}
