"""Measure oneDAL's entries against scikit-learn and against what "auto" chooses, in one run.

python benchmarks/onedal_rows.py table       seconds of fits and predictions
python benchmarks/onedal_rows.py agreement   answers against scikit-learn's
python benchmarks/onedal_rows.py leak        memory that 500 fits leave behind
python benchmarks/onedal_rows.py shapes      seconds of forests of many shapes, beside scikit-learn's on all cores

An existing FILE keeps what it has of other jobs and of the other parts.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import joblib
import numpy as np
import psutil
from measure import commit, timed
from sklearn.base import clone, is_classifier
from sklearn.cluster import DBSCAN, KMeans
from sklearn.datasets import load_diabetes, load_digits, make_blobs, make_classification, make_friedman1
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, NearestNeighbors
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from skdist_gpu import autoscale
from skdist_gpu.engines.onedal.info import INFO, SCORED
from skdist_gpu.engines.onedal.score import OneDALMethod
from skdist_gpu.info.versions import describe_system

ENGINES = ("sklearn", "onedal", "auto")
# seconds of a call that is not repeated
LONG = 3.0
# job -> estimator, rows, columns, what is timed beside the fit, and the rows that it is given
TABLE: dict[str, tuple[Any, int, int, str, int]] = {
    "RandomForestClassifier(50)": (RandomForestClassifier(50, random_state=0), 200_000, 20, "predict", 200_000),
    "RandomForestRegressor(20)": (RandomForestRegressor(20, random_state=0), 100_000, 20, "predict", 100_000),
    "SVC": (SVC(), 20_000, 20, "predict", 20_000),
    "SVR": (SVR(), 20_000, 20, "predict", 20_000),
    "NuSVC": (NuSVC(nu=0.1), 20_000, 20, "predict", 20_000),
    "NuSVR": (NuSVR(), 20_000, 20, "predict", 20_000),
    "DBSCAN": (DBSCAN(3.0), 50_000, 20, "", 0),
    "KNeighborsClassifier": (KNeighborsClassifier(), 100_000, 20, "predict", 5_000),
    "KNeighborsClassifier, 4 columns": (KNeighborsClassifier(), 100_000, 4, "predict", 50_000),
    "KNeighborsRegressor": (KNeighborsRegressor(), 100_000, 20, "predict", 5_000),
    "NearestNeighbors": (NearestNeighbors(), 100_000, 20, "kneighbors", 5_000),
    "LocalOutlierFactor": (LocalOutlierFactor(), 30_000, 20, "", 0),
    "LocalOutlierFactor, 4 columns": (LocalOutlierFactor(), 100_000, 4, "", 0),
    "KMeans(20), clusters": (KMeans(20, random_state=0), 200_000, 20, "", 0),
    "KMeans(100)": (KMeans(100, random_state=0), 200_000, 20, "", 0),
    "LogisticRegression": (LogisticRegression(), 1_000_000, 50, "", 0),
    "LinearRegression": (LinearRegression(), 1_000_000, 50, "", 0),
    "Ridge": (Ridge(), 1_000_000, 50, "", 0),
    "PCA(10)": (PCA(10), 1_000_000, 50, "", 0),
}


def rows_for(job: str, estimator: Any, n_rows: int, n_columns: int) -> tuple[np.ndarray, Any]:
    """Return the data of a job."""
    generator = np.random.default_rng(0)
    if "clusters" in job or job == "DBSCAN":
        return make_blobs(n_rows, n_columns, centers=20, cluster_std=0.8, random_state=0)[0], None
    X = generator.normal(size=(n_rows, n_columns))
    target = X[:, 0] + X[:, 1] * X[:, 2] + np.sin(3 * X[:, 3]) + 0.3 * generator.normal(size=n_rows)
    return X, (target > 0).astype(int) if is_classifier(estimator) else target


def shortest(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the shorter time of two calls, or that of one which takes long, and the result."""
    seconds, result = timed(call)
    return (seconds, result) if seconds > LONG else (min(seconds, timed(call)[0]), result)


def is_meant(job: str, only: list[str]) -> bool:
    """Whether a job is one of those asked for."""
    return not only or any(part in job for part in only)


