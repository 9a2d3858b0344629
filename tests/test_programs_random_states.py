"""A program that goes on with a random state, its own or NumPy's, draws the same after a fit on another engine."""

from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.linear_model import ElasticNet, ElasticNetCV, Lasso, LassoCV, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

import skdist_gpu

ROWS = np.random.default_rng(0).normal(size=(600, 5))
TARGETS = ROWS[:, :2] + 0.1 * ROWS[:, 2:4]
needs_onedal = pytest.mark.skipif(find_spec("sklearnex") is None, reason="oneDAL is not installed")
CASES = [
    ("reductions", Ridge(), TARGETS[:, 0]),
    ("reductions", Lasso(alpha=0.1), TARGETS[:, 0]),
    ("reductions", Lasso(alpha=0.1, precompute=True), TARGETS),
    ("reductions", ElasticNet(alpha=0.1, selection="random"), TARGETS[:, 0]),
    ("reductions", LassoCV(cv=3, alphas=7), TARGETS[:, 0]),
    ("reductions", ElasticNetCV(cv=2, alphas=5, l1_ratio=[0.3, 0.9]), TARGETS[:, 0]),
    ("reductions", LinearSVC(dual=False), TARGETS[:, 0] > 0),
    ("reductions", LinearSVR(loss="squared_epsilon_insensitive", dual=False), TARGETS[:, 0]),
    ("reductions", LogisticRegression(solver="saga"), TARGETS[:, 0] > 0),
    ("reductions", LogisticRegression(), TARGETS[:, 0] > 0),
    ("reductions", TruncatedSVD(2), None),
    ("reductions", TruncatedSVD(2, algorithm="arpack"), None),
    ("reductions", PCA(2), None),
    ("reductions", KMeans(3, n_init=2), None),
    ("reductions", GaussianMixture(2), None),
    pytest.param("onedal", SVC(), TARGETS[:, 0] > 0, marks=needs_onedal),
    pytest.param("onedal", SVR(), TARGETS[:, 0], marks=needs_onedal),
    pytest.param("onedal", KMeans(3, n_init=2), None, marks=needs_onedal),
]


@pytest.mark.parametrize("whose", ["numpy", "program"])
@pytest.mark.parametrize(("backend", "model", "y"), CASES)
def test_what_is_drawn_after_a_fit_is_the_same(backend, model, y, whose):
    def drawn_after_fit():
        np.random.seed(0)
        state = np.random if whose == "numpy" else np.random.RandomState(1)
        if whose == "program" and "random_state" in model.get_params():
            model.set_params(random_state=state)
        model.fit(ROWS, y)
        return state.rand()

    model.set_params(**({"random_state": None} if "random_state" in model.get_params() else {}))
    expected = drawn_after_fit()
    model.set_params(**({"random_state": None} if "random_state" in model.get_params() else {}))
    with skdist_gpu.installed(backend=backend) as profile:
        assert drawn_after_fit() == expected
    assert (type(model).__name__, f"{backend}:cpu") in [(row.estimator, row.engine) for row in profile.rows]
