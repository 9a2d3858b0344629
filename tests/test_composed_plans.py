"""Plans, reports and plain objects of pipelines, searches and ensembles; partial_fit, fitted models, callbacks."""

import os
import pickle
import subprocess
import sys

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor, AutoScaleTransformer, autoscale, load, save, unwrap
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.testing import make_resources

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 6))
y = X @ np.arange(6.0) + 0.1 * rng.normal(size=200)
side = (y > 0).astype(int)
BLOCKS = da.from_array(X, chunks=(50, 6))


def test_a_line_for_each_step_with_the_rows_that_it_gets():
    columns = ColumnTransformer([("s", StandardScaler(), [0, 1]), ("p", PCA(2), [2, 3, 4])], remainder="passthrough")
    model = autoscale(make_pipeline(columns, PolynomialFeatures(), SelectKBest(f_regression, k=4), Ridge()))
    plan = model.plan(X.astype("float32"), y)
    names = [step.name for step in plan.steps]
    assert names == ["columntransformer__s", "columntransformer__p", "polynomialfeatures", "selectkbest", "ridge"]
    model.fit(X.astype("float32"), y)
    for step, fitted in zip(plan.steps[2:], model.steps[1:], strict=True):
        assert step.data == fitted[1].plan_.data
    assert plan["ridge"].engine == model["ridge"].report_.candidate.name
    assert all(step.name in str(plan) and step.engine in plan._repr_html_() for step in plan.steps)
    assert plan.to_dict()["steps"][-1]["plan"]["chosen"] == plan["ridge"].engine


def test_a_notebook_shows_what_each_step_took():
    model = autoscale(make_pipeline(StandardScaler(), Ridge())).fit(X, y)
    html = model.explain()._repr_html_()
    assert all(f"<td>{step.name}</td><td>{step.estimator}</td>" in html for step in model.plan(X, y).steps)
    assert html.count(" measured<") == len(model.steps)
    assert model.explain().total in html


def test_planning_computes_nothing():
    def refuse(block):
        raise AssertionError("computed")

    lazy = BLOCKS.map_blocks(refuse, dtype=float, meta=np.zeros((0, 6)))
    machine = make_resources(gpus=1)
    for obj in (make_pipeline(StandardScaler(), Ridge()), RFE(Ridge()), GridSearchCV(Ridge(), {"alpha": [1.0]})):
        assert autoscale(obj).plan(lazy, resources=machine).steps
    plan = autoscale(make_pipeline(StandardScaler(), PCA(2), Ridge())).plan(shape=(10**8, 50), resources=machine)
    assert [step.data.split(" in ")[0] for step in plan.steps] == [
        *["100 000 000 × 50 float64"] * 2,
        "100 000 000 × 2 float64",
    ]
    with pytest.raises(ValueError, match="either X or shape"):
        autoscale(make_pipeline(Ridge())).plan()


def test_fits_are_counted():
    search = autoscale(GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1.0, 2.0]}, cv=4))
    assert [step.n_fits for step in search.plan(X, y).steps] == [9, 9]
    assert search.plan(X, y).steps[0].data.startswith("150 × 6")
    stack = StackingRegressor([("a", Ridge()), ("b", BaggingRegressor(Ridge(), 3))], cv=3)
    assert [step.n_fits for step in autoscale(stack).plan(X, y).steps] == [4, 12]
    assert autoscale(MultiOutputRegressor(Ridge())).plan(X, np.c_[y, y]).steps[0].n_fits == 2
    rounds = autoscale(RFE(Ridge())).plan(X, y)
    assert rounds.steps[0].n_fits is None
    assert "at least" in rounds.total
    assert "gathers rows" in str(autoscale(RFE(Ridge())).plan(BLOCKS, y))


def test_methods_have_plans():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    columns = ColumnTransformer([("s", StandardScaler(), ["a", "b"]), ("p", PCA(2), ["c", "d"])])
    model = autoscale(make_pipeline(columns, SelectKBest(f_regression, k=3), LogisticRegression())).fit(frame, side)
    plan = model.plan(frame, method="predict_proba")
    assert [step.name for step in plan.steps] == [
        *("columntransformer__s", "columntransformer__p", "selectkbest", "logisticregression"),
    ]
    assert [step.result for step in plan.steps[:3]] == [f"200 × {n} float64 in numpy" for n in (2, 2, 3)]
    assert plan["logisticregression"].result == "probabilities"
    assert plan["logisticregression"].n_bytes == 200 * (3 + 2) * 8
    assert "Pipeline.predict_proba on 200 × 6" in str(plan)
    assert "4 calls" in plan._repr_html_()
    large = model.plan(shape=(10**7, 6), method="predict")
    assert large.seconds > plan.seconds
    # blocks of Dask are transformed as a whole, and each step is lazy
    lazy = model.plan(BLOCKS, method="predict")
    assert [step.name for step in lazy.steps] == ["columntransformer", "selectkbest", "logisticregression"]
    assert "block by block" in str(lazy["logisticregression"].plan)
    with pytest.raises(AttributeError, match="decision_functions"):
        model.plan(frame, method="decision_functions")
    with pytest.raises(NotFittedError):
        clone(model).plan(frame, method="predict")


