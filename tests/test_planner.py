"""Plans for machines and data that do not exist here."""

from importlib import import_module
from importlib.util import find_spec

import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LassoCV, LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.preprocessing import QuantileTransformer
from sklearn.svm import SVC

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, AutoScaleTransformer
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.registry import catalogue, entries_for
from skdist_gpu.planning.planner import Request, make_plan
from skdist_gpu.testing import make_resources


def plan(estimator, shape, machine, request=None, **info):
    info = InputInfo("numpy", *shape, **{"n_targets": 1, **info})
    return make_plan(estimator, info, machine, request or Request())


SERVER, LAPTOP = make_resources(gpus=1), make_resources(cpus=8, memory="16GB")
FEW_CORES = make_resources(cpus=2, gpus=1, packages=("cuml", "cupy"))
MACHINES = {id(SERVER): "server", id(LAPTOP): "laptop", id(FEW_CORES): "few cores"}


@pytest.mark.parametrize(
    ("estimator", "shape", "machine", "expected"),
    [
        (LinearRegression(), (10**3, 20), SERVER, "sklearn:cpu"),
        (LinearRegression(), (10**6, 100), SERVER, "reductions:gpu"),
        (LinearRegression(), (300, 3000), LAPTOP, "sklearn:cpu"),
        (LinearRegression(), (10**6, 100), LAPTOP, "reductions:cpu"),
        (LogisticRegression(), (10**3, 20), SERVER, "sklearn:cpu"),
        (LogisticRegression(), (10**6, 100), SERVER, "reductions:gpu"),
        (LogisticRegression(), (10**6, 100), LAPTOP, "reductions:cpu"),
        (PCA(), (10**6, 100), SERVER, "reductions:gpu"),
        (PCA(), (10**6, 100), LAPTOP, "reductions:cpu"),
        (PCA(), (10**5, 5000), SERVER, "sklearn:cpu"),
        (RandomForestClassifier(), (10**6, 100), FEW_CORES, "cuml:gpu"),
        (RandomForestClassifier(criterion="log_loss"), (10**6, 100), SERVER, "sklearn:cpu"),
        (Ridge(positive=True), (10**6, 100), SERVER, "sklearn:cpu"),
    ],
    ids=lambda value: MACHINES.get(id(value), str(value)),
)
def test_choice_by_size_machine_and_parameters(estimator, shape, machine, expected):
    assert plan(estimator, shape, machine).chosen.name == expected


def test_every_refusal_and_choice_has_a_reason():
    for entry in catalogue():
        estimator = _instance(entry.estimator)
        for machine in (SERVER, LAPTOP) if estimator is not None else ():
            for candidate in plan(estimator, (10**5, 50), machine).candidates:
                assert candidate.reasons, candidate


def _instance(name):
    import xgboost
    from sklearn.utils import all_estimators

    known = dict(all_estimators())
    package, _, own = name.rpartition(".")
    if package:  # may not be installed
        return getattr(import_module(package), own)() if find_spec(package) else None
    return known[name]() if name in known else getattr(xgboost, name)()


def test_memory_decides_and_is_named_with_numbers():
    shape = (10**8, 200)
    in_core = plan(RandomForestClassifier(), shape, make_resources(memory="1TB", gpus=1), dtype="float32")
    refused = next(c for c in in_core.candidates if c.name == "cuml:gpu")
    assert refused.verdict == "refused"
    assert "needs about 240.0 GB on GPU 0, 75.6 GB are free" in refused.reasons[0]
    assert in_core.chosen.device == "cpu"
    assert plan(RandomForestClassifier(), shape, make_resources(memory="32GB")).chosen is None
    budget = Request(memory_budget=10**9)
    assert plan(LinearRegression(), (10**7, 100), LAPTOP, budget).backend == "reductions"


def test_forced_backends_and_devices():
    small = (100, 3)
    assert plan(Ridge(), small, SERVER, Request("reductions:cpu")).chosen.name == "reductions:cpu"
    assert plan(Ridge(), small, SERVER, Request("cuml")).chosen.name == "cuml:gpu"
    assert plan(Ridge(), small, LAPTOP, Request("cuml")).chosen is None
    assert plan(Ridge(), small, LAPTOP, Request("reductions")).chosen.name == "reductions:cpu"


