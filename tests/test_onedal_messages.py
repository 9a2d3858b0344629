"""What oneDAL's fits raise and warn of: what scikit-learn says, of programs as they are and by the wrapper."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.svm import SVC, SVR

import skdist_gpu
from skdist_gpu import autoscale
from skdist_gpu.exceptions import BackendError

pytest.importorskip("sklearnex")

X, Y = make_classification(600, 6, n_informative=5, n_redundant=0, random_state=0)


def told(call):
    """Return the kind and words of each warning, and of the error."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        try:
            call()
            error = None
        except Exception as caught:
            error = caught
    return [(warning.category, str(warning.message)) for warning in shown], type(error), str(error)


@pytest.mark.parametrize(
    "fit",
    [
        lambda: KMeans(3, init=X[:3], n_init=4).fit(X),
        lambda: KMeans(3, init=X[:4]).fit(X),
        lambda: KMeans(3, init=X[:3, :2]).fit(X),
        lambda: KMeans(601).fit(X),
        lambda: SVC().fit(X, Y, sample_weight=np.zeros(600)),
        lambda: SVR().fit(X, Y, sample_weight=np.zeros(600)),
        lambda: SVC().fit(np.finfo(float).max * X / abs(X).max(), Y),
    ],
)
def test_programs_hear_what_scikit_learn_says(fit):
    expected = told(fit)
    assert expected[0] or expected[2] != "None"
    with skdist_gpu.installed(backend="onedal"):
        assert told(fit) == expected


def test_the_wrapper_says_the_same_of_clusters():
    with pytest.raises(
        ValueError, match=r"initial centers \(3, 2\) does not match the number of features of the data 6"
    ):
        autoscale(KMeans(3, init=X[:3, :2]), backend="onedal").fit(X)
    with pytest.warns(RuntimeWarning, match="performing only one init"):
        autoscale(KMeans(3, init=X[:3], n_init=4), backend="onedal").fit(X)
    assert autoscale(KMeans(3, init="random", random_state=0), backend="onedal").fit(X).estimator_._n_init == 10
    with pytest.raises(BackendError, match="zero throughout"):
        autoscale(SVC(), backend="onedal", fallback="raise").fit(X, Y, sample_weight=np.zeros(600))


def test_a_fitted_tree_for_rows_is_scikit_learns():
    tree = NearestNeighbors(n_neighbors=3).fit(X)
    expected = KNeighborsClassifier().fit(tree, Y).predict(X)
    with skdist_gpu.installed(backend="onedal") as profile:
        assert (KNeighborsClassifier().fit(tree, Y).predict(X) == expected).all()
    (row,) = (row for row in profile.rows if row.method == "fit")
    assert (row.engine, row.why) == ("sklearn:cpu", "no other engine was considered: no table of numbers")
