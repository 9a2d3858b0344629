"""What is found of the machine: memory within limits, GPUs that CUDA shows, a cluster that answers."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from skdist_gpu.hardware.detect import Device, devices_of, visible
from skdist_gpu.hardware.memory import memory_of

GB = 10**9


def _tree(root: Path, groups: str, files: dict[str, str]) -> Path:
    """Write what Linux shows of the control groups of a process."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "limit", "free"),
    [
        pytest.param(
            "0::/",
            {"memory.max": str(GB), "memory.current": str(GB // 2)},
            GB,
            GB // 2,
            id="version 2 in a container",
        ),
        pytest.param(
            "0::/user/job",
            {"memory.max": str(GB), "memory.current": str(GB // 4), "user/job/memory.max": "max"},
            GB,
            GB * 3 // 4,
            id="limit of a group around it",
        ),
        pytest.param(
            "0::/user/job",
            {
                **{"memory.max": str(GB), "memory.current": str(GB // 4)},
                **{"user/job/memory.max": str(GB // 2), "user/job/memory.current": str(GB // 8)},
            },
            GB // 2,
            GB * 3 // 8,
            id="the lowest limit",
        ),
        pytest.param(
            "0::/",
            {"memory.max": str(GB), "memory.current": str(GB), "memory.stat": f"anon 5\ninactive_file {GB // 2}"},
            GB,
            GB // 2,
            id="copies of files are free",
        ),
        pytest.param(
            "9:name=systemd:/\n4:memory:/docker/abc",
            {"memory/memory.limit_in_bytes": str(GB), "memory/memory.usage_in_bytes": str(GB // 2)},
            GB,
            GB // 2,
            id="version 1 in a container that sees its own group as the top",
        ),
        pytest.param(
            "4:cpu,memory:/slurm/job",
            {
                "memory/memory.limit_in_bytes": str(2**63 - 4096),  # how version 1 says that there is none
                "memory/memory.usage_in_bytes": "0",
                "memory/slurm/job/memory.limit_in_bytes": str(GB),
                "memory/slurm/job/memory.usage_in_bytes": str(GB // 2),
                "memory/slurm/job/memory.stat": f"inactive_file 7\ntotal_inactive_file {GB // 4}",
            },
            GB,
            GB * 3 // 4,
            id="version 1",
        ),
    ],
)
def test_memory_within_control_groups(tmp_path, groups, files, limit, free):
    root = _tree(tmp_path, groups, {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    total, available = memory_of(root)
    assert total == limit
    assert available == min(free, psutil.virtual_memory().available)


@pytest.mark.parametrize("groups", ["0::/", "4:memory:/", ""])
def test_memory_without_a_limit_is_the_machines(tmp_path, groups):
    total, available = memory_of(_tree(tmp_path, groups, {"sys/fs/cgroup/memory.max": "max"}))
    assert total == psutil.virtual_memory().total
    assert 0 < available <= total


GPUS = [Device(i, i, f"GPU-{i}{i}", "H100") for i in range(3)]
INSTANCES = [Device(10 + i, 1, f"MIG-{i}", "H100 MIG 3g.40gb", True) for i in range(2)]


@pytest.mark.parametrize(
    ("setting", "devices", "expected"),
    [
        (None, GPUS, [0, 1, 2]),
        ("2,0", GPUS, [2, 0]),
        ("GPU-1", GPUS, [1]),
        ("0, 7, 1", GPUS, [0]),  # what follows an unknown name is not shown
        (None, [GPUS[0], *INSTANCES], [10]),
        ("1", [GPUS[0], *INSTANCES], [10]),
        ("MIG-1,MIG-0", [GPUS[0], *INSTANCES], [11]),
        ("0", [GPUS[0], *INSTANCES], [0]),
    ],
)
def test_gpus_are_those_that_cuda_shows(setting, devices, expected):
    assert [device.handle for device in visible(devices, setting)] == expected


class _Driver:
    """Two GPUs as NVML tells of them, the second one divided."""

    NVML_DEVICE_MIG_ENABLE = 1

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetMigMode(self, gpu):
        if gpu == 0:
            raise self.NVMLError("not supported")
        return 1, 1

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu):
        return 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu, i):
        if i == 1:
            raise self.NVMLError("not found")
        return 10 * gpu + i

    def nvmlDeviceGetUUID(self, handle):
        return f"{'MIG' if handle >= 10 else 'GPU'}-{handle}"

    def nvmlDeviceGetName(self, handle):
        return "H100"


def test_instances_stand_for_a_divided_gpu():
    found = [(d.handle, d.index, d.uuid, d.is_instance) for d in devices_of(_Driver())]
    assert found == [(0, 0, "GPU-0", False), (10, 1, "MIG-10", True), (12, 1, "MIG-12", True)]


NVML = """
from types import SimpleNamespace
asked = 0

class NVMLError(Exception):
    pass

def nvmlInit():
    pass

def nvmlDeviceGetCount():
    return 1

def nvmlDeviceGetHandleByIndex(index):
    return index

def nvmlDeviceGetMigMode(gpu):
    raise NVMLError("not supported")

def nvmlDeviceGetUUID(handle):
    return "GPU-0"

def nvmlDeviceGetName(handle):
    return "H100"

def nvmlDeviceGetMemoryInfo(handle):
    global asked
    asked += 1
    return SimpleNamespace(total=100, free=100 - asked)
"""
MEMORY_OF_GPUS = """
import time
import pynvml
from skdist_gpu.hardware.detect import MEMORY_SECONDS, detect_resources

start = time.monotonic()
gpus = [detect_resources().gpus[0] for _ in range(50)]
assert pynvml.asked <= 2 + (time.monotonic() - start) / MEMORY_SECONDS, pynvml.asked
time.sleep(2 * MEMORY_SECONDS)
assert detect_resources().gpus[0].free_bytes < gpus[-1].free_bytes
"""


def test_the_memory_of_gpus_is_asked_for_once_in_a_while(tmp_path):
    (tmp_path / "pynvml.py").write_text(NVML)
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"} | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", MEMORY_OF_GPUS], check=True, env=environment)


# --- clusters that do not answer -----------------------------------------------------------

FORKED = """
import os, sys, time
import joblib, numpy as np
from dask.distributed import Client
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from skdist_gpu import AutoScaleRegressor, autoscale, config_context

X = np.random.default_rng(0).standard_normal((60, 3))
y = X @ [1.0, 2.0, 3.0]
client = Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None)
"""
CHILD = """
child = os.fork()
if child == 0:
    with config_context(client=client):
        model = AutoScaleRegressor(Ridge())
        model.plan(X, y)
        os._exit(int(not np.allclose(model.fit(X, y).predict(X), Ridge().fit(X, y).predict(X))))
assert os.waitpid(child, 0)[1] == 0
"""
SEARCH = """
search = GridSearchCV(autoscale(Ridge()), {"estimator__alpha": [1.0, 100.0]}, cv=2, n_jobs=2)
with joblib.parallel_backend("multiprocessing"):
    search.fit(X, y)
assert search.best_params_ == {"estimator__alpha": 1.0}
"""
LATER = """
assert client.submit(lambda: 1).result() == 1  # the parent's client still serves
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("what", [CHILD, SEARCH], ids=["fork", "search"])
def test_a_forked_process_does_without_its_parents_client(what):
    pytest.importorskip("distributed")
    program = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKED + what + LATER)]
    done = subprocess.run(program, timeout=100, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
