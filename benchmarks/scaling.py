"""Weak and strong scaling over the GPUs of a machine, over Dask and in one process, beside cuml.dask and xgboost.dask.

python benchmarks/scaling.py [--gpus 1 2 4] [--ways dask "one process"] [--scalings weak strong] [--only NAME ...]
                             [--seconds 600] [--output FILE]

Weak scaling gives each GPU as many rows (20 000 000 x 100 float32), strong scaling all of them 80 000 000 rows in all.
Trees and boosting, which take longer, get a tenth of the rows. Over Dask the rows are on the GPUs; in one process they
are NumPy's, in main memory, and a fortieth of them is scored, too. Every fit runs once before it is timed. Lines are
printed and written as they come; what would begin after so many seconds is left out.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import numpy as np
from measure import blocks_on_workers, save, timed
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from skdist_gpu import AutoScaleXGBRegressor, autoscale, config_context

N_COLUMNS = 100
TREE_SHARE, SCORED_SHARE = 10, 40
# that a model of neighbours keeps
FITTED_ROWS = 100_000
ROWS_OF_A_FILLING = 500_000
FOREST = {"n_estimators": 20, "max_depth": 10, "random_state": 0}
CLUSTERS = {"n_clusters": 8, "n_init": 1, "max_iter": 20, "random_state": 0}
ROUNDS = 100


def make_block(shape, number):
    import cupy

    return cupy.random.default_rng(number).standard_normal(shape, dtype=cupy.float32)


def first_columns(rows: Any) -> Any:
    """Return the target of a regression: half of the columns count."""
    return rows[:, : N_COLUMNS // 2].sum(axis=1)


def cuml_dask(name: str, client: Any) -> Callable[[Any, Any], Any]:
    """Return a fit by cuml.dask, called directly."""
    import cuml.dask.cluster
    import cuml.dask.decomposition
    import cuml.dask.ensemble
    import cuml.dask.linear_model

    models = {
        "LinearRegression": lambda: cuml.dask.linear_model.LinearRegression(client=client),
        "LogisticRegression": lambda: cuml.dask.linear_model.LogisticRegression(client=client),
        "PCA": lambda: cuml.dask.decomposition.PCA(n_components=10, client=client),
        "KMeans": lambda: cuml.dask.cluster.KMeans(n_clusters=8, max_iter=20, random_state=0, client=client),
        "RandomForestRegressor": lambda: cuml.dask.ensemble.RandomForestRegressor(**FOREST, client=client),
    }
    make = models[name]
    return lambda X, y: make().fit(X) if y is None else make().fit(X, y)


def xgboost_dask(client: Any) -> Callable[[Any, Any], Any]:
    """Return a fit by xgboost.dask, called directly."""
    from xgboost import dask as xgb

    parameters = {"device": "cuda", "tree_method": "hist"}

    def fit(X: Any, y: Any) -> Any:
        return xgb.train(client, parameters, xgb.DaskQuantileDMatrix(client, X, y), num_boost_round=ROUNDS)

    return fit


def over_dask(n_gpus: int, n_rows: int, only: list[str]) -> Generator[dict[str, Any], None, None]:
    """Yield the seconds of fits to rows on the GPUs, ours and those of cuml.dask or xgboost.dask."""
    from dask.distributed import Client, wait
    from dask_cuda import LocalCUDACluster

    devices = ",".join(map(str, range(n_gpus)))
    with (
        LocalCUDACluster(CUDA_VISIBLE_DEVICES=devices, protocol="tcp", memory_limit=None) as cluster,
        Client(cluster) as client,
    ):
        X = blocks_on_workers(client, make_block, n_rows, N_COLUMNS, 4)
        y = client.persist(first_columns(X))
        labels = client.persist((y > 0).astype(np.int32))
        wait([y, labels])
        cases = [
            (LinearRegression(), X, y),
            (PCA(10), X, None),
            (LogisticRegression(), X, labels),
            (KMeans(**CLUSTERS), X, None),
        ]
        for estimator, rows, target in cases:
            name = type(estimator).__name__
            if only and name not in only:
                continue
            ours = autoscale(estimator)
            yield from beside(name, lambda m=ours, r=rows, t=target: m.fit(r, t), cuml_dask(name, client), rows, target)
            if name == "LinearRegression":
                seconds, _ = measured(lambda m=ours: wait(client.persist(m.predict(X))))
                yield {"what": f"{name}.predict", "seconds": seconds}
        X = blocks_on_workers(client, make_block, n_rows // TREE_SHARE, N_COLUMNS, 1)
        y = client.persist(first_columns(X))
        wait(y)
        forest = autoscale(RandomForestRegressor(**FOREST), backend="cuml.dask")
        boosted = AutoScaleXGBRegressor(n_estimators=ROUNDS, device="cuda")
        for ours, theirs in ((boosted, xgboost_dask(client)), (forest, cuml_dask("RandomForestRegressor", client))):
            name = type(getattr(ours, "estimator", ours)).__name__
            if only and name not in only:
                continue
            yield from beside(name, lambda m=ours: m.fit(X, y), theirs, X, y)


def beside(name: str, ours: Callable[[], Any], theirs: Callable[[Any, Any], Any], X: Any, y: Any) -> Iterator[Any]:
    """Yield our seconds, and then those of the other library, which may fail."""
    seconds, model = measured(ours)
    row = {"what": name, "rows": len(X), "seconds": seconds, "ran_on": model.report_.candidate.name}
    try:
        row["peer_seconds"], _ = measured(lambda: theirs(X, y), repeats=1)
        row["ratio"] = row["peer_seconds"] / seconds
    except (RuntimeError, MemoryError, ValueError) as error:
        row["peer_failed"] = f"{type(error).__name__}: {error}"[:200]
    yield row


def measured(call: Callable[[], Any], repeats: int = 2) -> tuple[float, Any]:
    """Return the shortest seconds of a call after one that compiles and allocates, and the last result."""
    call()
    return timed(call, repeats)


def make_on_host(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and a target in main memory, filled by threads."""
    X, y = np.empty((n_rows, N_COLUMNS), np.float32), np.empty(n_rows, np.float32)

    def fill(start: int) -> None:
        rows = slice(start, start + ROWS_OF_A_FILLING)
        np.random.default_rng(start).standard_normal(out=X[rows], dtype=np.float32)
        y[rows] = first_columns(X[rows])

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, range(0, n_rows, ROWS_OF_A_FILLING)))
    return X, y


