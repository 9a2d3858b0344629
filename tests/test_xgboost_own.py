"""What XGBoost has of its own: callbacks, queries in a column, methods; and files that lack a feature."""

import numpy as np
import pandas as pd
import pytest

from skdist_gpu import AutoScaleRegressor, AutoScaleXGBRanker, AutoScaleXGBRegressor, autoscale

xgboost = pytest.importorskip("xgboost")
FEW = {"n_estimators": 5}


class Rounds(xgboost.callback.TrainingCallback):
    """Count the rounds."""

    def __init__(self):
        self.rounds = 0

    def after_iteration(self, model, epoch, evals_log):
        self.rounds += 1
        return False


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4))
    return X, X @ [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("engine", ["xgboost", "xgboost.external"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda callback, engine: AutoScaleXGBRegressor(**FEW, callbacks=[callback], backend=engine),
        lambda callback, engine: AutoScaleRegressor(xgboost.XGBRegressor(**FEW, callbacks=[callback]), backend=engine),
        lambda callback, engine: autoscale(xgboost.XGBRegressor(**FEW, callbacks=[callback]), backend=engine),
    ],
    ids=["parameters", "estimator", "autoscale"],
)
def test_the_users_own_callback_is_called(table, wrap, engine):
    callback = Rounds()
    model = wrap(callback, engine).fit(*table)
    assert callback.rounds == 5
    assert model.estimator_.callbacks == [callback]


@pytest.fixture(scope="module")
def ranking():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((600, 5)), columns=list("abcde")).assign(qid=np.repeat(np.arange(30), 20))
    return frame, rng.integers(0, 4, 600)


def test_queries_in_a_column(ranking):
    frame, grades = ranking
    plain = xgboost.XGBRanker(**FEW).fit(frame, grades, eval_set=[(frame, grades)], verbose=False)
    ours = AutoScaleXGBRanker(**FEW).fit(frame, grades, eval_set=[(frame, grades)], verbose=False)
    np.testing.assert_array_equal(ours.predict(frame), plain.predict(frame))
    assert ours.evals_result() == plain.evals_result()
    assert ours.score(frame, grades) == pytest.approx(plain.score(frame, grades))
    assert list(ours.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="Found both the special column `qid`"):
        AutoScaleXGBRanker(**FEW).fit(frame, grades, qid=frame["qid"])


def test_queries_as_text(ranking):
    frame, grades = ranking
    X, names = frame.drop(columns="qid"), frame["qid"].map("query {:02}".format)
    plain = xgboost.XGBRanker(**FEW).fit(frame, grades)
    ours = AutoScaleXGBRanker(**FEW).fit(X, grades, qid=names)
    np.testing.assert_array_equal(ours.predict(X), plain.predict(frame))
    assert ours.score(X, grades, qid=names) == pytest.approx(plain.score(frame, grades))


def test_methods_that_need_no_fit_and_files_of_models(table, tmp_path):
    X, y = table
    settings = {**FEW, "max_depth": 3, "quantile_alpha": 0.2}
    plain, ours = xgboost.XGBRegressor(**settings, enable_categorical=True), AutoScaleXGBRegressor(**settings)
    assert {**ours.get_xgb_params(), "quantile_alpha": 0.2} == {**plain.get_xgb_params(), "quantile_alpha": 0.2}
    assert ours.get_num_boosting_rounds() == 5
    ours = AutoScaleXGBRegressor(**FEW).fit(X, y)
    ours.save_model(tmp_path / "model.ubj")
    again = AutoScaleXGBRegressor()
    again.load_model(tmp_path / "model.ubj")
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))


@pytest.mark.parametrize("engine", ["xgboost", "xgboost.external"])
def test_a_file_that_lacks_a_feature_is_named(table, tmp_path, engine):
    dataset = pytest.importorskip("pyarrow.dataset")
    X, y = table
    frame = pd.DataFrame(X, columns=list("abcd")).assign(t=y)
    frame[:150].to_parquet(tmp_path / "0.parquet", index=False)
    frame[150:].drop(columns="b").to_parquet(tmp_path / "1.parquet", index=False)
    with pytest.raises(ValueError, match=r"1\.parquet lacks the column b"):
        AutoScaleXGBRegressor(**FEW, backend=engine).fit(dataset.dataset(tmp_path), "t")
