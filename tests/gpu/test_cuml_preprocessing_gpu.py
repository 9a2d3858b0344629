"""Scalers, encoders and other preprocessing with cuML: scikit-learn's attributes, and rows that stay on the GPU."""

import pickle

import cudf
import cupy
import cupyx.scipy.sparse
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from cuml_family import cuml_preprocessing
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    TargetEncoder,
)

from skdist_gpu import autoscale
from skdist_gpu.engines.cuml.rebuild_preprocessing import TRANSFORMS
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on

pytestmark = [
    pytest.mark.gpu,
    # numba's of few rows
    pytest.mark.filterwarnings("ignore:.*Grid size"),
]


def name_of(estimator):
    return type(estimator).__name__


def table(n_rows=5000, dtype=np.float64, missing=False):
    """Return skewed columns, one of them constant."""
    generator = np.random.default_rng(0)
    X = generator.gamma(2.0, size=(n_rows, 4)) * [1, 10, 0.1, 1] - [0, 5, 0, 2]
    X[:, 3] = 7.0
    if missing:
        X[::11, 0] = X[3::7, 1] = np.nan
    return X.astype(dtype)


def same(found, expected, rtol):
    """Compare what two estimators learned, attribute by attribute."""
    assert set(vars(found)) == set(vars(expected))
    for name in vars(expected).keys() - expected.get_params(deep=False).keys():
        one, other = getattr(found, name), getattr(expected, name)
        if isinstance(other, BaseEstimator):
            same(one, other, rtol)
        elif isinstance(other, list) or (isinstance(other, np.ndarray) and other.dtype == object and other.ndim == 1):
            assert len(one) == len(other), name
            for each, its in zip(one, other, strict=True):
                equal(each, its, rtol, name)
        else:
            equal(one, other, rtol, name)


def equal(found, expected, rtol, name):
    if isinstance(expected, np.ndarray):
        assert type(found) is np.ndarray, name
        assert found.dtype == expected.dtype, name
        if expected.dtype.kind == "f":
            assert_allclose(found, expected, rtol=rtol, atol=rtol, err_msg=name)
        else:
            assert_array_equal(found, expected, err_msg=name)
    elif isinstance(expected, (float, np.floating)):
        assert found == pytest.approx(expected, rel=rtol, abs=rtol, nan_ok=True), name
    else:
        assert found == expected, name


def fit_there(estimator, *data):
    model = autoscale(estimator, backend="cuml").fit(*data)
    assert_ran_on(model, "cuml:gpu")
    return model, pickle.loads(pickle.dumps(model.estimator_))


