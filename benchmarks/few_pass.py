"""Time and check the estimators of a few passes against scikit-learn, dask_ml and cuML in one run.

python benchmarks/few_pass.py cpu   [--rows 2000000] [--output FILE]
python benchmarks/few_pass.py sizes [--output FILE]
python benchmarks/few_pass.py dask  [--rows 2000000] [--output FILE]
python benchmarks/few_pass.py dask_kmeans [--rows 2000000] [--output FILE]
python benchmarks/few_pass.py kmeans_steps [--rows 2000000] [--output FILE]
python benchmarks/few_pass.py gpu   [--rows 25000000] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import warnings

import numpy as np
from least_squares import limited
from measure import PeakMemory, report, timed
from sklearn.base import clone
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
)
from sklearn.svm import LinearSVC, LinearSVR

from skdist_gpu import autoscale

CLUSTERS = 10


def make_table(n_rows, n_columns, n_classes=2, dtype=np.float64):
    """Return X around a few centres, labels of a logistic model, and counts of a Poisson model."""
    generator = np.random.default_rng(0)
    coef = generator.standard_normal((n_columns, n_classes)) / np.sqrt(n_columns)
    X, y, counts = np.empty((n_rows, n_columns), dtype), np.empty(n_rows, np.int64), np.empty(n_rows)
    for start in range(0, n_rows, 100_000):
        rows = slice(start, start + 100_000)
        X[rows] = generator.standard_normal((len(y[rows]), n_columns), dtype=dtype)
        scores = X[rows] @ coef
        y[rows] = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
        counts[rows] = generator.poisson(np.exp(scores[:, 0] / 2))
    return X, y, counts


def make_table_on_gpu(n_rows, dtype):
    """Return X with 100 columns and labels of a logistic model as CuPy arrays."""
    import cupy

    generator = cupy.random.default_rng(0)
    coef = cupy.asarray(np.random.default_rng(0).standard_normal(100) / 5)
    X, y = generator.standard_normal((n_rows, 100), dtype=dtype), cupy.empty(n_rows, np.int64)
    for start in range(0, n_rows, 1_000_000):
        scores = X[start : start + 1_000_000].astype(np.float64) @ coef
        y[start : start + 1_000_000] = generator.random(len(scores)) < 1 / (1 + cupy.exp(-scores))
    return X, y


def make_blobs(n_rows, n_columns=20, dtype=np.float64):
    generator = np.random.default_rng(0)
    centres = 4 * generator.standard_normal((CLUSTERS, n_columns))
    X = np.empty((n_rows, n_columns), dtype)
    for start in range(0, n_rows, 100_000):
        block = X[start : start + 100_000]
        block[:] = generator.standard_normal(block.shape, dtype=dtype)
        block += centres[generator.integers(0, CLUSTERS, len(block))]
    return X


def log_loss(coef, intercept, X, y):
    """Return scikit-learn's objective of LogisticRegression(C=1) divided by the number of rows."""
    coef = np.asarray(coef, dtype=np.float64)
    total = 0.0
    for start in range(0, len(y), 100_000):
        rows = slice(start, start + 100_000)
        scores = X[rows].astype(np.float64) @ coef.T + intercept
        if scores.shape[1] == 1:
            total += np.logaddexp(0, np.where(y[rows] == 1, -1, 1) * scores[:, 0]).sum()
        else:
            top = scores.max(axis=1)
            own = scores[np.arange(len(scores)), y[rows]]
            total += (np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top - own).sum()
    return (total + 0.5 * (coef**2).sum()) / len(y)


def log_loss_on_gpu(model, X, y):
    """Return the same of a binary model, computed where X is."""
    import cupy

    coef, total = cupy.asarray(np.ravel(model.coef_), dtype=np.float64), 0.0
    for start in range(0, len(y), 1_000_000):
        scores = X[start : start + 1_000_000].astype(np.float64) @ coef + float(np.ravel(model.intercept_)[0])
        total += float((cupy.logaddexp(0, scores) - y[start : start + 1_000_000] * scores).sum())
    return (total + 0.5 * float(coef @ coef)) / len(y)


def versus(estimator, others, data, objective, repeats=3):
    """Return a row of our time against that of the fastest of scikit-learn's solvers."""
    with PeakMemory() as memory:
        seconds, model = timed(lambda: autoscale(estimator, backend="reductions:cpu").fit(*data), repeats)
    row = {"estimator": repr(estimator), "shape": data[0].shape, "reductions_seconds": seconds}
    row |= {"n_iter": int(np.max(model.n_iter_)), "extra_memory_MB": memory.extra / 1e6}
    ours = objective(model.estimator_)
    fits = {}
    for options in others:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = clone(estimator).set_params(**options)
            fits[str(options)] = timed(lambda o=other: o.fit(*data))
    fastest = min(fits, key=lambda name: fits[name][0])
    row |= {"sklearn": fastest, "sklearn_seconds": fits[fastest][0], "ratio": fits[fastest][0] / seconds}
    row["objective_less_sklearns"] = ours / objective(fits[fastest][1]) - 1
    row["all_sklearn_seconds"] = {name: fit[0] for name, fit in fits.items()}
    print(row, flush=True)
    return row