def test_plans_of_methods_go_through_ensembles_and_searches():
    stack = StackingRegressor([("a", make_pipeline(StandardScaler(), Ridge())), ("b", Lasso())], Ridge(), cv=3)
    model = autoscale(GridSearchCV(stack, {"b__alpha": [0.1]}, cv=2)).fit(X, y)
    names = [step.name for step in model.plan(X, method="predict").steps]
    assert names == ["a__standardscaler", "a__ridge", "b", "final_estimator"]
    assert names == [name for name, _, _ in model.report_.steps]
    assert [step.name for step in model.plan(X, method="transform").steps] == names[:-1]
    chosen = autoscale(SelectFromModel(Lasso(0.1))).fit(X, y).plan(X, method="transform").steps
    assert [step.engine for step in chosen] == ["as it is"]
    soft = autoscale(VotingClassifier([("a", LogisticRegression())], voting="soft")).fit(X, side)
    assert soft.plan(X, method="predict_proba")["a"].result == "probabilities"


def test_reports_name_what_ran():
    search = autoscale(
        GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1.0]}), backend="reductions"
    )
    with pytest.raises(NotFittedError):
        search.explain()
    report = search.fit(X, y).report_
    assert [name for name, _, _ in report.steps] == ["standardscaler", "ridge"]
    assert "reductions:cpu" in str(report)
    assert "1 candidates × 5 folds" in str(search.explain())
    assert report.seconds > 0
    calibrated = autoscale(CalibratedClassifierCV(LogisticRegression(), cv=3)).fit(X, side)
    assert len(calibrated.explain().steps) == 3


OBJECTS = [
    make_pipeline(StandardScaler(), Ridge()),
    GridSearchCV(make_pipeline(FeatureUnion([("s", StandardScaler())]), Ridge()), {"ridge__alpha": [1.0]}),
    StackingRegressor([("a", Ridge()), ("b", BaggingRegressor(Ridge(), 2))]),
    CalibratedClassifierCV(LogisticRegression()),
    VotingClassifier([("a", LogisticRegression()), ("b", "drop")], voting="soft"),
]


@pytest.mark.parametrize("plain", OBJECTS, ids=lambda e: type(e).__name__)
def test_what_comes_out_is_plain(plain, tmp_path):
    target = side if hasattr(plain, "predict_proba") else y
    model = autoscale(plain).fit(X, target)
    found = unwrap(model)
    assert type(found) is type(plain)
    assert b"skdist_gpu" not in pickle.dumps(found)
    assert_allclose(found.predict(X), model.predict(X))
    assert str(model.estimator_) == str(found)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(found))
    script = "import pickle, sys; m = pickle.load(open(sys.argv[1], 'rb')); assert 'skdist_gpu' not in sys.modules"
    subprocess.run([sys.executable, "-c", script, tmp_path / "model.pkl"], check=True)
    save(model, tmp_path / "model.skops")
    for copied in (pickle.loads(pickle.dumps(model)), load(tmp_path / "model.skops")):
        assert type(copied) is type(model)
        assert_array_equal(copied.predict(X), model.predict(X))


def test_attributes_of_the_same_name_stay_scikit_learns():
    selector = autoscale(SelectFromModel(Lasso(0.1))).fit(X, y)
    assert isinstance(selector.estimator_, AutoScaleRegressor)
    assert isinstance(unwrap(selector).estimator_, Lasso)
    assert not hasattr(autoscale(make_pipeline(Ridge())), "estimator_")


def test_the_diagram_names_engines():
    model = autoscale(make_pipeline(StandardScaler(), Ridge()), backend="reductions")
    assert model._repr_html_().count("engine chosen in fit") == 2
    assert model.fit(X, y)._repr_html_().count('caption">reductions:cpu<') == 2


@pytest.mark.parametrize("plain", OBJECTS[:1] + OBJECTS[2:], ids=lambda e: type(e).__name__)
def test_rows_of_dask_are_scored_lazily(plain):
    target = side if hasattr(plain, "predict_proba") else y
    model = autoscale(plain).fit(X, target)
    predicted = model.predict(BLOCKS)
    assert isinstance(predicted, da.Array)
    assert_allclose(predicted.compute(), model.predict(X))
    assert model.score(BLOCKS, da.from_array(target, chunks=50)) == pytest.approx(model.score(X, target))


def test_columns_by_name_of_a_dask_frame():
    dd = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    plain = make_pipeline(ColumnTransformer([("s", StandardScaler(), ["a", "b"])], remainder=MinMaxScaler()), Ridge())
    lazy = dd.from_pandas(frame, npartitions=4)
    model = autoscale(plain).fit(lazy, dd.from_pandas(pd.Series(y), npartitions=4))
    assert_allclose(model.predict(lazy).compute(), clone(plain).fit(frame, y).predict(frame), rtol=1e-6)