def table(share: float, only: list[str], engines: list[str], keep: Callable[[str, dict[str, Any]], None]) -> None:
    """Time each job on each engine, the seconds of its fit and of one method."""
    for job, (estimator, n_rows, n_columns, method, n_scored) in TABLE.items():
        if not is_meant(job, only):
            continue
        n = int(n_rows * share)
        X, y = rows_for(job, estimator, n, n_columns)
        row: dict[str, Any] = {"rows": n, "columns": n_columns}
        for engine in engines:
            model = _with_onedal(estimator) if engine == "onedal" else autoscale(estimator, backend=engine)
            try:
                seconds, fitted = shortest(lambda model=model, X=X, y=y: clone(model).fit(X, y))
            except Exception as error:
                row[engine] = {"refused": str(error).split("Nothing was")[0][-200:]}
                continue
            row[engine] = {"fit": round(seconds, 4)}
            if hasattr(fitted, "report_"):
                row[engine]["engine"] = fitted.report_.candidate.name
            if method:
                scored = X[: int(n_scored * share) if n_scored > 5_000 else n_scored]
                asked = fitted.estimator_ if engine == "sklearn" else fitted
                row[engine][method] = round(shortest(partial(getattr(asked, method), scored))[0], 4)
                row["scored"] = len(scored)
                if engine != "sklearn":
                    row[engine]["scored by"] = fitted._copies.last_call.candidate.name
        keep(job, row)


