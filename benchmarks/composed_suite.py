"""scikit-learn's own tests of pipelines, column transformers and searches, with the wrapped classes in their place.

Each test module sees, in place of scikit-learn's Pipeline, FeatureUnion, ColumnTransformer, searches and their
relatives, the classes that ``autoscale`` makes of them; ``make_pipeline`` and its like give those, too. What is inside
is as the tests have it, mocks among them.

    python benchmarks/composed_suite.py [options of pytest]
"""

from __future__ import annotations

import sys
from functools import wraps
from pathlib import Path

import pytest
import sklearn

from skdist_gpu.compose.autoscale import _composite_class

ROOT = Path(sklearn.__file__).parent
MODULES = [
    "tests/test_pipeline.py",
    "compose/tests/test_column_transformer.py",
    "compose/tests/test_target.py",
    "model_selection/tests/test_search.py",
    "model_selection/tests/test_successive_halving.py",
    "model_selection/tests/test_validation.py",
]
CLASSES = (
    *("Pipeline", "FeatureUnion", "ColumnTransformer", "TransformedTargetRegressor"),
    *("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"),
)
MAKERS = ("make_pipeline", "make_union", "make_column_transformer")


def _of_ours(make):
    @wraps(make)
    def made(*args, **kwargs):
        plain = make(*args, **kwargs)
        ours = object.__new__(_composite_class(type(plain)))
        vars(ours).update(vars(plain))
        return ours

    return made


class Substitution:
    """A plugin of pytest that replaces the classes in each module of tests."""

    def pytest_collection_modifyitems(self, items):
        """Replace the names once the modules are there."""
        for module in {item.module for item in items if hasattr(item, "module")}:
            for name in CLASSES:
                plain = getattr(module, name, None)
                if isinstance(plain, type) and not hasattr(plain, "plain_class"):
                    setattr(module, name, _composite_class(plain))
            for name in MAKERS:
                if hasattr(module, name):
                    setattr(module, name, _of_ours(getattr(module, name)))


if __name__ == "__main__":
    paths = [str(ROOT / module) for module in MODULES]
    options = ["-q", "-p", "no:cacheprovider", "-c", str(Path(__file__).parents[1] / "tests/conformance/pytest.ini")]
    sys.exit(pytest.main([*options, *sys.argv[1:], *paths], plugins=[Substitution()]))
