"""Searches and cross-validation over rows that do not fit into main memory, against scikit-learn on all rows."""

import dask
import dask.array as da
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose
from sklearn import model_selection as plain
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skdist_gpu import model_selection
from skdist_gpu.data import gather as gather_module

N_ROWS, NAMES = 600, list("abcde")
rng = np.random.default_rng(0)
X = rng.standard_normal((N_ROWS, 5)) @ rng.standard_normal((5, 5)) + 3
Y = X @ rng.standard_normal(5) + 4 * rng.standard_normal(N_ROWS)
LABELS = np.array(["high", "low", "mid"])[np.digitize(Y, np.quantile(Y, [0.3, 0.7]))]
GROUPS = np.arange(N_ROWS) % 7
WEIGHTS = rng.uniform(0.1, 3, N_ROWS)
FRAME = pd.DataFrame(X, columns=NAMES).assign(y=Y, label=LABELS, group=GROUPS)
KINDS = ["dask", "parquet", "filter", "csv", "query"]


@pytest.fixture(autouse=True)
def _nothing_fits(monkeypatch):
    monkeypatch.setattr(gather_module, "COPIES", 1e12)
    monkeypatch.setattr(gather_module, "BLOCK_BYTES", 4000)


def source(kind, columns, folder):
    """Return rows, and the name or values of the target, from a container that is read block by block."""
    table = pa.Table.from_pandas(FRAME[columns], preserve_index=False)
    if kind == "dask":
        rows = FRAME[columns[:5]].to_numpy()
        return da.from_array(rows, chunks=(130, -1)), da.from_array(FRAME[columns[5]].to_numpy(), chunks=130)
    if kind == "csv":
        pyarrow.csv.write_csv(table, folder / "0.csv")
        return ds.dataset(folder, format="csv"), columns[5]
    pq.write_table(table, folder / "0.parquet", row_group_size=70)
    if kind == "query":
        return pl.scan_parquet(folder / "0.parquet"), columns[5]
    data = ds.dataset(folder, format="parquet")
    return (data.filter(ds.field("a") > -100) if kind == "filter" else data), columns[5]


def same(ours, theirs, tolerance=1e-9):
    for key, values in theirs.items():
        if "time" not in key and key != "params" and values.dtype != object:
            assert_allclose(ours[key], values, rtol=tolerance, atol=tolerance, err_msg=key)


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_reads_its_rows_twice_at_most(kind, tmp_path):
    X_lazy, y = source(kind, [*NAMES, "y"], tmp_path)
    pipe = make_pipeline(StandardScaler(), PCA(), Ridge())
    grid = {"pca__n_components": [2, 4], "ridge__alpha": [0.1, 10.0, 1e3]}
    options = {"cv": plain.KFold(4, shuffle=True, random_state=0), "return_train_score": True}
    ours = model_selection.GridSearchCV(pipe, grid, **options).fit(X_lazy, y)
    theirs = plain.GridSearchCV(pipe, grid, **options).fit(X, Y)
    same(ours.cv_results_, theirs.cv_results_)
    assert ours.best_params_ == theirs.best_params_
    assert f"{N_ROWS} rows were read" in ours.sharing_ or f"{2 * N_ROWS} rows were read" in ours.sharing_, ours.sharing_
    assert_allclose(ours.best_estimator_[-1].coef_, theirs.best_estimator_[-1].coef_, rtol=1e-8)


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (GaussianNB(), {"var_smoothing": [1e-9, 0.1]}),
        (LinearDiscriminantAnalysis(solver="lsqr"), {"shrinkage": [0.1, 0.5]}),
        (make_pipeline(StandardScaler(), GaussianNB()), {"gaussiannb__var_smoothing": [1e-9, 0.1]}),
        (make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10)), {"logisticregression__C": [0.1, 10.0]}),
    ],
    ids=["bayes", "discriminant", "scaled", "logistic"],
)
@pytest.mark.parametrize("kind", ["dask", "parquet"])
def test_classifiers(estimator, grid, kind, tmp_path):
    X_lazy, y = source(kind, [*NAMES, "label"], tmp_path)
    ours = model_selection.GridSearchCV(estimator, grid, cv=3).fit(X_lazy, y)
    same(ours.cv_results_, plain.GridSearchCV(estimator, grid, cv=3).fit(X, LABELS).cv_results_, 1e-6)


def test_groups_weights_and_scorers(tmp_path):
    X_lazy, y = source("parquet", [*NAMES, "y", "group"], tmp_path)
    options = {"cv": plain.GroupKFold(3), "scoring": ["r2", "neg_mean_absolute_error"]}
    ours = model_selection.cross_validate(Ridge(), X_lazy, y, groups="group", **options)
    theirs = plain.cross_validate(Ridge(), X, Y, groups=GROUPS, **options)
    for key in ("test_r2", "test_neg_mean_absolute_error"):
        assert_allclose(ours[key], theirs[key], rtol=1e-9)
    blocks = da.from_array(X, chunks=(130, -1)), da.from_array(Y, chunks=130)
    grid = {"alpha": [0.1, 10.0]}
    ours = model_selection.GridSearchCV(Ridge(), grid).fit(*blocks, sample_weight=WEIGHTS)
    same(ours.cv_results_, plain.GridSearchCV(Ridge(), grid).fit(X, Y, sample_weight=WEIGHTS).cv_results_)


@pytest.mark.parametrize("kind", ["dask", "parquet", "query"])
def test_functions(kind, tmp_path):
    lazy = source(kind, [*NAMES, "y"], tmp_path)
    pipe = make_pipeline(StandardScaler(), Ridge())
    for name, options in (
        ("cross_val_score", {"cv": plain.ShuffleSplit(3, random_state=0)}),
        ("cross_val_predict", {"cv": 4}),
        ("learning_curve", {"cv": 3, "train_sizes": [0.3, 1.0]}),
    ):
        ours = getattr(model_selection, name)(pipe, *lazy, **options)
        theirs = getattr(plain, name)(pipe, X, Y, **options)
        for a, b in zip(*((found if isinstance(found, tuple) else (found,)) for found in (ours, theirs)), strict=True):
            assert_allclose(np.asarray(a), b, rtol=1e-8)


def test_what_is_not_fitted_from_sums(tmp_path):
    lazy = source("parquet", [*NAMES, "y"], tmp_path)
    tree = DecisionTreeRegressor(max_depth=3, random_state=0)
    assert_allclose(
        model_selection.cross_val_score(tree, *lazy, cv=3), plain.cross_val_score(tree, X, Y, cv=3), rtol=1e-9
    )


def test_blocks_are_read_for_all_folds_at_once():
    read = []

    def block(number):
        read.append(number)
        return X[number * 150 : number * 150 + 150]

    blocks = [da.from_delayed(dask.delayed(block, pure=False)(i), (150, 5), dtype=float) for i in range(4)]
    with dask.config.set(scheduler="synchronous"):
        search = model_selection.GridSearchCV(Ridge(), {"alpha": np.logspace(-2, 3, 10)}, cv=5)
        search.fit(da.concatenate(blocks), da.from_array(Y, chunks=150))
    assert sorted(read) == [0, 1, 2, 3]


def test_temporary_files_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "rows").mkdir()
    lazy = source("query", [*NAMES, "y"], tmp_path / "rows")
    model_selection.cross_val_score(Ridge(), *lazy, cv=3)
    assert not list((tmp_path / "temporary").iterdir())
