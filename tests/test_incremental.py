"""Training block after block gives what scikit-learn's partial_fit gives, called in a loop."""

import re

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
from sklearn.base import clone
from sklearn.cluster import Birch, MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA, LatentDirichletAllocation, MiniBatchNMF
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Perceptron, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import BernoulliNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import all_estimators, check_random_state

from skdist_gpu import autoscale
from skdist_gpu.engines.incremental import fit as incremental
from skdist_gpu.engines.incremental.info import INFO
from skdist_gpu.exceptions import BackendError
from skdist_gpu.testing import assert_ran_on, make_resources

generator = np.random.default_rng(0)
NAMES = ["a", "b", "c"]
X = np.abs(generator.normal(size=(1000, 3)))
CODES = (X[:, 0] > 0.7).astype(int) + (X[:, 1] > 0.5)
LABELS = np.array(["low", "middle", "very high"])[CODES]
TARGET = X @ [1.0, -2.0, 3.0]
WEIGHTS = generator.uniform(0.5, 2, size=1000)
FRAME = pd.DataFrame(X, columns=NAMES).assign(label=LABELS, target=TARGET, weight=WEIGHTS)
BLOCKS = (300, 0, 300, 300, 100)
BOUNDS = [slice(0, 300), slice(300, 600), slice(600, 900), slice(900, 1000)]


