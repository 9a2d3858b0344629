"""Score 20 000 000 × 20 Dask rows on two workers, files larger than memory, and rows in memory on threads.

python benchmarks/scoring.py dask [--rows 20000000] [--output FILE]
python benchmarks/scoring.py stream [--gigabytes 8] [--output FILE]
python benchmarks/scoring.py threads [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

import dask.array as da
import numpy as np
from measure import report, timed
from out_of_core import write_table
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skdist_gpu import autoscale, save
from skdist_gpu.scoring.methods import block_method
from skdist_gpu.scoring.planned import in_threads

N_COLUMNS = 20
generator = np.random.default_rng(0)
TRAINING = generator.standard_normal((5000, N_COLUMNS))
CLASSES = (TRAINING[:, 0] + generator.standard_normal(len(TRAINING)) > 0).astype(int)


def score_once(method, X):
    """Return the time to score `X` on the workers; nothing of it stays there for the next time."""
    from distributed import wait

    start = time.perf_counter()
    wait(method(X).persist())
    return time.perf_counter() - start


def over_dask(n_rows):
    """Compare with dask_ml's ParallelPostFit, given the dtype of its results."""
    from dask_ml.wrappers import ParallelPostFit
    from distributed import Client, LocalCluster, wait

    cases = [
        (LinearRegression(), "predict"),
        (LogisticRegression(), "predict"),
        (LogisticRegression(), "predict_proba"),
        (DecisionTreeClassifier(max_depth=8), "predict"),
        (RandomForestClassifier(10, max_depth=8), "predict"),
    ]
    rows = []
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        X = da.random.default_rng(0).standard_normal((n_rows, N_COLUMNS), chunks=(500_000, N_COLUMNS)).persist()
        wait(X)
        for estimator, method in cases:
            ours = autoscale(estimator, backend="sklearn").fit(TRAINING, CLASSES)
            theirs = ParallelPostFit(ours.estimator_)
            seconds = {"ours": float("inf"), "ParallelPostFit": float("inf")}
            for _ in range(5):  # in turns, since the machine may be shared
                for name, model in (("ours", ours), ("ParallelPostFit", theirs)):
                    seconds[name] = min(seconds[name], score_once(getattr(model, method), X))
            rows.append(
                {
                    "estimator": type(estimator).__name__,
                    "method": method,
                    **seconds,
                    "speed_relative_to_ParallelPostFit": seconds["ParallelPostFit"] / seconds["ours"],
                }
            )
            print(rows[-1], flush=True)
    return rows


CHILD = """
import time
import pyarrow.dataset as ds
from skdist_gpu import load, predict_to_parquet
start = time.perf_counter()
n_rows = predict_to_parquet(load({model!r}), ds.dataset({table!r}), {output!r}, method={method!r})
seconds = time.perf_counter() - start
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(n_rows, seconds, int(peak.split()[1]) * 1024)
"""


def streamed(gigabytes):
    """Score files into a file; the peak is that of a process of its own."""
    rows, work = [], pathlib.Path(tempfile.mkdtemp(dir="."))
    try:
        table = write_table(work / "plain", int(gigabytes * 1e9 / 800), np.float64, "")
        import pyarrow.dataset as ds

        head = ds.dataset(table).head(5000).to_pandas()
        for estimator, method in ((LinearRegression(), "predict"), (StandardScaler(), "transform")):
            save(estimator.fit(head, head.iloc[:, 0]), work / "model.skops")
            script = CHILD.format(
                model=str(work / "model.skops"), table=str(table), output=str(work / "scored"), method=method
            )
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
            n_rows, seconds, peak = done.stdout.split()[-3:]
            rows.append(
                {
                    "estimator": type(estimator).__name__,
                    "method": method,
                    "rows": int(n_rows),
                    "seconds": float(seconds),
                    "peak_resident_GB": float(peak) / 1e9,
                }
            )
            print(rows[-1], flush=True)
            (work / "scored").unlink()
    finally:
        shutil.rmtree(work)
    return rows


def on_threads():
    """Compare blocks on all cores with scikit-learn called once, for the methods that are run so."""
    cases = [
        (LogisticRegression(), "predict_proba", 1_000_000),
        (GaussianNB(), "predict", 1_000_000),
        (QuadraticDiscriminantAnalysis(), "predict_proba", 1_000_000),
        (GaussianMixture(4), "predict_proba", 500_000),
        (SVC(), "predict", 40_000),
        (DecisionTreeClassifier(), "predict", 1_000_000),
        (RandomForestRegressor(20), "predict", 200_000),
        (RandomForestClassifier(20), "predict_proba", 200_000),
        (ExtraTreesClassifier(20), "predict_proba", 200_000),
        (KMeans(8), "transform", 1_000_000),
        (PCA(5), "transform", 1_000_000),
        (Nystroem(), "transform", 100_000),
    ]
    X, rows = generator.standard_normal((1_000_000, N_COLUMNS)), []
    for estimator, method, n_rows in cases:
        function = block_method(estimator.fit(TRAINING[:2000], CLASSES[:2000]), method, None, {})
        data = X[:n_rows]
        whole, blocks = float("inf"), float("inf")
        for _ in range(3):
            whole = min(whole, timed(lambda f=function, x=data: f(x))[0])
            blocks = min(blocks, timed(lambda f=function, x=data: in_threads(f, x))[0])
        names = {"estimator": type(estimator).__name__, "method": method, "rows": n_rows}
        rows.append({**names, "scikit_learn": whole, "blocks_on_threads": blocks, "times_faster": whole / blocks})
        print(rows[-1], flush=True)
    return rows


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["dask", "stream", "threads"])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    start = time.perf_counter()
    if arguments.what == "dask":
        rows = over_dask(arguments.rows)
    elif arguments.what == "stream":
        rows = streamed(arguments.gigabytes)
    else:
        rows = on_threads()
    report(rows, arguments.output, what=arguments.what, total_seconds=time.perf_counter() - start)


if __name__ == "__main__":
    main()
