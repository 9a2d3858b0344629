"""What holds of every plan, whatever the estimator, the data and the machine."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils import all_estimators

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.registry import catalogue, engines, entries_for
from skdist_gpu.planning.planner import Request, make_plan
from skdist_gpu.testing import make_resources

ORDER = ("chosen", "possible", "slower")
CONTAINERS = {
    "numpy": "host",
    "pandas": "host",
    "polars": "host",
    "scipy.sparse": "host",
    "cupy": "gpu",
    "cudf": "gpu",
    "dask.array": "dask",
    "dask.dataframe": "dask",
    "pyarrow.dataset": "disk",
    "polars.lazy": "disk",
}
DTYPES = ["float64", "float32", "int64", "int8", "bool", "object", "category", "string", "datetime64[ns]"]


# the classes of scikit-learn that some engine beside scikit-learn knows
_KNOWN = {entry.estimator for entry in catalogue()}
ESTIMATORS = {name: cls for name, cls in all_estimators() if name in _KNOWN}


@st.composite
def estimators(draw):
    """Return an estimator, some of its parameters set to values that other estimators have for theirs."""
    estimator = ESTIMATORS[draw(st.sampled_from(sorted(ESTIMATORS)))]()
    values = st.sampled_from([None, True, False, 0, 1, 5, 0.5, "auto", "l1", "lbfgs", "svd"])
    names = st.sampled_from(sorted(estimator.get_params(deep=False)) or ["none"])
    changed = draw(st.dictionaries(names, values, max_size=2))
    return estimator.set_params(**{name: value for name, value in changed.items() if hasattr(estimator, name)})


@st.composite
def inputs(draw):
    """Return the description of data of any size, kind and place."""
    container = draw(st.sampled_from(sorted(CONTAINERS)))
    location = CONTAINERS[container]
    n_samples = draw(st.integers(1, 10**10))
    n_features = draw(st.integers(1, 20_000))
    sparse = container == "scipy.sparse"
    unknown = location in ("dask", "disk") and draw(st.booleans())
    return InputInfo(
        container=container,
        n_samples=None if unknown else n_samples,
        n_features=n_features,
        dtype=draw(st.sampled_from(DTYPES)),
        location=location,
        backing=container if location != "dask" else "numpy",
        sparse=sparse,
        n_stored=draw(st.integers(0, n_samples * n_features)) if sparse else None,
        block_sizes=(None if unknown else n_samples,) if location == "dask" else (),
        n_targets=draw(st.integers(0, 3)),
        weighted=draw(st.booleans()),
    )


@st.composite
def machines(draw):
    """Return a machine, from a small one to a cluster with GPUs, with some of the engines' packages."""
    some = st.lists(st.sampled_from(["cuml", "cupy", "cudf", "dask", "distributed", "dask_ml", "xgboost"]))
    return make_resources(
        cpus=draw(st.integers(1, 256)),
        memory=draw(st.integers(10**9, 10**13)),
        gpus=draw(st.integers(0, 8)),
        gpu_memory=draw(st.integers(10**9, 2 * 10**11)),
        workers=draw(st.integers(0, 16)),
        packages=tuple(draw(some)),
    )


@st.composite
def requests(draw):
    """Return what a user asks for."""
    return Request(
        backend=draw(st.sampled_from(["auto", "auto", *engines(), "reductions:gpu", "reductions:dask"])),
        memory_budget=draw(st.none() | st.integers(1, 10**12)),
        precision=draw(st.sampled_from(["auto", "float32"])),
        allow_ignored=draw(st.booleans()),
        all_gpus=draw(st.booleans()),
    )


every_plan = given(estimators(), inputs(), machines(), requests())
many = settings(max_examples=100, deadline=None, derandomize=True)


@many
@every_plan
def test_one_engine_is_chosen_and_every_verdict_has_a_reason(estimator, info, resources, request):
    plan = make_plan(estimator, info, resources, request)
    verdicts = [candidate.verdict for candidate in plan.candidates]
    assert set(verdicts) <= {*ORDER, "refused"}
    assert verdicts.count("chosen") == (set(verdicts) != {"refused"})
    assert all(candidate.reasons and all(candidate.reasons) for candidate in plan.candidates)
    assert len({candidate.name for candidate in plan.candidates}) == len(entries_for(estimator))


@many
@every_plan
def test_what_is_tried_are_the_engines_that_do_not_refuse(estimator, info, resources, request):
    plan = make_plan(estimator, info, resources, request)
    assert list(plan.ladder[:1]) == ([] if plan.chosen is None else [plan.chosen])
    ranks = [ORDER.index(candidate.verdict) for candidate in plan.ladder]
    assert ranks == sorted(ranks)
    assert set(plan.ladder) == {candidate for candidate in plan.candidates if candidate.verdict != "refused"}
    if request.backend != "auto":
        name, _, device = request.backend.partition(":")
        assert all(c.backend == name and device in ("", c.device) for c in plan.ladder)


@many
@every_plan
def test_a_plan_is_pure(estimator, info, resources, request):
    before, modules = repr(vars(estimator)), set(sys.modules)
    plan = make_plan(estimator, info, resources, request)
    assert make_plan(estimator, info, resources, request) == plan
    assert repr(vars(estimator)) == before
    assert pickle.loads(pickle.dumps(plan)) == plan
    loaded = {name.partition(".")[0] for name in set(sys.modules) - modules}
    assert not loaded & {"dask", "distributed", "cupy", "cuml", "xgboost"}


@many
@every_plan
def test_a_plan_can_be_read(estimator, info, resources, request):
    plan = make_plan(estimator, info, resources, request)
    for text in (str(plan), plan._repr_html_()):
        assert all(candidate.name in text for candidate in plan.candidates)
    for candidate in plan.candidates:
        assert candidate.n_bytes is None or candidate.n_bytes >= 0
        assert candidate.seconds is None or candidate.seconds >= 0


@many
@every_plan
def test_less_memory_lets_no_engine_in(estimator, info, resources, request):
    budget = request.memory_budget or 10**11
    more = make_plan(estimator, info, resources, replace(request, memory_budget=budget))
    less = make_plan(estimator, info, resources, replace(request, memory_budget=budget // 10 or 1))
    assert {candidate.name for candidate in less.ladder} <= {candidate.name for candidate in more.ladder}
