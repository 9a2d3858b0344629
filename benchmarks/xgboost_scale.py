"""XGBoost at every scale: out of core on the CPU and a GPU, overhead, several GPUs, a lost worker.

python benchmarks/xgboost_scale.py cpu      [--gigabytes 10] [--rounds 20] [--folder DIR] [--output FILE]
python benchmarks/xgboost_scale.py gpu      [--gigabytes 10] [--rounds 100] [--output FILE]   # budget of 4 GB
python benchmarks/xgboost_scale.py overhead [--rows 1000000] [--rounds 200] [--where cpu dask gpu] [--output FILE]
python benchmarks/xgboost_scale.py scaling  --gpus 1 2 [--rows 20000000] [--rounds 100] [--output FILE]
python benchmarks/xgboost_scale.py kill     [--rows 1000000] [--rounds 100] [--output FILE]
"""

from __future__ import annotations

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from measure import report

N_COLUMNS = 100
FILE_ROWS = 500_000
OVERHEAD_COLUMNS = 50

# --- out of core ---------------------------------------------------------------------------

FIT_FILES = """
import json, threading, time
import pyarrow.dataset as ds
from skdist_gpu import AutoScaleXGBRegressor

files = ds.dataset({folder!r}, format="parquet")
start = time.perf_counter()
model = AutoScaleXGBRegressor(n_estimators={rounds}, memory_budget={budget!r}, backend={backend!r}).fit(files, "y")
seconds = time.perf_counter() - start
status = dict(line.split(":") for line in open("/proc/self/status"))
kilobytes = {{name: int(status[name].split()[0]) for name in ("VmHWM", "RssAnon", "RssFile")}}
test = files.head(100_000).to_pandas()
r2 = model.score(test.drop(columns="y"), test["y"])
print(json.dumps({{"ran_on": model.report_.candidate.name, "device": model.device_used_, "seconds": seconds,
    "peak_resident_GB": kilobytes["VmHWM"] * 1024 / 1e9, "r2": r2}}))
"""


def write_files(folder, gigabytes):
    """Write a table of float32 columns in files of half a million rows, without compression."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    generator, n_rows = np.random.default_rng(0), int(gigabytes * 1e9 / (4 * N_COLUMNS))
    for i, start in enumerate(range(0, n_rows, FILE_ROWS)):
        X = generator.standard_normal((min(FILE_ROWS, n_rows - start), N_COLUMNS), dtype=np.float32)
        columns = {f"x{j:02}": X[:, j] for j in range(N_COLUMNS)}
        columns["y"] = target(X, generator)
        options = {"compression": "none", "use_dictionary": False, "row_group_size": 65_536}
        pq.write_table(pa.table(columns), folder / f"{i:03}.parquet", **options)
    return n_rows


def target(X, generator):
    noise = generator.standard_normal(len(X), dtype=np.float32)
    return X[:, 0] + X[:, 1] * X[:, 2] + np.sin(X[:, 3]) + 0.5 * noise


def out_of_core(arguments, backend, budget):
    work = pathlib.Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        n_rows = write_files(work / "files", arguments.gigabytes)
        on_disk = sum(file.stat().st_size for file in (work / "files").iterdir())
        script = FIT_FILES.format(folder=str(work / "files"), rounds=arguments.rounds, budget=budget, backend=backend)
        watch = GpuMemory() if backend.endswith("gpu") else None
        done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout.strip().splitlines()[-1])
        row |= {"rows": n_rows, "columns": N_COLUMNS, "rounds": arguments.rounds, "files_GB": on_disk / 1e9}
        row |= {"peak_gpu_GB": watch.stop() / 1e9} if watch else {}
        return [row | {"budget": budget}]
    finally:
        shutil.rmtree(work)


class GpuMemory:
    """Watch by how much the memory in use on GPU 0 rises, in bytes, each 10 ms."""

    def __init__(self):
        import pynvml

        pynvml.nvmlInit()
        self.read = lambda: pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).used
        self.base = self.peak = self.read()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        while not self.ended.wait(0.01):
            self.peak = max(self.peak, self.read())

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.peak - self.base


def cpu(arguments):
    return out_of_core(arguments, "xgboost.external:cpu", "3GB")


def gpu(arguments):
    return out_of_core(arguments, "xgboost.external:gpu", "4GB")


# --- overhead ------------------------------------------------------------------------------

# each fit has a process of its own, so that peaks of memory can be compared
FIT_ONE = """
import json, time
import numpy as np
import psutil
from benchmarks_measure import PeakMemory

