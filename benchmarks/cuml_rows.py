"""cuML behind the AutoScale estimators: agreement with scikit-learn, cost of the wrapper, several GPUs.

python benchmarks/cuml_rows.py agreement [--output FILE]   quality of each row against scikit-learn in float64
python benchmarks/cuml_rows.py crossover [--output FILE]   seconds of both at growing sizes of 8 columns
                               [--only NAME ...]           of these estimators alone
python benchmarks/cuml_rows.py overhead [--output FILE]    seconds against cuML called directly, and against cuml.accel
python benchmarks/cuml_rows.py multi_gpu [--output FILE]   seconds against cuml.dask called directly, on all GPUs
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import warnings
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import count

import numpy as np
from measure import blocks_on_workers, report, timed
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.cluster import DBSCAN, KMeans
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestNeighbors
from sklearn.preprocessing import OrdinalEncoder, RobustScaler
from sklearn.svm import LinearSVC, LinearSVR

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from cuml_family import cuml_family, make_data, qualities

from skdist_gpu.engines.entry import catalogue_name

N_ROWS, N_COLUMNS = 1_000_000, 50
FOREST = {"n_estimators": 20, "max_depth": 10, "random_state": 0}
DBSCAN_ROWS = 50_000
# which cuml.accel leaves to scikit-learn
NOT_ACCELERATED = (GaussianNB, RobustScaler, OrdinalEncoder)
_NUMBERS = count()


def other_rows():
    """Return what the lists of the tests have beside the family."""
    found = [LinearRegression(), Ridge(), Lasso(0.1), ElasticNet(0.1), LogisticRegression(), LinearSVC(), PCA(3)]
    found += [KMeans(6, n_init=3, random_state=0), RandomForestClassifier(random_state=0)]
    found += [RandomForestRegressor(random_state=0), KNeighborsClassifier(), KNeighborsRegressor()]
    if umap := package("umap"):
        found.append(umap.UMAP())
    if hdbscan := package("hdbscan"):
        found.append(hdbscan.HDBSCAN(min_cluster_size=20))
    return found


def package(name):
    """Return a package; None where it is not installed."""
    return import_module(name) if find_spec(name) else None


def agreement(output):
    from skdist_gpu import autoscale

    rows = []
    for estimator in [*other_rows(), *cuml_family()]:
        row = {"estimator": " ".join(repr(estimator).split())}
        try:
            X, y = make_data(estimator)
            reference = clone(estimator).fit(X, y)
            model = autoscale(estimator, backend="cuml").fit(X, y)
            found, expected = qualities(model.estimator_, reference, X, y)
            row |= {"quality": float(found), "scikit_learn": float(expected)}
            row["within_one_percent"] = bool(found >= expected - 0.01 * abs(expected))
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {error}"[:300]
        rows.append(row)
        print(row, flush=True)
    if output:
        report(rows, output)


def crossover(output, only=()):
    from skdist_gpu import autoscale

    rows = []
    for estimator in [*other_rows(), *cuml_family()]:
        name = catalogue_name(type(estimator))
        if only and name not in only:
            continue
        # umap-learn compiles at its first fit
        clone(estimator).fit(*make_data(estimator, 500))
        for n_rows in (1_000, 5_000, 25_000, 125_000):
            X, y = make_data(estimator, n_rows)

            def ask(model, X=X):
                """Fit is nothing to a search for neighbours: time the query, too."""
                return model.kneighbors(X) if hasattr(model, "kneighbors") else model

            def ours(estimator=estimator, X=X, y=y):
                return ask(autoscale(estimator, backend="cuml").fit(X, y))

            row = {"estimator": name, "rows": n_rows, "columns": X.shape[1]}
            try:
                ours()
                row["cuml_seconds"] = timed(ours)[0]
                row["scikit_learn_seconds"] = timed(lambda: ask(clone(estimator).fit(X, y)))[0]  # noqa: B023
                row["ratio"] = row["scikit_learn_seconds"] / row["cuml_seconds"]
            except Exception as error:
                row["error"] = f"{type(error).__name__}: {error}"[:300]
            rows.append(row)
            print(row, flush=True)
            if row.get("scikit_learn_seconds", 99) > 1:
                break
    if output:
        report(rows, output)


def pairs_for(seconds):
    """Return how many pairs of calls to time, more of those that take less."""
    return 25 if seconds < 0.1 else 5 if seconds < 1 else 2


def timed_rows():
    found = [LinearRegression(), Ridge(), Lasso(0.01), LogisticRegression(), LinearSVC(), PCA(10)]
    found += [
        LinearSVR(loss="squared_epsilon_insensitive"),
        TruncatedSVD(10),
        IncrementalPCA(10, batch_size=100_000),
        EmpiricalCovariance(),
        LedoitWolf(),
    ]
    found += [KMeans(8, n_init=1, random_state=0), DBSCAN(7.0), NearestNeighbors(), KNeighborsClassifier()]
    found += [KNeighborsRegressor(), RandomForestClassifier(**FOREST), RandomForestRegressor(**FOREST)]
    return [*found, IsolationForest(random_state=0), GaussianNB(), RobustScaler(), OrdinalEncoder()]


@cache
def whole_table():
    """Return a million float32 rows, and numbers that depend on them."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((N_ROWS, N_COLUMNS), dtype=np.float32)
    y = X @ generator.standard_normal(N_COLUMNS, dtype=np.float32)
    return X, y + generator.standard_normal(N_ROWS, dtype=np.float32)


