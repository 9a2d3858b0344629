"""A voting ensemble of blocks is scikit-learn's own, of clones fitted by hand to the same blocks."""

import pickle
import re
import subprocess
import sys
from inspect import Parameter, signature

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from distributed import Client, LocalCluster
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_regressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators
from sklearn.utils.validation import has_fit_parameter

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, autoscale
from skdist_gpu.engines.registry import catalogue
from skdist_gpu.engines.voting.info import INFO
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on, make_resources

generator = np.random.default_rng(0)
NAMES = ["a", "b", "c"]
X = generator.normal(size=(1000, 3))
NOISE = generator.normal(size=1000)
LABELS = np.array(["low", "middle", "very high"])[(X[:, 0] + 0.3 * NOISE > 0).astype(int) + (X[:, 1] > 0.5)]
TARGET = np.sin(X @ [1.0, -2.0, 3.0]) + 0.1 * NOISE
WEIGHTS = generator.uniform(0.5, 2, size=1000)
FRAME = pd.DataFrame(X, columns=NAMES).assign(label=LABELS, target=TARGET, weight=WEIGHTS)
NEW = generator.normal(size=(200, 3))
BLOCKS = (400, 0, 400, 200)
UNEVEN = [slice(0, 400), slice(400, 800), slice(800, 1000)]
EVEN = [slice(0, 250), slice(250, 500), slice(500, 750), slice(750, 1000)]

ESTIMATORS = [
    (SVC(), LABELS),
    (RandomForestClassifier(5, random_state=0), LABELS),
    (DecisionTreeRegressor(max_depth=4, random_state=0), TARGET),
    (SVR(), TARGET),
]


def by_hand(estimator, y, blocks, weights=None):
    """Average, or count the votes of, clones fitted to the blocks; each counts as many rows as it saw."""
    models, shares = [], []
    for rows in blocks:
        given = {} if weights is None else {"sample_weight": weights[rows]}
        models.append(clone(estimator).fit(X[rows], y[rows], **given))
        shares.append(rows.stop - rows.start if weights is None else weights[rows].sum())
    if is_regressor(estimator):
        return np.average([model.predict(NEW) for model in models], axis=0, weights=shares)
    classes = np.unique(y)
    if hasattr(estimator, "predict_proba"):
        scores = np.average([model.predict_proba(NEW) for model in models], axis=0, weights=shares)
    else:
        votes = np.array([model.predict(NEW) for model in models])
        scores = np.stack([((votes == c) * np.array(shares)[:, None]).sum(axis=0) for c in classes], axis=1)
    return classes[scores.argmax(axis=1)]


def assert_predicts(model, expected, new=NEW):
    assert_ran_on(model, "voting:cpu")
    assert type(model.estimator_) is (VotingRegressor if expected.dtype.kind == "f" else VotingClassifier)
    result = model.estimator_.predict(new)
    assert_allclose(result, expected) if expected.dtype.kind == "f" else assert_array_equal(result, expected)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("container", ["numpy", "pandas", "mapped", "dask.array", "dask.dataframe", "files", "query"])
@pytest.mark.parametrize(("estimator", "y"), ESTIMATORS, ids=lambda v: type(v).__name__)
def test_as_clones_fitted_by_hand(estimator, y, container, tmp_path):
    column = "label" if y is LABELS else "target"
    blocks, options, data, target = EVEN, {"block_rows": 300}, X, y
    if container == "pandas":
        data = FRAME[NAMES]
    elif container == "mapped":
        np.save(tmp_path / "x.npy", X)
        data = np.load(tmp_path / "x.npy", mmap_mode="r")
    elif container == "dask.array":
        data, target = da.from_array(X, chunks=(BLOCKS, 2)), da.from_array(y, chunks=(BLOCKS,))
        blocks, options = UNEVEN, {}
    elif container == "dask.dataframe":
        parts = [dd.from_pandas(FRAME.iloc[rows], npartitions=1) for rows in UNEVEN]
        whole = dd.concat(parts)
        whole = whole[whole.a > -100]
        data, target, blocks, options = whole[NAMES], whole[column], UNEVEN, {}
    elif container == "files":
        # blocks go across files
        for i in range(10):
            table = pa.Table.from_pandas(FRAME[[*NAMES, column]].iloc[100 * i : 100 * i + 100], preserve_index=False)
            pa.parquet.write_table(table, tmp_path / f"{i}.parquet")
        data, target, options = ds.dataset(tmp_path), column, {"block_rows": 250}
    elif container == "query":
        data, target, options = pl.from_pandas(FRAME[[*NAMES, column]]).lazy(), column, {"block_rows": 250}
    model = autoscale(estimator, backend="voting").fit(data, target, **options)
    named = container not in ("numpy", "mapped", "dask.array")
    assert_predicts(model, by_hand(estimator, y, blocks), pd.DataFrame(NEW, columns=NAMES) if named else NEW)
    assert model.n_features_in_ == 3
    if named:
        assert_array_equal(model.feature_names_in_, NAMES)
    if y is LABELS:
        assert model.classes_.tolist() == ["low", "middle", "very high"]


