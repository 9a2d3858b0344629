"""Cross-validated estimators over files: every fold from one reading, against scikit-learn on the whole table."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNetCV,
    LassoCV,
    LogisticRegressionCV,
    RidgeClassifierCV,
    RidgeCV,
    SGDRegressor,
)
from sklearn.model_selection import KFold, StratifiedKFold

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, autoscale
from skdist_gpu.data import dataset as dataset_module
from skdist_gpu.testing import assert_ran_on, make_resources

# rows of the files
FILES = (330, 1, 0, 690, 240)
NAMES = ["a", "b", "c", "d"]
generator = np.random.default_rng(0)
# neither rows nor labels are alike from fold to fold
FRAME = pd.DataFrame(generator.normal(np.linspace(0, 2, sum(FILES))[:, None], size=(sum(FILES), 4)), columns=NAMES)
FRAME["y"] = FRAME[NAMES] @ [1.0, -2.0, 0.0, 3.0] + 5 + generator.normal(size=len(FRAME))
FRAME["z"] = FRAME[NAMES] @ [0.0, 1.0, 2.0, 0.0] + generator.normal(size=len(FRAME))
FRAME["label"] = np.array(["low", "middle", "top"])[np.digitize(FRAME["y"] + 3 * FRAME["z"], [4.0, 25.0])]
FRAME["weight"] = generator.uniform(0.2, 2, size=len(FRAME))
REGRESSIONS = [LassoCV(), LassoCV(cv=KFold(3), alphas=[0.1, 1.0]), ElasticNetCV(l1_ratio=[0.3, 0.9], cv=7, alphas=20)]
RIDGES = [RidgeCV(cv=4), RidgeCV(cv=KFold(3), fit_intercept=False), RidgeCV()]
LOGISTIC = {"Cs": 3, "l1_ratios": (0,), "use_legacy_attributes": False, "scoring": "neg_log_loss"}


@pytest.fixture(name="files", params=[40, 250, 100_000], ids=lambda n_rows: f"blocks of {n_rows}")
def _files(request, tmp_path, monkeypatch):
    """Return a function that writes columns into several files, read in blocks smaller or larger than folds."""
    monkeypatch.setattr(dataset_module, "BLOCK_ROWS", request.param)

    def write(*columns, file_format="parquet"):
        table, start = pa.table({name: FRAME[name] for name in columns}), 0
        for i, n_rows in enumerate(FILES):
            part, start = table.slice(start, n_rows), start + n_rows
            if file_format == "parquet":
                pq.write_table(part, tmp_path / f"{i}.parquet", row_group_size=170)
            elif n_rows:
                pyarrow.csv.write_csv(part, tmp_path / f"{i}.csv")
        return ds.dataset(tmp_path, format=file_format)

    return write


def assert_same_path(model, reference):
    for name in ("alphas_", "alpha_", "mse_path_", "l1_ratio_"):
        if hasattr(reference, name):
            assert_allclose(getattr(model, name), getattr(reference, name), rtol=1e-6)
    # both solvers stop at tol
    assert_allclose(model.coef_, reference.coef_, rtol=1e-4, atol=1e-6)
    assert_allclose(model.intercept_, reference.intercept_, rtol=1e-4)


@pytest.mark.parametrize("estimator", REGRESSIONS, ids=repr)
@pytest.mark.parametrize("source", ["parquet", "csv", "filter", "query"])
def test_paths_of_penalties(files, tmp_path, estimator, source):
    estimator = clone(estimator).set_params(tol=1e-8)
    data, frame = files(*NAMES, "y", file_format="csv" if source == "csv" else "parquet"), FRAME
    if source in ("filter", "query"):
        frame = FRAME[FRAME["b"] > 0.5]
        data = data.filter(ds.field("b") > 0.5)
    if source == "query":
        data = pl.scan_parquet(tmp_path / "*.parquet").filter(pl.col("b") > 0.5)
    assert AutoScaleRegressor(estimator, backend="reductions").plan(data, "y").chosen.name == "reductions:cpu"
    model = AutoScaleRegressor(estimator, backend="reductions", fallback="raise").fit(data, "y")
    assert_same_path(model, clone(estimator).fit(frame[NAMES], frame["y"]))


@pytest.mark.parametrize("estimator", RIDGES, ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_ridge(files, estimator, weighted):
    columns = [*NAMES, "y", *(["weight"] if weighted else [])]
    weights = FRAME["weight"] if weighted else None
    model = AutoScaleRegressor(estimator, backend="reductions", fallback="raise").fit(
        files(*columns), "y", sample_weight="weight" if weighted else None
    )
    reference = clone(estimator).fit(FRAME[NAMES], FRAME["y"], sample_weight=weights)
    assert_allclose([model.alpha_, model.best_score_], [reference.alpha_, reference.best_score_], rtol=1e-8)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-8)


def test_ridge_with_several_targets_and_classes(files):
    estimator = RidgeCV(cv=5)
    model = AutoScaleRegressor(estimator, backend="reductions").fit(files(*NAMES, "y", "z"), ["y", "z"])
    reference = clone(estimator).fit(FRAME[NAMES], FRAME[["y", "z"]])
    assert model.alpha_ == reference.alpha_
    assert_allclose(model.coef_, reference.coef_, rtol=1e-8)
    estimator = RidgeClassifierCV(class_weight="balanced")
    model = AutoScaleClassifier(estimator, backend="reductions").fit(files(*NAMES, "label"), "label")
    reference = clone(estimator).fit(FRAME[NAMES], FRAME["label"])
    assert model.alpha_ == reference.alpha_
    assert_allclose(model.coef_, reference.coef_, rtol=1e-8)


@pytest.mark.parametrize(
    ("cv", "kept"),
    [(3, False), (3, True), (KFold(4), False), (StratifiedKFold(2, shuffle=True, random_state=0), False)],
    ids=repr,
)
def test_logistic_regression(files, cv, kept):
    estimator = LogisticRegressionCV(cv=cv, tol=1e-10, max_iter=2_000, **LOGISTIC)
    data, frame = files(*NAMES, "label", "weight"), FRAME
    if kept:
        data, frame = data.filter(ds.field("c") < 1.5), FRAME[FRAME["c"] < 1.5]
    model = AutoScaleClassifier(estimator, backend="reductions", fallback="raise").fit(
        data, "label", sample_weight="weight"
    )
    assert_ran_on(model, "reductions:cpu")
    reference = clone(estimator).fit(frame[NAMES], frame["label"], sample_weight=frame["weight"])
    assert_array_equal(model.classes_, reference.classes_)
    assert model.C_ == reference.C_
    assert_allclose(model.scores_, reference.scores_, rtol=1e-6)
    assert_allclose(model.coef_, reference.coef_, atol=1e-5)


def test_all_folds_are_read_at_once(files, monkeypatch):
    readings = []

    def counted(source, columns, *options):
        readings.append(columns)
        return read(source, columns, *options)

    read = dataset_module.read_batches
    monkeypatch.setattr(dataset_module, "read_batches", counted)
    AutoScaleRegressor(LassoCV(cv=10), backend="reductions").fit(files(*NAMES, "y"), "y")
    assert readings == [[*NAMES, "y"]]


def test_more_folds_than_rows_and_no_rows(files):
    few = files(*NAMES, "y").filter(ds.field("a") > np.sort(FRAME["a"])[-4])
    with pytest.raises(ValueError, match="n_splits=5 greater than the number of samples: n_samples=3"):
        AutoScaleRegressor(LassoCV(cv=5), backend="reductions").fit(few, "y")
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        AutoScaleRegressor(LassoCV(cv=5), backend="reductions").fit(few.filter(ds.field("a") < -100), "y")


def test_a_value_that_is_not_finite(files, tmp_path):
    files(*NAMES, "y")
    last = pq.read_table(tmp_path / "4.parquet").to_pandas()
    last.loc[200, "c"] = np.inf
    pq.write_table(pa.Table.from_pandas(last, preserve_index=False), tmp_path / "4.parquet")
    with pytest.raises(ValueError, match="X contains infinity"):
        AutoScaleRegressor(RidgeCV(cv=3), backend="reductions").fit(ds.dataset(tmp_path), "y")


def test_plan_refuses_folds_of_rows_that_have_no_number():
    query = pl.from_pandas(FRAME[[*NAMES, "label"]]).lazy()
    blocks = pytest.importorskip("dask.dataframe").from_pandas(FRAME, npartitions=3)
    for X, y, device, reason in (
        (query, "label", "cpu", "a query may change their order"),
        (blocks[NAMES], blocks["label"], "dask", "blocks of unknown size"),
    ):
        plan = autoscale(LogisticRegressionCV(**LOGISTIC)).plan(X, y)
        (refused,) = (c for c in plan.candidates if c.backend == "reductions" and c.device == device)
        assert refused.verdict == "refused"
        assert reason in " ".join(refused.reasons)
    for estimator, verdict in ((LassoCV(), "refused"), (RidgeCV(cv=3), "refused"), (RidgeCV(), "chosen")):
        plan = autoscale(estimator).plan(blocks[NAMES], blocks["y"])
        assert next(c for c in plan.candidates if c.name == "reductions:dask").verdict == verdict


def test_plan_counts_what_tells_the_folds():
    machine = make_resources(memory="16GB")
    verdicts = [
        next(
            c.verdict
            for c in autoscale(LogisticRegressionCV(**LOGISTIC), backend="reductions:cpu")
            .plan(shape=(n, 2), resources=machine)
            .candidates
            if c.name == "reductions:cpu"
        )
        for n in (10**8, 10**9)
    ]
    assert verdicts == ["chosen", "refused"]


def test_shuffled_files_keep_their_filter(files):
    data = files(*NAMES, "y")
    estimator = SGDRegressor(random_state=0)
    options = {"epochs": 20, "shuffle": True}
    kept = data.filter(ds.field("y") > 4)
    model = autoscale(estimator, backend="incremental").fit(kept, "y", **options)
    assert model.t_ == 1 + 20 * np.sum(FRAME["y"] > 4)
