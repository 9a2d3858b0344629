"""Pipelines fitted in the passes of their last step: bytes copied to a GPU, and a search on several GPUs against one.

python benchmarks/pipelines.py copies [--rows 25000000] [--output FILE]    one GPU, about 2 minutes with 10 GB
python benchmarks/pipelines.py search [--output FILE]                      several GPUs, about 3 minutes; needs xgboost
python benchmarks/pipelines.py cpu    [--rows 1000000] [--output FILE]     no GPU: against scikit-learn step by step

`copies` counts the bytes of every piece that is sent from pinned memory to the device.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import threading
from unittest import mock

import numpy as np
from measure import PeakMemory, report, timed
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdist_gpu import autoscale

N_COLUMNS = 100
BLOCK = 250_000


def rows_of(n_rows, n_columns=N_COLUMNS):
    """Return float32 rows, and a target that depends on them; made in blocks."""
    generator = np.random.default_rng(0)
    X = np.empty((n_rows, n_columns), np.float32)
    generator.standard_normal(out=X[: min(BLOCK, n_rows)], dtype=np.float32)
    for start in range(BLOCK, n_rows, BLOCK):  # each block is the first one, in another order and scale
        stop = min(n_rows, start + BLOCK)
        X[start:stop] = X[: stop - start] * np.float32(1 + start / n_rows)
    y = X[:, :5].sum(axis=1, dtype=np.float64) + generator.standard_normal(n_rows)
    return X, y


def pipelines(y):
    """Return pipelines of three steps, and the target of each."""
    first = (StandardScaler(), PCA(20))
    return {
        "StandardScaler, PCA, Ridge": (make_pipeline(*first, Ridge()), y),
        "StandardScaler, PCA, LogisticRegression": (make_pipeline(*first, LogisticRegression()), (y > 0).astype(int)),
    }


def copies(n_rows):
    """Return a row for each pipeline: bytes sent to the GPU as a multiple of the data's, and seconds."""
    from skdist_gpu.engines.executors import gpu_streams

    X, y = rows_of(n_rows)
    send, sent, lock = gpu_streams._Carrier.send, [], threading.Lock()

    def counted(carrier, rows, target, n_copying):
        with lock:
            sent.append(rows.nbytes)
        send(carrier, rows, target, n_copying)

    rows = []
    for name, (pipe, target) in pipelines(y).items():
        model = autoscale(pipe, backend="reductions:gpu", fallback="raise")
        model.fit(X[:100_000], target[:100_000])  # loads libraries
        sent.clear()
        with mock.patch.object(gpu_streams._Carrier, "send", counted):
            seconds, _ = timed(lambda: model.fit(X, target))  # noqa: B023  called at once
        few = slice(0, 200_000)
        ours, plain = clone(model).fit(X[few], target[few]), clone(pipe).fit(X[few].astype(np.float64), target[few])
        away = (
            np.abs(ours.decision_function(X[few]) - plain.decision_function(X[few]))
            if "Log" in name
            else np.abs(ours.predict(X[few]) - plain.predict(X[few]))
        )
        row = {
            "case": name,
            "rows": n_rows,
            "data_bytes": X.nbytes + target.nbytes,
            "copied_over_data": sum(sent) / (X.nbytes + target.nbytes),
            "seconds": seconds,
            "folded": "in the passes" in str(model[0].plan_),
            "auto": autoscale(pipe).plan(X, target)[pipe.steps[-1][0]].engine,
            "largest_difference_of_a_prediction": float(away.max()),
        }
        print(row, flush=True)
        rows.append(row)
    return rows


class ProcessesOnGpus:
    """Watch, twice a second, how many processes compute on each GPU."""

    def __enter__(self):
        self.most, self.stop = {}, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.stop.wait(0.5):
            query = ["nvidia-smi", "--query-compute-apps=gpu_uuid,pid", "--format=csv,noheader"]
            lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split("\n")
            found = [line.partition(",")[0] for line in lines if "," in line]
            for uuid in found:
                self.most[uuid] = max(self.most.get(uuid, 0), found.count(uuid))

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def search():
    """Return the seconds of one search of 8 candidates by XGBoost on one GPU, and by a worker for each GPU."""
    from xgboost import XGBRegressor

    from skdist_gpu.hardware.detect import detect_resources

    n_gpus = len(detect_resources().gpus)
    X, y = rows_of(2_000_000, 50)
    grid = {"max_depth": [6, 8], "learning_rate": [0.05, 0.1, 0.2, 0.3]}
    model = autoscale(XGBRegressor(n_estimators=300), backend="xgboost:gpu")
    rows = {}
    for n_jobs in (1, n_gpus):
        tried = GridSearchCV(model, grid, cv=4, n_jobs=n_jobs, refit=False)
        clone(tried).set_params(cv=2).fit(X[:20_000], y[:20_000])  # starts the workers, loads libraries
        with ProcessesOnGpus() as watch:
            seconds, _ = timed(lambda: tried.fit(X, y))  # noqa: B023  called at once
        rows[n_jobs] = {
            "workers": n_jobs,
            "gpus": n_gpus,
            "seconds": seconds,
            "gpus_used": len(watch.most),
            "most_processes_on_a_gpu": max(watch.most.values(), default=0),
            "best_score": float(tried.best_score_),
        }
        print(rows[n_jobs], flush=True)
    return [row | {"times_faster": rows[1]["seconds"] / row["seconds"]} for row in rows.values()]


def cpu(n_rows):
    """Return seconds and the rise of memory of each pipeline, of ours and of scikit-learn's."""
    X, y = rows_of(n_rows, 54)
    rows = []
    for name, (pipe, target) in pipelines(y).items():
        model = autoscale(pipe)
        model.fit(X[:20_000], target[:20_000])
        with PeakMemory() as ours:
            seconds, _ = timed(lambda: model.fit(X, target))  # noqa: B023  called at once
        with PeakMemory() as theirs:
            plain_seconds, _ = timed(lambda: pipe.fit(X, target))  # noqa: B023
        row = {
            "case": name,
            "rows": n_rows,
            "data_bytes": X.nbytes,
            "seconds": seconds,
            "sklearn_seconds": plain_seconds,
            "times_faster": plain_seconds / seconds,
            "memory_over_data": ours.extra / X.nbytes,
            "sklearn_memory_over_data": theirs.extra / X.nbytes,
            "folded": "in the passes" in str(model[0].plan_),
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["copies", "search", "cpu"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.what == "search":
        rows = search()
    else:
        rows = copies(arguments.rows or 25_000_000) if arguments.what == "copies" else cpu(arguments.rows or 1_000_000)
    report(rows, arguments.output)


if __name__ == "__main__":
    main()
