"""Rules for every test; the markers are described in pyproject.toml."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

# what the build of the documentation draws and writes, with packages that the tests do not need; and what stands for
# GPU libraries in processes of its own
collect_ignore_glob = ["docs/_ext/*", "docs/_build/*", "docs/generated/*", "tests/emulated/*"]

# a worker of pytest-xdist is one of several processes on these cores; OMP_NUM_THREADS would be the share of our threads
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# predictions are tested as they are without the user's own measurements
os.environ["SKDIST_GPU_CALIBRATION"] = os.devnull

pytest_plugins = ["pytester"]
collect_ignore = ["docs/conf.py"]
GPU_TESTS_ASKED_FOR = re.compile(r"(?<!not )\b(multi_)?gpu\b")
IMPORTS_GPU_LIBRARIES = re.compile(
    r"/tests/gpu/|/skdist_gpu/engines/.*(cuml|gpu|kernels|executors/(ahead|once|pool|queues|sums))"
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over files that cannot be imported here, unless GPU tests were asked for: then they fail."""
    if find_spec("cupy") is None and not GPU_TESTS_ASKED_FOR.search(config.option.markexpr):
        return bool(IMPORTS_GPU_LIBRARIES.search(collection_path.as_posix())) or None
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail, not skip, a GPU test without a GPU: a test that fell back silently proves nothing."""
    needed = 2 if item.get_closest_marker("multi_gpu") else 1 if item.get_closest_marker("gpu") else 0
    if needed:
        from skdist_gpu.hardware.detect import detect_resources

        found = len(detect_resources().gpus)
        if found < needed:
            pytest.fail(f"needs {needed} visible GPU(s), found {found}", pytrace=False)
