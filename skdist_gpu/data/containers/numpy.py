"""NumPy arrays, and arrays of any library that keeps to the array API standard."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.data.containers.base import Container
from skdist_gpu.data.containers.registry import register


class NumPyArray(Container):
    """``numpy.ndarray``, mapped from a file or in memory."""

    name = "numpy"
    types = (("numpy", "ndarray"),)


class StandardArray(Container):
    """An array of another library on the host, which says by ``__array_namespace__`` that it keeps to the standard."""

    name = "array_api"

    def recognises(self, data: Any) -> bool:
        # a number of NumPy's has it, too
        return hasattr(type(data), "__array_namespace__") and not isinstance(data, np.generic)

    def dtypes(self, data: Any) -> list[str]:
        # 'array_api_strict.float64' and 'float64' alike
        name = str(data.dtype).rpartition(".")[2]
        try:
            return [np.dtype(name).name]
        except TypeError:
            return ["object"]

    def to_host(self, data: Any) -> Any:
        try:
            return np.from_dlpack(data)
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
            return np.asarray(data)


register(NumPyArray())
STANDARD_ARRAY = StandardArray()
