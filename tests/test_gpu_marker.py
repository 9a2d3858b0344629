"""A GPU test without a GPU fails; it neither passes nor skips."""

from pathlib import Path

import numpy  # noqa: F401  the inner run would unload it, and it loads once in a process
import pytest


@pytest.mark.parametrize(("marker", "needed"), [("gpu", 1), ("multi_gpu", 2)])
def test_gpu_test_fails_without_gpu(pytester, monkeypatch, marker, needed):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    pytester.makeconftest((Path(__file__).parents[1] / "conftest.py").read_text())
    pytester.makeini(f"[pytest]\nmarkers = {marker}")
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.{marker}\ndef test_it():\n    pass")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*needs {needed} visible GPU(s), found 0"])
