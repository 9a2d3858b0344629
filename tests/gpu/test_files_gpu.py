"""Files reduced on a GPU: blocks sent by the threads that read them, against scikit-learn on the whole table."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import (
    ElasticNetCV,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

from skdist_gpu import autoscale
from skdist_gpu.engines.executors import gpu_streams
from skdist_gpu.testing import assert_ran_on

pytestmark = pytest.mark.gpu

FEATURES = [f"x{i}" for i in range(6)]
# rows of the files, one of them empty
FILES = (20_000, 1, 0, 24_999, 15_000)


@pytest.fixture(params=["float32", "float64", "several types"])
def folder(request, tmp_path):
    generator = np.random.default_rng(0)
    X = generator.standard_normal((sum(FILES), 6)) + 3
    y = X @ np.arange(6) + generator.standard_normal(len(X))
    types = ["float32", "float64"] * 3 if request.param == "several types" else [request.param] * 6
    columns = {name: X[:, i].astype(types[i]) for i, name in enumerate(FEATURES)}
    columns |= {"y": y, "label": np.where(y > 45, "yes", "no"), "weight": generator.uniform(0, 2, len(X))}
    table, start = pa.table(columns), 0
    for i, n_rows in enumerate(FILES):
        pq.write_table(table.slice(start, n_rows), tmp_path / f"{i}.parquet")
        start += n_rows
    return tmp_path


@pytest.fixture(params=[None, (40_000, 40_000), (40_000, 300_000)], ids=["default", "small", "joined"], autouse=True)
def _sizes(request, monkeypatch):
    """Set the bytes of a batch of files and of a block of batches."""
    for name, n_bytes in zip(("FILE_BATCH_BYTES", "FILE_BLOCK_BYTES"), request.param or (), strict=False):
        monkeypatch.setattr(gpu_streams, name, n_bytes)


def files_of(folder, *more):
    """Return files with some of their columns."""
    schema = ds.dataset(folder).schema
    return ds.dataset(folder, schema=pa.schema([schema.field(name) for name in (*FEATURES, *more)]))


def columns_of(folder, *more):
    """Return files with some of their columns, and the same as a frame in float64."""
    files = files_of(folder, *more)
    frame = files.to_table().to_pandas()
    return files, frame.astype(dict.fromkeys(FEATURES, "float64"))


def fit_on_gpu(estimator, *data, **weights):
    model = autoscale(estimator, backend="reductions:gpu").fit(*data, **weights)
    assert_ran_on(model, "reductions:gpu")
    return model


def check_coefficients(model, reference):
    """Compare with a fit in float64: columns of float32 give coefficients that are rounded to it."""
    rtol = 1e-8 if model.coef_.dtype == np.float64 else np.finfo(np.float32).eps
    assert_allclose(model.coef_, reference.coef_, rtol=rtol)
    assert_allclose(model.intercept_, reference.intercept_, rtol=rtol)


@pytest.mark.parametrize("weighted", [False, True])
def test_regression(folder, weighted):
    files, frame = columns_of(folder, "y", *(["weight"] if weighted else []))
    model = fit_on_gpu(LinearRegression(), files, "y", sample_weight="weight" if weighted else None)
    weights = frame["weight"] if weighted else None
    reference = LinearRegression().fit(frame[FEATURES], frame["y"], sample_weight=weights)
    check_coefficients(model, reference)


@pytest.mark.parametrize("estimator", [GaussianNB(), LogisticRegression(tol=1e-10, max_iter=1000)], ids=repr)
def test_labels_that_are_text(folder, estimator):
    files, frame = columns_of(folder, "label")
    model = fit_on_gpu(estimator, files, "label")
    reference = clone(estimator).fit(frame[FEATURES], frame["label"])
    assert_array_equal(model.classes_, ["no", "yes"])
    # float32 columns give float32 coefficients
    assert_allclose(model.predict_proba(frame[FEATURES]), reference.predict_proba(frame[FEATURES]), atol=1e-5)


@pytest.mark.parametrize("estimator", [StandardScaler(), PCA(3)], ids=repr)
def test_transformers(folder, estimator):
    files, frame = columns_of(folder)
    model = fit_on_gpu(estimator, files)
    assert_allclose(model.transform(frame), clone(estimator).fit(frame).transform(frame), rtol=1e-5, atol=1e-5)


PENALTIES = [LassoCV(tol=1e-8), LassoCV(cv=40, alphas=5, tol=1e-8), ElasticNetCV(cv=3, l1_ratio=[0.3, 0.9], tol=1e-8)]


@pytest.mark.parametrize("estimator", PENALTIES, ids=repr)
@pytest.mark.parametrize("kept", [False, True])
def test_every_fold_from_one_reading(folder, estimator, kept):
    files, frame = columns_of(folder, "y")
    if kept:
        files, frame = files.filter(ds.field("x2") > 2.5), frame[frame["x2"] > 2.5]
    model = fit_on_gpu(estimator, files, "y")
    reference = clone(estimator).fit(frame[FEATURES], frame["y"])
    for name in ("alphas_", "alpha_", "mse_path_"):
        assert_allclose(getattr(model, name), getattr(reference, name), rtol=1e-6)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cv", [None, 4])
def test_penalties_of_ridge(folder, cv):
    files, frame = columns_of(folder, "y", "weight")
    model = fit_on_gpu(RidgeCV(cv=cv), files, "y", sample_weight="weight")
    reference = RidgeCV(cv=cv).fit(frame[FEATURES], frame["y"], sample_weight=frame["weight"])
    assert_allclose([model.alpha_, model.best_score_], [reference.alpha_, reference.best_score_], rtol=1e-6)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-7)


def test_folds_of_labels(folder):
    files, frame = columns_of(folder, "label")
    ridge = fit_on_gpu(RidgeClassifierCV(class_weight="balanced"), files, "label")
    reference = RidgeClassifierCV(class_weight="balanced").fit(frame[FEATURES], frame["label"])
    assert ridge.alpha_ == reference.alpha_
    assert_allclose(ridge.coef_, reference.coef_, rtol=1e-6, atol=1e-9)
    options = {"Cs": 3, "cv": 3, "l1_ratios": (0,), "use_legacy_attributes": False, "scoring": "neg_log_loss"}
    estimator = LogisticRegressionCV(tol=1e-10, max_iter=1000, **options)
    model = fit_on_gpu(estimator, files, "label")
    reference = clone(estimator).fit(frame[FEATURES], frame["label"])
    assert model.C_ == reference.C_
    assert_allclose(model.scores_, reference.scores_, rtol=1e-5)
    assert_allclose(model.predict_proba(frame[FEATURES]), reference.predict_proba(frame[FEATURES]), atol=1e-5)


def test_a_pass_that_ends_early_leaves_nothing_behind(folder):
    """A NaN of the last file is found while blocks are on their way."""
    last = folder / f"{len(FILES) - 1}.parquet"
    good = last.read_bytes()
    broken = pq.read_table(last).to_pandas()
    broken.loc[len(broken) - 1, "x0"] = np.nan
    pq.write_table(pa.Table.from_pandas(broken, preserve_index=False), last)
    with pytest.raises(ValueError, match="NaN"):
        fit_on_gpu(LinearRegression(), columns_of(folder, "y")[0], "y")
    last.write_bytes(good)
    files, frame = columns_of(folder, "y")
    model = fit_on_gpu(LinearRegression(), files, "y")
    check_coefficients(model, LinearRegression().fit(frame[FEATURES], frame["y"]))


def test_a_file_that_cannot_be_decoded_spoils_no_later_fit(folder):
    """The error comes from a thread that reads, while other threads send their blocks."""
    third = folder / "3.parquet"
    good = third.read_bytes()
    column = pq.ParquetFile(third).metadata.row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    third.write_bytes(good[:start] + b"\xff" * 64 + good[start + 64 :])
    for _ in range(3):
        with pytest.raises(OSError, match="header"):
            fit_on_gpu(LinearRegression(), files_of(folder, "y"), "y")
    third.write_bytes(good)
    files, frame = columns_of(folder, "y")
    model = fit_on_gpu(LinearRegression(), files, "y")
    check_coefficients(model, LinearRegression().fit(frame[FEATURES], frame["y"]))
