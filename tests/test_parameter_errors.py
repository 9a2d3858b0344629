"""What scikit-learn raises or warns of parameters is raised and warned by the engines that fit in another way."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNetCV,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    OrthogonalMatchingPursuit,
    Ridge,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.preprocessing import QuantileTransformer
from sklearn.utils.discovery import all_estimators

from skdist_gpu import autoscale
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.engines.parameters import check_as_scikit_learn
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.engines.registry import entries_named
from skdist_gpu.testing import make_resources

dask_array = pytest.importorskip("dask.array")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 6))
Y = X[:, 0] + 0.1 * RNG.standard_normal(120)
LABELS = (Y > 0).astype(int)
SPARSE = scipy.sparse.csr_array(np.where(np.abs(X) > 1, X, 0))
TWO = np.c_[Y, -Y]


def _blocks(part: Any) -> Any:
    return dask_array.from_array(part, chunks=(50, *part.shape[1:]))


def _outcome(fit: Any) -> tuple[set[tuple[type, str]], tuple[type, str] | None]:
    """Return the warnings that a call gives, but for those of its own search, and the error that it raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fit()
            error = None
        except Exception as raised:
            error = type(raised), str(raised)
    return {(w.category, str(w.message)) for w in caught if issubclass(w.category, (FutureWarning, UserWarning))}, error


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (RidgeCV(alphas=(1.0, -1.0)), (X, Y)),
        (RidgeCV(alphas=(0.0, 1.0)), (X, Y)),
        (RidgeCV(alphas=(1.0, -1.0), cv=3), (X, Y)),
        (RidgeCV(cv=3, alpha_per_target=True), (X, TWO)),
        (RidgeCV(gcv_mode="svd"), (SPARSE, Y)),
        (RidgeClassifierCV(alphas=(1.0, -1.0)), (X, LABELS)),
        (Ridge(alpha=(1.0, 2.0, 3.0)), (X, TWO)),
        (RidgeClassifierCV(alphas=(1, 1.0, "1")), (X, LABELS)),
        (Ridge(solver="cholesky"), (SPARSE, Y)),
        (Ridge(solver="svd", fit_intercept=False), (SPARSE, Y)),
        (LassoCV(alphas=(1, -1, -100), cv=3), (X, Y)),
        (ElasticNetCV(alphas=(1, -1), cv=3), (X, Y)),
        (ElasticNetCV(alphas=("1", "2"), cv=3), (X, Y)),
        (ElasticNetCV(l1_ratio=0, cv=3), (X, Y)),
        (OrthogonalMatchingPursuit(n_nonzero_coefs=7), (X, Y)),
        (LogisticRegression(l1_ratio=0.5), (X, LABELS)),
        (LogisticRegression(l1_ratio=1, solver="newton-cg"), (X, LABELS)),
        (LogisticRegression(class_weight={2: 1.0}), (X, LABELS)),
        (LogisticRegressionCV(cv=3, Cs=2), (X, LABELS)),
        (LogisticRegressionCV(cv=3, Cs=2, use_legacy_attributes=True), (X, LABELS)),
        (LogisticRegressionCV(cv=3, Cs=2, l1_ratios=[2], solver="saga"), (X, LABELS)),
        (LogisticRegressionCV(cv=3, Cs=2, l1_ratios=[0.5]), (X, LABELS)),
        (LogisticRegressionCV(cv=3, Cs=2, l1_ratios=(0,), class_weight={2: 1.0}), (X, LABELS)),
        (TruncatedSVD(6, algorithm="arpack"), (X,)),
        (TruncatedSVD(7), (X,)),
        (QuantileTransformer(n_quantiles=50, subsample=10), (X,)),
    ],
    ids=lambda part: type(part).__name__ if hasattr(part, "fit") else "",
)
def test_parameters_are_judged_as_by_scikit_learn(model, data):
    expected = _outcome(lambda: clone(model).fit(*data))
    assert expected != (set(), None)
    forced = [autoscale(clone(model), backend="reductions", fallback="raise") for _ in range(2)]
    assert _outcome(lambda: forced[0].fit(*data)) == expected
    if not scipy.sparse.issparse(data[0]):
        assert _outcome(lambda: forced[1].fit(*map(_blocks, data))) == expected


def test_a_check_of_parameters_reads_no_data_and_raises_nothing():
    job_data = inspect_input(X, LABELS, None)
    seen = 0
    for name, cls in all_estimators():
        if any(entry.backend in ("reductions", "dask_ml") for entry in entries_named(name)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                check_as_scikit_learn(FitJob(cls(), X, LABELS, None, job_data, make_resources()))
            seen += 1
    assert seen > 40


def test_folds_that_are_a_generator_are_used_up_as_by_scikit_learn():
    folds = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
    ours = autoscale(RidgeCV(alphas=(0.1, 100.0), cv=iter(folds))).fit(X, Y)
    assert ours.alpha_ == RidgeCV(alphas=(0.1, 100.0), cv=iter(folds)).fit(X, Y).alpha_


@pytest.mark.parametrize("strategy", ["mean", "median"])
@pytest.mark.parametrize("rows", [[["a", "1"], ["2", "3"]], np.array([["a", "1"], ["2", "3"]], dtype=object)])
@pytest.mark.parametrize("kind", [np.array, pd.DataFrame])
def test_an_imputer_of_text_names_its_strategy(strategy, rows, kind):
    for model in (SimpleImputer(strategy=strategy), autoscale(SimpleImputer(strategy=strategy), backend="reductions")):
        with pytest.raises(ValueError, match="non-numeric data:\ncould not convert string to float"):
            model.fit(kind(rows))
