"""Fitted attributes and predictions of linear models have scikit-learn's names, types, dtypes and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone, is_classifier
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    OrthogonalMatchingPursuit,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.utils import get_tags

from skdist_gpu import autoscale

dask_array = pytest.importorskip("dask.array")

LOGISTIC_CV = {"cv": 3, "Cs": 2, "l1_ratios": (0,), "scoring": "neg_log_loss"}
MODELS = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    Ridge(),
    Ridge(fit_intercept=False),
    RidgeClassifier(),
    RidgeClassifierCV(),
    RidgeCV(),
    RidgeCV(alphas=(1, 10), cv=3),
    Lasso(0.1),
    ElasticNet(0.1),
    LassoCV(cv=3, alphas=5),
    ElasticNetCV(cv=3, alphas=5, l1_ratio=[0.3, 0.7]),
    Lars(),
    LassoLars(0.01),
    LassoLars(0.01, fit_path=False),
    OrthogonalMatchingPursuit(n_nonzero_coefs=2),
    BayesianRidge(compute_score=True),
    BayesianRidge(fit_intercept=False),
    ARDRegression(compute_score=True),
    ARDRegression(threshold_lambda=1e-3),
    LogisticRegression(),
    LogisticRegressionCV(use_legacy_attributes=False, **LOGISTIC_CV),
    LogisticRegressionCV(use_legacy_attributes=True, **LOGISTIC_CV),
    PoissonRegressor(),
    GammaRegressor(fit_intercept=False),
    HuberRegressor(),
    LinearSVC(),
    LinearSVR(loss="squared_epsilon_insensitive", fit_intercept=False),
]


def _kind(value: Any) -> Any:
    """Describe the type, dtype and shape of an attribute."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape
    if isinstance(value, dict):
        return {key: _kind(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_kind(part) for part in value]
    return value if isinstance(value, str) else type(value)


def _kinds(fitted: Any) -> dict[str, Any]:
    """Describe all attributes; how many steps a search took is its own affair, and so are as many scores."""
    kinds = {name: _kind(value) for name, value in vars(fitted).items()}
    if isinstance(fitted, (BayesianRidge, ARDRegression)) and len(fitted.scores_):
        kinds["scores_"] = type(fitted.scores_), _kind(fitted.scores_[0])
    return kinds


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{type(model).__name__}-{MODELS.index(model)}")
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_types_are_scikit_learns(model, dtype):
    rng = np.random.default_rng(0)
    X = np.round(4 * rng.standard_normal((120, 4))).astype(dtype)
    score = X @ [0.2, -0.1, 0.05, 0.0] + 0.1 * rng.standard_normal(120)
    targets = [np.abs(score) + 0.5, (np.abs(score) + 0.5).astype(np.float32)]
    if get_tags(model).target_tags.multi_output and not is_classifier(model):
        targets += [np.c_[targets[0], 2 * targets[0]], targets[0][:, None]]
    if is_classifier(model):
        targets = [(score > 0).astype(int), (score > 0).astype(int) + (score > 0.5)]
    containers = {"NumPy": np.asarray, "Dask": lambda part: dask_array.from_array(part, chunks=(50, *part.shape[1:]))}
    # not every model of scikit-learn takes sparse rows
    if get_tags(model).input_tags.sparse and get_tags(autoscale(model, backend="reductions")).input_tags.sparse:
        containers["sparse"] = scipy.sparse.csr_array
    for y in targets:
        for name, place in containers.items():
            if name == "Dask" and y.ndim == 2 and y.shape[1] == 1:
                continue  # one warning more, which is tested where columns are
            rows = X if name == "Dask" else place(X)
            plain = clone(model).fit(rows, y)
            ours = autoscale(clone(model), backend="reductions")
            ours.fit(place(X), place(y) if name == "Dask" else y)
            assert _kinds(ours.estimator_) == _kinds(plain), f"{name}, y of {y.dtype} {y.shape}"
            for method in ("predict", "decision_function", "predict_proba"):
                if hasattr(plain, method):
                    expected = _kind(getattr(plain, method)(rows))
                    assert _kind(getattr(ours, method)(rows)) == expected, f"{name}, {method}"
