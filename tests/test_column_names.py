"""Frames whose columns have numbers for names, as those of ``pd.DataFrame(array)`` do."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBRegressor

from skdist_gpu import AutoScaleXGBRegressor, autoscale

CODES = np.random.default_rng(0).integers(0, 4, size=(80, 3))
NUMBERS = pd.DataFrame(CODES.astype(float))
# the middle column is one of categories
MIXED = NUMBERS.copy()
MIXED[1] = pd.Categorical(CODES[:, 1].astype(str))
Y = CODES @ [1.0, -2.0, 0.5]


@pytest.mark.parametrize("estimator", [OneHotEncoder(sparse_output=False), OrdinalEncoder()], ids=repr)
@pytest.mark.parametrize(
    "frame", [NUMBERS, MIXED.rename(columns=str).set_axis([0, 1, 2], axis=1)], ids=["range", "list"]
)
def test_lazy_rows_are_encoded(estimator, frame):
    lazy = dd.from_pandas(frame, npartitions=3)
    model = autoscale(clone(estimator)).fit(lazy)
    assert_allclose(model.transform(lazy).compute().to_numpy(), clone(estimator).fit_transform(frame))


@pytest.mark.parametrize("frame", [NUMBERS, MIXED], ids=["numbers", "categories"])
@pytest.mark.parametrize("lazy", [False, True], ids=["in memory", "lazy"])
@pytest.mark.parametrize("reproducible", [False, True])
def test_xgboost_takes_them(frame, lazy, reproducible):
    rows = dd.from_pandas(frame, npartitions=3) if lazy else frame
    options = {"n_estimators": 5, "enable_categorical": True, "backend": "xgboost"}
    model = AutoScaleXGBRegressor(**options, reproducible=reproducible).fit(rows, Y)
    expected = XGBRegressor(n_estimators=5, enable_categorical=True).fit(frame, Y)
    assert_allclose(np.asarray(model.predict(rows)), expected.predict(frame), rtol=1e-4)


def test_categories_of_a_lazy_frame_stay_in_their_column():
    lazy = dd.from_pandas(MIXED, npartitions=3)
    model = autoscale(HistGradientBoostingRegressor(categorical_features="from_dtype"), backend="sklearn").fit(lazy, Y)
    assert_array_equal(model.is_categorical_, [False, True, False])
    columns = make_column_transformer((OneHotEncoder(), [1]), (StandardScaler(), [0, 2]))
    found = autoscale(clone(columns)).fit(lazy).transform(MIXED)
    assert_allclose(found, clone(columns).fit_transform(MIXED))


@pytest.mark.parametrize("dtype", ["float16", ">f8", ">i4"])
@pytest.mark.parametrize("estimator", [OrdinalEncoder(), SimpleImputer(strategy="most_frequent")], ids=repr)
def test_values_are_counted_in_any_form(estimator, dtype):
    values = CODES.astype(dtype)
    found = autoscale(clone(estimator), backend="reductions").fit(values).transform(values)
    assert_array_equal(found, clone(estimator).fit_transform(values))
