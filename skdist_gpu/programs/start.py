"""What ``skdist_gpu.pth`` imports, as ``skdist_gpu_start``, in each Python that starts under ``SKDIST_GPU_INSTALL``.

This package is imported only once scikit-learn is: a process that never imports it, such as the one that tracks the
resources of joblib's workers, starts as fast as before.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any


class _WithScikitLearn:
    """Finds scikit-learn as the other finders do, and imports this package behind it, which then installs itself."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "sklearn":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        loader: Any = spec.loader

        def execute_both(module: Any) -> None:
            del loader.exec_module
            loader.exec_module(module)
            import skdist_gpu  # noqa: F401

        loader.exec_module = execute_both
        return spec


sys.meta_path.insert(0, _WithScikitLearn())
