"""Options: what `set_config` takes, an estimator takes, and nothing else."""

import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleRegressor, autoscale, config_context, get_config, set_config
from skdist_gpu.testing import make_resources

WRONG = {
    "fallback": "banana",
    "precision": "float16",
    "backend": "ridge",
    "memory_budget": "much",
}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *WRONG.items(),
        ("auto_cluster", True),
        ("backend", "reductions:"),
        ("backend", None),
        ("collect_limit", -1),
        ("collect_limit", None),
        ("allow_ignored_parameters", "no"),
        ("client", "tcp://127.0.0.1:8786"),
        ("max_gpus", -1),
        ("cliemt", None),
    ],
)
def test_wrong_options_are_refused_at_once_and_change_nothing(option, value):
    before = get_config()
    for change in (set_config, lambda **options: config_context(**options).__enter__()):
        with pytest.raises((TypeError, ValueError), match=option):
            change(**{option: value})
    assert get_config() == before


@pytest.mark.parametrize(("option", "value"), WRONG.items())
def test_an_estimator_refuses_in_the_same_words(option, value):
    with pytest.raises(ValueError, match=option) as of_config:
        set_config(**{option: value})
    with pytest.raises(ValueError, match=option) as of_fit:
        AutoScaleRegressor(Ridge(), **{option: value}).fit([[0.0], [1.0]], [0.0, 1.0])
    assert str(of_fit.value) == str(of_config.value)


@pytest.mark.parametrize("what", [None, "Ridge", "passthrough", Ridge, 3, [Ridge()]])
def test_what_is_no_estimator_is_not_wrapped(what):
    with pytest.raises(TypeError, match="takes a scikit-learn estimator, not"):
        autoscale(what)


def test_steps_that_do_nothing_stay():
    pipeline = autoscale(Pipeline([("scale", StandardScaler()), ("last", "passthrough")]))
    assert pipeline.steps[1] == ("last", "passthrough")
    columns = autoscale(ColumnTransformer([("a", "drop", [0]), ("b", StandardScaler(), [1])]))
    assert columns.transformers[0] == ("a", "drop", [0])


@pytest.mark.parametrize("numbers", [{"gpus": -1}, {"workers": -2}, {"cpus": 0}, {"gpus": 1.5}, {"memory": 0}])
def test_a_machine_that_cannot_be_is_refused(numbers):
    with pytest.raises(ValueError, match=str(next(iter(numbers.values())))):
        make_resources(**numbers)
