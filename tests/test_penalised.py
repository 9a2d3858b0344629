"""Penalised and Bayesian least squares, and their cross-validated forms, against scikit-learn."""

import pickle

import dask.array as da
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    OrthogonalMatchingPursuit,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.model_selection import KFold

from skdist_gpu import autoscale
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on

generator = np.random.default_rng(0)
X = generator.normal(size=(3001, 12)) @ generator.normal(size=(12, 12)) + 5
truth = generator.normal(size=12) * (generator.uniform(size=12) < 0.6)
y = X @ truth + 3 * generator.normal(size=len(X)) + 2
weights = generator.uniform(0.5, 2, size=len(X))
labels = np.array(["low", "middle", "high"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]

TIGHT = {"tol": 1e-12, "max_iter": 100_000}
PENALTIES = np.logspace(-3, 5, 20)
WITH_WEIGHTS = [
    Lasso(0.3, **TIGHT),
    Lasso(0.3, fit_intercept=False, positive=True, **TIGHT),
    ElasticNet(0.2, **TIGHT),
    BayesianRidge(compute_score=True),
    BayesianRidge(fit_intercept=False),
    RidgeCV(PENALTIES),
    RidgeCV(PENALTIES, fit_intercept=False),
    RidgeClassifier(),
    RidgeClassifier(class_weight="balanced"),
    RidgeClassifierCV(PENALTIES, class_weight={"low": 2.0}),
]
WITHOUT_WEIGHTS = [
    Lars(),
    Lars(n_nonzero_coefs=4),
    LassoLars(0.05),
    OrthogonalMatchingPursuit(n_nonzero_coefs=5),
    OrthogonalMatchingPursuit(tol=1e5),
    ARDRegression(compute_score=True),
    LassoCV(cv=4, **TIGHT),
    ElasticNetCV(l1_ratio=[0.3, 0.9], alphas=20, **TIGHT),
    ElasticNetCV(alphas=[0.1, 1.0, 0.5], cv=KFold(3), **TIGHT),
    RidgeCV(PENALTIES, cv=5),
]
CASES = [(e, w) for e in WITH_WEIGHTS for w in (None, weights)] + [(e, None) for e in WITHOUT_WEIGHTS]


def fit_both(estimator, sample_weight, backend, data=X):
    target = labels if "Classifier" in type(estimator).__name__ else y
    fit_params = {} if sample_weight is None else {"sample_weight": sample_weight}
    reference = type(estimator)(**estimator.get_params()).fit(data, target, **fit_params)
    model = autoscale(estimator, backend=backend).fit(data, target, **fit_params)
    assert_ran_on(model, backend)
    return model, reference


@pytest.mark.parametrize("backend", ["reductions:cpu", "reductions:dask"])
@pytest.mark.parametrize(("estimator", "sample_weight"), CASES, ids=lambda v: "weighted" if v is weights else None)
def test_every_fitted_attribute_is_scikit_learns(estimator, sample_weight, backend):
    model, reference = fit_both(estimator, sample_weight, backend)
    for name, expected in vars(reference).items():
        if not name.endswith("_") or name == "dual_gap_":  # how far a solver stopped from the end
            continue
        found = getattr(model.estimator_, name)
        assert np.shape(found) == np.shape(expected), name
        if np.asarray(expected).dtype.kind in "fi":
            scale = np.max(np.abs(expected), initial=0)
            assert_allclose(found, expected, rtol=1e-8, atol=1e-8 * scale, err_msg=name)
        else:
            assert_array_equal(found, expected, err_msg=name)
    plain = pickle.loads(pickle.dumps(model.estimator_))
    assert type(plain) is type(estimator)
    assert_array_equal(plain.predict(X), model.predict(X))


def test_float32_and_large_offsets():
    data = (X + 1000).astype(np.float32)
    reference = Lasso(0.3, **TIGHT).fit(data.astype(np.float64), y)
    model = autoscale(Lasso(0.3, **TIGHT), backend="reductions").fit(data, y)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("estimator", [Lasso(1e-3, **TIGHT), BayesianRidge(), OrthogonalMatchingPursuit()], ids=repr)
def test_dependent_columns(estimator):
    data = np.hstack([X, X[:, :2], np.ones((len(X), 1))])
    model, reference = fit_both(estimator, None, "reductions:cpu", data)
    assert_allclose(model.predict(data), reference.predict(data), rtol=1e-6)


def test_several_targets():
    Y = np.column_stack([y, -2 * y + X[:, 0]])
    for estimator in (Lasso(0.3, **TIGHT), RidgeCV(PENALTIES), RidgeCV(PENALTIES, alpha_per_target=True)):
        reference = type(estimator)(**estimator.get_params()).fit(X, Y)
        model = autoscale(estimator, backend="reductions").fit(X, Y)
        assert_allclose(model.coef_, reference.coef_, atol=1e-8)
        assert_allclose(model.intercept_, reference.intercept_, rtol=1e-7)


def test_folds_over_dask_need_known_rows():
    blocks = da.from_array(X, chunks=(700, 12))
    model = autoscale(LassoCV(cv=4)).fit(blocks, da.from_array(y, chunks=700))
    assert_ran_on(model, "reductions:dask")
    assert_allclose(model.mse_path_, LassoCV(cv=4).fit(X, y).mse_path_, rtol=1e-4)
    unknown = blocks[blocks[:, 0] > -1e9]
    target = da.from_array(y, chunks=700)[blocks[:, 0] > -1e9]
    with pytest.raises(BackendError, match="compute_chunk_sizes"):
        autoscale(LassoCV(), backend="reductions").fit(unknown, target)


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (RidgeCV(cv=KFold(3, shuffle=True)), "cv="),
        (RidgeCV(scoring="r2"), "scoring='r2' is not supported"),
        (Lasso(warm_start=True), "warm_start=True is not supported"),
        (Lars(jitter=1e-3), "jitter=0.001 is not supported"),
    ],
    ids=lambda v: "" if isinstance(v, str) else type(v).__name__,
)
def test_what_sums_cannot_do_is_refused_with_the_reason(estimator, reason):
    with pytest.raises(BackendError, match=reason):
        autoscale(estimator, backend="reductions").fit(X, y)
    assert autoscale(estimator).fit(X, y).backend_ == "sklearn"