@pytest.mark.filterwarnings("ignore:Feature 3 is constant")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("move", [np.asarray, cupy.asarray], ids=["numpy", "cupy"])
@pytest.mark.parametrize("estimator", cuml_preprocessing(), ids=name_of)
def test_attributes_are_scikit_learns(estimator, move, dtype):
    X = table(dtype=dtype)
    model, plain = fit_there(estimator, move(X))
    same(plain, clone(estimator).fit(X), 1e-5)
    on_device = model.transform(cupy.asarray(X))
    assert isinstance(on_device, cupy.ndarray)
    assert on_device.dtype == plain.transform(X).dtype
    assert_allclose(on_device.get(), plain.transform(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("estimator", [MinMaxScaler(), MaxAbsScaler(), SimpleImputer()], ids=str)
def test_missing_values(estimator):
    X = table(missing=True)
    _, plain = fit_there(estimator, X)
    same(plain, clone(estimator).fit(X), 1e-4)


def test_other_imputers():
    X = table(missing=True)
    for estimator in (SimpleImputer(strategy="median"), SimpleImputer(add_indicator=True)):
        _, plain = fit_there(estimator, X)
        assert_allclose(plain.transform(X), clone(estimator).fit_transform(X))


def test_what_cuml_takes_wrongly_is_refused():
    with pytest.raises(BackendError, match="wrong median among missing values"):
        autoscale(RobustScaler(), backend="cuml").fit(table(missing=True))
    X = table()
    X[5, 0] = np.inf
    for estimator in cuml_preprocessing():
        with pytest.raises(ValueError, match="infinity"):
            autoscale(estimator, backend="cuml").fit(X)


@pytest.mark.parametrize(
    "estimator",
    [
        RobustScaler(with_centering=False),
        RobustScaler(quantile_range=(10, 90)),
        MinMaxScaler((-1, 1), clip=True),
        PolynomialFeatures(3, interaction_only=True, include_bias=False),
        Normalizer("l1"),
        Normalizer("max"),
        KBinsDiscretizer([3, 4, 5, 6], strategy="uniform", subsample=None),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Feature 3 is constant")
def test_other_parameters(estimator):
    X = table()
    model, plain = fit_there(estimator, X)
    expected = clone(estimator).fit(X)
    numbers = (lambda result: result.toarray()) if scipy.sparse.issparse(expected.transform(X)) else np.asarray
    assert_allclose(numbers(plain.transform(X)), numbers(expected.transform(X)), rtol=1e-4, atol=1e-4)
    if name_of(estimator) in TRANSFORMS:
        assert_allclose(model.transform(cupy.asarray(2 * X)).get(), expected.transform(2 * X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("module", [scipy.sparse, cupyx.scipy.sparse], ids=["scipy", "cupy"])
@pytest.mark.parametrize(
    "estimator",
    [
        MaxAbsScaler(),
        Normalizer(),
        Binarizer(),
        PolynomialFeatures(),
        TfidfTransformer(),
        TfidfTransformer(norm="l1", use_idf=False, sublinear_tf=True),
        TfidfTransformer(norm=None),
    ],
    ids=str,
)
def test_sparse_rows(estimator, module):
    X = scipy.sparse.random(400, 12, 0.2, format="csr", random_state=0)
    model, plain = fit_there(estimator, module.csr_matrix(X))
    expected = clone(estimator).fit(X)
    same(plain, expected, 1e-6)
    on_device = model.transform(cupyx.scipy.sparse.csr_matrix(X))
    assert isinstance(on_device, cupyx.scipy.sparse.spmatrix)
    assert_allclose(on_device.toarray().get(), expected.transform(X).toarray(), rtol=1e-6, atol=1e-8)


def test_a_pipeline_of_rows_on_the_device_stays_there():
    X = cupy.asarray(table())
    steps = make_pipeline(*(autoscale(e, backend="cuml") for e in (Normalizer(), PolynomialFeatures(), MinMaxScaler())))
    model = autoscale(steps)
    result = model.fit(X).transform(X)
    assert [step.backend_ for _, step in model.steps] == ["cuml", "cuml", "cuml"]
    assert isinstance(result, cupy.ndarray)
    expected = make_pipeline(Normalizer(), PolynomialFeatures(), MinMaxScaler()).fit_transform(X.get())
    assert_allclose(result.get(), expected, atol=1e-8)


def shop(n_rows=600):
    """Return a frame of text, numbers and categories."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "colour": generator.choice(["red", "green", "blue"], n_rows),
            "size": generator.integers(36, 46, n_rows),
            "grade": pd.Categorical(generator.choice(["low", "high"], n_rows)),
            "weight": generator.choice([0.5, 1.5, 2.5], n_rows),
        }
    )


TABLES = {
    "frame": shop(),
    "text": shop()[["colour"]].to_numpy(dtype=str),
    "objects": shop()[["colour"]].to_numpy(dtype=object),
    "numbers": shop()[["size", "weight"]].to_numpy(),
    "holes": np.array([[1.0, 2.0], [np.nan, 2.0], [3.0, 1.0]]),
}


@pytest.mark.parametrize("data", TABLES.values(), ids=TABLES.keys())
@pytest.mark.parametrize(
    "estimator",
    [OneHotEncoder(), OneHotEncoder(drop="if_binary", handle_unknown="ignore"), OrdinalEncoder()],
    ids=str,
)
def test_encoders(estimator, data):
    _, plain = fit_there(estimator, data)
    same(plain, clone(estimator).fit(data), 0)


def test_encoders_of_frames_on_the_device():
    frame = shop().drop(columns="grade")
    model = autoscale(OneHotEncoder(sparse_output=False), backend="cuml").fit(cudf.DataFrame(frame))
    assert_ran_on(model, "cuml:gpu")
    expected = OneHotEncoder(sparse_output=False).fit(frame)
    assert [c.tolist() for c in model.categories_] == [c.tolist() for c in expected.categories_]
    assert_array_equal(cupy.asnumpy(model.transform(cudf.DataFrame(frame))), expected.transform(frame))
    assert_array_equal(model.get_feature_names_out(), expected.get_feature_names_out())


def test_values_that_are_no_categories():
    with pytest.raises(TypeError, match=r"argument must be .* string"):
        autoscale(OrdinalEncoder(), backend="cuml").fit(np.array([[{"a": 1}], ["b"]], dtype=object))
    with pytest.raises(BackendError, match="does not tell None from NaN"):
        autoscale(OrdinalEncoder(), backend="cuml").fit(np.array([["a"], [None]], dtype=object))


@pytest.mark.parametrize("kind", ["continuous", "binary", "text"])
def test_target_encoder(kind):
    X, generator = shop(), np.random.default_rng(1)
    chance = generator.random(len(X)) + X["size"].to_numpy() / 10
    y = {"continuous": chance, "binary": (chance > 4.5).astype(int), "text": np.where(chance > 4.5, "yes", "no")}[kind]
    estimator = TargetEncoder(smooth=3.0, cv=KFold(3))
    _, plain = fit_there(estimator, X, y)
    same(plain, clone(estimator).fit(X, y), 1e-9)
    # rows of a fit are encoded by the others, which scikit-learn does
    assert_allclose(autoscale(estimator, backend="cuml").fit_transform(X, y), clone(estimator).fit_transform(X, y))


def test_target_encoder_of_more_classes_is_refused():
    with pytest.raises(BackendError, match="continuous or binary, not multiclass"):
        autoscale(TargetEncoder(smooth=1.0), backend="cuml").fit(shop(), np.arange(600) % 3)


def test_what_is_kept_from_the_user_is_still_so_in_cuml():
    import cuml.preprocessing

    X = table(missing=True)
    center = cuml.preprocessing.RobustScaler().fit(cupy.asarray(X)).center_
    assert not np.allclose(cupy.asnumpy(center), np.nanmedian(X, axis=0))
    values, y = np.array([[0.0], [1.0], [np.nan], [np.nan]]), np.array([0.5, 1.5, 2.5, 3.5])
    encoder = cuml.preprocessing.TargetEncoder(multi_feature_mode="independent").fit(values, y)
    assert len(encoder.encode_all[0]) == 2  # cuML 26.10: missing values are in no group
