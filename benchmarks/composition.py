"""Tools and functions of scikit-learn around our estimators, and ours around them, on rows in several containers.

For each of 32 tools and 10 functions: does it give what scikit-learn gives for the plain object on NumPy, with the
estimators inside wrapped by hand (`inside`) and with ``autoscale(tool)`` (`outside`), on NumPy, pandas, Polars, a Dask
array and a Dask frame? Beside these, what the tool as it is gives on those rows (`plain`), and for functions those of
:mod:`skdist_gpu.model_selection` (`ours`). Prints a table of ``ok``, ``lazy`` (the prediction is still lazy), or the
error.

    python benchmarks/composition.py [--only TEXT] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
from measure import save
from sklearn import calibration, compose, ensemble, feature_selection, model_selection, multiclass, multioutput
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, RANSACRegressor, Ridge
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

import skdist_gpu.model_selection
from skdist_gpu import autoscale

GOOD = ("ok", "lazy")
NAMES = list("abcdef")
rng = np.random.default_rng(0)
X = rng.normal(size=(240, len(NAMES)))
SIGNAL = X @ [2.0, -1.0, 0.5, 0.0, 1.0, 0.0] + 0.3 * rng.normal(size=len(X))
LABELS = np.digitize(SIGNAL, [-1.0, 1.0])
SIDE = (SIGNAL > 0).astype(int)
BOTH = np.column_stack([SIGNAL, -SIGNAL + X[:, 3]])
TWO = np.column_stack([SIDE, (X[:, 3] > 0).astype(int)])


def clf() -> Any:
    return LogisticRegression(max_iter=2000, tol=1e-8)


def tools(wrap: Callable[[Any], Any]) -> dict[str, tuple[Any, np.ndarray]]:
    """Return 32 tools around estimators that `wrap` is put around, and the target of each."""
    fitted = wrap(clf()).fit(X, SIDE)
    pipe = lambda: make_pipeline(wrap(StandardScaler()), wrap(Ridge()))  # noqa: E731
    grid = {"alpha": [0.1, 1.0, 10.0]}
    search = {"cv": 3}
    columns = [("scale", wrap(StandardScaler()), ["a", "b"]), ("fill", wrap(SimpleImputer()), ["c"])]
    places = [("scale", wrap(StandardScaler()), [0, 1]), ("fill", wrap(SimpleImputer()), [2])]
    return {
        "Pipeline": (pipe(), SIGNAL),
        "Pipeline of PCA": (make_pipeline(wrap(StandardScaler()), wrap(PCA(3)), wrap(clf())), SIDE),
        "FeatureUnion": (
            make_pipeline(FeatureUnion([("s", wrap(StandardScaler())), ("m", wrap(MinMaxScaler()))]), wrap(Ridge())),
            SIGNAL,
        ),
        "ColumnTransformer by name": (make_pipeline(compose.ColumnTransformer(columns), wrap(Ridge())), SIGNAL),
        "ColumnTransformer by place": (
            make_pipeline(compose.ColumnTransformer(places, remainder=wrap(MinMaxScaler())), wrap(Ridge())),
            SIGNAL,
        ),
        "TransformedTargetRegressor": (
            compose.TransformedTargetRegressor(wrap(Ridge()), transformer=wrap(StandardScaler())),
            SIGNAL,
        ),
        "StackingRegressor": (
            ensemble.StackingRegressor([("a", wrap(Ridge())), ("b", wrap(Lasso(0.1)))], cv=3),
            SIGNAL,
        ),
        "StackingClassifier": (ensemble.StackingClassifier([("a", wrap(clf()))], wrap(clf()), cv=3), SIDE),
        "VotingRegressor": (ensemble.VotingRegressor([("a", wrap(Ridge())), ("b", wrap(Lasso(0.1)))]), SIGNAL),
        "VotingClassifier": (ensemble.VotingClassifier([("a", wrap(clf()))], voting="soft"), LABELS),
        "BaggingRegressor": (ensemble.BaggingRegressor(wrap(Ridge()), 3, random_state=0), SIGNAL),
        "BaggingClassifier": (ensemble.BaggingClassifier(wrap(clf()), 3, random_state=0), LABELS),
        "AdaBoostRegressor": (ensemble.AdaBoostRegressor(wrap(Ridge()), n_estimators=3, random_state=0), SIGNAL),
        "AdaBoostClassifier": (ensemble.AdaBoostClassifier(wrap(clf()), n_estimators=3, random_state=0), SIDE),
        "MultiOutputRegressor": (multioutput.MultiOutputRegressor(wrap(Ridge())), BOTH),
        "MultiOutputClassifier": (multioutput.MultiOutputClassifier(wrap(clf())), TWO),
        "RegressorChain": (multioutput.RegressorChain(wrap(Ridge())), BOTH),
        "ClassifierChain": (multioutput.ClassifierChain(wrap(clf())), TWO),
        "CalibratedClassifierCV": (calibration.CalibratedClassifierCV(wrap(clf()), cv=3), SIDE),
        "OneVsRestClassifier": (multiclass.OneVsRestClassifier(wrap(clf())), LABELS),
        "OneVsOneClassifier": (multiclass.OneVsOneClassifier(wrap(clf())), LABELS),
        "RFE": (feature_selection.RFE(wrap(Ridge()), n_features_to_select=3), SIGNAL),
        "RFECV": (feature_selection.RFECV(wrap(Ridge()), cv=3), SIGNAL),
        "SelectFromModel": (make_pipeline(feature_selection.SelectFromModel(wrap(Lasso(0.1))), wrap(Ridge())), SIGNAL),
        "SequentialFeatureSelector": (
            make_pipeline(
                feature_selection.SequentialFeatureSelector(wrap(Ridge()), n_features_to_select=2, cv=3), wrap(Ridge())
            ),
            SIGNAL,
        ),
        "TunedThresholdClassifierCV": (model_selection.TunedThresholdClassifierCV(wrap(clf()), cv=3), SIDE),
        "FixedThresholdClassifier": (model_selection.FixedThresholdClassifier(wrap(clf()), threshold=0.3), SIDE),
        "SelfTrainingClassifier": (SelfTrainingClassifier(wrap(clf())), SIDE),
        "RANSACRegressor": (RANSACRegressor(wrap(Ridge()), min_samples=20, random_state=0), SIGNAL),
        "FrozenEstimator": (FrozenEstimator(fitted), SIDE),
        "GridSearchCV": (model_selection.GridSearchCV(wrap(Ridge()), grid, **search), SIGNAL),
        "HalvingGridSearchCV": (
            model_selection.HalvingGridSearchCV(wrap(Ridge()), grid, random_state=0, **search),
            SIGNAL,
        ),
    }


OURS = (
    *("cross_val_score", "cross_val_predict", "cross_validate", "learning_curve", "validation_curve"),
    *("permutation_test_score", "train_test_split"),
)


def functions(m: Any = model_selection) -> dict[str, Callable[[Any, Any, Any], Any]]:
    """Return 10 functions of an estimator and rows; each gives numbers."""
    alphas = {"param_name": "ridge__alpha", "param_range": [0.1, 10.0]}
    return {
        "cross_val_score": lambda e, X, y: m.cross_val_score(e, X, y, cv=3),
        "cross_val_predict": lambda e, X, y: m.cross_val_predict(e, X, y, cv=3),
        "cross_validate": lambda e, X, y: m.cross_validate(e, X, y, cv=3)["test_score"],
        "learning_curve": lambda e, X, y: m.learning_curve(e, X, y, cv=3, train_sizes=[0.5, 1.0])[2],
        "validation_curve": lambda e, X, y: m.validation_curve(e, X, y, cv=3, **alphas)[1],
        "permutation_test_score": lambda e, X, y: m.permutation_test_score(e, X, y, n_permutations=3, cv=3)[1],
        "permutation_importance": lambda e, X, y: _importances(e, X, y),
        "partial_dependence": lambda e, X, y: _dependence(e, X, y),
        "train_test_split": lambda e, X, y: _split(m, e, X, y),
        "clone": lambda e, X, y: clone(e).fit(X, y).predict(X),
    }


def _importances(estimator: Any, X: Any, y: Any) -> Any:
    from sklearn.inspection import permutation_importance

    return permutation_importance(estimator.fit(X, y), X, y, n_repeats=2, random_state=0).importances_mean


def _dependence(estimator: Any, X: Any, y: Any) -> Any:
    from sklearn.inspection import partial_dependence

    return partial_dependence(estimator.fit(X, y), X, [0], grid_resolution=5)["average"]


def _split(m: Any, estimator: Any, X: Any, y: Any) -> Any:
    train, test, target, _ = m.train_test_split(X, y, random_state=0)
    if hasattr(train, "dask"):  # lazy rows come in the order that they have
        estimator = autoscale(estimator)
    return np.sort(np.asarray(estimator.fit(train, target).predict(test)))


def _dask_frame(y: np.ndarray) -> Any:
    frame = pd.DataFrame(y) if y.ndim == 2 else pd.Series(y)
    return dd.from_pandas(frame, npartitions=4)


CONTAINERS: dict[str, tuple[Callable[[], Any], Callable[[np.ndarray], Any]]] = {
    "numpy": (lambda: X, lambda y: y),
    "pandas": (lambda: pd.DataFrame(X, columns=NAMES), lambda y: y),
    "polars": (lambda: pl.DataFrame(X, schema=NAMES), lambda y: y),
    "dask array": (
        lambda: da.from_array(X, chunks=(60, -1)),
        lambda y: da.from_array(y, chunks=(60, *y.shape[1:])),
    ),
    "dask frame": (lambda: dd.from_pandas(pd.DataFrame(X, columns=NAMES), npartitions=4), _dask_frame),
}


def answer(tool: Any, rows: Any, target: Any) -> Any:
    """Return what a fitted tool predicts, or transforms to."""
    fitted = tool.fit(rows, target)
    return fitted.predict(rows) if hasattr(fitted, "predict") else fitted.transform(rows)


def check(compute: Callable[[], Any], expected: np.ndarray) -> str:
    """Say whether a computation gives what is expected."""
    try:
        result = compute()
        lazy = hasattr(result, "dask")
        values = np.asarray(result)
        if values.shape != expected.shape:
            return f"shape {values.shape}"
        off = np.abs(values.astype(float) - expected.astype(float)).max()
        close = off <= 1e-3 * max(1.0, float(np.abs(expected.astype(float)).max()))
        return f"off by {off:.1e}" if not close else "lazy" if lazy else "ok"
    except Exception as error:  # every error is a cell of the table
        return f"{type(error).__name__}: {str(error)[:60]}"


def plain_rows(name: str) -> Any:
    return pd.DataFrame(X, columns=NAMES) if name == "ColumnTransformer by name" else X


def table(only: str) -> dict[str, dict[str, str]]:
    """Return the cells: tool -> container and side -> what came out."""
    found: dict[str, dict[str, str]] = {}
    for name, (plain, target) in tools(lambda e: e).items():
        if only not in name:
            continue
        expected = np.asarray(answer(clone(plain), plain_rows(name), target))
        cells = found[name] = {}
        for container, (rows, of_target) in CONTAINERS.items():
            if name == "ColumnTransformer by name" and container in ("numpy", "dask array"):
                continue
            inside, outside = tools(autoscale)[name][0], autoscale(clone(plain))
            for side, tool in (("plain", clone(plain)), ("inside", inside), ("outside", outside)):
                cells[f"{container}, {side}"] = check(lambda: answer(tool, rows(), of_target(target)), expected)  # noqa: B023
    for name, function in functions().items():
        if only not in name:
            continue
        plain = make_pipeline(StandardScaler(), Ridge())
        expected = np.asarray(function(plain, X, SIGNAL))
        cells = found[name] = {}
        for container, (rows, of_target) in CONTAINERS.items():
            steps = [("standardscaler", autoscale(StandardScaler())), ("ridge", autoscale(Ridge()))]
            inside = Pipeline(steps)
            for side, tool in (("plain", clone(plain)), ("inside", inside), ("outside", autoscale(plain))):
                cells[f"{container}, {side}"] = check(lambda: function(tool, rows(), of_target(SIGNAL)), expected)  # noqa: B023
            if name in OURS:
                own = functions(skdist_gpu.model_selection)[name]
                cells[f"{container}, ours"] = check(lambda: own(clone(plain), rows(), of_target(SIGNAL)), expected)  # noqa: B023
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="only tools and functions with this in their name")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found = table(options.only)
    sides = {side: [] for side in ("plain", "inside", "outside", "ours")}
    for name, cells in found.items():
        print(name)
        for cell, text in cells.items():
            print(f"    {cell:<22} {text}")
            sides[cell.rpartition(", ")[2]].append(text in GOOD)
    counts = {side: {"cells": len(good), "scikit_learns_answer": sum(good)} for side, good in sides.items()}
    missing = {
        side: [
            f"{name}, {other}"
            for name, cells in found.items()
            for cell, text in cells.items()
            if cell.endswith("plain") and text in GOOD and cells[other := cell.replace("plain", side)] not in GOOD
        ]
        for side in ("inside", "outside")
    }
    print(counts)
    print("not answered where the plain tool answers:", missing)
    rows = [{"tool": name, **cells} for name, cells in found.items()]
    save(rows, options.output, counts=counts, not_answered_where_the_plain_tool_answers=missing)


if __name__ == "__main__":
    main()
