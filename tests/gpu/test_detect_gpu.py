"""What may change between two fits is seen by the second: free memory, and the GPUs that the environment shows."""

import time

import cupy
import pytest

from skdist_gpu.hardware.detect import MEMORY_SECONDS, detect_resources

pytestmark = pytest.mark.gpu

GIB = 2**30


def test_memory_taken_since_the_last_look_is_not_free():
    before = detect_resources().gpus[0]
    taken = cupy.cuda.runtime.malloc(GIB)
    try:
        time.sleep(2 * MEMORY_SECONDS)  # the figure is that old at most
        after = detect_resources().gpus[0]
    finally:
        cupy.cuda.runtime.free(taken)
    assert (after.name, after.total_bytes) == (before.name, before.total_bytes)
    # the first use of the device takes memory, too
    assert after.free_bytes <= before.free_bytes - GIB


def test_a_gpu_hidden_since_the_last_look_is_not_used(monkeypatch):
    assert detect_resources().gpus
    for nothing in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        assert not detect_resources().gpus
    monkeypatch.undo()
    assert detect_resources().gpus
