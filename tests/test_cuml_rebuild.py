"""What is rebuilt for cuML, from machines that scikit-learn fitted."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.datasets import make_classification
from sklearn.svm import SVC

from skdist_gpu.engines.cuml.rebuild import join_machines


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("shape", ["ovr", "ovo"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_machines_of_pairs_make_the_same_classifier(n_classes, shape, sparse):
    X, y = make_classification(
        300, 6, n_informative=5, n_redundant=0, n_classes=n_classes, n_clusters_per_class=1, random_state=0
    )
    X = csr_matrix(np.where(X > 0, X, 0)) if sparse else X
    whole = SVC(gamma=0.3, decision_function_shape=shape).fit(X, y)
    machines = []
    for first, second in combinations(range(n_classes), 2):
        rows = np.flatnonzero((y == first) | (y == second))
        pair = SVC(gamma=0.3).fit(X[rows], (y[rows] == second).astype(int))
        coefficients = pair._dual_coef_.toarray()[0] if sparse else pair._dual_coef_[0]
        machines.append((rows[pair.support_], coefficients, float(pair._intercept_[0]), int(pair.n_iter_[0])))
    joined = SVC(gamma=0.3, decision_function_shape=shape)
    joined.classes_, joined.class_weight_, joined._gamma = whole.classes_, whole.class_weight_, 0.3
    join_machines(joined, machines, y, sparse=sparse)
    joined.support_vectors_, joined.shape_fit_, joined.n_features_in_ = X[joined.support_], X.shape, 6
    assert set(vars(joined)) == set(vars(whole))
    for name in ("support_", "n_support_", "intercept_", "n_iter_"):
        assert_array_equal(getattr(joined, name), getattr(whole, name))
    for name in ("dual_coef_", "_dual_coef_"):
        found, expected = getattr(joined, name), getattr(whole, name)
        assert type(found) is type(expected)
        assert_array_equal(found.toarray() if sparse else found, expected.toarray() if sparse else expected)
    assert_array_equal(joined.decision_function(X), whole.decision_function(X))
    assert_array_equal(joined.predict(X), whole.predict(X))
