"""Which estimators of scikit-learn 1.9 refuse sparse rows whose indices have 64 bits, as its compiled loops have 32."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse
from sklearn.utils import check_array

_SHORT_INDICES = {
    *("LinearSVC", "LinearSVR", "SVC", "SVR", "NuSVC", "NuSVR", "OneClassSVM"),
    *("KMeans", "MiniBatchKMeans", "BisectingKMeans"),
    *("Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
    *("SGDClassifier", "SGDRegressor", "SGDOneClassSVM", "Perceptron"),
    *("PassiveAggressiveClassifier", "PassiveAggressiveRegressor"),
}
# of a logistic regression
_SHORT_SOLVERS = ("liblinear", "sag", "saga")


def check_indices(estimator: Any, X: Any) -> None:
    """Raise scikit-learn's own error where its estimator refuses the indices of sparse rows, whatever engine fits."""
    name = type(estimator).__name__
    solver = estimator.solver if name in ("LogisticRegression", "LogisticRegressionCV") else None
    if issparse(X) and (name in _SHORT_INDICES or solver in _SHORT_SOLVERS):
        formats = ("csr", "csc", "coo")
        check_array(X, accept_sparse=formats, accept_large_sparse=False, dtype=None, ensure_all_finite=False)
