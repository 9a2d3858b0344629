"""A budget of memory holds for calls of fitted models as it does for fits."""

import tracemalloc
from contextlib import nullcontext

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, TweedieRegressor
from sklearn.model_selection import GridSearchCV

from skdist_gpu import AutoScaleRegressor, autoscale, config_context
from skdist_gpu.exceptions import CollectLimitError
from skdist_gpu.testing import make_resources

MANY_ROWS = np.random.default_rng(1).normal(size=(20_000, 4))


def _kernel_model():
    few = MANY_ROWS[:1000]
    return KernelRidge(kernel="rbf").fit(few, few.sum(axis=1))


@pytest.mark.parametrize("way", ["parameter", "config_context"])
def test_rows_are_scored_few_at_a_time_where_the_budget_does_not_hold_all(way):
    # all rows beside all that are kept are 160.2 MB
    model = autoscale(_kernel_model(), **({"memory_budget": "8MB"} if way == "parameter" else {}))
    with config_context(memory_budget="8MB") if way == "config_context" else nullcontext():
        plan = model.plan(MANY_ROWS, method="predict", resources=make_resources(cpus=2, packages=()))
        tracemalloc.start()
        result = model.predict(MANY_ROWS)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert plan.chosen.name == "threads:cpu"
    assert "499 rows at a time, as many as memory_budget= allows" in plan.reasons[0]
    refused = next(c for c in plan.candidates if c.verdict == "refused" and c.name == "sklearn:cpu")
    assert refused.reasons == ("all rows at once need about 160.2 MB in memory, memory_budget= allows 8.0 MB",)
    assert peak < 40e6
    assert_allclose(result, _kernel_model().predict(MANY_ROWS))


def test_a_budget_that_holds_all_rows_changes_no_plan_of_a_call():
    model, ample = autoscale(_kernel_model()), autoscale(_kernel_model(), memory_budget="1GB")
    machine = make_resources(cpus=2, packages=())
    plans = [one.plan(MANY_ROWS, method="predict", resources=machine) for one in (model, ample)]
    assert plans[0] == plans[1]


def test_a_frame_becomes_an_array_few_rows_at_a_time_within_a_budget():
    frame = pd.DataFrame({"a": np.arange(200_000), "b": np.linspace(0, 1, 200_000)})
    plain = Ridge().fit(frame, frame["b"])
    model = autoscale(plain, memory_budget="1MB")
    plan = model.plan(frame, method="predict", resources=make_resources(cpus=2, packages=()))
    assert plan.chosen.name == "threads:cpu"
    assert_allclose(model.predict(frame), plain.predict(frame))


def test_the_plain_estimator_scores_beyond_a_budget_what_blocks_cannot():
    alone = autoscale(_kernel_model(), memory_budget="1MB").plan(
        MANY_ROWS, method="predict", resources=make_resources(cpus=1, packages=())
    )
    assert alone.chosen.name == "threads:cpu"  # one block after another
    process = GaussianProcessRegressor(alpha=0.1).fit(MANY_ROWS[:50], MANY_ROWS[:50, 0])
    model = autoscale(process, memory_budget="1MB")
    mean, deviation = model.predict(MANY_ROWS[:3000], return_std=True)
    expected = process.predict(MANY_ROWS[:3000], return_std=True)
    assert_allclose(mean, expected[0])
    assert_allclose(deviation, expected[1])


def test_a_score_collects_no_more_than_the_budget():
    rows = da.from_array(MANY_ROWS, chunks=(5000, 4))
    search = GridSearchCV(PCA(), {"n_components": [1, 2]}, scoring=lambda model, X, y=None: float(model.n_components))
    model = autoscale(search).fit(MANY_ROWS[:100])
    with (
        config_context(memory_budget="1KB"),
        pytest.raises(CollectLimitError, match=r"memory_budget='8GB'\) raises it"),
    ):
        model.score(rows)
    assert np.isfinite(model.score(rows))


def test_a_score_collects_no_more_than_the_estimators_own_budget():
    rows, target = da.from_array(MANY_ROWS, chunks=(5000, 4)), da.from_array(MANY_ROWS[:, 0], chunks=5000)
    model = AutoScaleRegressor(TweedieRegressor(power=0)).fit(MANY_ROWS, MANY_ROWS[:, 0])
    expected = model.score(MANY_ROWS, MANY_ROWS[:, 0])
    assert_allclose(model.score(rows, target), expected)
    model.set_params(memory_budget="1KB")
    with pytest.raises(CollectLimitError, match=r" set_params\(memory_budget='8GB'\) raises it"):
        model.score(rows, target)
