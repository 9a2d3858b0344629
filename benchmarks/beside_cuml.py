"""KMeans, linear classifiers and forests on a GPU beside cuML called directly: seconds, steps, and what is minimised.

python benchmarks/beside_cuml.py [--only KMeans classes …] [--output FILE]

Rows are float64, on the GPU (CuPy) and in main memory (NumPy). The shortest of several warm fits counts. Objectives are
those that scikit-learn minimises, computed here on the CPU; "above" is how far one lies over the other, relatively.
Where cuML's own tolerance ends higher, its seconds are also those of the first smaller one that ends as low; of KMeans
those of a tolerance with which it goes on until centres stay, as scikit-learn's does.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import cupy
import numpy as np
from measure import save, timed
from objectives import objective
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from skdist_gpu import autoscale
from skdist_gpu.engines.executors.cluster_kernels import ClustersOnGpu

PLACES: dict[str, Callable[[Any], Any]] = {"CuPy": cupy.asarray, "NumPy": np.asarray}
KMEANS = (
    *((100_000, 20, 8), (100_000, 20, 100), (500_000, 20, 50), (5_000_000, 20, 8)),
    *((1_000_000, 50, 8), (100_000, 100, 20), (20_000, 500, 10), (100_000, 200, 50)),
)
CLASSES = (
    (100_000, 20, 3),
    (100_000, 20, 10),
    (1_000_000, 20, 5),
    (100_000, 100, 5),
    (60_000, 200, 3),
    (20_000, 64, 10),
)
CLASSIFIERS = ((100_000, 20), (100_000, 200), (1_000_000, 20))
FORESTS = ((100_000, 20), (500_000, 20))
REPEATS = 4
# of one launch that are timed by themselves
STEPS = 64
# smaller tolerances of cuML's linear classifiers, and how far above ours an objective counts as as low
TOLERANCES, AS_LOW = (1e-6, 1e-8, 1e-10, 1e-12), 1e-9
# of cuML's KMeans, which compares inertias
TO_THE_END = 1e-9


def warm(call: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, Any]:
    """Return the shortest seconds of calls that end when the GPU has, and the last result."""

    def ended() -> Any:
        result = call()
        cupy.cuda.runtime.deviceSynchronize()
        return result

    ended()  # compiles and allocates
    return timed(ended, repeats)


def row(name: str, shape: tuple[int, ...], place: str, ours: float, theirs: float, **facts: Any) -> dict[str, Any]:
    """Return a line of the result file."""
    described = {"estimator": name, "shape": shape, "from": place, "seconds": ours, "cuml_seconds": theirs}
    return {**described, "over_cuml": ours / theirs, **facts}


def kmeans() -> Iterator[dict[str, Any]]:
    """Yield fits of scikit-learn's defaults but for the number of clusters, all to the end."""
    import cuml

    for n_rows, n_columns, k in KMEANS:
        X, _ = make_blobs(n_rows, n_columns, centers=max(4, k // 2), cluster_std=3.0, random_state=0)
        plain = KMeans(k, random_state=0, max_iter=100).fit(X).inertia_ if n_rows <= 500_000 else None
        for place, put in PLACES.items():
            rows = put(X)
            estimator = autoscale(KMeans(k, random_state=0))
            seconds, ours = warm(lambda e=estimator, r=rows: clone(e).fit(r))
            direct, theirs = warm(lambda r=rows, k=k: cuml.KMeans(n_clusters=k, random_state=0, n_init=1).fit(r))
            options = {"n_clusters": k, "random_state": 0, "n_init": 1, "tol": TO_THE_END}
            longer, to_the_end = warm(lambda o=options, r=rows: cuml.KMeans(**o).fit(r), 1)
            held = ClustersOnGpu(cupy.asarray(rows), None)
            begin, origin = X[:k], np.zeros(n_columns)
            of_steps, _ = warm(lambda h=held, b=begin, o=origin: h.steps(b, o, STEPS, -1.0))
            yield row(
                "KMeans",
                (n_rows, n_columns, k),
                place,
                seconds,
                direct,
                step_seconds=of_steps / STEPS,
                ran_on=ours.report_.candidate.name,
                steps=int(ours.n_iter_),
                cuml_steps=int(theirs.n_iter_),
                cuml_inertia_above=float(theirs.inertia_) / ours.inertia_ - 1,
                cuml_to_the_end={
                    "seconds": longer,
                    "steps": int(to_the_end.n_iter_),
                    "inertia_above": float(to_the_end.inertia_) / ours.inertia_ - 1,
                },
                sklearn_inertia_above=plain and plain / ours.inertia_ - 1,
            )


def cuml_objective(estimator: Any, found: Any, X: Any, y: Any) -> float:
    """Return what a scikit-learn classifier of two classes would minimise, at the coefficients that cuML found."""
    other = clone(estimator)
    other.coef_, other.intercept_ = found.coef_.reshape(1, -1), found.intercept_.reshape(-1)
    other.classes_ = np.unique(y)
    return objective(other, X, y)


def classifiers() -> Iterator[dict[str, Any]]:
    """Yield fits of two classes, with scikit-learn's defaults and cuML's."""
    import cuml
    from cuml.svm import LinearSVC as CumlLinearSVC

    generator = np.random.default_rng(0)
    for n_rows, n_columns in CLASSIFIERS:
        X = generator.normal(size=(n_rows, n_columns))
        y = (X @ generator.normal(size=n_columns) + generator.normal(size=n_rows) > 0).astype(np.int32)
        for estimator, twin in ((LogisticRegression(), cuml.LogisticRegression), (LinearSVC(), CumlLinearSVC)):
            for place, put in PLACES.items():
                rows, labels = put(X), put(y)
                for backend in ("auto", "reductions:gpu"):
                    wrapped = autoscale(estimator, backend=backend)
                    seconds, ours = warm(lambda w=wrapped, r=rows, t=labels: clone(w).fit(r, t))
                    direct, theirs = warm(lambda m=twin, r=rows, t=labels: m(output_type="numpy").fit(r, t))
                    least = objective(ours.estimator_, X, y)

                    as_low = None
                    for tol in TOLERANCES:
                        longer, precise = warm(
                            lambda m=twin, r=rows, t=labels, tol=tol: m(
                                output_type="numpy", tol=tol, max_iter=10_000
                            ).fit(r, t),
                            1,
                        )
                        if cuml_objective(estimator, precise, X, y) <= least * (1 + AS_LOW):
                            as_low = {"tol": tol, "seconds": longer}
                            break
                    yield row(
                        type(estimator).__name__,
                        (n_rows, n_columns),
                        place,
                        seconds,
                        direct,
                        backend=backend,
                        ran_on=ours.report_.candidate.name,
                        steps=int(np.max(ours.n_iter_)),
                        cuml_objective_above=cuml_objective(estimator, theirs, X, y) / least - 1,
                        cuml_as_low=as_low,
                    )


def classes() -> Iterator[dict[str, Any]]:
    """Yield fits of LogisticRegression to several classes, with scikit-learn's defaults and cuML's."""
    import cuml

    generator = np.random.default_rng(0)
    for n_rows, n_columns, k in CLASSES:
        X = generator.normal(size=(n_rows, n_columns))
        scores = X @ generator.normal(size=(n_columns, k)) + generator.gumbel(size=(n_rows, k))
        y = scores.argmax(axis=1).astype(np.int32)
        for place, put in PLACES.items():
            rows, labels = put(X), put(y)
            wrapped = autoscale(LogisticRegression(), backend="reductions:gpu")
            seconds, ours = warm(lambda w=wrapped, r=rows, t=labels: clone(w).fit(r, t))
            direct, theirs = warm(lambda r=rows, t=labels: cuml.LogisticRegression(output_type="numpy").fit(r, t))
            other = clone(LogisticRegression())
            other.coef_, other.intercept_, other.classes_ = theirs.coef_, theirs.intercept_, np.unique(y)
            above = objective(other, X, y) / objective(ours.estimator_, X, y) - 1
            shape = (n_rows, n_columns, k)
            yield row("LogisticRegression", shape, place, seconds, direct, cuml_objective_above=above)


def forests() -> Iterator[dict[str, Any]]:
    """Yield fits of 50 trees by cuML through us and without, and predictions of 50 000 rows."""
    import cuml

    generator = np.random.default_rng(0)
    for n_rows, n_columns in FORESTS:
        X = generator.normal(size=(n_rows, n_columns)).astype(np.float32)
        signal = X[:, 0] + X[:, 1] * X[:, 2] + generator.normal(size=n_rows)
        for estimator, twin, y in (
            (RandomForestClassifier(50, random_state=0), cuml.ensemble.RandomForestClassifier, signal > 0),
            (RandomForestRegressor(50, max_depth=12, random_state=0), cuml.ensemble.RandomForestRegressor, signal),
        ):
            y = y.astype(np.int32 if twin is cuml.ensemble.RandomForestClassifier else np.float32)
            options = {"n_estimators": 50, "max_depth": estimator.max_depth, "random_state": 0, "n_bins": 128}
            for place, put in PLACES.items():
                rows, target = put(X), put(y)
                wrapped = autoscale(estimator, backend="cuml")
                seconds, _ = warm(lambda w=wrapped, r=rows, t=target: clone(w).fit(r, t), 2)
                direct, _ = warm(lambda m=twin, o=options, r=rows, t=target: m(**o).fit(r, t), 2)
                yield row(type(estimator).__name__, (n_rows, n_columns), place, seconds, direct)


PARTS = {"KMeans": kmeans, "classifiers": classifiers, "classes": classes, "forests": forests}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    for name in options.only:
        for line in PARTS[name]():
            results.append(line)
            print(line, flush=True)
            save(results, options.output)


if __name__ == "__main__":
    main()
