"""A search whose workers have a GPU each."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.multi_gpu

PROGRAM = """
import os
import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LinearRegression
from skdist_gpu import autoscale
from skdist_gpu.hardware.detect import detect_resources

n_gpus = len(detect_resources().gpus)

def fit(seed):
    import cupy
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(2_000_000, 20))
    model = autoscale(LinearRegression(), backend="reductions:gpu", fallback="raise").fit(X, X @ np.arange(20.0))
    assert np.allclose(model.coef_, np.arange(20.0))
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"], cupy.cuda.runtime.getDeviceCount()

found = set(Parallel(n_jobs=n_gpus)(delayed(fit)(seed) for seed in range(4 * n_gpus)))
devices = [device for _, device, _ in found]
assert all(count == 1 for _, _, count in found), found
assert len(set(devices)) == len(devices), found
print(len(devices), n_gpus)
"""


def test_each_worker_has_a_device_of_its_own():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    used, there = map(int, done.stdout.split())
    assert used > there / 2
