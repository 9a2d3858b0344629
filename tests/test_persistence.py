"""What is written appears complete or not at all, and what is read is what this package wrote."""

import json
import os
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, PoissonRegressor
from sklearn.neighbors import KNeighborsClassifier
from skops.io.exceptions import UntrustedTypesFoundException

import skdist_gpu
from skdist_gpu import autoscale, load, predict_to_parquet, save

generator = np.random.default_rng(0)
FRAME = pd.DataFrame(generator.standard_normal((100_000, 2)), columns=["a", "b"])
TARGET = FRAME["a"] + 1
ROWS = ds.dataset(pa.Table.from_pandas(FRAME))


class Interrupted(LinearRegression):
    """A regressor that does something else before its third batch."""

    def predict(self, X):
        self.batches += 1
        if self.batches == 3:
            self.happens()
        return super().predict(X)


def interrupted(happens):
    model = Interrupted().fit(FRAME, TARGET)
    model.batches, model.happens = 0, happens
    return model


class Unknown(LinearRegression):
    """A regressor that nobody trusts."""


class Unsaved(LinearRegression):
    """A regressor that fails while it is saved."""

    def __getstate__(self):
        raise RuntimeError("no state")


# --- writing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, "an older file"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_is_cut_short_leaves_the_folder_as_it_was(tmp_path, before, error):
    path = tmp_path / "rows.parquet"
    if before is not None:
        path.write_text(before)

    def fail():
        raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        predict_to_parquet(interrupted(fail), ROWS, path)
    assert os.listdir(tmp_path) == ([] if before is None else ["rows.parquet"])
    assert before is None or path.read_text() == before


def test_no_reader_of_the_folder_sees_a_part(tmp_path):
    seen = []

    def read():
        seen.append(sum(fragment.count_rows() for fragment in ds.dataset(tmp_path).get_fragments()))

    predict_to_parquet(interrupted(read), ROWS, tmp_path / "rows.parquet")
    assert seen == [0]
    assert ds.dataset(tmp_path).count_rows() == len(FRAME)


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    path, opposite = tmp_path / "rows.parquet", LinearRegression().fit(FRAME, -TARGET)
    predict_to_parquet(interrupted(lambda: predict_to_parquet(opposite, ROWS, path)), ROWS, path)
    assert_allclose(pq.read_table(path)["prediction"], TARGET)  # of the one that ended last
    assert os.listdir(tmp_path) == ["rows.parquet"]


@pytest.mark.parametrize("write", [lambda path: save(LinearRegression(), path), lambda path: predict(path)])
def test_a_path_is_looked_at_before_anything_is_computed(tmp_path, write):
    with pytest.raises(IsADirectoryError, match=r"is a folder\. Nothing was computed"):
        write(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Nothing was computed"):
        write(tmp_path / "nowhere" / "file")
    assert os.listdir(tmp_path) == []


def predict(path):
    """Score rows with a model that fails at the first batch."""
    model = interrupted(None)
    model.batches = 2
    predict_to_parquet(model, ROWS, path)


def test_a_save_that_fails_keeps_the_older_file(tmp_path):
    path = tmp_path / "model.skops"
    save(LinearRegression().fit(FRAME[:100], TARGET[:100]), path)
    with pytest.raises(RuntimeError, match="no state"):
        save(Unsaved(), path)
    assert os.listdir(tmp_path) == ["model.skops"]
    assert_allclose(load(path).coef_, [1, 0], atol=1e-12)


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in skdist_gpu.__all__ if name.startswith("AutoScale")])
def test_public_classes_are_trusted(tmp_path, name):
    if "XGB" in name:
        pytest.importorskip("xgboost")
    save(getattr(skdist_gpu, name)(), tmp_path / "model.skops")
    assert type(load(tmp_path / "model.skops")) is getattr(skdist_gpu, name)


FITTED = [
    RandomForestRegressor(3, random_state=0),
    RandomForestClassifier(3, random_state=0),
    HistGradientBoostingRegressor(max_iter=3),
    KNeighborsClassifier(3),
    KNeighborsClassifier(3, algorithm="kd_tree"),
    PoissonRegressor(),
]


@pytest.mark.parametrize("wrap", [lambda model: model, autoscale], ids=["plain", "autoscale"])
@pytest.mark.parametrize("estimator", FITTED, ids=repr)
def test_what_estimators_learn_is_trusted(tmp_path, estimator, wrap):
    X, y = FRAME[:200], (TARGET[:200] > 1).astype(int)
    model = wrap(estimator).fit(X, y)
    save(model, tmp_path / "model.skops")
    assert_allclose(load(tmp_path / "model.skops").predict(X), model.predict(X))


def test_other_types_are_named_and_can_be_trusted(tmp_path):
    path = tmp_path / "model.skops"
    save(Unknown().fit(FRAME[:100], TARGET[:100]), path)
    name = f"{Unknown.__module__}.Unknown"
    with pytest.raises(UntrustedTypesFoundException, match=name.replace(".", r"\.")):
        load(path)
    assert type(load(path, trusted=(name,))) is Unknown


def test_a_small_file_that_unpacks_to_much_is_not_unpacked(tmp_path):
    path = tmp_path / "model.skops"
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("schema.json", json.dumps({}))
        archive.writestr("array.npy", bytes(2**27))
    with pytest.raises(ValueError, match=r"would unpack to 1342\d+.*Nothing was read"):
        load(path)