def logistic_rows(shape, n_classes):
    X, y, _ = make_table(*shape, n_classes)

    def objective(model):
        return log_loss(model.coef_, model.intercept_, X, y)

    solvers = [{"solver": "lbfgs"}]
    if shape[1] < 100 and n_classes == 2:
        solvers.append({"solver": "newton-cholesky"})  # takes 43 s for 500 000 x 100, and is no rival there
    tight = [{"solver": "lbfgs", "tol": 1e-10, "max_iter": 1000}]
    return [versus(LogisticRegression(), options, (X, y), objective) for options in (solvers, tight)]


def score_row(estimator, X, y, options=({},), repeats=3):
    """Return a row whose objective is one less scikit-learn's score: not quite what is minimised, but near."""
    return versus(estimator, options, (X, y), lambda model: 1 - model.score(X, y), repeats)


def kmeans_row(n_rows, repeats=3, kind=KMeans):
    Z = make_blobs(n_rows)
    return versus(kind(CLUSTERS, random_state=0), [{}], (Z,), lambda model: model.inertia_, repeats)


def folds_row(X, y, repeats=1):
    """Return a row of five folds and ten penalties; the objective is the mean loss on the folds, the best penalty's."""
    options = {"l1_ratios": (0,), "scoring": "neg_log_loss", "use_legacy_attributes": False}
    estimator = LogisticRegressionCV(**options)
    return versus(estimator, [{}], (X, y), lambda model: -model.scores_.mean(axis=0).max(), repeats)


def sparse_row(X, y, repeats=3):
    """Return a row of the penalty of absolute coefficients."""
    estimator = LogisticRegression(l1_ratio=1.0, C=100 / len(X), solver="saga")

    def objective(model):
        penalty = np.abs(model.coef_).sum() / (model.C * len(X)) - 0.5 * (model.coef_**2).sum() / len(X)
        return log_loss(model.coef_, model.intercept_, X, y) + penalty

    return versus(estimator, [{}, {"tol": 1e-10, "max_iter": 1000}], (X, y), objective, repeats)