def losses(estimator: Any, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the mean over ten seeds of the loss of oneDAL's forest over that of scikit-learn's, and its own error."""
    found = []
    for seed in range(10):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=seed)
        seeded = clone(estimator).set_params(random_state=seed)
        models = [_with_onedal(seeded).fit(X_train, y_train), clone(seeded).fit(X_train, y_train)]
        if is_classifier(estimator):
            wrong = [1 - m.score(X_test, y_test) for m in models]
            # a forest may give a class no chance at all
            loss = [log_loss(y_test, np.clip(m.predict_proba(X_test), 1e-3, 1)) for m in models]
        else:
            wrong, loss = [0.0, 0.0], [root_mean_squared_error(y_test, m.predict(X_test)) for m in models]
        found.append([*loss, *wrong])
    ours, theirs, ours_wrong, theirs_wrong = np.mean(found, axis=0)
    answer = {"loss": round(ours, 5), "loss / scikit-learn's": round(ours / theirs, 4)}
    if is_classifier(estimator):
        answer |= {"error": round(ours_wrong, 4), "scikit-learn's error": round(theirs_wrong, 4)}
    return answer


def _with_onedal(estimator: Any) -> Any:
    """Return an estimator that oneDAL fits: by our engine, or, what that has not, scikit-learn-intelex's own."""
    name = type(estimator).__name__
    if name in {entry.estimator for entry in INFO.entries() if not entry.refusal}:
        return autoscale(estimator, backend="onedal")
    module = import_module("sklearnex." + type(estimator).__module__.split(".")[1])
    return getattr(module, name)(**estimator.get_params())


def difference(estimator: Any, X: np.ndarray, y: Any) -> dict[str, float]:
    """Return by how much a fit's answers are off scikit-learn's: the plain estimator's, and oneDAL's own model's."""
    ours, theirs = _with_onedal(clone(estimator)).fit(X, y), clone(estimator).fit(X, y)
    answer: dict[str, float] = {}
    for name in ("decision_function", "predict_proba", "predict", "score_samples"):
        if hasattr(theirs, name) and hasattr(ours, name):
            expected, plain = (getattr(m, name)(X) for m in (theirs, ours.estimator_))
            answer[f"{name}: plain"] = _off(plain, expected)
            if name in SCORED.get(type(estimator).__name__, ()):
                answer[f"{name}: oneDAL's model"] = _off(_own(ours, name, X), expected)
    if hasattr(theirs, "labels_"):
        answer["adjusted Rand index"] = float(adjusted_rand_score(theirs.labels_, ours.labels_))
        if hasattr(theirs, "core_sample_indices_"):
            answer["labels that differ"] = float(np.mean(theirs.labels_ != ours.labels_))
    for name in ("inertia_", "kl_divergence_"):
        if hasattr(theirs, name):
            answer[f"{name} / scikit-learn's"] = float(getattr(ours, name) / getattr(theirs, name))
    if hasattr(theirs, "kneighbors"):
        expected, found = theirs.kneighbors(X[:1000]), _own(ours, "kneighbors", X[:1000])
        answer["distances"] = _off(found[0], expected[0])
        answer["neighbours that differ"] = float(np.mean(found[1] != expected[1]))
    return answer


def _own(model: Any, method: str, X: np.ndarray) -> Any:
    """Return what oneDAL's own model answers, which the fit has left."""
    return model._block_method(method).as_class(OneDALMethod).of_host_rows(X)


def _off(found: np.ndarray, expected: np.ndarray) -> float:
    if expected.dtype.kind != "f":
        return float(np.mean(found != expected))
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def agreement(only: list[str], keep: Callable[[str, dict[str, Any]], None]) -> None:
    """Compare answers with scikit-learn's: of forests their quality over ten seeds, of the rest the values."""
    five = make_classification(3000, 20, n_informative=10, n_classes=5, flip_y=0.1, random_state=0)
    two = make_classification(3000, 20, n_informative=8, flip_y=0.1, random_state=0)
    friedman, diabetes = make_friedman1(3000, 10, noise=1.0, random_state=0), load_diabetes(return_X_y=True)
    numbers = {"Friedman 1": friedman, "diabetes": diabetes}
    labels = {"two classes": two, "five classes": five, "digits": load_digits(return_X_y=True)}
    shallow = {"min_samples_leaf": 5, "max_features": 0.5}
    forests: list[tuple[Any, dict[str, Any]]] = [
        (RandomForestRegressor(50), numbers),
        (RandomForestRegressor(50, **shallow), numbers),
        (ExtraTreesRegressor(50), numbers),
        (RandomForestClassifier(50), labels),
        (RandomForestClassifier(50, max_depth=6), labels),
        (ExtraTreesClassifier(50), labels),
        (ExtraTreesClassifier(50, min_samples_leaf=5), labels),
    ]
    for forest, tables in forests:
        for name, (X, y) in tables.items():
            job = f"{forest}, {name}"
            if is_meant(job, only):
                keep(job, _judged(lambda f=forest, X=X, y=y: losses(f, X, y)))
    coarse = np.random.default_rng(0).integers(0, 4, size=(2000, 3)).astype(float)  # many rows are alike
    X, y = five
    others: list[tuple[Any, str, Any, Any]] = [
        *((cls(), f"{kind}", data[0], data[1]) for cls in (SVC,) for kind, data in labels.items()),
        *((NuSVC(nu=0.1), kind, data[0], data[1]) for kind, data in labels.items()),
        *((cls(), kind, data[0], data[1]) for cls in (SVR, NuSVR) for kind, data in numbers.items()),
        (SVC(), "float32", X.astype(np.float32), y),
        (KNeighborsClassifier(), "five classes", X, y),
        (KNeighborsClassifier(weights="distance"), "4 columns", X[:, :4], y),
        (KNeighborsClassifier(), "ties", coarse, (coarse.sum(axis=1) > 4).astype(int)),
        (KNeighborsClassifier(), "float32", X.astype(np.float32), y),
        (KNeighborsRegressor(), "Friedman 1", *friedman),
        (NearestNeighbors(), "five classes", X, None),
        (NearestNeighbors(), "ties", coarse, None),
        (LocalOutlierFactor(novelty=True), "five classes", X, None),
        (LocalOutlierFactor(novelty=True), "ties", coarse + 0.01 * np.arange(2000)[:, None] / 2000, None),
        *((DBSCAN(eps), f"eps={eps}", X[:, :6], None) for eps in (0.8, 1.0, 1.5)),
        (DBSCAN(1.0), "ties", coarse, None),
        *((KMeans(8, random_state=seed), f"seed {seed}", X, None) for seed in range(10)),
        *((TSNE(random_state=seed, max_iter=500), f"seed {seed}", X[:800], None) for seed in range(3)),
    ]
    for estimator, kind, X, y in others:
        job = f"{estimator}, {kind}"
        if is_meant(job, only):
            keep(job, _judged(lambda e=estimator, X=X, y=y: difference(e, X, y)))


def _judged(compare: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return compare()
    except Exception as error:
        return {"refused": str(error)[-200:]}


def leak(only: list[str], keep: Callable[[str, dict[str, Any]], None]) -> None:
    """Fit 500 times, and return the bytes by which the process grew from the 100th on."""
    X, y = make_classification(1000, 10, random_state=0)
    forest = {"n_estimators": 5, "random_state": 0}
    estimators = [RandomForestClassifier(**forest), RandomForestRegressor(**forest), SVC(), KNeighborsClassifier()]
    estimators += [DBSCAN(), KMeans(3, random_state=0), LocalOutlierFactor()]
    for estimator in estimators:
        if not is_meant(str(estimator), only):
            continue
        model, process, sizes = autoscale(estimator, backend="onedal"), psutil.Process(), []
        for i in range(500):
            model.fit(X, y)
            if i % 100 == 99:
                sizes.append(process.memory_info().rss)
        keep(str(estimator), {"bytes": sizes[-1] - sizes[0], "bytes of each fit": round((sizes[-1] - sizes[0]) / 400)})


# forests of shapes in which oneDAL might be slower: rows, columns, classes (0 for numbers)
FORESTS: tuple[tuple[Any, int, int, int], ...] = (
    (RandomForestClassifier(100), 150, 4, 3),
    (RandomForestClassifier(500), 200, 10, 2),
    (RandomForestClassifier(1), 20_000, 20, 2),
    (RandomForestClassifier(1, max_features=None, bootstrap=False), 20_000, 20, 2),
    (RandomForestRegressor(1), 20_000, 20, 0),
    (RandomForestClassifier(20), 10_000, 20, 50),
    (RandomForestClassifier(10), 5_000, 10, 200),
    (RandomForestClassifier(20, class_weight="balanced"), 10_000, 20, 2),
    (RandomForestClassifier(20, min_samples_leaf=20), 20_000, 20, 3),
    (RandomForestClassifier(20), 20_000, 1, 2),
    (RandomForestClassifier(100, max_depth=1), 20_000, 20, 2),
    (RandomForestClassifier(20), 100, 5_000, 2),
    (RandomForestRegressor(20, max_features="sqrt"), 100, 5_000, 0),
    (RandomForestRegressor(20, min_samples_leaf=50), 20_000, 20, 0),
    (RandomForestClassifier(20, max_leaf_nodes=16), 20_000, 20, 2),
    (RandomForestClassifier(20, max_samples=500), 50_000, 20, 2),
    (RandomForestClassifier(5), 200_000, 4, 2),
)


def shapes(only: list[str], keep: Callable[[str, dict[str, Any]], None]) -> None:
    """Time forests of many shapes by oneDAL, and by scikit-learn on one core and on all; say which the plan takes."""
    for forest, n_rows, n_columns, n_classes in FORESTS:
        job = f"{forest}, {n_rows} x {n_columns}, {n_classes} classes"
        if not is_meant(job, only):
            continue
        generator = np.random.default_rng(0)
        X = generator.normal(size=(n_rows, n_columns))
        y = X[:, 0] + X[:, n_columns // 2] * X[:, -1] + 0.5 * generator.normal(size=n_rows)
        if n_classes:
            y = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
        model = autoscale(forest, backend="onedal")
        row: dict[str, Any] = {"onedal": shortest(lambda model=model, X=X, y=y: clone(model).fit(X, y))[0]}
        for name, n_jobs in (("sklearn, one core", 1), ("sklearn, all cores", -1)):
            with joblib.parallel_config("threading", n_jobs=n_jobs):
                row[name] = shortest(lambda forest=forest, X=X, y=y: clone(forest).fit(X, y))[0]
        row = {name: round(seconds, 4) for name, seconds in row.items()}
        chosen = autoscale(forest).plan(X, y).chosen
        keep(job, row | {"chosen": chosen.name if chosen else ""})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("table", "agreement", "leak", "shapes"))
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=[], help="parts of the names of jobs")
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    output = arguments.output
    written = json.loads(output.read_text()) if output and output.exists() else {}
    rows = written.setdefault(arguments.part, {})

    about = {"script": "benchmarks/onedal_rows.py", "date": time.strftime("%Y-%m-%d"), "commit": commit()}

    def keep(job: str, row: dict[str, Any]) -> None:
        rows[job] = rows.get(job, {}) | row if arguments.part == "table" else row
        if output:
            output.write_text(json.dumps(written | about | describe_system(), indent=1))
        print(job, row, flush=True)

    parts: dict[str, Callable[..., None]] = {"agreement": agreement, "leak": leak, "shapes": shapes}
    if arguments.part == "table":
        table(arguments.share, arguments.only, arguments.engines, keep)
    else:
        parts[arguments.part](arguments.only, keep)


if __name__ == "__main__":
    main()
