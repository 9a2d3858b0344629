"""LogisticRegressionCV from sums over rows, against scikit-learn in float64 at a tight tolerance."""

import warnings

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import KFold, StratifiedKFold

from skdist_gpu import AutoScaleClassifier
from skdist_gpu.engines.reductions.linear import logistic_cv
from skdist_gpu.testing import assert_ran_on

# scikit-learn's warnings of parameters left at what it will change are given by every engine
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
PLACES = ["reductions:cpu", "reductions:dask"]
PLAIN = {"use_legacy_attributes": False, "l1_ratios": (0,), "scoring": "neg_log_loss"}


def make_data(n_rows=2000, n_columns=5, n_classes=2):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_rows, n_columns))
    scores = X @ generator.normal(size=(n_columns, n_classes)) / 2
    y = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    # sorted in parts: folds that ignore the classes would differ
    y[: n_rows // 3].sort()
    return X, np.array(["b", "c", "a", "d"])[y], generator.uniform(0.5, 2, size=n_rows)


def reference_fit(estimator, X, y, sample_weight=None):
    # saga stops at zero coefficients before the intercept has its value: penalties here leave some
    solver = {} if estimator.solver == "saga" else {"solver": "newton-cholesky"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(estimator).set_params(tol=1e-10, max_iter=10_000, **solver).fit(X, y, sample_weight=sample_weight)


def assert_same(found, expected, atol):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for label in expected:
            assert_same(found[label], expected[label], atol)
        return
    assert type(found) is type(expected)
    assert np.shape(found) == np.shape(expected)
    assert_allclose(np.asarray(found, np.float64), np.asarray(expected, np.float64), rtol=0, atol=atol)


def assert_same_model(model, reference, rtol=1e-6):
    assert_array_equal(model.classes_, reference.classes_)
    scale = max(1.0, np.abs(reference.coef_).max())
    for name in ("coef_", "intercept_", "coefs_paths_", "scores_"):
        assert_same(getattr(model, name), getattr(reference, name), rtol * scale)
    for name in ("C_", "Cs_", "l1_ratio_", "l1_ratios_"):
        assert_same(getattr(model, name), getattr(reference, name), 0)
    assert np.shape(model.n_iter_) == np.shape(reference.n_iter_)
    assert model.n_iter_.dtype == reference.n_iter_.dtype


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegressionCV(**PLAIN),
        LogisticRegressionCV(Cs=[0.01, 1.0], cv=3, class_weight="balanced", fit_intercept=False),
        LogisticRegressionCV(Cs=4, cv=KFold(3), refit=False, **PLAIN | {"class_weight": {"b": 2.0}}),
        LogisticRegressionCV(Cs=[0.02, 0.1], cv=2, solver="saga", **PLAIN | {"l1_ratios": (0.2, 1.0)}),
    ],
    ids=["default", "accuracy", "no refit", "elastic net"],
)
def test_answer_is_scikit_learns(estimator, n_classes, weighted, backend):
    X, y, weights = make_data(n_classes=n_classes)
    sample_weight = weights if weighted else None
    reference = reference_fit(estimator, X, y, sample_weight)
    model = AutoScaleClassifier(estimator, backend=backend).fit(X, y, sample_weight=sample_weight)
    assert_ran_on(model, backend)
    assert_same_model(model.estimator_, reference)
    assert type(model.estimator_) is LogisticRegressionCV
    assert_allclose(model.predict_proba(X), reference.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("ratios", [None, (1.0,), np.array([0.1, 0.9])])
def test_attributes_in_their_older_form(ratios, refit):
    X, y, _ = make_data(n_classes=3)
    options = {"use_legacy_attributes": True, "scoring": "neg_log_loss", "refit": refit, "cv": 2, "Cs": [0.05, 1.0]}
    estimator = LogisticRegressionCV(l1_ratios=ratios, solver="lbfgs" if ratios is None else "saga", **options)
    reference = reference_fit(estimator, X, y)
    model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X, y)
    assert_same_model(model.estimator_, reference)


@pytest.mark.parametrize("kind", [StratifiedKFold, KFold])
def test_shuffled_folds(kind):
    X, y, _ = make_data(n_classes=3)
    estimator = LogisticRegressionCV(Cs=3, cv=kind(3, shuffle=True, random_state=0), **PLAIN)
    model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X, y)
    assert_same_model(model.estimator_, reference_fit(estimator, X, y))


def test_more_rows_than_the_sample_has_in_uneven_blocks(monkeypatch):
    monkeypatch.setattr(logistic_cv, "SAMPLED_ROWS", 1000)
    X, y, weights = make_data(n_rows=20_000)
    chunks = (1, 0, 12_000, 0, 7_999)
    dX, (dy, dw) = da.from_array(X, chunks=(chunks, (3, 2))), (da.from_array(p, chunks=(chunks,)) for p in (y, weights))
    estimator = LogisticRegressionCV(Cs=4, cv=3, **PLAIN)
    model = AutoScaleClassifier(estimator).fit(dX, dy, sample_weight=dw)
    assert_ran_on(model, "reductions:dask")
    assert_same_model(model.estimator_, reference_fit(estimator, X, y, weights))


def test_float32_sparse_and_columns_far_from_zero():
    X, y, _ = make_data()
    X[np.abs(X) < 0.5] = 0
    estimator = LogisticRegressionCV(Cs=3, cv=2, **PLAIN)
    reference = reference_fit(estimator, X, y)
    for variant in (sp.csr_matrix(X), np.asfortranarray(X), pd.DataFrame(X)):
        model = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(variant, y)
        assert_same_model(model.estimator_, reference)
    single = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float64
    assert_allclose(single.coef_, reference.coef_, atol=1e-5)
    shifted = AutoScaleClassifier(estimator, backend="reductions:cpu").fit(X + 1e6, y)
    assert_allclose(shifted.coef_, reference.coef_, atol=1e-6)
    assert_allclose(shifted.scores_, reference.scores_, atol=1e-6)


def test_what_cannot_be_done_says_why():
    X, y, _ = make_data(n_rows=400)
    frame = dd.from_pandas(pd.DataFrame(X).rename(columns=str), npartitions=2)
    with pytest.raises(Exception, match="number of each row"):
        AutoScaleClassifier(LogisticRegressionCV(**PLAIN), backend="reductions:dask", fallback="raise").fit(
            frame, dd.from_pandas(pd.Series(y), npartitions=2)
        )
    refused = LogisticRegressionCV(use_legacy_attributes=False, l1_ratios=(0,), scoring="roc_auc")
    with pytest.raises(Exception, match="scoring='roc_auc' is not supported"):
        AutoScaleClassifier(refused, backend="reductions:cpu").fit(X, y)
    with pytest.raises(ValueError, match="Solver lbfgs supports only 'l2' or None penalties, got elasticnet"):
        AutoScaleClassifier(LogisticRegressionCV(**PLAIN | {"l1_ratios": (0, 1)}), backend="reductions:cpu").fit(X, y)
    with pytest.raises(ValueError, match="n_splits=500 greater than the number of"):
        AutoScaleClassifier(LogisticRegressionCV(cv=500, **PLAIN), backend="reductions:cpu").fit(X, y)
