"""UMAP and HDBSCAN with cuML: umap-learn's and hdbscan's own estimators come home; UMAP of many rows uses every GPU."""

import pickle

import cupy
import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier

from skdist_gpu import autoscale, config_context
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.cuml import fit as engine
from skdist_gpu.engines.protocol import FitJob
from skdist_gpu.testing import assert_ran_on, make_resources

pytestmark = [
    pytest.mark.gpu,
    # umap-learn says so of every random_state
    pytest.mark.filterwarnings("ignore:n_jobs value 1 overridden to 1 by setting random_state"),
]

X, GROUP = make_blobs(6000, 8, centers=6, cluster_std=2.0, random_state=0)
# umap-learn takes seconds for a thousand rows
OLD, OLD_GROUP, NEW = X[:2000], GROUP[:2000], X[2000:2500]


@pytest.fixture(name="reference", scope="module")
def _reference():
    return pytest.importorskip("umap").UMAP(random_state=0).fit(OLD)


def at_home(model):
    plain = pickle.loads(pickle.dumps(model.estimator_))
    for name, value in vars(plain).items():
        assert not type(value).__module__.startswith(("cupy", "cuml", "cudf")), name
    return plain


@pytest.mark.parametrize("move", [np.asarray, cupy.asarray], ids=["numpy", "cupy"])
def test_umap(move, reference):
    umap = pytest.importorskip("umap")
    model = autoscale(umap.UMAP(random_state=0), backend="cuml").fit(move(OLD))
    assert_ran_on(model, "cuml:gpu")
    plain = at_home(model)
    assert type(plain) is umap.UMAP
    # umap-learn's own fit changes parameters in place
    assert plain.get_params() == umap.UMAP(random_state=0).get_params()
    assert trustworthiness(OLD, plain.embedding_) > 0.99 * trustworthiness(OLD, reference.embedding_)
    # new rows, without a GPU and with one
    best = trustworthiness(NEW, reference.transform(NEW))
    assert trustworthiness(NEW, plain.transform(NEW)) > 0.98 * best
    on_device = model.transform(cupy.asarray(NEW))
    assert isinstance(on_device, cupy.ndarray)
    assert trustworthiness(NEW, on_device.get()) > 0.98 * best
    assert_allclose(model.transform(OLD), plain.embedding_)


def test_umap_of_sparse_rows_and_with_a_target():
    umap = pytest.importorskip("umap")
    rows = scipy.sparse.csr_matrix(np.where(OLD > 0, OLD, 0))
    model = autoscale(umap.UMAP(random_state=0), backend="cuml").fit(rows)
    reference = umap.UMAP(random_state=0).fit(rows)
    dense = rows.toarray()
    assert trustworthiness(dense, at_home(model).embedding_) > 0.98 * trustworthiness(dense, reference.embedding_)
    noise = np.random.default_rng(0).normal(scale=8.0, size=OLD.shape)

    def told_apart(embedding):
        return KNeighborsClassifier().fit(embedding, OLD_GROUP).score(embedding, OLD_GROUP)

    without = autoscale(umap.UMAP(random_state=0), backend="cuml").fit(OLD + noise)
    told = autoscale(umap.UMAP(random_state=0), backend="cuml").fit(OLD + noise, OLD_GROUP)
    assert told_apart(told.embedding_) > told_apart(without.embedding_) + 0.05


def test_hdbscan_of_its_own_package():
    hdbscan = pytest.importorskip("hdbscan")
    estimator = hdbscan.HDBSCAN(min_cluster_size=30)
    model = autoscale(estimator, backend="cuml").fit(X)
    assert_ran_on(model, "cuml:gpu")
    plain, reference = at_home(model), clone(estimator).fit(X)
    assert type(plain) is hdbscan.HDBSCAN
    assert adjusted_rand_score(plain.labels_, reference.labels_) > 0.99
    assert_array_equal(model.labels_, plain.labels_)
    assert len(plain.condensed_tree_.to_numpy()) > 0


def test_other_parameters_are_refused():
    umap, hdbscan = pytest.importorskip("umap"), pytest.importorskip("hdbscan")
    for estimator in (umap.UMAP(densmap=True), umap.UMAP(output_metric="haversine"), hdbscan.HDBSCAN(metric="l1")):
        plan = autoscale(estimator, backend="cuml").plan(X)
        assert plan.chosen is None


@pytest.mark.parametrize(
    ("setting", "options", "n_rows", "n_gpus", "spread"),
    [
        ("on", {}, 2_000_000, 4, True),
        ("auto", {}, 2_000_000, 4, False),
        ("on", {}, 2_000_000, 1, False),
        ("on", {}, 20_000, 4, False),
        ("on", {"n_neighbors": 100}, 2_000_000, 4, False),
        ("on", {"random_state": 0}, 2_000_000, 4, False),
    ],
)
def test_graphs_of_many_rows_are_for_every_gpu_when_asked_for(setting, options, n_rows, n_gpus, spread):
    info, machine = InputInfo("numpy", n_rows, 10), make_resources(gpus=n_gpus)
    estimator = pytest.importorskip("umap").UMAP(**options)
    job = FitJob(estimator, X=None, y=None, sample_weight=None, info=info, resources=machine, device="gpu")
    with config_context(auto_cluster=setting):
        changed = engine.over_all_gpus(job)
    assert bool(changed) is spread
    if spread:
        assert changed["device_ids"] == "all"
        assert changed["build_kwds"]["knn_n_clusters"] >= n_gpus


@pytest.mark.multi_gpu
def test_umap_of_many_rows_on_every_gpu(monkeypatch, reference):
    umap = pytest.importorskip("umap")
    monkeypatch.setattr(engine, "MANY_ROWS", 1000)
    for rows in (OLD, cupy.asarray(OLD)):
        with config_context(auto_cluster="on"):
            model = autoscale(umap.UMAP(), backend="cuml").fit(rows)
        assert_ran_on(model, "cuml:gpu")
        assert trustworthiness(OLD, at_home(model).embedding_) > 0.98 * trustworthiness(OLD, reference.embedding_)