def test_a_model_that_came_fitted_predicts():
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, side)
    for model in (AutoScaleClassifier(fitted), autoscale(fitted)):
        assert_array_equal(model.predict(X), fitted.predict(X))
        assert_array_equal(model.predict(BLOCKS).compute(), fitted.predict(X))
        assert model.classes_.tolist() == [0, 1]
        with pytest.raises(NotFittedError):
            clone(model).predict(X)
    model = AutoScaleRegressor(Ridge().fit(X, y))
    coefficients = model.estimator.coef_
    assert_allclose(model.coef_, coefficients)
    model.fit(X, -y)
    assert_allclose(model.coef_, -coefficients)
    assert model.estimator.coef_ is coefficients
    with pytest.raises(NotFittedError, match="came fitted"):
        AutoScaleRegressor(Ridge().fit(X, y)).explain()


def test_frozen_models_stay_as_they_are():
    frozen = FrozenEstimator(LogisticRegression().fit(X, side))
    assert_array_equal(autoscale(frozen).fit(X, 1 - side).predict(X), frozen.predict(X))
    ours = autoscale(CalibratedClassifierCV(frozen)).fit(X, side)
    assert_allclose(ours.predict_proba(X), CalibratedClassifierCV(frozen).fit(X, side).predict_proba(X))
    chosen = autoscale(SelectFromModel(Lasso(0.1).fit(X, y), prefit=True)).fit(X, y)
    assert_array_equal(chosen.get_support(), SelectFromModel(Lasso(0.1)).fit(X, y).get_support())


@pytest.mark.parametrize("plain", [SGDClassifier(random_state=0), GaussianNB()], ids=lambda e: type(e).__name__)
def test_partial_fit(plain):
    model, expected = AutoScaleClassifier(plain), clone(plain)
    for rows in (slice(0, 90), slice(90, 200)):
        model.partial_fit(X[rows], side[rows], classes=[0, 1], sample_weight=np.ones(len(X[rows])))
        expected.partial_fit(X[rows], side[rows], classes=[0, 1])
    assert_array_equal(model.predict(X), expected.predict(X))
    assert not hasattr(plain, "classes_")
    assert not hasattr(AutoScaleRegressor(Ridge()), "partial_fit")


def test_partial_fit_goes_on_after_a_fit():
    model = AutoScaleTransformer(StandardScaler(), backend="reductions").fit(X[:90]).partial_fit(X[90:])
    assert_allclose(model.mean_, X.mean(axis=0))
    came = StandardScaler().fit(X[:90])
    assert_allclose(AutoScaleTransformer(came).partial_fit(X[90:]).mean_, X.mean(axis=0))
    assert_allclose(came.mean_, X[:90].mean(axis=0))


class Log:
    """A callback that notes what it hears."""

    max_propagation_depth = None

    def __init__(self):
        self.heard = []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.heard.append(f"{type(estimator).__name__} {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.heard.append("end")


def test_callbacks_hear_of_steps_and_passes():
    log = Log()
    model = autoscale(make_pipeline(StandardScaler(), Ridge()), backend="reductions").set_callbacks(log).fit(X, y)
    assert log.heard.count("setup") == log.heard.count("teardown") == 1
    passes = [text for text in log.heard if "pass 1" in text]
    assert [text.split()[0] for text in passes] == ["AutoScaleTransformer", "AutoScaleRegressor"]
    assert log.heard.count("end") == sum(" " in text for text in log.heard)
    assert "_skl_callbacks" not in vars(model[0])


def _cores(_):
    return detect_resources().n_cores


def test_workers_of_joblib_share_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delitem(sys.modules, "distributed", raising=False)  # with Dask the limit may be that of its workers
    with parallel_config("loky", inner_max_num_threads=1):
        assert set(Parallel(n_jobs=2)(delayed(_cores)(i) for i in range(2))) == {1}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert detect_resources().n_cores == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "10000")
    assert detect_resources().n_cores <= (os.cpu_count() or 1)


def test_weights_reach_every_step():
    weights = rng.uniform(0.1, 2.0, size=len(y))
    plain = make_pipeline(StandardScaler(), Ridge())
    arguments = {"ridge__sample_weight": weights, "standardscaler__sample_weight": weights}
    model = autoscale(plain).fit(X, y, **arguments)
    assert_allclose(model.predict(X), clone(plain).fit(X, y, **arguments).predict(X))
    for obj in (BaggingRegressor(Ridge(), 3, random_state=0), StackingRegressor([("a", Ridge())])):
        ours = autoscale(obj).fit(X, y, sample_weight=weights)
        assert_allclose(ours.predict(X), clone(obj).fit(X, y, sample_weight=weights).predict(X))
