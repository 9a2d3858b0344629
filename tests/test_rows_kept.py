"""copy=False lets an estimator write into rows: those of Dask collections stay as they were."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import FactorAnalysis, IncrementalPCA
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import LassoCV, LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from skdist_gpu import AutoScaleRegressor, autoscale
from skdist_gpu.model_selection import cross_val_score

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(60, 3)) + 5
Y = ROWS @ [1.0, 2.0, 3.0] + RANDOM.normal(size=60)
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])


def _array():
    return da.from_array(ROWS.copy(), chunks=(20, 3)).persist()


def _frame():
    return dd.from_pandas(FRAME.copy(), npartitions=3).persist()


def _one_partition():
    return dd.from_pandas(FRAME.copy(), npartitions=1).persist()


def _others_are_empty():
    parts = [FRAME.iloc[:0], FRAME.copy(), FRAME.iloc[:0]]
    return dd.from_delayed([delayed(part) for part in parts], meta=FRAME.iloc[:0]).persist()


def _in_memory(make):
    """Return the rows with names where those of Dask have them."""
    return ROWS.copy() if make is _array else FRAME.copy()


def _assert_kept(X):
    assert_array_equal(np.asarray(X.compute()), ROWS)


@pytest.mark.parametrize("make", [_array, _frame, _one_partition, _others_are_empty])
@pytest.mark.parametrize(
    ("estimator", "backend"),
    [
        (IncrementalPCA(2, copy=False), "incremental"),
        (FactorAnalysis(2, copy=False), "sklearn"),
        (LinearRegression(copy_X=False), "sklearn"),
        (LassoCV(copy_X=False), "auto"),
        (PLSRegression(1, copy=False), "auto"),
        (GridSearchCV(make_pipeline(StandardScaler(copy=False), Ridge()), {"ridge__alpha": [1.0, 2.0]}), "sklearn"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_fit_leaves_rows_of_dask_as_they_were(estimator, backend, make):
    X = make()
    autoscale(estimator, backend=backend).fit(X, Y.copy())
    _assert_kept(X)


@pytest.mark.parametrize("make", [_array, _frame, _one_partition, _others_are_empty])
@pytest.mark.parametrize("call", ["partial_fit", "fit_transform", "cross_val_score"])
def test_other_fits_leave_rows_of_dask_as_they_were(call, make):
    X = make()
    if call == "cross_val_score":
        cross_val_score(make_pipeline(StandardScaler(copy=False), Ridge()), X, Y)
    else:
        getattr(autoscale(IncrementalPCA(2, copy=False)), call)(X)
    _assert_kept(X)


_SCALED = make_pipeline(StandardScaler(copy=False), Ridge())


@pytest.mark.parametrize("make", [_array, _frame, _others_are_empty])
@pytest.mark.parametrize("wrap", [autoscale, AutoScaleRegressor])
@pytest.mark.parametrize(
    "estimator",
    [
        _SCALED,
        TransformedTargetRegressor(_SCALED),
        VotingRegressor([("a", _SCALED), ("b", Ridge())]),
        GridSearchCV(_SCALED, {"ridge__alpha": [1.0, 2.0]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_predictions_leave_rows_of_dask_as_they_were(estimator, wrap, make):
    X = make()
    model = wrap(clone(estimator), backend="sklearn").fit(_in_memory(make), Y)
    lazy = model.predict(X)
    assert_allclose(lazy.compute(), clone(estimator).fit(_in_memory(make), Y).predict(_in_memory(make)))
    assert_allclose(lazy.compute(), lazy.compute())
    _assert_kept(X)


@pytest.mark.parametrize("make", [_array, _frame])
@pytest.mark.parametrize(
    "estimator",
    [
        Normalizer(copy=False),
        FeatureUnion([("scaled", StandardScaler(copy=False)), ("normed", Normalizer(copy=False))]),
        ColumnTransformer([("scaled", StandardScaler(copy=False), [0, 1])], remainder="passthrough"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_transforms_leave_rows_of_dask_as_they_were(estimator, make):
    X = make()
    lazy = autoscale(clone(estimator)).fit(_in_memory(make)).transform(X)
    expected = clone(estimator).fit(_in_memory(make)).transform(_in_memory(make))
    assert_allclose(lazy.compute(), expected)
    assert_allclose(lazy.compute(), expected)
    _assert_kept(X)


@pytest.mark.parametrize("backend", ["auto", "sklearn"])
@pytest.mark.parametrize("last", [Ridge(), PLSRegression(1, copy=False)], ids=lambda value: type(value).__name__)
def test_candidates_do_not_write_into_rows_of_each_other(last, backend):
    steps = make_pipeline(StandardScaler(copy=False), last)
    grid = {"standardscaler__with_std": [True, False]}
    X = ROWS.copy()
    search = autoscale(GridSearchCV(steps, grid, cv=3), backend=backend).fit(X, Y)
    expected = GridSearchCV(steps, grid, cv=3).fit(ROWS.copy(), Y)
    assert_allclose(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    assert_allclose(search.predict(ROWS.copy()), expected.predict(ROWS.copy()))


def test_a_copy_that_is_asked_not_to_be_made_is_made_of_rows_of_dask():
    X = _array()
    lazy = autoscale(StandardScaler()).fit(ROWS).transform(X, copy=False)
    assert_allclose(lazy.compute(), StandardScaler().fit_transform(ROWS))
    assert_allclose(lazy.compute(), lazy.compute())
    _assert_kept(X)
