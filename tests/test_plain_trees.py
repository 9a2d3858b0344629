"""Trees that were grown elsewhere, in scikit-learn's own forest."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from skdist_gpu._compat.sklearn_learned import give_trees, make_tree

X, y = make_classification(300, 6, n_informative=4, n_classes=3, random_state=0)
FIELDS = {
    "left_child": "children_left",
    "right_child": "children_right",
    "feature": "feature",
    "threshold": "threshold",
}


@pytest.mark.parametrize(
    "forest",
    [
        RandomForestClassifier(7, max_depth=4, random_state=3),
        RandomForestRegressor(7, max_features=0.5, random_state=np.random.RandomState(1)),
    ],
    ids=lambda forest: type(forest).__name__,
)
def test_a_forest_of_given_trees_is_the_one_they_were_grown_in(forest):
    grown = clone(forest).fit(X, y)
    trees = []
    for one in (own.tree_ for own in grown.estimators_):
        fields = {name: getattr(one, other) for name, other in FIELDS.items()}
        trees.append(make_tree(X.shape[1], one.value.shape[2], one.max_depth, fields, one.value.copy()))
    given = clone(forest)
    give_trees(given, trees, X.shape[1], getattr(grown, "classes_", None))
    assert_array_equal(given.predict(X), grown.predict(X))
    assert [own.get_params() for own in given.estimators_] == [own.get_params() for own in grown.estimators_]
    first, *others = given.estimators_
    first.set_params(max_depth=1)
    assert {own.max_depth for own in others} == {forest.max_depth}