@pytest.mark.parametrize("container", ["numpy", "dask", "files"])
@pytest.mark.parametrize(("estimator", "y"), ESTIMATORS[1:3], ids=lambda v: type(v).__name__)
def test_sample_weights(estimator, y, container):
    data, target, weights, options, blocks, new = X, y, WEIGHTS, {"block_rows": 250}, EVEN, NEW
    if container == "dask":
        data, target, weights = (da.from_array(v, chunks=(BLOCKS, *v.shape[1:])) for v in (X, y, WEIGHTS))
        options, blocks = {}, UNEVEN
    elif container == "files":
        target, weights, new = "label" if y is LABELS else "target", "weight", pd.DataFrame(NEW, columns=NAMES)
        data = ds.dataset(pa.Table.from_pandas(FRAME[[*NAMES, target, "weight"]], preserve_index=False))
    model = autoscale(estimator, backend="voting").fit(data, target, sample_weight=weights, **options)
    assert_predicts(model, by_hand(estimator, y, blocks, WEIGHTS), new)


def test_what_scikit_learns_own_fit_leaves():
    model = AutoScaleClassifier(DecisionTreeClassifier(random_state=0), backend="voting").fit(FRAME[NAMES], LABELS)
    expected = VotingClassifier([("block_0", DecisionTreeClassifier(random_state=0))], voting="soft", weights=[1000.0])
    expected.fit(FRAME[NAMES], LABELS)
    assert vars(model.estimator_).keys() == vars(expected).keys()
    assert str(model.estimator_.get_params()) == str(expected.get_params())
    assert_array_equal(model.predict_proba(FRAME[NAMES]), expected.predict_proba(FRAME[NAMES]))
    again = clone(model.estimator_).fit(FRAME[NAMES], LABELS)
    assert_array_equal(again.predict(FRAME[NAMES]), expected.predict(FRAME[NAMES]))


