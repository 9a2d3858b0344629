"""The same answer whatever holds the rows, in whatever dtype, cut wherever, weighted or not."""

from __future__ import annotations

import warnings

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skdist_gpu import autoscale
from skdist_gpu.testing import assert_ran_on

ESTIMATORS = [
    (LinearRegression(), ["coef_", "intercept_"]),
    (Ridge(0.5), ["coef_", "intercept_"]),
    (StandardScaler(), ["mean_", "scale_", "n_samples_seen_"]),
    (MinMaxScaler(), ["data_min_", "data_max_"]),
    (PCA(2), ["mean_", "explained_variance_"]),
    (LedoitWolf(), ["covariance_", "shrinkage_"]),
    (GaussianNB(), ["theta_", "var_", "class_prior_"]),
    (LinearDiscriminantAnalysis(), ["means_", "priors_", "coef_"]),
    (SelectKBest(k=1), ["scores_"]),
    (LogisticRegression(tol=1e-8, max_iter=1000), ["coef_", "intercept_"]),
]


def frame_of(X, make):
    return make({f"column {i}": X[:, i] for i in range(X.shape[1])})


IN_MEMORY = {
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "every other row of twice as many": lambda X: np.repeat(X, 2, axis=0)[::2],
    "pandas": lambda X: frame_of(X, pd.DataFrame),
    "pandas with an index": lambda X: frame_of(X, pd.DataFrame).set_index(np.arange(len(X))[::-1]),
    "pandas of Arrow": lambda X: frame_of(X, pd.DataFrame).convert_dtypes(dtype_backend="pyarrow"),
    "pandas with pd.NA": lambda X: frame_of(X, pd.DataFrame).convert_dtypes(),
    "polars": lambda X: frame_of(X, pl.DataFrame),
    "Arrow": lambda X: frame_of(X, pa.table),
    "csr": lambda X: sparse.csr_array(X.astype(np.float64)),
}


@st.composite
def tables(draw, n_rows):
    """Return a table of full rank, in one of the dtypes that data come in."""
    dtype = draw(st.sampled_from(["float64", "float32", "int64", "int16", "uint8"]))
    n_columns = draw(st.integers(2, 5))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = generator.normal(draw(st.sampled_from([0.0, 100.0])), 20, (n_rows, n_columns))
    values = np.clip(values, 0, 255) if dtype == "uint8" else values
    return values.astype(dtype)


@st.composite
def problems(draw):
    """Return rows, a target, weights and the sizes of blocks, of which some may be empty."""
    sizes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=5))
    sizes.insert(draw(st.integers(0, len(sizes))), 40)
    n_rows = sum(sizes)
    X = draw(tables(n_rows))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = (np.arange(n_rows) + generator.integers(0, 2, n_rows)) % 3
    target = X @ np.arange(1.0, X.shape[1] + 1) + generator.normal(size=n_rows)
    kind = draw(st.sampled_from(["none", "float", "whole numbers", "with zeros"]))
    weights = {
        "none": None,
        "float": generator.uniform(0.1, 3, n_rows),
        "whole numbers": generator.integers(1, 4, n_rows),
        "with zeros": np.where(np.arange(n_rows) % 5 == 4, 0.0, 1.5),
    }[kind]
    return X, labels, target, weights, tuple(sizes)


def compare(estimator, names, backend, problem, put_X, put):
    """Fit with the engine, and compare with scikit-learn on the same values as float64 in NumPy."""
    X, labels, target, weights, _ = problem
    y = target if get_tags(estimator).estimator_type == "regressor" else labels
    weighted = weights is not None and has_fit_parameter(estimator, "sample_weight")
    exact = X.astype(np.float64)
    reference = clone(estimator).fit(exact, y, **({"sample_weight": weights} if weighted else {}))
    model = autoscale(estimator, backend=backend)
    model.fit(put_X(X), put(y), **({"sample_weight": put(weights)} if weighted else {}))
    assert_ran_on(model, backend)
    # scikit-learn's own solver of logistic regression stops near the minimum
    rtol = 1e-3 if X.dtype == np.float32 else 1e-5 if isinstance(estimator, LogisticRegression) else 1e-6
    for name in names:
        expected = np.asarray(getattr(reference, name))
        learned = np.asarray(getattr(model.estimator_, name))
        assert learned.shape == expected.shape, name
        scale = np.abs(expected).max(initial=1e-6)
        np.testing.assert_allclose(learned, expected, rtol=0, atol=rtol * scale, err_msg=name)


few = settings(max_examples=15, deadline=None, derandomize=True)


@pytest.mark.parametrize(("estimator", "names"), ESTIMATORS, ids=lambda value: str(value).partition("(")[0])
@few
@given(problem=problems(), container=st.sampled_from(sorted(IN_MEMORY)))
def test_in_memory(estimator, names, problem, container):
    if (
        container == "csr"
        and autoscale(estimator, backend="reductions:cpu").plan(IN_MEMORY["csr"](problem[0])).chosen is None
    ):
        return
    compare(estimator, names, "reductions:cpu", problem, IN_MEMORY[container], lambda values: values)


@pytest.mark.parametrize(("estimator", "names"), ESTIMATORS, ids=lambda value: str(value).partition("(")[0])
@few
@given(problem=problems(), as_frame=st.booleans())
def test_over_dask(estimator, names, problem, as_frame):
    sizes = problem[-1]

    def put(values):
        return da.from_array(values, chunks=(sizes, *values.shape[1:]))

    def put_frame(X):
        return dd.from_dask_array(put(X), columns=[f"column {i}" for i in range(X.shape[1])])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(estimator, names, "reductions:dask", problem, put_frame if as_frame else put, put)
