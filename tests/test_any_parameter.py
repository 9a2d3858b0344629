"""Plans take parameters of any kind: arrays, frames, sparse matrices and functions."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import Lasso
from sklearn.mixture import GaussianMixture
from sklearn.utils import all_estimators

from skdist_gpu import autoscale
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.planning.planner import Request, make_plan
from skdist_gpu.testing import make_resources

MACHINE = make_resources(gpus=2, workers=2)
VALUES = [
    np.ones(3),
    np.ones((200, 3)),
    np.float32(1),
    -5,
    pd.Series([1.0, 2.0]),
    pd.DataFrame({"a": [1.0, 2.0]}),
    csr_array(np.eye(3)),
    np.sum,
    [np.ones(2), np.ones(3)],
    {"a": np.ones(2)},
]


@pytest.mark.filterwarnings("ignore:Class PassiveAggressive:FutureWarning")
def test_every_parameter_of_every_estimator_may_hold_anything():
    info = InputInfo("numpy", 10**7, 20, n_targets=1)
    for name, cls in all_estimators():
        try:
            estimator = cls()
        except TypeError:  # it wraps another one
            continue
        if len(entries_for(estimator)) == 1:
            continue
        for parameter in estimator.get_params(deep=False):
            for value in VALUES:
                changed = cls().set_params(**{parameter: value})
                plan = make_plan(changed, info, MACHINE, Request())
                assert all(len(reason) < 400 for c in plan.candidates for reason in c.reasons), (name, parameter)


def test_an_array_is_named_by_its_shape():
    estimator = GaussianMixture(2, means_init=np.arange(400.0).reshape(2, 200))
    plan = autoscale(estimator).plan(shape=(10**6, 200), resources=MACHINE)
    reasons = [reason for candidate in plan.candidates for reason in candidate.reasons]
    assert all("[" not in reason or "0." not in reason for reason in reasons)


@pytest.mark.parametrize("gram", [True, False])
def test_a_gram_matrix_is_scikit_learns_to_use(gram):
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = autoscale(Lasso(0.1, precompute=X.T @ X if gram else False, fit_intercept=False)).fit(X, X[:, 0])
    np.testing.assert_allclose(model.coef_, Lasso(0.1, fit_intercept=False).fit(X, X[:, 0]).coef_)
