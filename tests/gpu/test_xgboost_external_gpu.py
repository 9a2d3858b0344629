"""XGBoost on a GPU from data larger than its memory, rankings, and the same splits as on the CPU."""

import numpy as np
import pytest

from skdist_gpu import AutoScaleXGBClassifier, AutoScaleXGBRanker, AutoScaleXGBRegressor
from skdist_gpu.engines.xgboost.info import GPU_ROW_BYTES
from skdist_gpu.engines.xgboost_external import batches as xgboost_batches
from skdist_gpu.engines.xgboost_external.info import GPU_BATCH_BYTES
from skdist_gpu.testing import assert_ran_on

# XGBoost says so on machines whose drivers do not share memory with the GPU, where it works all the same
no_sharing = "ignore:.*CUDA heterogeneous memory management is not available"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings(no_sharing),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SOME = {"n_estimators": 20, "max_depth": 5}
EXTERNAL = SOME | {"backend": "xgboost.external:gpu"}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(xgboost_batches, "GPU_BATCH_BYTES", 4 * 8 * 5000)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 8)).astype(np.float32)
    # a sum of functions of one column: on products of columns, trees differ by 20 % with the cut points alone
    y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2 / 2 + X[:, 2] + 0.1 * rng.normal(size=20_000)
    return X, y, np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])], np.repeat(np.arange(200), 100)


@pytest.mark.parametrize("source", ["array", "files", "dask"])
def test_batches_give_the_model_of_the_data_in_memory(data, source, tmp_path):
    X, y, _, _ = data
    if source == "files":
        pa, ds, pq = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.dataset", "pyarrow.parquet"))
        columns = {f"x{i}": X[:, i] for i in range(8)} | {"y": y}
        pq.write_table(pa.table(columns), tmp_path / "all.parquet")
        model = AutoScaleXGBRegressor(**EXTERNAL).fit(ds.dataset(tmp_path), "y")
        model.estimator_.get_booster().feature_names = None
    elif source == "dask":
        da = pytest.importorskip("dask.array")
        model = AutoScaleXGBRegressor(**EXTERNAL).fit(da.from_array(X, chunks=(4000, 8)), da.from_array(y, chunks=4000))
    else:
        model = AutoScaleXGBRegressor(**EXTERNAL).fit(X, y)
    assert_ran_on(model, "xgboost.external:gpu")
    assert model.device_used_.startswith("cuda")
    whole = AutoScaleXGBRegressor(**SOME, backend="xgboost:gpu").fit(X, y)
    error = np.mean((model.estimator_.predict(X) - y) ** 2)
    assert error == pytest.approx(np.mean((whole.predict(X) - y) ** 2), rel=0.15)


@pytest.mark.parametrize("pages_on_the_gpu", [0.5, 1.0])
def test_budget_that_keeps_pages_in_main_memory(data, pages_on_the_gpu):
    X, _, labels, _ = data
    budget = 6 * GPU_BATCH_BYTES + GPU_ROW_BYTES * len(X) + int(pages_on_the_gpu * X.size)
    model = AutoScaleXGBClassifier(**EXTERNAL, memory_budget=budget, validation_fraction=0.2).fit(X, labels)
    assert_ran_on(model, "xgboost.external:gpu")
    assert model.score(X, labels) > 0.9


def test_ranker(data):
    X, y, _, qid = data
    relevance = np.digitize(y, [-1, 0, 1])
    model = AutoScaleXGBRanker(**SOME, backend="xgboost:gpu").fit(X, relevance, qid=qid)
    assert model.device_used_.startswith("cuda")
    here = AutoScaleXGBRanker(**SOME, backend="xgboost:cpu").fit(X, relevance, qid=qid)
    assert model.score(X, relevance, qid=qid) == pytest.approx(here.score(X, relevance, qid=qid), rel=0.02)


@pytest.mark.parametrize("backend", ["xgboost:gpu", "xgboost.external:gpu"])
def test_reproducible_on_both_devices(data, backend):
    X, y, _, _ = data
    here, there = (
        AutoScaleXGBRegressor(**SOME, reproducible=True, backend=b).fit(X, y) for b in ("xgboost:cpu", backend)
    )
    difference = np.abs(here.predict(X) - there.predict(X))
    assert np.quantile(difference, 0.99) < 1e-3  # a tie within rounding may fall the other way