def cpu(n_rows):
    rows = []
    shapes = (((n_rows, 100), 2), ((5 * n_rows, 20), 2), ((n_rows // 4, 100), 2), ((n_rows // 4, 20), 5))
    for shape, n_classes in shapes:
        rows += logistic_rows(shape, n_classes)
    X, y, counts = make_table(n_rows // 2, 20)
    rows += small_rows(X, y, counts, 2)
    rows += [sparse_row(X, y), folds_row(X[: n_rows // 10], y[: n_rows // 10])]
    return rows + [kmeans_row(n_rows, kind=kind) for kind in (KMeans, MiniBatchKMeans)]


def small_rows(X, y, counts, repeats):
    """Return rows for all but LogisticRegression and KMeans."""
    noisy = X[:, 0] + np.random.default_rng(0).standard_t(3, len(X))
    squared = LinearSVR(loss="squared_epsilon_insensitive")
    glm = [{"solver": "lbfgs"}, {"solver": "newton-cholesky"}]
    return [
        score_row(PoissonRegressor(), X, counts, glm, repeats),
        score_row(GammaRegressor(), X, counts + 0.5, glm, repeats),
        score_row(HuberRegressor(), X, noisy, repeats=repeats),
        score_row(squared, X, noisy, [{"dual": False}], repeats),
        score_row(LinearSVC(), X, y, [{"dual": False}], repeats),
    ]


def sizes():
    """Return rows for small tables, which say where our sums begin to pay."""
    rows = []
    for n_values in (10**4, 10**5, 3 * 10**5, 10**6, 3 * 10**6):
        X, y, counts = make_table(n_values // 20, 20)
        rows.append(score_row(LogisticRegression(), X, y, repeats=5))
        rows += [sparse_row(X, y, 5), folds_row(X, y, 3)]
        rows += small_rows(X, y, counts, 5)
        rows += [kmeans_row(n_values // 20, 5, kind) for kind in (KMeans, MiniBatchKMeans)]
    return rows


def kmeans_steps(n_rows):
    """Return the seconds of twenty steps on columns without clusters, where KMeans takes many."""
    X, rows = np.random.default_rng(0).standard_normal((n_rows, 50), dtype=np.float32), []
    for dtype in (np.float32, np.float64):
        values = X.astype(dtype, copy=False)
        estimators = {steps: KMeans(8, init=values[:8], n_init=1, max_iter=steps, tol=0) for steps in (1, 21)}
        for who in ("reductions:cpu", "sklearn"):
            seconds = {
                steps: timed(lambda e=e, v=values, w=who: autoscale(e, backend=w).fit(v), 2)[0]
                for steps, e in estimators.items()
            }
            row = {"who": who, "dtype": values.dtype.name, "seconds_of_a_step": (seconds[21] - seconds[1]) / 20}
            rows.append(row | {"shape": values.shape})
    return rows


def dask_arrays(n_rows, limit):
    import dask.array as da
    from dask_ml.linear_model import LogisticRegression as DaskLogisticRegression

    X, y, _ = make_table(n_rows, 20)
    dX, dy = (da.from_array(part, chunks=(n_rows // 16, *part.shape[1:])).persist() for part in (X, y))
    seconds, model = timed(lambda: autoscale(LogisticRegression()).fit(dX, dy), 3)
    best = log_loss(model.coef_, model.intercept_, X, y)
    rows = [{"who": f"LogisticRegression ({model.plan_!r})", "seconds": seconds, "objective": best}]
    for solver in ("newton", "lbfgs", "admm"):
        theirs, other = limited(lambda s=solver: DaskLogisticRegression(solver=s).fit(dX, dy), limit)
        row = {"who": f"dask_ml LogisticRegression(solver={solver!r})", "seconds": theirs, "stopped": other is None}
        row["ratio"] = theirs / seconds
        if other is not None:
            row["objective_above_ours"] = log_loss(other.coef_[None], other.intercept_, X, y) / best - 1
        rows.append(row)
        print(row, flush=True)
    return rows


def dask_kmeans(n_rows):
    import dask.array as da
    from dask_ml.cluster import KMeans as DaskKMeans

    Z = make_blobs(n_rows)
    dZ = da.from_array(Z, chunks=(n_rows // 16, 20)).persist()
    seconds, model = timed(lambda: autoscale(KMeans(CLUSTERS, random_state=0)).fit(dZ), 3)
    rows = [{"who": f"KMeans ({model.plan_!r})", "seconds": seconds, "inertia": model.inertia_}]
    # not in a forked process: scikit-learn's threads do not survive a fork
    theirs, other = timed(lambda: DaskKMeans(CLUSTERS, random_state=0).fit(dZ))
    # dask_ml's own inertia_ is that of distances, not of their squares
    centres = np.asarray(other.cluster_centers_)
    reference = KMeans(CLUSTERS, init=centres, n_init=1, max_iter=1).fit(centres)
    row = {"who": "dask_ml KMeans", "seconds": theirs, "ratio": theirs / seconds}
    rows.append(row | {"inertia_above_ours": -reference.score(Z) / model.inertia_ - 1})
    return rows


def gpu(n_rows):
    import cupy
    from cuml.cluster import KMeans as CumlKMeans
    from cuml.linear_model import LogisticRegression as CumlLogisticRegression

    def synchronised(fit):
        def run():
            model = fit()
            cupy.cuda.runtime.deviceSynchronize()
            return model

        run()  # the first call compiles and allocates
        return timed(run, 3)

    rows = []
    for dtype, n in ((np.float64, n_rows // 2), (np.float32, n_rows)):
        X, y = make_table_on_gpu(n, dtype)
        for place in ("CuPy", "NumPy"):
            data = (X, y) if place == "CuPy" else (X.get(), y.get())
            ours_seconds, ours = synchronised(
                lambda d=data: autoscale(LogisticRegression(), backend="reductions:gpu").fit(*d)
            )
            seconds, theirs = synchronised(lambda d=data: CumlLogisticRegression(output_type="numpy").fit(*d))
            above = log_loss_on_gpu(theirs, X, y) / log_loss_on_gpu(ours, X, y) - 1
            row = {"estimator": "LogisticRegression", "shape": X.shape, "dtype": np.dtype(dtype).name, "from": place}
            row |= {"reductions_seconds": ours_seconds, "cuml_seconds": seconds, "ratio": seconds / ours_seconds}
            rows.append(row | {"n_iter": int(ours.n_iter_[0]), "cuml_objective_above_ours": above})
            print(rows[-1], flush=True)
        del X, y, data
        Z = cupy.asarray(make_blobs(n, dtype=dtype))
        ours_seconds, ours = synchronised(
            lambda Z=Z: autoscale(KMeans(CLUSTERS, random_state=0), backend="reductions:gpu").fit(Z)
        )
        seconds, theirs = synchronised(lambda Z=Z: CumlKMeans(n_clusters=CLUSTERS, random_state=0).fit(Z))
        row = {"estimator": "KMeans", "shape": Z.shape, "dtype": np.dtype(dtype).name, "from": "CuPy"}
        row |= {"reductions_seconds": ours_seconds, "cuml_seconds": seconds, "ratio": seconds / ours_seconds}
        rows.append(row | {"cuml_inertia_above_ours": float(theirs.inertia_) / ours.inertia_ - 1})
        print(rows[-1], flush=True)
        del Z
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cpu", "sizes", "dask", "dask_kmeans", "kmeans_steps", "gpu"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a peer over Dask is stopped")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    n_rows = arguments.rows or (25_000_000 if arguments.what == "gpu" else 2_000_000)
    run = {
        "cpu": cpu,
        "sizes": lambda _: sizes(),
        "dask": lambda n: dask_arrays(n, arguments.limit),
        "dask_kmeans": dask_kmeans,
        "kmeans_steps": kmeans_steps,
        "gpu": gpu,
    }[arguments.what]
    report(run(n_rows), arguments.output, n_rows=n_rows)


if __name__ == "__main__":
    main()