def test_loads_without_this_package(tmp_path):
    model = autoscale(SVC(), backend="voting").fit(X, LABELS, block_rows=250)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model.estimator_))
    np.save(tmp_path / "new.npy", NEW)
    code = (
        "import pickle, sys, numpy as np; model = pickle.load(open('model.pkl', 'rb')); "
        "print(''.join(label[0] for label in model.predict(np.load('new.npy')))); "
        "assert 'skdist_gpu' not in sys.modules and 'dask' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "".join(label[0] for label in by_hand(SVC(), LABELS, EVEN))


def test_workers_fit_the_partitions():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        blocks, labels = da.from_array(X, chunks=(BLOCKS, 3)), da.from_array(LABELS, chunks=(BLOCKS,))
        model = autoscale(SVC(), backend="voting").fit(blocks, labels)
        lazy = model.predict(da.from_array(NEW, chunks=(100, 3)))
        expected = by_hand(SVC(), LABELS, UNEVEN)
        assert_array_equal(lazy.compute(), expected)
    assert_predicts(model, expected)
    assert list(model.named_estimators_) == ["block_0", "block_2", "block_3"]  # block 1 has no rows


def test_sparse_rows_and_class_weights_by_label():
    by_label = {"low": 1.0, "middle": 20.0, "very high": 1.0}
    estimator = SVC(class_weight=by_label)
    model = autoscale(estimator, backend="voting").fit(sparse.csr_matrix(X), LABELS, block_rows=250)
    assert_predicts(model, by_hand(estimator, LABELS, EVEN))
    assert estimator.class_weight is by_label
    assert (by_hand(estimator, LABELS, EVEN) != by_hand(SVC(), LABELS, EVEN)).any()


def test_a_block_without_some_class():
    order = np.argsort(LABELS, kind="stable")
    rows, labels = X[order], LABELS[order]
    counts = np.unique(labels, return_counts=True)[1]
    cut = counts[0] + counts[1] // 2
    chunks = (cut, len(X) - cut)
    data, target = da.from_array(rows, chunks=(chunks, 3)), da.from_array(labels, chunks=(chunks,))
    model = autoscale(LinearSVC(), backend="voting").fit(data, target)
    parts = [LinearSVC().fit(rows[:cut], labels[:cut]), LinearSVC().fit(rows[cut:], labels[cut:])]
    votes = [part.predict(NEW) for part in parts]
    larger = votes[int(chunks[1] > chunks[0])]
    assert_array_equal(model.predict(NEW), larger)
    with pytest.raises(ValueError, match=r"Block 0 .*\['very high'\].*Shuffle the rows, or repartition"):
        autoscale(KNeighborsClassifier(), backend="voting").fit(rows, labels, block_rows=cut)
    with pytest.raises(ValueError, match=r"Block \d .*probabilities cannot be averaged"):
        autoscale(KNeighborsClassifier(), backend="voting").fit(data, target)
    with pytest.raises(ValueError, match="classes") as caught:
        autoscale(LinearSVC(), backend="voting").fit(rows, labels, block_rows=counts[0] // 2)
    assert "block 0" in caught.value.__notes__[0]


def test_bad_input():
    data = da.from_array(X, chunks=(500, 3))
    with pytest.raises(ValueError, match="Repartition the Dask data"):
        autoscale(SVR(), backend="voting").fit(data, da.from_array(TARGET, chunks=500), block_rows=10)
    with pytest.raises(ValueError, match="block_rows=0 is not at least 1"):
        autoscale(SVR(), backend="voting").fit(X, TARGET, block_rows=0)
    with pytest.raises(ValueError, match="requires y to be passed"):
        autoscale(SVC(), backend="voting").fit(ds.dataset(pa.table({"a": [1.0, 2.0]})))
    with pytest.raises(ValueError, match="no block has rows"):
        autoscale(SVR(), backend="voting").fit(ds.dataset(pa.table({"a": pa.array([], "float64"), "t": []})), "t")
    with pytest.raises(BackendError, match="sample_weight is not supported"):
        autoscale(KNeighborsClassifier(), backend="voting").fit(X, LABELS, sample_weight=WEIGHTS)
    with pytest.raises(BackendError, match="y with 2 columns is not supported"):
        autoscale(LinearRegression(), backend="voting").fit(X, X[:, :2])


def test_never_taken_unless_asked_for():
    machine = make_resources(memory="1GB")
    for estimator in (SVC(), RandomForestClassifier(), HistGradientBoostingClassifier(), SVR(), LinearRegression()):
        for shape in ((100, 5), (10**10, 10)):
            plan = autoscale(estimator).plan(shape=shape, resources=machine)
            assert plan.backend != "voting"
            voting = next(c for c in plan.candidates if c.backend == "voting")
            assert voting.verdict == "refused"
            assert voting.reasons == ("is another model, which only backend='voting' asks for",)
    assert all(bool(row.explicit) for row in catalogue() if row.backend == "voting")


def test_the_plan_says_that_it_is_another_model():
    machine = make_resources(memory="1GB")
    plan = AutoScaleClassifier(SVC(), backend="voting").plan(shape=(10**10, 10), resources=machine)
    assert plan.backend == "voting"
    assert "another model" in plan.reasons[0]
    assert "131 072 rows" in plan.reasons[0]
    model = AutoScaleRegressor(SVR(), backend="voting").fit(X, TARGET)
    assert "another model" in str(model.explain())
    wide = AutoScaleClassifier(SVC(), backend="voting").plan(shape=(10**8, 1000), resources=machine)
    assert wide.chosen is None


def test_the_refusal_of_what_does_not_fit_offers_it():
    plan = AutoScaleClassifier(SVC()).plan(shape=(10**9, 10), resources=make_resources(memory="16GB"))
    assert plan.chosen is None
    reasons = next(c for c in plan.candidates if c.backend == "sklearn").reasons
    sample = int(re.match(r"a random sample of ([\d ]+) rows would fit", reasons[1])[1].replace(" ", ""))
    fewer = AutoScaleClassifier(SVC()).plan(shape=(sample, 10), resources=make_resources(memory="16GB"))
    assert "sklearn:cpu" in [candidate.name for candidate in fewer.ladder]
    assert "backend='voting'" in reasons[1]
    assert "XGB" not in reasons[1]


def test_rows_are_scikit_learns_classifiers_and_regressors():
    combined = {"SelfTrainingClassifier", "LabelPropagation", "LabelSpreading", "CCA", "PLSCanonical"}
    left_out = combined | {"IsotonicRegression", "DummyClassifier", "DummyRegressor"}
    deprecated = {"PassiveAggressiveClassifier", "PassiveAggressiveRegressor"}
    expected = {}
    for name, cls in [*all_estimators("classifier"), *all_estimators("regressor")]:
        needs_an_estimator = any(
            parameter.default is Parameter.empty for parameter in signature(cls).parameters.values()
        )
        if name not in left_out | deprecated and not needs_an_estimator and not name.startswith("MultiTask"):
            expected[name] = has_fit_parameter(cls(), "sample_weight")
    assert {row.estimator: row.weights for row in INFO.entries()} == expected
