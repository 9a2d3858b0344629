"""Measure all that the shipped rates are fitted to, on a machine with a GPU and 16 cores: python rates_all.py FOLDER.

Pairs of cores are measured side by side with the GPU, then all cores one estimator after the other.
"""

import os
import pathlib
import queue
import subprocess
import sys
import threading
import time

from workloads import FAMILIES

HERE = pathlib.Path(__file__).parent
SLOW = (
    "RandomForest",
    "ExtraTrees",
    "LassoCV",
    "LogisticRegressionCV",
    "SVC",
    "SVR",
    "HistGradient",
    "GaussianMixture",
)


def run(arguments: list[str], cores: str, out: pathlib.Path, patience: float) -> None:
    """Run one part of the measurements on some cores; what is not done in time is left out."""
    program = ["taskset", "-c", cores, sys.executable, str(HERE / "rates.py"), *arguments]
    with out.open("ab") as file, out.with_suffix(".log").open("ab") as log:
        start = time.time()
        try:
            code = subprocess.run(program, stdout=file, stderr=log, timeout=max(1, patience)).returncode
        except subprocess.TimeoutExpired:
            code = -1
        print(
            f"{time.time() - START:5.0f} s {cores} {' '.join(arguments[:2])} {time.time() - start:.0f} s {code or ''}"
        )
        sys.stdout.flush()


def in_parallel(jobs: list[tuple[list[str], float]], places: list[str], out: pathlib.Path, end: float) -> None:
    """Run jobs side by side, one at a time in each place, until the end."""
    waiting: queue.Queue = queue.Queue()
    for job in jobs:
        waiting.put(job)

    def work(cores: str) -> None:
        while time.time() < end:
            try:
                arguments, patience = waiting.get_nowait()
            except queue.Empty:
                return
            run(arguments, cores, out.with_name(f"{out.stem}_{cores}{out.suffix}"), min(patience, end - time.time()))

    threads = [threading.Thread(target=work, args=(cores,)) for cores in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


START = time.time()


def main() -> None:
    """Measure, within about nine minutes."""
    folder = pathlib.Path(sys.argv[1])
    phases = sys.argv[2:]
    names = sorted(FAMILIES, key=lambda name: not name.startswith(SLOW))
    n_cores = len(os.sched_getaffinity(0))
    if "pairs" in phases:
        pairs = [f"{i},{i + 1}" for i in range(4, n_cores, 2)]
        jobs = [(["measure", name, "--seconds", "1"], 60.0) for name in names]
        gpu = [(["measure", *names, "--seconds", "0.7", "--containers", "numpy", "cupy", "--engines", "gpu"], 300.0)]
        beside = threading.Thread(target=in_parallel, args=(gpu, ["0-3"], folder / "gpu.jsonl", START + 300))
        beside.start()
        in_parallel(jobs, pairs, folder / "pairs.jsonl", START + 300)
        beside.join()
    if "scoring" in phases:
        scored = [name for name in names if FAMILIES[name].methods]
        ways = ["--ways", "plain", "threads", "device"]
        run(["score", *scored, "--seconds", "0.7", *ways], f"0-{n_cores - 1}", folder / "scoring.jsonl", 100)
        pairs = [f"{i},{i + 1}" for i in range(0, n_cores, 2)]
        in_parallel([(["score", name], 40.0) for name in scored], pairs, folder / "score_pairs.jsonl", time.time() + 60)
    if "all" in phases:
        options = ["--seconds", "0.7", "--containers", "numpy", "cupy", "--engines", "gpu"]
        gpu = [(["measure", name, *options], 60.0) for name in names]
        beside = threading.Thread(target=in_parallel, args=(gpu, ["0-3"], folder / "gpu.jsonl", START + 300))
        beside.start()
        jobs = [(["measure", name, "--seconds", "0.5"], 30.0) for name in names]
        in_parallel(jobs, [f"4-{n_cores - 1}"], folder / "all.jsonl", START + 400)
        beside.join()


if __name__ == "__main__":
    main()
