"""RobustScaler and the median of SimpleImputer by exact selection, against scikit-learn."""

import numpy as np
import pytest
from fits import N_ROWS, PLACES, assert_same_as_scikit_learn, fit_there, make_classes, use_small_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import RobustScaler

from skdist_gpu import AutoScaleTransformer
from skdist_gpu.reductions import quantiles

ESTIMATORS = [
    RobustScaler(),
    RobustScaler(with_centering=False, quantile_range=(0.0, 100.0)),
    RobustScaler(with_scaling=False),
    RobustScaler(quantile_range=(3.3, 3.4), unit_variance=True),
    SimpleImputer(strategy="median", add_indicator=True),
]


@pytest.fixture(autouse=True)
def _several_passes(monkeypatch):
    use_small_steps(monkeypatch)
    monkeypatch.setattr(quantiles, "MOST_VALUES", 200)


def make_hard(dtype="float64"):
    """Return columns with ties, gaps, a constant, values of all sizes, few distinct values, and nothing."""
    generator = np.random.default_rng(0)
    X = make_classes(n_columns=6)[0]
    X[:, 1] = np.exp(20 * generator.normal(size=N_ROWS)) * generator.choice([-1, 1], N_ROWS)
    X[:, 2] = 7.25
    X[:, 3] = generator.integers(0, 3, N_ROWS)
    X[::3, 4] = np.nan
    X[:1500, 5] = np.nan
    return X.astype(dtype)


@pytest.mark.parametrize("backend", PLACES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_answer_is_scikit_learns(estimator, backend):
    assert_same_as_scikit_learn(estimator, backend, make_classes()[0], rtol=1e-12)
    model, reference = (fit(estimator, make_hard()) for fit in (lambda e, X: fit_there(e, backend, X), _fit))
    for name in ("center_", "scale_", "statistics_"):
        if getattr(reference, name, None) is not None:
            np.testing.assert_allclose(getattr(model, name), getattr(reference, name), rtol=1e-12, atol=1e-300)


def _fit(estimator, X):
    return type(estimator)(**estimator.get_params()).fit(X)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_float32(estimator):
    assert_same_as_scikit_learn(estimator, "reductions:cpu", make_classes(offset=0.0)[0].astype(np.float32), rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(width=32, allow_nan=True, allow_infinity=False), min_size=1, max_size=300),
    share=st.floats(0, 1),
)
def test_any_values(values, share):
    X = np.array(values)[:, None]
    if np.isnan(X).all():
        X[0] = 1.0
    model = AutoScaleTransformer(RobustScaler(quantile_range=(0, 100 * share)), backend="reductions:cpu").fit(X)
    expected = RobustScaler(quantile_range=(0, 100 * share)).fit(X)
    np.testing.assert_allclose(model.center_, expected.center_, rtol=1e-9, atol=1e-40)
    np.testing.assert_allclose(model.scale_, expected.scale_, rtol=1e-9)


@pytest.mark.parametrize("backend", PLACES)
def test_infinity_is_refused(backend):
    X = make_classes()[0]
    X[2500, 1] = np.inf
    for estimator in ESTIMATORS:
        with pytest.raises(ValueError, match="infinity"):
            fit_there(estimator, backend, X)
    with pytest.raises(ValueError, match="Invalid quantile range"):
        fit_there(RobustScaler(quantile_range=(50, 101)), backend, make_classes()[0])
