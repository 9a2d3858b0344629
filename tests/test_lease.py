"""Worker processes of joblib share the GPUs of a machine, one each."""

import os
import time

import joblib
import pytest

from skdist_gpu.hardware.lease import is_worker, own_device


def _take(folder, seconds=0.5):
    uuid = own_device(("GPU-a", "GPU-b"), folder)
    # once it has one, it sees no other
    again = own_device(("GPU-a", "GPU-b") if uuid is None else (uuid,), folder)
    time.sleep(seconds)
    return os.getpid(), is_worker(), uuid, again, os.environ["CUDA_VISIBLE_DEVICES"]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_no_two_workers_have_the_same_device(tmp_path, backend):
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    with joblib.parallel_config(backend):
        found = set(joblib.Parallel(n_jobs=3)(joblib.delayed(_take)(tmp_path) for _ in range(12)))
    assert all(is_one and uuid == again for _, is_one, uuid, again, _ in found)
    by_process = {pid: uuid for pid, _, uuid, _, _ in found}
    assert len(by_process) == len(found)
    taken = [uuid for uuid in by_process.values() if uuid is not None]
    assert len(taken) == len(set(taken))
    if len(by_process) == 3:
        assert set(by_process.values()) == {"GPU-a", "GPU-b", None}
    assert all(setting == (uuid or "-1") for _, _, uuid, _, setting in found)
    assert not is_worker()
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == before


def test_a_device_is_free_again_when_its_process_ends(tmp_path):
    executor = joblib.externals.loky.ProcessPoolExecutor(max_workers=1)
    assert executor.submit(_take, tmp_path, 0).result()[2] == "GPU-a"
    executor.shutdown()
    executor = joblib.externals.loky.ProcessPoolExecutor(max_workers=1)
    assert executor.submit(_take, tmp_path, 0).result()[2] == "GPU-a"
    executor.shutdown()
