"""Covariance estimators from sums over rows, against scikit-learn."""

import numpy as np
import pytest
from fits import PLACES, assert_same_as_scikit_learn, fit_there, make_classes, use_small_steps
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf, ShrunkCovariance

ESTIMATORS = [EmpiricalCovariance, LedoitWolf, OAS, ShrunkCovariance]


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    use_small_steps(monkeypatch)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("parameters", [{}, {"assume_centered": True}, {"store_precision": False}], ids=str)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_answer_is_scikit_learns(cls, parameters, backend):
    offset = 1.0 if parameters.get("assume_centered") else 1000.0
    assert_same_as_scikit_learn(cls(**parameters), backend, make_classes(offset=offset)[0])


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("assume_centered", [False, True])
def test_float32(cls, assume_centered):
    X = make_classes(offset=1.0)[0].astype(np.float32)
    # scikit-learn's own sums are float32 here
    model, _ = assert_same_as_scikit_learn(cls(assume_centered=assume_centered), "reductions:cpu", X, rtol=1e-4)
    exact = cls(assume_centered=assume_centered).fit(X.astype(np.float64))
    np.testing.assert_allclose(model.covariance_, exact.covariance_, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_one_column_and_more_columns_than_rows(cls):
    X = make_classes()[0]
    assert_same_as_scikit_learn(cls(), "reductions:cpu", X[:, :1])
    wide = np.random.default_rng(0).normal(size=(30, 40))
    if cls is not EmpiricalCovariance:  # its precision is rounding noise
        assert_same_as_scikit_learn(cls(), "reductions:cpu", wide)


def test_two_rows_and_one():
    # rounding takes the shrinkage of some of these below zero
    for seed in range(20):
        X = np.random.default_rng(seed).normal(size=(2, 3))
        model = fit_there(LedoitWolf(), "reductions:cpu", X)
        reference = LedoitWolf().fit(X)
        np.testing.assert_allclose(model.covariance_, reference.covariance_, atol=1e-12)
    with pytest.warns(UserWarning, match="Only one sample available"):
        fit_there(EmpiricalCovariance(), "reductions:cpu", X[:1])


def test_equal_variances_without_correlation_shrink_as_scikit_learns():
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    for cls in (OAS, LedoitWolf):
        assert fit_there(cls(), "reductions:cpu", X).shrinkage_ == cls().fit(X).shrinkage_


def test_score_and_distances():
    X = make_classes()[0]
    model = fit_there(LedoitWolf(), "reductions:dask", X)
    reference = LedoitWolf().fit(X)
    np.testing.assert_allclose(model.estimator_.score(X), reference.score(X), rtol=1e-9)
    np.testing.assert_allclose(model.estimator_.mahalanobis(X[:9]), reference.mahalanobis(X[:9]), rtol=1e-7)
