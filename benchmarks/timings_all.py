"""Measure all that rates are fitted to and choices judged by, on a machine with GPUs: python timings_all.py FOLDER.

The machine is divided into groups of a GPU and 16 cores, of which two work for the GPU, and the others beside it for
the engines of the CPU; each group takes its share of the estimators. Each phase writes a file for the CPU and one for
the GPU of each group; what is not done after the seconds of a phase is left out. The probes that rates are scaled by
are measured first, on a machine that does nothing else.
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
from dataclasses import dataclass

from workloads import FAMILIES

HERE = pathlib.Path(__file__).parent
# the part of the timings, their shapes, the containers on the CPU and on the GPU, and the share of the time
PHASES = {
    "rates": ("fit", "rates", ["numpy", "csr"], ["numpy", "cupy"], 0.42),
    "unseen": ("fit", "unseen", ["numpy", "csr", "pandas"], ["numpy", "cupy", "csr", "pandas"], 0.34),
    "scoring": ("score", "rates", [], [], 0.14),
    "scoring_unseen": ("score", "unseen", [], [], 0.1),
}
CORES_OF_A_GROUP = 16
PROBES = """
import json, os, sys
from skdist_gpu.hardware.probes import probe_cpu
from skdist_gpu.hardware.detect import detect_resources
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:16])
found, gpus = probe_cpu(1.0), detect_resources().gpus
if gpus:
    from skdist_gpu.engines.executors.gpu_probes import probe_gpu
    found |= probe_gpu(1.0)
print(json.dumps({"probes": found, "gpus": [gpu.name for gpu in gpus]}))
"""


@dataclass(frozen=True)
class Place:
    """Cores and a GPU, and the estimators that are measured there."""

    group: int
    gpu: str
    device: str
    cores: str
    names: tuple[str, ...]

    def run(self, phase: str, folder: pathlib.Path, seconds: float, seed: int) -> None:
        """Run one phase, all estimators in one process, each for its share of the time."""
        part, shapes, on_cpu, on_gpu, _ = PHASES[phase]
        names = [name for name in self.names if part == "fit" or FAMILIES[name].methods]
        stem = f"{phase}_{self.device}_{self.group}"
        arguments = [part, str(folder / f"{stem}.jsonl"), "--shapes", shapes, "--together", "--engines", self.device]
        arguments += ["--seed", str(seed), "--seconds", "0.2", "--patience", f"{1.1 * seconds / len(names):.1f}"]
        arguments += ["--only", *names]
        if part == "fit":
            arguments += ["--containers", *(on_gpu if self.device == "gpu" else on_cpu)]
        start, variables = time.time(), os.environ | {"CUDA_VISIBLE_DEVICES": self.gpu}
        program = ["taskset", "-c", self.cores, sys.executable, str(HERE / "timings.py"), *arguments]
        with (folder / f"{stem}.log").open("ab") as log:
            try:
                code = subprocess.run(program, stdout=log, stderr=log, timeout=seconds, env=variables).returncode
            except subprocess.TimeoutExpired:
                code = -1
        print(f"{stem} on {self.cores}: {time.time() - start:.0f} s, {code or 'done'}", flush=True)


def places(cores: list[int], n_gpus: int, devices: list[str], only: list[str]) -> list[Place]:
    """Divide the cores and GPUs that this process may use, and deal the estimators out."""
    gpus = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(n_gpus)))).split(",")
    n_groups = max(1, min(n_gpus, len(cores) // CORES_OF_A_GROUP))
    size, found = len(cores) // n_groups, []
    for group in range(n_groups):
        names, own = tuple(only)[group::n_groups], cores[group * size : (group + 1) * size]
        shares = {"gpu": own[:2], "cpu": own[2:] if size > 3 else own}
        for device in devices:
            numbers = ",".join(map(str, shares[device]))
            found.append(Place(group, gpus[group], device, numbers, names))
    return found


def main() -> None:
    """Measure within `--seconds`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=450)
    parser.add_argument("--seed", type=int, default=0, help="by which unseen shapes are drawn")
    parser.add_argument("--phases", nargs="+", default=list(PHASES))
    parser.add_argument("--devices", nargs="+", default=["cpu", "gpu"])
    parser.add_argument("--only", nargs="+", default=list(FAMILIES), help="names of estimators")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    start, cores = time.time(), sorted(os.sched_getaffinity(0))
    probed = subprocess.run([sys.executable, "-c", PROBES], capture_output=True, text=True)
    machine = {"cores": len(cores), "gpus": []} | (json.loads(probed.stdout) if not probed.returncode else {})
    (options.folder / "machine.json").write_text(json.dumps(machine))
    print(probed.stdout, probed.stderr[-300:], flush=True)
    left, shares = options.seconds - (time.time() - start), sum(PHASES[phase][-1] for phase in options.phases)

    def work(place: Place) -> None:
        for phase in options.phases:
            place.run(phase, options.folder, left * PHASES[phase][-1] / shares, options.seed)

    divided = places(cores, len(machine["gpus"]), options.devices, options.only)
    threads = [threading.Thread(target=work, args=(place,)) for place in divided]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
