"""What is rebuilt for cuML, from machines that scikit-learn fitted."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.svm import SVC

from skdist_gpu.engines.cuml_rebuild import join_machines


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("shape", ["ovr", "ovo"])
def test_machines_of_pairs_make_the_same_classifier(n_classes, shape):
    X, y = make_classification(
        300, 6, n_informative=5, n_redundant=0, n_classes=n_classes, n_clusters_per_class=1, random_state=0
    )
    whole = SVC(gamma=0.3, decision_function_shape=shape).fit(X, y)
    machines = []
    for first, second in combinations(range(n_classes), 2):
        rows = np.flatnonzero((y == first) | (y == second))
        pair = SVC(gamma=0.3).fit(X[rows], (y[rows] == second).astype(int))
        machines.append((rows[pair.support_], pair._dual_coef_[0], float(pair._intercept_[0]), int(pair.n_iter_[0])))
    joined = SVC(gamma=0.3, decision_function_shape=shape)
    joined.classes_, joined.class_weight_, joined._gamma = whole.classes_, whole.class_weight_, 0.3
    join_machines(joined, machines, y)
    joined.support_vectors_, joined.shape_fit_, joined.n_features_in_ = X[joined.support_], X.shape, 6
    assert set(vars(joined)) == set(vars(whole))
    for name in ("support_", "n_support_", "dual_coef_", "intercept_", "n_iter_"):
        assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert_array_equal(joined.decision_function(X), whole.decision_function(X))
    assert_array_equal(joined.predict(X), whole.predict(X))
