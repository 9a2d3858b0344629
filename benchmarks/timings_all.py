"""Measure all that rates are fitted to and choices judged by, on a machine with a GPU: python timings_all.py FOLDER.

Two cores work for the GPU, and the others beside it for the engines of the CPU. Each phase writes a file for the CPU
and one for the GPU; what is not done after the seconds of a phase is left out. The probes that rates are scaled by are
measured first, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from workloads import FAMILIES

HERE = pathlib.Path(__file__).parent
# the part of the timings, their shapes, and the containers on the CPU and on the GPU
PHASES = {
    "rates": ("fit", "rates", ["numpy", "csr"], ["numpy", "cupy"]),
    "unseen": ("fit", "unseen", ["numpy", "csr"], ["numpy", "cupy", "csr"]),
    "scoring": ("score", "rates", [], []),
    "scoring_unseen": ("score", "unseen", [], []),
}
SHARES = {"rates": 0.42, "unseen": 0.34, "scoring": 0.14, "scoring_unseen": 0.1}
PROBES = """
import json, sys
from skdist_gpu.hardware.probes import probe_cpu
from skdist_gpu.hardware.detect import detect_resources
found = probe_cpu(1.0)
if detect_resources().gpus:
    from skdist_gpu.engines.executors.gpu_probes import probe_gpu
    found |= probe_gpu(1.0)
print(json.dumps(found))
"""


def run(phase: str, device: str, cores: str, folder: pathlib.Path, seconds: float) -> None:
    """Run one phase on some cores, all estimators in one process, each for its share of the time."""
    part, shapes, on_cpu, on_gpu = PHASES[phase]
    n_families = sum(1 for family in FAMILIES.values() if part == "fit" or family.methods)
    arguments = [part, str(folder / f"{phase}_{device}.jsonl"), "--shapes", shapes, "--together", "--engines", device]
    arguments += ["--seconds", "0.3", "--patience", f"{3 * seconds / n_families:.1f}"]
    if part == "fit":
        arguments += ["--containers", *(on_gpu if device == "gpu" else on_cpu)]
    start = time.time()
    with (folder / f"{phase}_{device}.log").open("ab") as log:
        program = ["taskset", "-c", cores, sys.executable, str(HERE / "timings.py"), *arguments]
        try:
            code = subprocess.run(program, stdout=log, stderr=log, timeout=seconds).returncode
        except subprocess.TimeoutExpired:
            code = -1
    print(f"{phase} {device} on {cores}: {time.time() - start:.0f} s, {code or 'done'}", flush=True)


def main() -> None:
    """Measure within `--seconds`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=450)
    parser.add_argument("--phases", nargs="+", default=list(PHASES))
    parser.add_argument("--devices", nargs="+", default=["cpu", "gpu"])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.time()
    probed = subprocess.run([sys.executable, "-c", PROBES], capture_output=True, text=True)
    print(probed.stdout, probed.stderr[-300:], flush=True)
    n_cores = len(os.sched_getaffinity(0))
    facts = {"cores": n_cores, "probes": json.loads(probed.stdout) if not probed.returncode else {}}
    (options.folder / "machine.json").write_text(json.dumps(facts))
    left, shares = options.seconds - (time.time() - start), sum(SHARES[phase] for phase in options.phases)
    places = (
        {"gpu": "0-1", "cpu": f"2-{n_cores - 1}"} if n_cores > 3 else dict.fromkeys(("gpu", "cpu"), f"0-{n_cores - 1}")
    )

    def work(device: str) -> None:
        for phase in options.phases:
            run(phase, device, places[device], options.folder, left * SHARES[phase] / shares)

    threads = [threading.Thread(target=work, args=(device,)) for device in options.devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
