"""scikit-learn's own tests of pipelines, column transformers and searches, with the wrapped classes in their place.

Each test module sees, in place of scikit-learn's Pipeline, FeatureUnion, ColumnTransformer, searches and their
relatives, the classes that ``autoscale`` makes of them; ``make_pipeline`` and its like give those, too. What is inside
is as the tests have it; with ``--inside`` scikit-learn's own estimators are wrapped there, and mocks are not.

    python benchmarks/composed_suite.py [--inside] [--output FILE] [options of pytest]
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections import Counter
from functools import wraps
from typing import Any

import pytest
import sklearn
from measure import save

from skdist_gpu import autoscale
from skdist_gpu.compose.autoscale import _composite_class
from skdist_gpu.compose.children import children, replace_children

ROOT = pathlib.Path(sklearn.__file__).parent
MODULES = (
    *("tests/test_pipeline.py", "compose/tests/test_column_transformer.py", "compose/tests/test_target.py"),
    *("model_selection/tests/test_search.py", "model_selection/tests/test_successive_halving.py"),
    *("model_selection/tests/test_validation.py", "model_selection/tests/test_classification_threshold.py"),
)
CLASSES = (
    *("Pipeline", "FeatureUnion", "ColumnTransformer", "TransformedTargetRegressor"),
    *("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"),
    *("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
)
MAKERS = ("make_pipeline", "make_union", "make_column_transformer")
_NAME = "the message names the class, which is AutoScale's; the rest of it is scikit-learn's"
_SET = "what set_params puts in is wrapped, and the test compares it with what it put in"
_PARAMETERS = "a wrapped estimator has its wrapper's parameters, such as `backend`, beside its own"
_STACK = "the test reads the names of the functions that call its mock, one of which is ours"
_LOST = "a method that the test sets on one object is lost when that is copied"
_WRAPPED = "the test wants the object that it gave, or its class; there is the wrapper of it"
_COPIED = "the test looks at the object that it gave, which stays unfitted: a copy of it is fitted"
_PASSES = "the passes of an engine are tasks that callbacks hear of, too"
# why a test cannot hold, by its name or the start of it
REASONS = {
    "test_pipeline_raise_set_params_error": _NAME,
    "test_score_samples_on_pipeline_without_score_samples": _NAME,
    "test_fit_predict_on_pipeline_without_fit_predict": _NAME,
    "test_column_transformer_invalid_columns": _NAME,
    "test_set_pipeline_steps": _SET,
    "test_pipeline_invalid_parameters": _PARAMETERS,
    "test_set_pipeline_step_passthrough": _PARAMETERS,
    "test_column_transformer_get_set_params": _PARAMETERS,
    "test_set_feature_union_step_drop": _LOST,
    "test_set_feature_union_passthrough": _LOST,
    "test_transform_input_pipeline[fit_transform]": _STACK,
    "test_metadata_routing_for_pipeline[fit_": _STACK,
    "test_metadata_routing_for_column_transformer[fit_transform]": _STACK,
    "test_custom_run_search": "a search has the attribute `sharing_` beside scikit-learn's",
    # with --inside
    "test_feature_union[": _WRAPPED,
    "test_make_union": _WRAPPED,
    "test_make_pipeline": _WRAPPED,
    "test_feature_union_getitem": _WRAPPED,
    "test_make_column_transformer": _WRAPPED,
    "test_column_transformer_named_estimators": _WRAPPED,
    "test_sk_visual_block_": _WRAPPED,
    "test_tuned_threshold_classifier_refit": _WRAPPED,
    "test_n_features_in_": _COPIED,
    "test_feature_union_array_api_support_tag": "wrapped estimators do not claim scikit-learn's array API",
    "test_pipeline_with_callbacks": _PASSES,
    "test_pipeline_memory_callbacks_second_fit_same_pipeline": _PASSES,
}


def is_own(estimator: Any) -> bool:
    """Whether an estimator is of scikit-learn itself, and of none of its tests."""
    module = type(estimator).__module__
    return module.startswith("sklearn.") and ".tests." not in module


def substitute(plain: Any, inside: bool) -> Any:
    """Return the class that takes the place of one of scikit-learn's."""
    cls: Any = _composite_class(plain)
    if not inside:
        return cls

    @wraps(plain.__init__)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        plain.__init__(self, *args, **kwargs)
        if any(is_own(child) for _, child, _ in children(self)):  # clone wants the very same lists else
            replace_children(self, lambda child, _: autoscale(child) if is_own(child) else child)

    return type(cls.__name__, (cls,), {"__init__": init, "__module__": cls.__module__})


def maker(make: Any, inside: bool) -> Any:
    """Return one of scikit-learn's functions that make such an object, for one of the class in its place."""

    @wraps(make)
    def made(*args: Any, **kwargs: Any) -> Any:
        plain = make(*args, **kwargs)
        return substitute(type(plain), inside)(**plain.get_params(deep=False))

    return made


class Substitution:
    """A plugin of pytest that replaces the classes in each module of tests, and notes what comes of each test."""

    def __init__(self, inside: bool) -> None:
        self.inside = inside
        self.rows: list[dict[str, Any]] = []

    def pytest_collection_modifyitems(self, items: Any) -> None:
        """Replace the names once the modules are there, and the classes among the parameters of the tests."""
        ours: dict[Any, Any] = {}
        for module in {item.module for item in items if hasattr(item, "module")}:
            for name in CLASSES:
                plain = getattr(module, name, None)
                if isinstance(plain, type):
                    ours.setdefault(plain, substitute(plain, self.inside))
                    setattr(module, name, ours[plain])
            for name in MAKERS:
                if hasattr(module, name):
                    setattr(module, name, maker(getattr(module, name), self.inside))
        for item in items:
            params = item.callspec.params if hasattr(item, "callspec") else {}
            params |= {name: ours[value] for name, value in params.items() if isinstance(value, type) and value in ours}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note what came of a test."""
        if report.when != "call" and report.passed:
            return
        name = report.nodeid.rpartition("::")[2]
        row = {"test": name, "outcome": report.outcome}
        if report.failed:
            message = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", report.longrepr))
            reasons = [reason for start, reason in REASONS.items() if name.startswith(start)]
            row |= {"message": message.split("\n")[0][:200], "reason": reasons[0] if reasons else "unexplained"}
        self.rows.append(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inside", action="store_true", help="wrap what is inside, too")
    parser.add_argument("--output", type=pathlib.Path)
    arguments, options = parser.parse_known_args()
    suite = Substitution(arguments.inside)
    rules = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        str(pathlib.Path(__file__).parents[1] / "tests/conformance/pytest.ini"),
    ]
    pytest.main([*rules, *options, *(str(ROOT / module) for module in MODULES)], plugins=[suite])
    counts = dict(Counter(row["outcome"] for row in suite.rows))
    failed = [row for row in suite.rows if row["outcome"] == "failed"]
    save(failed, arguments.output, n_tests=len(suite.rows), counts=counts, inside=arguments.inside)
    print(counts, "of", len(suite.rows))
    if unexplained := [row["test"] for row in failed if row["reason"] == "unexplained"]:
        sys.exit(f"These fail for a reason that is not known: {unexplained}")


if __name__ == "__main__":
    main()
