"""XGBoost at every scale: out of core on the CPU and a GPU, overhead, several GPUs, a lost worker.

python benchmarks/xgboost_scale.py cpu      [--gigabytes 10] [--rounds 20] [--folder DIR] [--output FILE]
python benchmarks/xgboost_scale.py gpu      [--gigabytes 10] [--rounds 50]  [--output FILE]   # budget of 4 GB
python benchmarks/xgboost_scale.py overhead [--rows 1000000] [--rounds 200] [--where cpu dask gpu] [--output FILE]
python benchmarks/xgboost_scale.py scaling  --gpus 1 2 [--rows 20000000] [--rounds 100] [--output FILE]
python benchmarks/xgboost_scale.py kill     [--rows 1000000] [--rounds 100] [--output FILE]
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext

import numpy as np
from measure import PeakMemory, blocks_on_workers, report
from sklearn.metrics import r2_score

N_COLUMNS = 100
FILE_ROWS = 500_000
OVERHEAD_COLUMNS = 50


def target(X, generator):
    noise = generator.standard_normal(len(X), dtype=np.float32)
    return X[:, 0] + X[:, 1] * X[:, 2] + np.sin(X[:, 3]) + 0.5 * noise


def write_files(folder, gigabytes):
    """Write a table of float32 columns in files of half a million rows, without compression."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    n_rows = int(gigabytes * 1e9 / (4 * N_COLUMNS))

    def write(i):
        generator = np.random.default_rng(i)
        X = generator.standard_normal((min(FILE_ROWS, n_rows - i * FILE_ROWS), N_COLUMNS), dtype=np.float32)
        columns = {f"x{j:02}": X[:, j] for j in range(N_COLUMNS)} | {"y": target(X, generator)}
        options = {"compression": "none", "use_dictionary": False, "row_group_size": 65_536}
        pq.write_table(pa.table(columns), folder / f"{i:03}.parquet", **options)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(write, range(-(-n_rows // FILE_ROWS))))
    return n_rows


def in_own_process(function, **options):
    """Call a function of this script in a fresh process, so that peaks of memory can be compared."""
    command = [sys.executable, __file__, "call", function.__name__, json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)  # what goes wrong is seen on stderr
    if done.returncode:
        sys.exit(f"{function.__name__}({options}) ended with {done.returncode}:\n{done.stdout}")
    return json.loads(done.stdout.strip().splitlines()[-1])


# --- out of core ---------------------------------------------------------------------------


def out_of_core(arguments, backend, budget):
    work = pathlib.Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        start = time.perf_counter()
        n_rows = write_files(work / "files", arguments.gigabytes)
        on_disk = sum(file.stat().st_size for file in (work / "files").iterdir())
        print(f"wrote {on_disk / 1e9:.1f} GB in {time.perf_counter() - start:.0f} s", flush=True)
        facts = {"rows": n_rows, "columns": N_COLUMNS, "rounds": arguments.rounds, "files_GB": on_disk / 1e9}
        given = {"folder": str(work / "files"), "rounds": arguments.rounds}
        rows = [facts | in_own_process(fit_files, backend=backend, budget=budget, **given)]
        print(rows[-1], flush=True)
        if backend.endswith("gpu"):
            rows.append(facts | in_own_process(fit_on_gpu_directly, n_rows=n_rows, **given))
            print(rows[-1], flush=True)
        return rows
    finally:
        shutil.rmtree(work)


def fit_files(folder, rounds, backend, budget):
    """Fit from files within a budget, and say what it took."""
    import pyarrow.dataset as ds

    from skdist_gpu import AutoScaleXGBRegressor

    files, on_gpu = ds.dataset(folder, format="parquet"), backend.endswith("gpu")
    X = np.random.default_rng(0).standard_normal((2000, N_COLUMNS), dtype=np.float32)
    AutoScaleXGBRegressor(n_estimators=2, backend=backend).fit(X, X[:, 0])  # imports, threads, CUDA's context
    with GpuMemory() if on_gpu else nullcontext() as watch:
        start = time.perf_counter()
        model = AutoScaleXGBRegressor(n_estimators=rounds, memory_budget=budget, backend=backend).fit(files, "y")
        seconds = time.perf_counter() - start
    status = dict(line.split(":") for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    test = files.head(100_000).to_pandas()
    return {
        "ran_on": model.report_.candidate.name,
        "device": model.device_used_,
        "budget": budget,
        "seconds": seconds,
        "peak_resident_GB": int(status["VmHWM"].split()[0]) * 1024 / 1e9,
        "r2": model.score(test.drop(columns="y"), test["y"]),
    } | ({"peak_gpu_GB": watch.peak / 1e9, "rise_gpu_GB": watch.extra / 1e9} if on_gpu else {})


def fit_on_gpu_directly(folder, rounds, n_rows):
    """Read all files into the GPU's memory, and fit there with XGBoost alone: what no budget would allow."""
    import cupy
    import pyarrow.dataset as ds
    from xgboost import XGBRegressor

    files = ds.dataset(folder, format="parquet")
    X, y = cupy.empty((n_rows, N_COLUMNS), np.float32), cupy.empty(n_rows, np.float32)
    XGBRegressor(n_estimators=2, device="cuda").fit(cupy.random.random((2000, 2)), cupy.zeros(2000))
    with GpuMemory() as watch:
        start, row = time.perf_counter(), 0
        for batch in files.to_batches():
            columns = cupy.asarray(np.stack([column.to_numpy() for column in batch.columns]))
            X[row : row + batch.num_rows], y[row : row + batch.num_rows] = columns[:-1].T, columns[-1]
            row += batch.num_rows
        read = time.perf_counter()
        model = XGBRegressor(n_estimators=rounds, device="cuda").fit(X, y)
        seconds = time.perf_counter() - read
    test = files.head(100_000).to_pandas()
    model.set_params(device="cpu")
    return {
        "ran_on": "XGBoost alone, all data in the GPU's memory",
        "seconds": seconds,
        "reading_seconds": read - start,
        "r2": model.score(test.drop(columns="y").to_numpy(), test["y"]),
        "peak_gpu_GB": watch.peak / 1e9,
    }


class GpuMemory:
    """Watch the memory in use on GPU 0 each 5 ms: its `peak`, and by how much it rose, in bytes."""

    def __enter__(self):
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        self.read = lambda: pynvml.nvmlDeviceGetMemoryInfo(handle).used
        self.base = self.peak = self.read()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self):
        while not self.ended.wait(0.005):
            self.peak = max(self.peak, self.read())

    def __exit__(self, *exc_info):
        self.ended.set()
        self.thread.join()
        self.extra = self.peak - self.base


def cpu(arguments):
    return out_of_core(arguments, "xgboost.external:cpu", "3GB")


def gpu(arguments):
    return out_of_core(arguments, "xgboost.external:gpu", "4GB")


# --- overhead ------------------------------------------------------------------------------


def overhead(arguments):
    """Compare with XGBoost called directly, alternating, each in processes of its own; the least of each counts."""
    rows = []
    for where in arguments.where:
        found = {"direct": [], "ours": []}
        for _ in range(arguments.repeats):
            for which, results in found.items():
                n_fits = 5 if where == "gpu" else 1  # below a second each
                given = {"n_rows": arguments.rows, "rounds": arguments.rounds, "n_fits": n_fits}
                results.append(in_own_process(fit_in_memory, where=where, which=which, **given))
                print(where, which, results[-1], flush=True)
        least = {
            which: {name: min(r[name] for r in results) for name in results[0]} for which, results in found.items()
        }
        row = {"where": where, "rows": arguments.rows, "columns": OVERHEAD_COLUMNS, "rounds": arguments.rounds}
        row |= {f"{which}_{name}": value for which, values in least.items() for name, value in values.items()}
        compared = [
            name for name in least["ours"] if name not in ("r2", "outside_cpu_seconds") and least["direct"][name]
        ]
        rows.append(row | {f"{name}_ratio": least["ours"][name] / least["direct"][name] for name in compared})
    return rows


def fit_in_memory(where, which, n_rows, rounds, n_fits):
    """Fit XGBoost's estimator or ours, and say how long it took and how much memory it needed beside the data."""
    import xgboost

    from skdist_gpu import AutoScaleXGBRegressor

    generator = np.random.default_rng(0)
    X = generator.standard_normal((n_rows, OVERHEAD_COLUMNS), dtype=np.float32)
    y = target(X, generator)
    few, make, options = (X[:50_000], y[:50_000]), xgboost.XGBRegressor, {"device": None}
    small, synchronize = (X[:2000], y[:2000]), lambda: None
    with ExitStack() as stack:
        if where == "gpu":
            import cupy

            X, y = cupy.asarray(X), cupy.asarray(y)
            small, options = (X[:2000], y[:2000]), {"device": "cuda"}
            synchronize = cupy.cuda.runtime.deviceSynchronize
        elif where == "dask":
            import dask.array as da
            from distributed import Client, LocalCluster, wait
            from xgboost.dask import DaskXGBRegressor

            threads = max(1, (os.cpu_count() or 1) // 2)
            cluster = LocalCluster(n_workers=2, threads_per_worker=threads, dashboard_address=":0")
            stack.enter_context(Client(stack.enter_context(cluster)))
            X, y = (da.from_array(part, chunks=(n_rows // 8, *part.shape[1:])).persist() for part in (X, y))
            wait([X, y])
            small, make = (X.blocks[:2], y.blocks[:2]), DaskXGBRegressor
        if which == "ours":
            make = AutoScaleXGBRegressor
            options["backend"] = "xgboost.dask" if where == "dask" else f"xgboost:{where}"
        make(n_estimators=2, **options).fit(*small)  # imports, threads, CUDA's context
        xgboost.XGBRegressor.fit = inner = TimedFit(xgboost.XGBRegressor.fit)
        seconds, watch_gpu = [], GpuMemory() if where == "gpu" else nullcontext()
        with PeakMemory(children=where == "dask") as memory, watch_gpu as gpu:
            cpu = memory.cpu_seconds()
            for _ in range(n_fits):
                start = time.perf_counter()
                model = make(n_estimators=rounds, **options).fit(X, y)
                synchronize()
                seconds.append(time.perf_counter() - start)
        cpu = (memory.cpu_seconds() - cpu) / n_fits
        fitted = {"seconds": statistics.median(seconds), "cpu_seconds": cpu, "peak_bytes": memory.extra}
        if gpu:
            fitted["peak_gpu_bytes"] = gpu.extra
        if where != "dask":  # what a busy machine does not change
            fitted["outside_cpu_seconds"] = cpu - inner.cpu_seconds / n_fits
        plain = getattr(model, "estimator_", model)
        booster = plain.get_booster()
        booster.set_param({"device": "cpu"})
        return fitted | {"r2": r2_score(few[1], booster.inplace_predict(few[0]))}


class TimedFit:
    """XGBoost's own `fit`, with the processor time spent in it."""

    def __init__(self, fit):
        self.fit, self.cpu_seconds = fit, 0.0
        functools.update_wrapper(self, fit)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        start = time.process_time()
        try:
            return self.fit(*args, **kwargs)
        finally:
            self.cpu_seconds += time.process_time() - start


# --- several GPUs --------------------------------------------------------------------------


def make_block(shape, number):
    """Return a block of [X y] on the GPU of the worker."""
    import cupy

    generator = cupy.random.default_rng(number)
    table = generator.standard_normal(shape, dtype=cupy.float32)
    table[:, -1] = table[:, 0] + table[:, 1] * table[:, 2] + 0.5 * table[:, -1]
    return table


def scaling(arguments):
    """Train on the same rows with more and more GPUs, with XGBoost called directly beside it."""
    import cupy
    from dask_cuda import LocalCUDACluster
    from distributed import Client, wait
    from xgboost.dask import DaskXGBRegressor

    from skdist_gpu import AutoScaleXGBRegressor

    rows = []
    for n_gpus in arguments.gpus:
        devices = ",".join(map(str, range(n_gpus)))
        options = {"CUDA_VISIBLE_DEVICES": devices, "protocol": "tcp", "memory_limit": None, "dashboard_address": ":0"}
        with LocalCUDACluster(**options) as cluster, Client(cluster) as client:
            table = blocks_on_workers(client, make_block, arguments.rows, N_COLUMNS + 1, 8 // n_gpus)
            X, y = client.persist([table[:, :-1].map_blocks(cupy.ascontiguousarray), table[:, -1]])
            wait([X, y])
            few = X[:50_000].compute(), y[:50_000].compute().get()
            del table
            makes, found = {"direct": DaskXGBRegressor, "ours": AutoScaleXGBRegressor}, {}
            for make in makes.values():  # imports, CUDA's contexts, NCCL
                make(n_estimators=2, device="cuda").fit(X, y)
            for _ in range(arguments.repeats):
                for name, make in makes.items():
                    start = time.perf_counter()
                    model = make(n_estimators=arguments.rounds, device="cuda").fit(X, y)
                    found.setdefault(f"{name}_seconds", []).append(time.perf_counter() - start)
                    booster = getattr(model, "estimator_", model).get_booster()
                    booster.set_param({"device": "cuda"})
                    found[f"{name}_r2"] = [r2_score(few[1], booster.inplace_predict(few[0]).get())]
            best = {name: min(values) for name, values in found.items()}
            rows.append({"gpus": n_gpus, "rows": arguments.rows, "rounds": arguments.rounds} | best)
            print(rows[-1], flush=True)
    return [row | {"speedup": rows[0]["ours_seconds"] / row["ours_seconds"]} for row in rows]


# --- a lost worker -------------------------------------------------------------------------


def kill(arguments):
    """Kill one of two workers at half time, and say what it cost."""
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
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--where", nargs="+", default=["cpu", "dask"], choices=["cpu", "dask", "gpu"])
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", default=None, help="where the files are written")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or {"cpu": 20, "gpu": 50, "overhead": 200}.get(arguments.what, 100)
    arguments.rows = arguments.rows or (20_000_000 if arguments.what == "scaling" else 1_000_000)
    modes = {"cpu": cpu, "gpu": gpu, "overhead": overhead, "scaling": scaling, "kill": kill}
    report(modes[arguments.what](arguments), arguments.output, mode=arguments.what)


if __name__ == "__main__":
    if sys.argv[1:2] == ["call"]:
        print(json.dumps(globals()[sys.argv[2]](**json.loads(sys.argv[3]))))
    else:
        main()
