"""Linear steps of a pipeline fitted on a GPU in the passes of the model behind them."""

import cupy
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skdist_gpu import autoscale
from skdist_gpu.compose import folding
from skdist_gpu.engines.executors import gpu_streams

pytestmark = pytest.mark.gpu

generator = np.random.default_rng(0)
X = generator.normal(2.0, size=(50_000, 8)) @ generator.normal(size=(8, 8))
Y = X @ np.arange(1.0, 9.0) + generator.normal(size=len(X))
CASES = [
    (make_pipeline(StandardScaler(), PCA(4), Ridge()), Y),
    (make_pipeline(MinMaxScaler(), SelectKBest(f_regression, k=4), Ridge()), Y),
    (make_pipeline(StandardScaler(), PCA(4), LogisticRegression(tol=1e-10, max_iter=1000)), (Y.mean() < Y).astype(int)),
    (
        make_pipeline(StandardScaler(), PoissonRegressor(tol=1e-10, max_iter=1000)),
        generator.poisson(1 + np.abs(Y) / 50),
    ),
]


@pytest.fixture(autouse=True)
def _small_rows_are_worth_a_look(monkeypatch):
    monkeypatch.setattr(folding, "FEWEST_VALUES", 0)


@pytest.mark.parametrize("kind", ["numpy", "float32", "cupy", "parquet"])
@pytest.mark.parametrize(("pipe", "y"), CASES, ids=range(4))
def test_the_answer_is_that_of_the_steps(pipe, y, kind, tmp_path):
    data, target = {"numpy": (X, y), "float32": (X.astype(np.float32), y)}.get(kind, (None, None))
    if kind == "cupy":
        data, target = cupy.asarray(X), cupy.asarray(y)
    if kind == "parquet":
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)]).assign(y=y)
        pyarrow.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "0.parquet")
        data, target = pyarrow.dataset.dataset(tmp_path), "y"
    model = autoscale(pipe, backend="reductions:gpu", fallback="raise").fit(data, target)
    assert all("in the passes of" in step.plan_.reasons[0] for step in model[:-1])
    assert model[-1].report_.candidate.name == "reductions:gpu"
    reference = clone(pipe).fit(X, y)
    tolerance = 1e-3 if kind == "float32" else 1e-5
    assert_allclose(model[-1].estimator_.coef_, reference[-1].coef_, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("pipe", "y"), [CASES[0], CASES[2]], ids=["one pass", "several passes"])
def test_rows_are_copied_once(pipe, y, monkeypatch):
    sent, send = [], gpu_streams._Carrier.send

    def counted(carrier, rows, address, free):
        sent.append(rows.nbytes)
        send(carrier, rows, address, free)

    monkeypatch.setattr(gpu_streams._Carrier, "send", counted)
    autoscale(pipe, backend="reductions:gpu", fallback="raise").fit(X, y)
    assert sum(sent) <= 1.1 * (X.nbytes + y.nbytes)