def table(estimator):
    """Return the rows for an estimator, and what it learns from them; fewer where all pairs are compared."""
    X, y = whole_table()
    if isinstance(estimator, DBSCAN):
        X, y = X[:DBSCAN_ROWS], y[:DBSCAN_ROWS]
    if isinstance(estimator, OrdinalEncoder):
        X = np.floor(4 * np.abs(X))
    if is_classifier(estimator):
        return X, (y > 0).astype(np.int32)
    return X, y if is_regressor(estimator) else None


def overhead(output):
    import cupy

    from skdist_gpu import autoscale, config_context
    from skdist_gpu._compat.cuml import make_cuml

    accelerated = accel_rows()
    rows = []
    for estimator in timed_rows():
        name = type(estimator).__name__
        X, y = table(estimator)
        row = {"estimator": " ".join(repr(estimator).split()), "rows": len(X), "columns": N_COLUMNS}
        gX, gy = cupy.asarray(X), None if y is None else cupy.asarray(y)

        def direct(estimator=estimator, gX=gX, gy=gy):
            """Return the seconds of a fit and, where cuML has one, of the way home."""
            model = make_cuml(estimator)
            fit = partial(model.fit, gX, *(() if gy is None else (gy,)))
            return timed(lambda: fit().as_sklearn() if hasattr(model, "as_sklearn") else fit())[0]

        def ours(X=gX, y=gy, estimator=estimator):
            model = autoscale(estimator, backend="cuml")
            return timed(lambda: model.fit(X, y))[0]

        try:
            direct(), ours(), ours(X, y)
            repeats = pairs_for(direct())
            # in turn, so that a change of clocks meets both
            pairs = [(direct(), ours()) for _ in range(repeats)]
            row["cuml_seconds"], row["our_seconds"] = (statistics.median(times) for times in zip(*pairs, strict=True))
            row["pairs"] = repeats
            row["seconds_more"] = statistics.median(our - cuml for cuml, our in pairs)
            row["overhead"] = row["seconds_more"] / row["cuml_seconds"]
            row["our_seconds_from_numpy"] = min(ours(X, y) for _ in range(min(3, repeats)))
            with config_context(precision="float32"):
                row["chosen"] = repr(autoscale(estimator).plan(X, y))
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {error}"[:300]
        row |= accelerated.get(name, {"accel_error": "gave no result"})
        rows.append(row)
        print(row, flush=True)
    if output:
        report(rows, output)


def accel_rows():
    """Return for each estimator what cuml.accel takes from NumPy, in a process of its own, or why it failed."""
    # the path of the script is not on the path of a module that runs it
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "cuml.accel", __file__, "accel"]
    found = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        for line in child.stdout:
            print("cuml.accel:", line, end="", flush=True)
            if line.startswith("{"):
                row = json.loads(line)
                found[row.pop("estimator")] = row
    return found


def accel(_):
    names = ("coef_", "components_", "cluster_centers_", "covariance_", "labels_", "embedding_")
    for estimator in timed_rows():  # proxies, in a process that `python -m cuml.accel` started
        if isinstance(estimator, NOT_ACCELERATED):
            continue
        X, y = table(estimator)

        def fit(estimator=estimator, X=X, y=y):
            model = clone(estimator).fit(X, y)
            return [getattr(model, name, None) for name in names]

        row = {"estimator": type(estimator).__name__}
        try:
            repeats = pairs_for(timed(fit)[0])
            row["accel_seconds_from_numpy"] = timed(fit, min(3, repeats))[0]
        except Exception as error:
            row["accel_error"] = f"{type(error).__name__}: {error}"[:300]
        print(json.dumps(row), flush=True)