if __name__ == "__main__":
    where, which, n_rows, n_columns, rounds = {where!r}, {which!r}, {rows}, {columns}, {rounds}
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n_rows, n_columns), dtype=np.float32)
    y = X[:, 0] + X[:, 1] * X[:, 2] + np.sin(X[:, 3])
    import xgboost
    from skdist_gpu import AutoScaleXGBRegressor
    options = {{"n_estimators": rounds}}
    small = X[:2000], y[:2000]
    if where == "gpu":
        import cupy
        X, y = cupy.asarray(X), cupy.asarray(y)
        options["device"] = "cuda"
        small = X[:2000], y[:2000]
    if where == "dask":
        import dask.array as da
        from distributed import Client, LocalCluster, wait
        from xgboost.dask import DaskXGBRegressor
        client = Client(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0"))
        X, y = (da.from_array(part, chunks=(n_rows // 8, *part.shape[1:])).persist() for part in (X, y))
        wait([X, y])
        small = X.blocks[:2], y.blocks[:2]
    kind = {{"cpu": xgboost.XGBRegressor, "gpu": xgboost.XGBRegressor}}.get(where)
    make = {{"direct": kind or DaskXGBRegressor, "ours": AutoScaleXGBRegressor}}[which]
    if which == "ours":
        options["backend"] = "xgboost.dask" if where == "dask" else "xgboost:" + where
    make(**(options | {{"n_estimators": 2}})).fit(*small)  # imports, threads, CUDA context
    with PeakMemory() as memory:
        start, cpu = time.perf_counter(), time.process_time()
        make(**options).fit(X, y)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps({{"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": memory.extra}}))
"""


def overhead(arguments):
    """Compare with XGBoost called directly, alternating, each three times; the median counts."""
    rows = []
    for where in arguments.where:
        found = {"direct": [], "ours": []}
        for _ in range(arguments.repeats):
            for which, results in found.items():
                results.append(fit_one(where, which, arguments))
                print(where, which, results[-1], flush=True)
        median = {
            which: {name: statistics.median(r[name] for r in results) for name in results[0]}
            for which, results in found.items()
        }
        row = {"where": where, "rows": arguments.rows, "columns": OVERHEAD_COLUMNS, "rounds": arguments.rounds}
        row |= {f"{which}_{name}": value for which, values in median.items() for name, value in values.items()}
        row |= {f"{n}_ratio": median["ours"][n] / median["direct"][n] for n in ("seconds", "cpu_seconds", "peak_bytes")}
        rows.append(row)
    return rows


def fit_one(where, which, arguments):
    script = FIT_ONE.format(
        where=where, which=which, rows=arguments.rows, columns=OVERHEAD_COLUMNS, rounds=arguments.rounds
    ).replace("benchmarks_measure", "measure")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "fit_one.py"
        file.write_text(f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\n{script}")
        done = subprocess.run([sys.executable, str(file)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


# --- several GPUs --------------------------------------------------------------------------


def make_block(block, block_id=None):
    """Return a block of [X y] on the GPU of the worker."""
    import cupy

    generator = cupy.random.default_rng(block_id[0])
    table = generator.standard_normal(block.shape, dtype=cupy.float32)
    table[:, -1] = table[:, 0] + table[:, 1] * table[:, 2] + 0.5 * table[:, -1]
    return table


def scaling(arguments):
    """Train on the same rows with more and more GPUs, with XGBoost called directly beside it."""
    import cupy
    import dask.array as da
    from dask_cuda import LocalCUDACluster
    from distributed import Client, wait
    from xgboost.dask import DaskXGBRegressor

    from skdist_gpu import AutoScaleXGBRegressor

    rows = []
    for n_gpus in arguments.gpus:
        devices = ",".join(map(str, range(n_gpus)))
        options = {"CUDA_VISIBLE_DEVICES": devices, "protocol": "tcp", "memory_limit": None}
        with LocalCUDACluster(**options) as cluster, Client(cluster) as client:
            shape = (arguments.rows, N_COLUMNS + 1)
            empty = da.empty(shape, chunks=(-(-arguments.rows // 8), N_COLUMNS + 1), dtype=np.float32)
            table = empty.map_blocks(make_block, dtype=np.float32, meta=cupy.empty((0, 0), cupy.float32)).persist()
            X, y = client.persist([table[:, :-1].map_blocks(cupy.ascontiguousarray), table[:, -1]])
            wait([X, y])
            del table
            seconds = {}
            for name, make in (("ours", AutoScaleXGBRegressor), ("direct", DaskXGBRegressor)):
                model = make(n_estimators=arguments.rounds, device="cuda")
                model.fit(X.blocks[:2], y.blocks[:2])
                start = time.perf_counter()
                model.fit(X, y)
                seconds[f"{name}_seconds"] = time.perf_counter() - start
            rows.append({"gpus": n_gpus, "rows": arguments.rows, "rounds": arguments.rounds} | seconds)
            print(rows[-1], flush=True)
    return [row | {"speedup": rows[0]["ours_seconds"] / row["ours_seconds"]} for row in rows]


# --- a lost worker -------------------------------------------------------------------------


def kill(arguments):
    """Kill one of two workers at half time, and say what it cost."""
    import os
    import signal

    import dask.array as da
    from distributed import Client, LocalCluster, wait

    from skdist_gpu import AutoScaleXGBRegressor

    generator = np.random.default_rng(0)
    X = generator.standard_normal((arguments.rows, OVERHEAD_COLUMNS), dtype=np.float32)
    y = target(X, generator)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        lazy = [da.from_array(part, chunks=(arguments.rows // 8, *part.shape[1:])).persist() for part in (X, y)]
        wait(lazy)
        pids = list(client.run(os.getpid).values())
        rows, half = [], None
        for what in ("undisturbed", "one of two workers killed at half time"):
            model = AutoScaleXGBRegressor(n_estimators=arguments.rounds)
            killer = threading.Timer(half or 0, os.kill, (pids[0], signal.SIGKILL))
            if half:
                killer.start()
            start = time.perf_counter()
            model.fit(*lazy)
            seconds = time.perf_counter() - start
            half = seconds / 2
            rounds = model.estimator_.get_booster().num_boosted_rounds()
            rows.append({"what": what, "seconds": seconds, "rounds": rounds, "r2": model.score(X[:50_000], y[:50_000])})
            print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cpu", "gpu", "overhead", "scaling", "kill"])
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--where", nargs="+", default=["cpu", "dask"], choices=["cpu", "dask", "gpu"])
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", default=None, help="where the files are written")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or {"cpu": 20, "overhead": 200}.get(arguments.what, 100)
    arguments.rows = arguments.rows or (20_000_000 if arguments.what == "scaling" else 1_000_000)
    modes = {"cpu": cpu, "gpu": gpu, "overhead": overhead, "scaling": scaling, "kill": kill}
    report(modes[arguments.what](arguments), arguments.output, mode=arguments.what)


if __name__ == "__main__":
    main()
