"""Callbacks of scikit-learn in programs that nobody changed: they hear what they hear without the engines."""

import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

import skdist_gpu
from skdist_gpu.programs.classes import is_estimator
from skdist_gpu.programs.fits import has_engine

if find_spec("sklearn.callback") is None:
    pytest.skip("scikit-learn has callbacks from 1.9 on", allow_module_level=True)

X, Y = make_classification(n_samples=600, n_features=8, random_state=0)
CALLED = [
    cls
    for name, cls in all_estimators()
    if hasattr(cls, "set_callbacks") and is_estimator(cls) and has_engine(name, "auto")
]


def test_some_classes_call_callbacks():
    assert {"LogisticRegression", "StandardScaler"} <= {cls.__name__ for cls in CALLED}


class Heard:
    """Notes each task, and what the estimator has learned at its end."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup", type(estimator).__name__))

    def teardown(self, estimator, context):
        self.events.append(("teardown", type(estimator).__name__))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(("begin", type(estimator).__name__, context.task_name, context.task_id, np.shape(X)))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        has_learned = [] if fitted_estimator is None else sorted(vars(fitted_estimator))
        self.events.append(("end", type(estimator).__name__, context.task_name, context.task_id, has_learned))


class HeardOfParts(Heard):
    """Hears of the parts of a meta-estimator, too."""

    max_propagation_depth = None


def told(model, callback):
    """Return what the callback hears of a fit, what the fit leaves, and whether the object pickles as before."""
    model.set_callbacks(callback).fit(X, Y)
    model.set_callbacks()
    return callback.events, sorted(vars(model)), b"skdist" in pickle.dumps(model)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of defaults of LogisticRegressionCV
@pytest.mark.parametrize("backend", ["auto", "reductions:cpu"])
@pytest.mark.parametrize("cls", CALLED, ids=lambda cls: cls.__name__)
def test_callbacks_hear_what_they_hear_without_engines(cls, backend):
    expected = told(cls(), Heard())
    with skdist_gpu.installed(backend=backend) as profile:
        assert told(cls(), Heard()) == expected
        assert {row.engine for row in profile.rows} == {"sklearn:cpu"}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("cls", CALLED, ids=lambda cls: cls.__name__)
def test_engines_fit_again_once_callbacks_are_taken_off(cls):
    plain, callback = cls().fit(X, Y), Heard()
    with skdist_gpu.installed(backend="reductions:cpu") as profile:
        model = cls().set_callbacks(callback).fit(X, Y)
        n_events = len(callback.events)
        why = skdist_gpu.explain(model).plan.candidates
        assert any("calls no callbacks" in reason for candidate in why for reason in candidate.reasons)
        model.set_callbacks().fit(X, Y)
    assert {row.engine for row in profile.rows} == {"sklearn:cpu", "reductions:cpu"}
    assert len(callback.events) == n_events
    assert vars(model).keys() == vars(plain).keys()


@pytest.mark.parametrize("callback", [Heard, HeardOfParts])
def test_parts_of_pipelines_and_searches(callback):
    def composed():
        steps = make_pipeline(StandardScaler(), LogisticRegression())
        return [steps, GridSearchCV(steps, {"logisticregression__C": [0.1, 1.0]}, cv=2)]

    expected = [told(model, callback()) for model in composed()]
    assert ("begin", "LogisticRegression") in {event[:2] for event in expected[0][0]} or callback is Heard
    with skdist_gpu.installed(backend="reductions"):
        assert [told(model, callback()) for model in composed()] == expected


def test_a_callback_of_a_whole_leaves_its_parts_to_engines():
    steps = make_pipeline(StandardScaler(), LogisticRegression())
    with skdist_gpu.installed(backend="reductions:cpu") as profile:
        steps.set_callbacks(Heard()).fit(X, Y)
    assert {(row.estimator, row.engine) for row in profile.rows if row.method.startswith("fit")} == {
        ("StandardScaler", "reductions:cpu"),
        ("LogisticRegression", "reductions:cpu"),
    }


def test_errors_of_callbacks_and_estimators_that_take_none():
    class Fails(Heard):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("the callback's own")

    with skdist_gpu.installed(backend="reductions"):
        callback = Fails()
        with pytest.raises(RuntimeError, match="the callback's own"):
            StandardScaler().set_callbacks(callback).fit(X)
        assert callback.events[-1] == ("teardown", "StandardScaler")
        with pytest.raises(TypeError, match="FitCallback protocol"):
            StandardScaler().set_callbacks(Heard)
        assert not hasattr(Ridge(), "set_callbacks")


def test_the_scores_of_a_monitor():
    from sklearn.callback import ScoringMonitor

    def scores():
        monitor = ScoringMonitor(scoring="neg_log_loss")
        model = LogisticRegression().set_callbacks(monitor).fit(X, Y)
        return monitor.get_logs().data_as_pandas, model.coef_

    expected, coefficients = scores()
    assert len(expected) > 3
    with skdist_gpu.installed(backend="reductions"):
        found, found_coefficients = scores()
    assert_frame_equal(found, expected)
    assert_array_equal(found_coefficients, coefficients)
