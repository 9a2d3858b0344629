"""The same answer from every container, and results that follow the input."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from dask.callbacks import Callback
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, AutoScaleTransformer, autoscale
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.testing import assert_ran_on

NAMES = ["a", "b", "c"]
X = np.random.default_rng(0).normal(size=(300, 3))
y = X @ [1.0, -2.0, 3.0] + 4
FRAME = pd.DataFrame(X, columns=NAMES, index=np.arange(1000, 1300))

IN_MEMORY = {
    "numpy": X,
    "list": X.tolist(),
    "pandas": FRAME,
    "polars": pl.from_pandas(FRAME),
    "polars.lazy": pl.from_pandas(FRAME).lazy(),
    "arrow": pa.Table.from_pandas(FRAME, preserve_index=False),
    "csr": sp.csr_matrix(X),
    "csc": sp.csc_array(X),
}
LAZY = {
    "dask.array": da.from_array(X, chunks=(70, 2)),
    "dask.dataframe": dd.from_pandas(FRAME, npartitions=4),
}


@pytest.mark.parametrize("backend", ["auto", "sklearn", "reductions"])
@pytest.mark.parametrize("container", IN_MEMORY)
def test_in_memory_containers(container, backend):
    data = IN_MEMORY[container]
    reference = LinearRegression().fit(X, y)
    model = AutoScaleRegressor(backend=backend).fit(data, y)
    assert_allclose(model.coef_, reference.coef_, atol=1e-6)
    predicted = model.predict(data)
    # a query stays lazy
    assert isinstance(predicted, np.ndarray) != (container == "polars.lazy")
    assert_allclose(predicted, reference.predict(X), atol=1e-5)
    if container in ("pandas", "polars", "polars.lazy", "arrow"):
        assert model.feature_names_in_.tolist() == NAMES


class CountTasks(Callback):
    def __init__(self):
        self.n_tasks = 0

    def _pretask(self, key, dsk, state):
        self.n_tasks += 1


@pytest.mark.parametrize("container", LAZY)
def test_lazy_in_lazy_out(container):
    data = LAZY[container]
    target = (
        da.from_array(y, chunks=(70,))
        if container == "dask.array"
        else dd.from_pandas(pd.Series(y, index=FRAME.index), npartitions=4)
    )
    with CountTasks() as counter:
        plan = AutoScaleRegressor().plan(data, target)
    assert counter.n_tasks == 0
    assert (plan.backend, plan.device) == ("reductions", "dask")
    model = AutoScaleRegressor().fit(data, target)
    assert_allclose(model.coef_, [1, -2, 3], rtol=1e-10)
    with CountTasks() as counter:
        predicted = model.predict(data)
    assert counter.n_tasks == 0
    assert type(predicted).__module__.startswith("dask.")
    if container == "dask.array":
        assert predicted.chunks == ((70, 70, 70, 70, 20),)
    else:
        assert predicted.divisions == data.divisions
        assert_array_equal(predicted.compute().index, FRAME.index)
        assert model.feature_names_in_.tolist() == NAMES
    assert predicted.dtype == np.float64
    assert_allclose(predicted.compute(), y, rtol=1e-9)
    assert model.score(data, target) == pytest.approx(1)


def test_unknown_chunks_and_empty_partitions():
    frame = dd.from_pandas(FRAME, npartitions=3)
    frame = dd.concat([frame, frame.partitions[0].query("a > 1000")])
    array = frame.to_dask_array()
    target = frame.map_partitions(lambda part: part.to_numpy() @ [1.0, -2.0, 3.0] + 4)
    assert np.isnan(array.shape[0])
    model = AutoScaleRegressor().fit(array, target)
    assert_allclose(model.coef_, [1, -2, 3], rtol=1e-9)
    assert_allclose(model.predict(array).compute(), y, rtol=1e-9)
    from_frame = AutoScaleRegressor().fit(frame, target)
    assert_array_equal(from_frame.predict(frame).compute().index, FRAME.index)


def test_frames_read_from_parquet_with_columns_selected_apart(tmp_path):
    table = FRAME.assign(target=y, unused=0.0)
    for part in range(6):
        table[part * 50 : (part + 1) * 50].to_parquet(tmp_path / f"{part}.parquet")
    frame = dd.read_parquet(tmp_path / "*.parquet")
    model = AutoScaleRegressor().fit(frame[NAMES], frame["target"])
    assert_allclose(model.coef_, [1, -2, 3], rtol=1e-10)


@pytest.mark.parametrize(
    "names",
    [
        np.arange(3),
        np.array([4, 7, 11]),
        np.array([-128, 0, 127], np.int8),
        np.arange(3, dtype=np.uint64) + 2**63,
        np.array([0, 2**63 + 1, 2**64 - 1], np.uint64),
        np.array([-1.0, 0.0, 1.0]),
        np.array(["a", "b", "c"], dtype=object),
    ],
    ids=str,
)
def test_labels_of_any_kind_over_dask(names):
    data, codes = load_iris(return_X_y=True)
    model = autoscale(GaussianNB()).fit(da.from_array(data, chunks=(40, 4)), da.from_array(names[codes], chunks=40))
    assert_ran_on(model, "reductions:dask")
    reference = GaussianNB().fit(data, names[codes])
    assert_array_equal(model.classes_, reference.classes_)
    assert model.classes_.dtype == reference.classes_.dtype
    assert_array_equal(model.predict(data), reference.predict(data))


def test_classifier_with_text_labels_over_dask():
    data, codes = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "a long name"])[codes]
    model = AutoScaleClassifier(LogisticRegression(max_iter=1000)).fit(data, labels)
    blocks = da.from_array(data, chunks=(40, 4))
    predicted, probabilities = model.predict(blocks), model.predict_proba(blocks)
    assert predicted.dtype == labels.dtype
    assert probabilities.chunks == ((40, 40, 40, 30), (3,))
    assert_array_equal(predicted.compute(), model.estimator_.predict(data))
    assert_allclose(probabilities.compute(), model.estimator_.predict_proba(data))
    frame = dd.from_pandas(pd.DataFrame(data), npartitions=3)
    named = AutoScaleClassifier(LogisticRegression(max_iter=1000)).fit(data, labels).predict_proba(frame)
    assert named.columns.tolist() == model.classes_.tolist()


def test_transform_that_changes_the_width():
    model = AutoScaleTransformer(PCA(2)).fit(X)
    array = model.transform(LAZY["dask.array"])
    assert array.shape == (300, 2)
    assert_allclose(array.compute(), model.estimator_.transform(X))
    frame = AutoScaleTransformer(PCA(2)).fit(FRAME).transform(LAZY["dask.dataframe"])
    assert frame.columns.tolist() == ["pca0", "pca1"]
    assert_array_equal(frame.compute().index, FRAME.index)


def test_multiple_targets_over_dask():
    Y = np.column_stack([y, -y])
    model = AutoScaleRegressor().fit(LAZY["dask.array"], da.from_array(Y, chunks=(70, 2)))
    assert_allclose(model.predict(LAZY["dask.array"]).compute(), Y, rtol=1e-9)


@pytest.mark.parametrize("estimator", [StandardScaler(), PCA(2, svd_solver="full")], ids=repr)
def test_dask_ml_gives_scikit_learns_answer(estimator):
    model = AutoScaleTransformer(estimator, backend="dask_ml").fit(LAZY["dask.array"])
    assert model.backend_ == "dask_ml"
    reference = type(estimator)(**estimator.get_params()).fit(X)
    assert_allclose(model.transform(X), reference.transform(X), rtol=1e-9, atol=1e-12)
    assert type(model.estimator_) is type(estimator)


def test_inspect_describes_without_computing():
    info = inspect_input(LAZY["dask.array"], None, np.ones(300))
    assert (info.n_samples, info.n_features, info.location, info.backing) == (300, 3, "dask", "numpy")
    assert info.block_sizes == (70, 70, 70, 70, 20)
    assert info.weighted
    assert inspect_input(IN_MEMORY["csr"]).n_bytes == 900 * 12
    assert inspect_input(pl.from_pandas(FRAME.astype("float32"))).dtype == "float32"
    assert inspect_input(pd.DataFrame({"a": [1], "b": ["x"]})).dtype == "object"


@pytest.mark.parametrize("container", ["pandas", "polars", "arrow", "numpy"])
@pytest.mark.parametrize("lazy", LAZY)
def test_a_table_of_one_column_is_a_target_for_dask(container, lazy):
    column = {
        "pandas": pd.DataFrame({"y": y}),
        "polars": pl.DataFrame({"y": y}),
        "arrow": pa.table({"y": y}),
        "numpy": y[:, None],
    }[container]
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        model = autoscale(BayesianRidge(), backend="reductions").fit(LAZY[lazy], column)
    assert_allclose(model.coef_, autoscale(BayesianRidge(), backend="reductions").fit(X, y).coef_, rtol=1e-6)


@pytest.mark.parametrize("backend", ["sklearn", "reductions"])
def test_one_number_of_numpys_is_the_weight_of_every_row(backend):
    model = autoscale(Ridge(alpha=5.0), backend=backend).fit(X, y, sample_weight=np.float64(2.0))
    assert_allclose(model.coef_, Ridge(alpha=5.0).fit(X, y, sample_weight=2.0).coef_)
