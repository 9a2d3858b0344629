"""What the engine mends of cuML's fits; see ``test_emulated_cuml.py``, which runs this where cuML is emulated."""

import warnings

import cupy
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataDimensionalityWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import CategoricalNB, ComplementNB, MultinomialNB
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OrdinalEncoder
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.svm import SVR

from skdist_gpu.data.containers import registry
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.engines.cuml.fit import fit
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.exceptions import EngineRefusal
from skdist_gpu.testing import make_resources

# these arrays are NumPy's as well, which would hold them otherwise
registry._OF_TYPE[cupy.ndarray] = next(kind for kind in registry._CONTAINERS if kind.name == "cupy")
generator = np.random.default_rng(0)
X = generator.normal(size=(60, 8))
PROJECTIONS = (GaussianRandomProjection, SparseRandomProjection)
on_both = pytest.mark.parametrize("put", [np.asarray, cupy.asarray], ids=["numpy", "cupy"])


def fitted(estimator, X, y=None, **options):
    info = inspect_input(X, y)
    return fit(FitJob(clone(estimator), X, y, None, info, make_resources(gpus=1), device="gpu", **options)).estimator


@on_both
def test_neighbours_keep_rows_in_their_own_precision(put):
    estimator = NearestNeighbors(algorithm="brute", metric="manhattan")
    expected = estimator.fit(X).kneighbors(X)
    for found, wanted in zip(fitted(estimator, put(X)).kneighbors(X), expected, strict=True):
        assert_array_equal(found, wanted)
    assert (expected[0][:, 0] == 0).all()  # of each row to itself


def test_steps_that_ran_out_are_told_and_are_no_answer_for_a_program():
    y = (X[:, 0] + generator.normal(size=60) > 0).astype(int)
    with pytest.warns(ConvergenceWarning, match="did not converge within max_iter=2 steps"):
        fitted(LogisticRegression(max_iter=2), X, y)
    with pytest.raises(EngineRefusal, match="ended after max_iter=2 steps"):
        fitted(LogisticRegression(max_iter=2), X, y, same_answer=True)
    with warnings.catch_warnings(action="error"):
        for same_answer in (False, True):
            fitted(LogisticRegression(max_iter=1000), X, y, same_answer=same_answer)


def test_what_cuml_gives_up_goes_to_the_next_engine():
    with pytest.raises(EngineRefusal, match=r"cuML gave up: SMO error: NaN found during fitting\.$"):
        fitted(SVR(), 1e308 * np.tanh(X), X[:, 0])


def test_what_cuml_does_not_take_goes_to_the_next_engine():
    with pytest.raises(EngineRefusal, match="a minimum of 2 is required"):  # one row is enough for scikit-learn
        fitted(LinearRegression(), X[:1], X[:1, 0])
    with pytest.raises(EngineRefusal, match="do not correspond"):  # which says so the other way round
        fitted(Ridge([1.0, 2.0]), X, X[:, 0])
    assert fitted(LinearRegression(), X, X[:, 0]).score(X, X[:, 0]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("estimator", "X", "y"),
    [
        *((cls(), -np.eye(4), np.arange(4) % 2) for cls in (MultinomialNB, ComplementNB, CategoricalNB)),
        (SimpleImputer(), np.array([["a", "1"], ["2", "3"]]), None),
        (SimpleImputer(strategy="median"), [["a", 1], [2, 3]], None),
        *((cls(eps=0.1), X, None) for cls in PROJECTIONS),
        *((cls(2), np.array([[1.0, np.nan, 3.0]]), None) for cls in PROJECTIONS),
        (OrdinalEncoder(), np.array([[{"a": 1}], ["b"]], dtype=object), None),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_wrong_data_raise_scikit_learns_own_errors(estimator, X, y):
    with pytest.raises((ValueError, TypeError)) as expected:
        clone(estimator).fit(X, y)
    with pytest.raises(expected.type) as found:
        fitted(estimator, X, y)
    assert str(found.value) == str(expected.value)


def test_whole_numbers_of_many_bits_are_scikit_learns():
    table = np.array([[2**70], [2**80], [2**70]])
    with pytest.raises(EngineRefusal, match="cuDF does not hold these values"):
        fitted(OrdinalEncoder(), table)
    text = np.array([["b"], ["a"]], dtype=object)
    assert_array_equal(fitted(OrdinalEncoder(), text).categories_, [["a", "b"]])


@on_both
@pytest.mark.parametrize("cls", PROJECTIONS)
def test_a_projection_is_the_one_that_scikit_learn_draws(cls, put):
    one, other = np.random.RandomState(0), np.random.RandomState(0)
    expected = cls(3, random_state=one, compute_inverse_components=True).fit(X)
    info = inspect_input(put(X))
    estimator = cls(3, random_state=other, compute_inverse_components=True)
    found = fit(FitJob(estimator, put(X), None, None, info, make_resources(gpus=1), device="gpu")).estimator
    assert set(vars(found)) == set(vars(expected))
    assert_array_equal(found.transform(X), expected.transform(X))
    assert_array_equal(found.get_feature_names_out(), expected.get_feature_names_out())
    assert one.random_sample() == other.random_sample()
    with pytest.warns(DataDimensionalityWarning):
        fitted(cls(9), put(X))