@pytest.fixture(name="small_blocks", autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(incremental, "BLOCK_ROWS", 300)
    monkeypatch.setattr(incremental, "GROUP", 2)


def reference(estimator, y=None, weights=None, epochs=1, blocks=BOUNDS):
    """Call partial_fit in a plain loop."""
    estimator = clone(estimator)
    given = {"classes": np.unique(y)} if y is LABELS else {}
    for _ in range(epochs):
        for rows in blocks:
            target = {} if y is None else {"y": y[rows]}
            weight = {} if weights is None else {"sample_weight": weights[rows]}
            estimator.partial_fit(X[rows], **target, **weight, **given)
    return estimator


def assert_same_model(model, expected):
    assert_ran_on(model, "incremental:cpu")
    for method in ("decision_function", "predict_proba", "predict", "transform"):
        if hasattr(expected, method):
            result, values = getattr(model.estimator_, method)(X), getattr(expected, method)(X)
            assert_array_equal(result, values) if values.dtype.kind == "U" else assert_allclose(result, values)
            return
    raise AssertionError("nothing to compare")


ESTIMATORS = [
    (SGDClassifier(random_state=0), LABELS),
    (Perceptron(random_state=0), LABELS),
    (BernoulliNB(binarize=0.5), LABELS),
    (MLPClassifier(8, random_state=0), LABELS),
    (MLPRegressor(hidden_layer_sizes=8, random_state=0), TARGET),
    (SGDRegressor(random_state=0), TARGET),
    (MiniBatchKMeans(3, random_state=0), None),
    (IncrementalPCA(2), None),
    (MiniBatchNMF(2, random_state=0), None),
    (LatentDirichletAllocation(2, random_state=0), None),
    (Birch(), None),
]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("container", ["numpy", "pandas", "mapped", "dask.array", "dask.dataframe", "files"])
@pytest.mark.parametrize(("estimator", "y"), ESTIMATORS, ids=lambda v: type(v).__name__)
def test_as_a_loop_over_partial_fit(estimator, y, container, tmp_path):
    if isinstance(estimator, Birch) and container.startswith("dask"):
        with pytest.raises(BackendError, match="does not go on as the tree would"):
            autoscale(estimator, backend="incremental").fit(da.from_array(X, chunks=300))
        return
    column = None if y is None else "label" if y is LABELS else "target"
    target = y
    if container == "numpy":
        data = X
    elif container == "pandas":
        data = FRAME[NAMES]
    elif container == "mapped":
        np.save(tmp_path / "x.npy", X)
        data = np.load(tmp_path / "x.npy", mmap_mode="r")
    elif container == "dask.array":
        data = da.from_array(X, chunks=(BLOCKS, 2))
        target = None if y is None else da.from_array(y, chunks=(BLOCKS,))
    elif container == "dask.dataframe":
        whole = dd.concat([dd.from_pandas(FRAME.iloc[rows], npartitions=1) for rows in BOUNDS])
        data, target = whole[NAMES], None if y is None else whole[column]
    else:
        columns = [*NAMES, *([column] if column else [])]
        data = ds.dataset(pa.Table.from_pandas(FRAME[columns], preserve_index=False))
        target = column
    model = autoscale(estimator, backend="incremental").fit(data, target)
    assert_same_model(model, reference(estimator, y))
    if container in ("pandas", "dask.dataframe", "files"):
        assert_array_equal(model.feature_names_in_, NAMES)


@pytest.mark.parametrize("container", ["numpy", "dask", "files"])
def test_epochs_weights_and_shuffled_blocks(container, tmp_path):
    estimator = SGDClassifier(random_state=7)
    random = check_random_state(7)
    orders = [random.permutation(5 if container == "dask" else 4) for _ in range(3)]
    if container == "numpy":
        data, y, weights = X, LABELS, WEIGHTS
    elif container == "dask":
        data, y, weights = (da.from_array(v, chunks=(BLOCKS, *v.shape[1:])) for v in (X, LABELS, WEIGHTS))
        orders = [[i - (i > 1) for i in order if i != 1] for order in orders]  # block 1 has no rows
    else:
        for i, rows in enumerate(BOUNDS):
            table = pa.Table.from_pandas(FRAME.iloc[rows].drop(columns="target"), preserve_index=False)
            pa.parquet.write_table(table, tmp_path / f"{i}.parquet")
        data, y, weights = ds.dataset(tmp_path), "label", "weight"
    options = {"epochs": 3, "shuffle": True, "classes": np.unique(LABELS)}
    model = autoscale(estimator, backend="incremental").fit(data, y, sample_weight=weights, **options)
    expected = reference(estimator, LABELS, WEIGHTS, blocks=[BOUNDS[i] for order in orders for i in order])
    assert_allclose(model.coef_, expected.coef_)
    assert model.classes_.tolist() == ["low", "middle", "very high"]


def test_workers_train_where_the_blocks_are():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        blocks, labels = da.from_array(X, chunks=(BLOCKS, 3)), da.from_array(LABELS, chunks=(BLOCKS,))
        model = autoscale(SGDClassifier(random_state=0), backend="incremental").fit(blocks, labels, epochs=2)
    assert_allclose(model.coef_, reference(SGDClassifier(random_state=0), LABELS, epochs=2).coef_)


def test_polars_query_and_what_cannot_be_shuffled():
    query = pl.from_pandas(FRAME[[*NAMES, "label"]]).lazy()
    model = autoscale(SGDClassifier(random_state=0), backend="incremental").fit(query, "label")
    assert_allclose(model.coef_, reference(SGDClassifier(random_state=0), LABELS).coef_)
    with pytest.raises(ValueError, match="no blocks to shuffle"):
        autoscale(SGDClassifier(), backend="incremental").fit(query, "label", shuffle=True)
    with pytest.raises(TypeError, match="epochs='2' is no whole number"):
        autoscale(SGDClassifier(), backend="incremental").fit(X, LABELS, epochs="2")
    with pytest.raises(ValueError, match="epochs=0 is not at least 1"):
        autoscale(SGDClassifier(), backend="incremental").fit(X, LABELS, epochs=0)
    with pytest.raises(TypeError, match="takes epochs, shuffle and classes here, not compute"):
        autoscale(SGDClassifier(), backend="incremental").fit(X, LABELS, compute=False)


def test_without_partial_fit():
    with pytest.raises(BackendError, match=r"'incremental' was asked for, which does not know .*'sklearn'"):
        autoscale(RandomForestClassifier(), backend="incremental").fit(X, LABELS)


def test_chosen_only_where_nothing_else_fits():
    machine = make_resources(memory="1GB")
    plan = autoscale(SGDClassifier()).plan(shape=(10**9, 10), resources=machine)
    assert plan.backend == "incremental"
    assert "sequential by nature" in plan.reasons[0]
    assert autoscale(SGDClassifier()).plan(shape=(10**4, 10), resources=machine).backend == "sklearn"
    assert autoscale(BernoulliNB()).plan(shape=(10**9, 10), resources=machine).backend == "reductions"


def test_the_refusal_says_what_would_fit():
    plan = autoscale(RandomForestClassifier()).plan(shape=(10**9, 10), resources=make_resources(memory="16GB"))
    assert plan.chosen is None
    reasons = next(c for c in plan.candidates if c.backend == "sklearn").reasons
    sample = int(re.match(r"a random sample of ([\d ]+) rows would fit", reasons[1])[1].replace(" ", ""))
    fewer = autoscale(RandomForestClassifier()).plan(shape=(sample, 10), resources=make_resources(memory="16GB"))
    assert "sklearn:cpu" in [candidate.name for candidate in fewer.ladder]
    assert "XGBRFClassifier" in reasons[1]


def test_rows_are_all_of_scikit_learns_estimators_with_partial_fit():
    known = {name for name, cls in all_estimators() if hasattr(cls, "partial_fit")}
    wrappers = {"MultiOutputClassifier", "MultiOutputRegressor", "OneVsOneClassifier", "OneVsRestClassifier"}
    left_out = {"HashingVectorizer", "SelectFromModel", *wrappers}
    deprecated = {"PassiveAggressiveClassifier", "PassiveAggressiveRegressor"}
    assert {row.estimator for row in INFO.entries()} == known - left_out - deprecated
