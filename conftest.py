"""Rules for every test; the markers are described in pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytest_plugins = ["pytester"]
collect_ignore = ["docs/conf.py"]
if find_spec("cupy") is None:
    # their first lines import the GPU libraries
    collect_ignore_glob = ["skdist_gpu/engines/*cuml*.py", "skdist_gpu/engines/*gpu*.py"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail, not skip, a GPU test without a GPU: a test that fell back silently proves nothing."""
    needed = 2 if item.get_closest_marker("multi_gpu") else 1 if item.get_closest_marker("gpu") else 0
    if needed:
        from skdist_gpu.hardware.detect import detect_resources

        found = len(detect_resources().gpus)
        if found < needed:
            pytest.fail(f"needs {needed} visible GPU(s), found {found}", pytrace=False)
