"""Sparse rows whose indices have 64 bits: each engine takes them, or refuses them, as scikit-learn does."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from skdist_gpu import autoscale

COUNTS = np.random.default_rng(0).poisson(1.0, size=(60, 4)).astype(float)
TARGET = COUNTS @ np.arange(4.0)


def _rows(kind):
    X = kind(COUNTS)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def _error(estimator, X):
    """Return what a fit raises."""
    try:
        estimator.fit(X, TARGET > 3 if is_classifier(estimator) else TARGET)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize(
    ("estimator", "backend"),
    [
        (LinearSVC(), "reductions:cpu"),
        (LinearSVC(), "reductions:dask"),
        (LinearSVR(), "sklearn"),
        (KMeans(2, random_state=0), "reductions:cpu"),
        (MiniBatchKMeans(2, random_state=0), "incremental"),
        (Lasso(), "reductions:cpu"),
        (LassoCV(), "auto"),
        (ElasticNet(), "reductions:cpu"),
        (ElasticNetCV(), "auto"),
        (SGDClassifier(), "incremental"),
        (SGDRegressor(), "incremental"),
        (Perceptron(), "incremental"),
        (LogisticRegression(solver="saga"), "auto"),
    ],
    ids=repr,
)
def test_engines_refuse_what_scikit_learn_refuses(estimator, backend, kind):
    expected = _error(clone(estimator), _rows(kind))
    assert "32-bit integer indices" in expected
    assert _error(autoscale(estimator, backend=backend), _rows(kind)) == expected


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearRegression(), Ridge()], ids=repr)
def test_engines_take_what_scikit_learn_takes(estimator, kind):
    y = TARGET > 3 if is_classifier(estimator) else TARGET
    model = autoscale(estimator, backend="reductions:cpu").fit(_rows(kind), y)
    assert_allclose(model.coef_, clone(estimator).fit(kind(COUNTS), y).coef_, atol=1e-2)