def in_one_process(n_gpus: int, X: np.ndarray, y: np.ndarray, only: list[str]) -> Generator[dict[str, Any], None, None]:
    """Yield the seconds of fits to rows in main memory, on so many GPUs of this process."""
    from skdist_gpu.engines.reductions import gpus
    from skdist_gpu.planning import scoring

    labels = (y > 0).astype(np.int32)
    cases = [(LinearRegression(), y), (PCA(10), None), (LogisticRegression(), labels), (KMeans(**CLUSTERS), None)]
    # all GPUs are to work, also where one would do
    with config_context(max_gpus=n_gpus), mock.patch.object(gpus, "ROOM_FOR_ROWS", 0.0):
        for estimator, target in cases:
            if only and type(estimator).__name__ not in only:
                continue
            model = autoscale(estimator, backend="reductions:gpu")
            seconds, _ = measured(lambda m=model, t=target: m.fit(X, t))
            yield {"what": type(estimator).__name__, "rows": len(X), "seconds": seconds, "ran_on": "reductions:gpu"}
    if only and "KNeighborsClassifier" not in only:
        return
    rows = X[: len(X) // SCORED_SHARE]
    model = autoscale(KNeighborsClassifier(), backend="sklearn").fit(X[-FITTED_ROWS:], labels[-FITTED_ROWS:])
    with config_context(max_gpus=n_gpus), mock.patch.object(scoring, "SECONDS_OF_A_GPU", 1e-9):
        seconds, _ = measured(lambda: model.predict(rows))
        candidate = model.report_.last_call.candidate
    assert candidate.n_gpus == n_gpus, candidate
    yield {"what": "KNeighborsClassifier.predict", "rows": len(rows), "seconds": seconds, "ran_on": candidate.name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpus", type=int, nargs="+", help="numbers of GPUs; from 1 to all by default")
    parser.add_argument("--rows", type=int, default=20_000_000, help="of a GPU, in weak scaling; four times in strong")
    parser.add_argument("--ways", nargs="+", default=["dask", "one process"], choices=["dask", "one process"])
    parser.add_argument("--scalings", nargs="+", default=["weak", "strong"], choices=["weak", "strong"])
    parser.add_argument("--only", nargs="+", default=[], help="names of estimators")
    parser.add_argument("--seconds", type=float, default=600, help="after which nothing new is begun")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    from skdist_gpu.hardware.detect import detect_resources

    numbers = arguments.gpus or range(1, len(detect_resources().gpus) + 1)
    begun, results = time.perf_counter(), []

    def keep(rows: Generator[dict[str, Any], None, None], **facts: Any) -> None:
        while time.perf_counter() - begun < arguments.seconds and (row := next(rows, None)) is not None:
            results.append({**facts, **row})
            print(results[-1], flush=True)
            save(add_efficiency(results), arguments.output, columns=N_COLUMNS, tree_share=TREE_SHARE)
        rows.close()

    strong = 4 * arguments.rows
    for way in arguments.ways:
        held = make_on_host(max(strong, max(numbers) * arguments.rows)) if way == "one process" else None
        for n_gpus in numbers:
            for scaling, n_rows in (("weak", n_gpus * arguments.rows), ("strong", strong)):
                if scaling not in arguments.scalings:
                    continue
                facts = {"way": way, "scaling": scaling, "gpus": n_gpus}
                if scaling == "strong" and n_gpus * arguments.rows == strong:
                    results += [r | facts for r in results if (r["way"], r["gpus"]) == (way, n_gpus)]
                elif held is None:
                    keep(over_dask(n_gpus, n_rows, arguments.only), **facts)
                else:
                    keep(in_one_process(n_gpus, *(part[:n_rows] for part in held), arguments.only), **facts)
    save(add_efficiency(results), arguments.output, columns=N_COLUMNS, tree_share=TREE_SHARE)
    for row in add_efficiency(results):
        print(row, flush=True)


def add_efficiency(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the efficiency beside one GPU: weak, its time over this; strong, that over the GPUs."""
    alone = {(r["way"], r["scaling"], r["what"]): r["seconds"] for r in results if r["gpus"] == 1}
    rows = []
    for row in results:
        base = alone.get((row["way"], row["scaling"], row["what"]))
        share = row["gpus"] if row["scaling"] == "strong" else 1
        rows.append(row if base is None else {**row, "efficiency": base / row["seconds"] / share})
    return rows


if __name__ == "__main__":
    main()
