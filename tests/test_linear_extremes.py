"""Linear models on data where digits, directions or noise run out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.linalg import LinAlgWarning
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    HuberRegressor,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    RidgeClassifier,
    RidgeCV,
)
from sklearn.svm import LinearSVC

from skdist_gpu import autoscale

CONVERGED: Any = {"tol": 1e-10, "max_iter": 1000}


def _summed(model: Any) -> Any:
    return autoscale(clone(model), backend="reductions")


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-6])
@pytest.mark.parametrize("model", [BayesianRidge(), ARDRegression()], ids=["BayesianRidge", "ARDRegression"])
def test_covariances_keep_their_digits_as_noise_falls(model, noise):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 6))
    y = X @ np.arange(1.0, 7.0) + noise * rng.standard_normal(2000)
    ours, plain = _summed(model).fit(X, y), clone(model).fit(X, y)
    assert np.diag(ours.sigma_).min() > 0
    np.testing.assert_allclose(ours.sigma_, plain.sigma_, rtol=1e-3, atol=1e-5 * np.abs(plain.sigma_).max())


@pytest.mark.parametrize("shape", [(4, 5), (50, 3), (3, 20)])
@pytest.mark.parametrize("model", [BayesianRidge(), ARDRegression()], ids=["BayesianRidge", "ARDRegression"])
def test_a_constant_target_has_a_positive_precision(model, shape):
    X, y = np.random.default_rng(0).standard_normal(shape), np.full(shape[0], 3.0)
    ours, plain = _summed(model).fit(X, y), clone(model).fit(X, y)
    np.testing.assert_allclose(ours.alpha_, plain.alpha_, rtol=1e-6)
    np.testing.assert_allclose(ours.predict(X), plain.predict(X), rtol=1e-8)


def _deficient(case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, counts and labels that some coefficients do not change."""
    rng = np.random.default_rng(0)
    if case == "wide":
        return rng.standard_normal((10, 20)), np.arange(10) % 2 + 1, np.arange(10) % 2
    Z = rng.standard_normal((300, 3))
    score = Z @ [0.5, -0.3, 0.2]
    X = np.hstack([np.eye(4)[rng.integers(0, 4, 300)], Z] if case == "dummies" else [Z, 3 * Z[:, :1], Z])
    return X, rng.poisson(np.exp(score)), np.digitize(score + rng.logistic(size=300), [-0.5, 0.5])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    ("model", "case"),
    [
        (PoissonRegressor(alpha=0, **CONVERGED), "wide"),
        (PoissonRegressor(alpha=0, **CONVERGED), "dummies"),
        (PoissonRegressor(alpha=0, solver="newton-cholesky", **CONVERGED), "dummies"),
        (LogisticRegression(C=np.inf, **CONVERGED), "dummies"),
        (LogisticRegression(C=np.inf, **CONVERGED), "repeated"),
        (PoissonRegressor(alpha=0, **CONVERGED), "repeated"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::scipy.linalg.LinAlgWarning")
def test_coefficients_without_a_penalty_are_the_shortest(model, case, fit_intercept):
    X, counts, labels = _deficient(case)
    y = labels if is_classifier(model) else counts
    model.set_params(fit_intercept=fit_intercept)
    ours, plain = _summed(model).fit(X, y), clone(model).fit(X, y)
    answers = [getattr(m, "predict_proba", m.predict)(X) for m in (ours, plain)]
    np.testing.assert_allclose(*answers, rtol=1e-4)
    # no direction that the rows do not reach
    rows = X - X.mean(axis=0) if fit_intercept else X
    reached = np.linalg.pinv(rows, rcond=1e-9) @ rows
    np.testing.assert_allclose(ours.coef_ @ reached, ours.coef_, atol=1e-9)
    assert np.linalg.norm(ours.coef_) <= np.linalg.norm(plain.coef_) * 1.001


def test_singular_second_derivatives_are_warned_of():
    X, counts, labels = _deficient("dummies")
    for model, y in (
        (PoissonRegressor(alpha=0, solver="newton-cholesky"), counts),
        (LogisticRegression(C=np.inf, solver="newton-cholesky"), labels),
    ):
        with pytest.warns(LinAlgWarning, match="singular or very ill-conditioned"):
            _summed(model).fit(X, y)
    _summed(PoissonRegressor(alpha=1, solver="newton-cholesky")).fit(X, counts)  # warnings are errors


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("noise", [0, 1e-14, 1e-10, 1e-6])
@pytest.mark.parametrize("n_outliers", [0, 3])
def test_a_robust_line_through_almost_exact_points_is_found(noise, n_outliers):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    y = X @ np.arange(4.0) + 2 + noise * rng.standard_normal(300)
    y[:n_outliers] += 100
    ours = _summed(HuberRegressor()).fit(X, y)
    np.testing.assert_allclose(ours.coef_, np.arange(4.0), atol=1e-7 + noise)
    np.testing.assert_allclose(ours.intercept_, 2, atol=1e-7 + noise)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        RidgeCV(),
        RidgeCV(cv=3),
        RidgeClassifier(),
        LassoCV(),
        BayesianRidge(),
        LogisticRegression(),
        LogisticRegressionCV(cv=3, Cs=2, l1_ratios=(0,), scoring="accuracy", use_legacy_attributes=False),
        HuberRegressor(),
        LinearSVC(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_values_whose_squares_overflow_are_said_to_be_too_large(model):
    X = 1e200 * np.random.default_rng(0).standard_normal((100, 3))
    with pytest.raises(ValueError, match="exceed the largest float64 although all values are finite"):
        _summed(model).fit(X, (X[:, 0] > 0).astype(int))


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_a_small_tolerance_gives_more_digits(fit_intercept):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((100, 10))
    y = np.abs(X @ generator.standard_normal(10) * 50 + 1)
    plain = PoissonRegressor(alpha=1, solver="newton-cholesky", tol=1e-12, fit_intercept=fit_intercept)
    ours = autoscale(clone(plain), backend="reductions").fit(X, y)
    np.testing.assert_allclose(ours.coef_, plain.fit(X, y).coef_, rtol=1e-9)


@pytest.mark.parametrize("shape", [(300, 40), (1000, 200), (20_000, 20)])
@pytest.mark.parametrize("C", [1e4, 1e8])
def test_a_large_C_of_separable_classes_takes_few_steps_to_the_minimum(shape, C):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    y = X @ rng.standard_normal(shape[1]) > 0
    model = _summed(LinearSVC(C=C)).fit(X, y)
    assert model.n_iter_ < 200
    coef = np.append(model.coef_[0], model.intercept_)
    signed = np.column_stack([X, np.ones(len(X))]) * np.where(y, 1, -1)[:, None]
    # a minimum is where the penalty's derivative is that of the losses
    pull = 2 * C * signed.T @ np.maximum(0, 1 - signed @ coef)
    np.testing.assert_allclose(pull, coef, atol=1e-4 * np.abs(coef).max())


@pytest.mark.parametrize("max_iter", [3, 30])
def test_no_more_steps_are_taken_than_max_iter_and_that_is_told(max_iter):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 40))
    y = X @ rng.standard_normal(40) > 0
    with pytest.warns(ConvergenceWarning, match=f"did not converge within max_iter={max_iter}"):
        model = _summed(LinearSVC(C=1e8, tol=1e-10, max_iter=max_iter)).fit(X, y)
    assert model.n_iter_ == max_iter