def multi_gpu(output):
    from dask.distributed import wait

    from skdist_gpu import autoscale, config_context
    from skdist_gpu._compat.cuml import cuml_dask_class, make_parameters
    from skdist_gpu.hardware.cluster import start_cluster, visible_devices
    from skdist_gpu.hardware.detect import detect_resources

    n_gpus = len(detect_resources().gpus)
    client = start_cluster(visible_devices(n_gpus))

    def on_gpus(n_rows, n_columns, seed):
        """Return normal columns, one block for each GPU, made there."""
        return blocks_on_workers(client, partial(random_block, seed=seed), n_rows, n_columns, 1)

    rows = []
    cases = [(KMeans(8, n_init=1, random_state=0), False), (RandomForestClassifier(**FOREST), True), (PCA(10), False)]
    cases += [(LogisticRegression(), True), (DBSCAN(3.0), False)]
    with config_context(client=client), client.as_current():
        X = on_gpus(1_000_000 * n_gpus, N_COLUMNS, 0)
        y = client.persist((X[:, :8].sum(axis=1) > 0).astype(np.int32))
        wait(y)
        for estimator, labels in cases:
            target = y if labels else None
            name = type(estimator).__name__
            data = X
            if name == "DBSCAN":
                data = np.random.default_rng(0).normal(size=(100_000, 10)).astype(np.float32)

            def fresh(data=data):
                """Return the data; those in this process with one other value, since cuML forgets rows it has seen."""
                if isinstance(data, np.ndarray):
                    data[0, 0] = next(_NUMBERS)
                return data

            def direct(estimator=estimator, fresh=fresh, target=target):
                model = cuml_dask_class(estimator)(client=client, **make_parameters(estimator))
                return model.fit(fresh()) if target is None else model.fit(fresh(), target)

            def ours(backend, estimator=estimator, fresh=fresh, target=target):
                return autoscale(estimator, backend=backend).fit(fresh(), target)

            row = {"estimator": name, "gpus": n_gpus, "rows": data.shape[0], "columns": data.shape[1]}
            try:
                direct(), ours("cuml.dask")
                row["cuml_dask_seconds"] = timed(direct, 3)[0]
                row["our_cuml_dask_seconds"] = timed(lambda: ours("cuml.dask"), 3)[0]
                plan = autoscale(estimator).plan(data, target)
                row["chosen"] = repr(plan)
                if plan.backend != "cuml.dask":
                    ours("auto")
                    row["our_chosen_seconds"] = timed(lambda: ours("auto"), 3)[0]
            except Exception as error:
                row["error"] = f"{type(error).__name__}: {error}"[:300]
            rows.append(row)
            print(row, flush=True)
        rows.append(neighbours(client, on_gpus, n_gpus))
        print(rows[-1], flush=True)
    if output:
        report(rows, output)


def neighbours(client, on_gpus, n_gpus):
    """Time queries of all GPUs against an index that fits on one."""
    import cupy
    from cuml.dask.neighbors import KNeighborsClassifier as Peer
    from dask.distributed import wait

    from skdist_gpu import autoscale

    row = {"estimator": "KNeighborsClassifier", "gpus": n_gpus, "rows": 200_000, "queries": 200_000 * n_gpus}
    try:
        index, queries = on_gpus(200_000, 20, 1), on_gpus(row["queries"], 20, 2)
        labels = client.persist((index[:, 0] > 0).astype(np.int32))
        wait(labels)
        peer = Peer(client=client, n_neighbors=5)
        peer.fit(index, labels)
        model = autoscale(KNeighborsClassifier(), backend="cuml").fit(
            cupy.asnumpy(index.compute()), cupy.asnumpy(labels.compute())
        )

        def ask(asked):
            wait(client.persist(asked))

        ask(model.predict(queries))
        row["our_seconds"] = timed(lambda: ask(model.predict(queries)), 3)[0]
        ask(peer.predict(queries))
        row["cuml_dask_seconds"] = timed(lambda: ask(peer.predict(queries)), 2)[0]
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {error}"[:300]
    return row


def random_block(shape, number, seed):
    import cupy

    return cupy.random.default_rng(seed * 1000 + number).standard_normal(shape, dtype=cupy.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["agreement", "crossover", "overhead", "multi_gpu", "accel"])
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", help="estimators of the crossover, by their names in the catalogue")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    options = {"only": arguments.only} if arguments.only else {}
    globals()[arguments.mode](arguments.output, **options)


if __name__ == "__main__":
    main()
