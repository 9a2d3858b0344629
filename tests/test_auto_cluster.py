"""A cluster of one's own, started for several GPUs: when, and that it stays on this machine and ends."""

import subprocess
import sys

import psutil
import pytest

from skdist_gpu import config_context, set_config
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.registry import runs_on_workers
from skdist_gpu.hardware.cluster import visible_devices, wants_cluster
from skdist_gpu.testing import make_resources

IN_DASK = InputInfo("dask.array", 10**6, 10, location="dask", backing="cupy")
ON_HOST = InputInfo("dask.array", 10**6, 10, location="dask", backing="numpy")
IN_MEMORY = InputInfo("numpy", 10**6, 10)


@pytest.mark.parametrize(
    ("info", "backend", "gains", "gpus", "setting", "expected"),
    [
        (IN_DASK, "auto", False, 2, "auto", True),
        (ON_HOST, "auto", False, 2, "auto", False),
        (ON_HOST, "cuml.dask", False, 2, "auto", True),
        (IN_MEMORY, "auto", False, 2, "auto", False),
        (IN_MEMORY, "auto", True, 2, "auto", True),
        (IN_MEMORY, "auto", True, 2, "off", False),
        (IN_MEMORY, "auto", True, 1, "auto", False),
        (ON_HOST, "auto", False, 2, "on", True),
        (IN_MEMORY, "cuml.dask", False, 2, "auto", True),
        (IN_MEMORY, "reductions:dask", False, 2, "auto", True),
        (IN_MEMORY, "auto", False, 2, "on", False),
        (IN_DASK, "auto", False, 1, "on", False),
        (IN_DASK, "cuml.dask", False, 2, "off", False),
        (ON_HOST, "dask_ml", False, 2, "auto", False),
    ],
)
def test_when_a_cluster_is_wanted(info, backend, gains, gpus, setting, expected):
    assert (
        wants_cluster(info, runs_on_workers(backend), lambda machine: gains, make_resources(gpus=gpus), setting)
        is expected
    )


def test_none_is_started_where_dask_is_missing():
    assert not wants_cluster(
        IN_DASK, False, lambda machine: True, make_resources(gpus=2, packages=("cuml", "cupy")), "on"
    )


def test_the_devices_are_those_that_the_user_shows(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert visible_devices(2) == ["3", "5"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_devices(2) == ["0", "1"]


def test_the_setting_is_checked():
    with pytest.raises(ValueError, match="auto_cluster='sometimes' is not known"):
        set_config(auto_cluster="sometimes")
    with config_context(auto_cluster="off"):
        pass


SCRIPT = """
import dask.array as da, numpy as np, psutil
from sklearn.linear_model import Ridge
from skdist_gpu import autoscale, config_context
from skdist_gpu.engines.registry import runs_on_workers
from skdist_gpu.hardware.cluster import start_cluster
from skdist_gpu.hardware.detect import detect_resources

client = start_cluster(["0", "1"])
assert start_cluster(["0", "1"]) is client
me = psutil.Process()
programs = me.children(recursive=True)
found = [c for p in [me, *programs] for c in p.net_connections("tcp") if c.status == "LISTEN"]
assert found and {c.laddr.ip for c in found} == {"127.0.0.1"}, found
cluster = detect_resources(client).cluster
assert (cluster.n_workers, cluster.n_gpus) == (2, 2), cluster
X = np.random.default_rng(0).normal(size=(1000, 3))
y = X @ [1.0, 2.0, 3.0]
with config_context(client=client):
    model = autoscale(Ridge(alpha=1e-6)).fit(da.from_array(X, chunks=(250, 3)), da.from_array(y, chunks=250))
assert model.backend_ == "reductions", model.backend_
assert np.allclose(model.coef_, [1.0, 2.0, 3.0], atol=1e-6)
print(*[p.pid for p in programs])
"""


def test_a_script_without_main_guard_starts_one_on_loopback_that_ends_with_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    programs = [int(pid) for pid in done.stdout.split()]
    assert len(programs) >= 3
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in programs if psutil.pid_exists(pid)], timeout=10)
    assert not alive
