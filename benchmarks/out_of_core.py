"""Fit data larger than the memory allowed: Parquet on disk on the CPU, host memory and Parquet on a GPU.

python benchmarks/out_of_core.py cpu [--gigabytes 8] [--output FILE]
python benchmarks/out_of_core.py gpu [--gigabytes 10] [--source files memory] [--output FILE]
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from least_squares import make_table
from measure import report, timed
from sklearn.linear_model import LinearRegression

from skdist_gpu import AutoScaleRegressor

N_COLUMNS = 100
MODELS = {
    "LinearRegression": "autoscale(LinearRegression()).fit(files, 'y')",
    "LogisticRegression": "autoscale(LogisticRegression()).fit(labelled, 'label')",
    "StandardScaler": "autoscale(StandardScaler()).fit(features)",
    "PCA": "autoscale(PCA(10)).fit(features)",
    "StandardScaler, PCA": "autoscale(make_pipeline(StandardScaler(), PCA(10))).fit(features)",
}
CHILD = """
import time
import pyarrow.dataset as ds
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skdist_gpu import autoscale
files = ds.dataset({features!r}, format="parquet")
labelled = ds.dataset({labelled!r}, format="parquet")
features = ds.dataset({plain!r}, format="parquet")
start = time.perf_counter()
model = {statement}
seconds = time.perf_counter() - start
# ru_maxrss would count the process that started this one
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
last = model[-1] if hasattr(model, "steps") else model
print(last.report_.candidate.name, seconds, int(peak.split()[1]) * 1024, sep="|")
"""


def write_table(folder, n_rows, dtype, last):
    """Write a table of normal columns in files of a million rows; `last` names the column after them."""
    truth = np.random.default_rng(0).standard_normal(N_COLUMNS)
    folder.mkdir()

    def write(i):
        generator = np.random.default_rng(i)
        X = generator.standard_normal((min(1_000_000, n_rows - i * 1_000_000), N_COLUMNS), dtype=dtype)
        columns = {f"x{j:02}": X[:, j] for j in range(N_COLUMNS)}
        scores = X @ truth
        if last == "y":
            columns["y"] = scores + generator.standard_normal(len(X))
        elif last == "label":
            columns["label"] = (scores + 5 * generator.logistic(size=len(X)) > 0).astype(np.int8)
        pq.write_table(
            pa.table(columns),
            folder / f"{i:03}.parquet",
            row_group_size=65_536,
            compression="none",
            use_dictionary=False,
        )

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(write, range(-(-n_rows // 1_000_000))))
    return folder


def read_seconds(folder):
    """Return the time to read all columns once with Arrow alone, as it does without options."""
    return timed(lambda: sum(b.num_rows for b in ds.dataset(folder).to_batches()), 2)[0]


def cpu(gigabytes):
    n_rows = int(gigabytes * 1e9 / (8 * N_COLUMNS))
    rows, work = [], pathlib.Path(tempfile.mkdtemp(dir="."))
    try:
        for name, statement in MODELS.items():
            last = {"LinearRegression": "y", "LogisticRegression": "label"}.get(name, "")
            folder = work / (last or "plain")
            if not folder.exists():
                for other in work.iterdir():  # one copy of the table at a time
                    shutil.rmtree(other)
                write_table(folder, n_rows, np.float64, last)
            reading = read_seconds(folder)
            script = CHILD.format(features=str(folder), labelled=str(folder), plain=str(folder), statement=statement)
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
            plan, seconds, peak = done.stdout.strip().splitlines()[-1].rsplit("|", 2)
            rows.append(
                {
                    "estimator": name,
                    "ran_on": plan,
                    "seconds": float(seconds),
                    "reading_once_seconds": reading,
                    "peak_resident_GB": float(peak) / 1e9,
                }
            )
            print(rows[-1], flush=True)
    finally:
        shutil.rmtree(work)
    return rows


def fit_on_gpu(data, target):
    return AutoScaleRegressor(LinearRegression(), backend="reductions:gpu", memory_budget="4GB").fit(data, target)


def gpu(gigabytes, sources):
    n_rows = int(gigabytes * 1e9 / (4 * N_COLUMNS))
    return [row for source in sources for row in {"files": from_files, "memory": from_memory}[source](n_rows)]


def pinned_bandwidth():
    """Return bytes per second of a copy from pinned memory to the GPU."""
    import cupy
    import cupyx

    pinned, device = cupyx.empty_pinned(2**28, np.uint8), cupy.empty(2**28, cupy.uint8)

    def copy():
        device.set(pinned)
        cupy.cuda.runtime.deviceSynchronize()

    copy()
    return pinned.nbytes / timed(copy, 5)[0]


def from_memory(n_rows):
    X, y, truth = make_table(n_rows, dtype=np.float32, noise=0.0)
    bandwidth = pinned_bandwidth()
    fit_on_gpu(X[:2_000_000], y[:2_000_000])
    seconds, model = timed(lambda: fit_on_gpu(X, y), 3)
    row = {
        "from": "host memory",
        "seconds": seconds,
        "pinned_copy_GB_per_second": bandwidth / 1e9,
        "share_of_pinned_bandwidth": X.nbytes / seconds / bandwidth,
        "largest_error": float(np.abs(model.coef_ - truth).max()),
        "cuml_with_4_GB": cuml_limited(X, y),
    }
    print(row, flush=True)
    return [row]


def from_files(n_rows):
    work = pathlib.Path(tempfile.mkdtemp(dir="."))
    try:
        folder = write_table(work / "y", n_rows, np.float32, "y")
        reading = read_seconds(folder)
        seconds, _ = timed(lambda: fit_on_gpu(ds.dataset(folder), "y"), 2)
        on_cpu = AutoScaleRegressor(LinearRegression(), backend="reductions:cpu")
        cpu_seconds, _ = timed(lambda: on_cpu.fit(ds.dataset(folder), "y"))
    finally:
        shutil.rmtree(work)
    row = {"from": "Parquet", "reading_once_seconds": reading, "gpu_seconds": seconds, "cpu_seconds": cpu_seconds}
    row["gpu_share_of_reading_bandwidth"] = reading / seconds
    print(row, flush=True)
    return [row]


def cuml_limited(X, y):
    """Say what cuML does with the same 4 GB."""
    import rmm
    from cuml.linear_model import LinearRegression as CumlLinearRegression

    before = rmm.mr.get_current_device_resource()
    rmm.mr.set_current_device_resource(rmm.mr.LimitingResourceAdaptor(before, 4 * 10**9))
    try:
        start = time.perf_counter()
        CumlLinearRegression().fit(X, y)
        return f"fitted in {time.perf_counter() - start:.2f} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        rmm.mr.set_current_device_resource(before)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["cpu", "gpu"])
    parser.add_argument("--gigabytes", type=float)
    parser.add_argument("--source", nargs="+", default=["files", "memory"], choices=["files", "memory"])
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    gigabytes = arguments.gigabytes or (8 if arguments.what == "cpu" else 10)
    rows = cpu(gigabytes) if arguments.what == "cpu" else gpu(gigabytes, arguments.source)
    report(rows, arguments.output, gigabytes=gigabytes)


if __name__ == "__main__":
    main()