def test_gpu_data_stay_on_the_gpu():
    for estimator in (LinearRegression(), LogisticRegression()):
        assert plan(estimator, (10**6, 10), SERVER, location="gpu").chosen.name == "reductions:gpu"


def test_dask_collections_stay_where_they_are_although_there_is_a_gpu():
    plan_ = plan(LinearRegression(), (10**6, 100), SERVER, location="dask")
    assert plan_.chosen.name == "reductions:dask"
    assert "cuml:gpu" in [c.name for c in plan_.ladder]


def test_the_ladder_leads_from_the_first_choice_to_scikit_learn():
    ladder = plan(LinearRegression(), (10**6, 100), SERVER).ladder
    assert {"reductions:cpu", "reductions:gpu", "sklearn:cpu"} <= {c.name for c in ladder}
    seconds = [c.seconds for c in ladder if c.seconds is not None]
    assert seconds == sorted(seconds)


def test_subclasses_have_no_rows_of_their_own():
    class Special(Ridge):
        pass

    assert [e.backend for e in entries_for(Special())] == ["sklearn"]


def test_plan_of_data_that_do_not_exist():
    regressor = AutoScaleRegressor(Ridge(alpha=0.1))
    machine = make_resources(gpus=8, gpu_memory="80GB")
    plan_ = regressor.plan(shape=(10**9, 100), dtype="float32", resources=machine)
    assert plan_.backend == "reductions"
    assert plan_.chosen.seconds > 0
    assert plan_.chosen.n_bytes > 0
    assert not hasattr(regressor, "estimator_")
    with pytest.raises(ValueError, match="either X or shape"):
        regressor.plan()


def test_plan_is_the_same_twice_and_prints():
    for wrapper, estimator in (
        (AutoScaleClassifier, LogisticRegression()),
        (AutoScaleTransformer, PCA()),
    ):
        first = wrapper(estimator).plan(shape=(1000, 10), resources=SERVER)
        assert first == wrapper(estimator).plan(shape=(1000, 10), resources=SERVER)
        assert "chosen" in str(first)
        assert first.chosen.name in first._repr_html_()


def test_rows_that_one_gpu_cannot_hold_are_shared_among_all():
    four = make_resources(gpus=4, memory="2TB")
    for shape, place in (((10**9, 100), "on 4 GPUs, each with its share of 400.0 GB"), ((10**8, 100), "on the GPU")):
        plan = AutoScaleRegressor(Ridge()).plan(shape=shape, dtype="float32", resources=four)
        assert plan.device == "gpu"
        assert place in str(plan)


def test_a_search_that_fits_anew_for_each_fold_and_penalty_is_priced_so():
    machine, options = make_resources(cpus=2), {"alphas": [10.0**k for k in range(20)], "cv": 5}
    search = plan(RidgeCV(**options), (300_000, 60), machine)
    assert search.chosen.backend == "reductions"
    seconds = {each.backend: each.seconds for each in search.candidates if each.device == "cpu"}
    assert seconds["sklearn"] > 20 * seconds["reductions"]
    # sums have a matrix of all columns to decompose in each fold, scikit-learn one of the few rows
    assert plan(RidgeCV(**options), (100, 1000), machine).chosen.backend == "sklearn"


def test_a_cache_that_does_not_hold_the_kernel_costs_seconds():
    machine = make_resources(cpus=2, packages=())
    small, large = (plan(SVC(cache_size=size), (20_000, 20), machine).chosen.seconds for size in (200, 4000))
    assert small > 1.2 * large
    few = (plan(SVC(cache_size=size), (2000, 20), machine).chosen.seconds for size in (200, 4000))
    assert len(set(few)) == 1
    assert plan(SVC(), (0, 20), machine).chosen.seconds is not None


def test_the_way_in_which_scikit_learn_works_is_what_its_seconds_follow():
    def seconds(estimator, shape):
        candidates = plan(estimator, shape, make_resources(cpus=2, packages=())).candidates
        return next(c.seconds for c in candidates if c.name == "sklearn:cpu")

    # NumPy scans all rows for each of 1000 quantiles where these are so close
    assert seconds(QuantileTransformer(), (3000, 100)) > seconds(QuantileTransformer(), (6000, 100))
    # coordinate descent reads the rows again and again, unless Xᵀ X stands for them
    rows = (30_000, 100)
    assert seconds(LassoCV(precompute=False), rows) > 2 * seconds(LassoCV(precompute=True), rows)
