"""Name the container that holds the data, without importing the library it comes from."""

from __future__ import annotations

import sys
from typing import Any
from weakref import WeakKeyDictionary

# container -> (module, attribute path); whoever holds such an object has imported its module
_TYPES: dict[str, tuple[str, str]] = {
    "numpy": ("numpy", "ndarray"),
    "pandas": ("pandas", "DataFrame"),
    "pandas.series": ("pandas", "Series"),
    "polars": ("polars", "DataFrame"),
    "polars.series": ("polars", "Series"),
    "polars.lazy": ("polars", "LazyFrame"),
    "arrow": ("pyarrow", "Table"),
    "arrow.array": ("pyarrow", "ChunkedArray"),
    "arrow.dataset": ("pyarrow.dataset", "Dataset"),
    "scored": ("skdist_gpu.scoring.files", "ScoredDataset"),
    "cupy": ("cupy", "ndarray"),
    "cudf": ("cudf", "DataFrame"),
    "cudf.series": ("cudf", "Series"),
    "dask.array": ("dask.array", "Array"),
    "dask.dataframe": ("dask.dataframe", "DataFrame"),
    "dask.series": ("dask.dataframe", "Series"),
}

HOST = {"numpy", "pandas", "pandas.series", "polars", "polars.series", "arrow", "arrow.array"}
HOST |= {"scipy.sparse", "other"}
GPU = {"cupy", "cupy.sparse", "cudf", "cudf.series"}
DASK = {"dask.array", "dask.dataframe", "dask.series"}
FRAMES = {"pandas", "polars", "polars.lazy", "arrow", "cudf", "dask.dataframe"}


def container_of(data: Any) -> str:
    """Return the container's name, ``"other"`` for what scikit-learn turns into an array.

    Examples
    --------
    >>> import numpy as np
    >>> container_of(np.zeros((2, 3))), container_of([[1, 2]])
    ('numpy', 'other')
    """
    kind = _KIND_OF_TYPE.get(type(data))
    if kind is None:
        kind = _KIND_OF_TYPE[type(data)] = _look_up(data)
    return kind


# a fit asks many times, of the same few types
_KIND_OF_TYPE: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def _look_up(data: Any) -> str:
    for kind, (module_name, attribute) in _TYPES.items():
        cls = getattr(sys.modules.get(module_name), attribute, None)
        if cls is not None and isinstance(data, cls):
            # what is still to be computed from files is read as they are
            return "arrow.dataset" if kind == "scored" else kind
    # SciPy and CuPy have two sparse families (matrix and array); both carry a format and toarray
    if type(data).__module__.startswith(("scipy.sparse", "cupyx.scipy.sparse")):
        return "cupy.sparse" if type(data).__module__.startswith("cupyx") else "scipy.sparse"
    return "other"


def location_of(container: str) -> str:
    """Return where a container's values live: ``"host"``, ``"gpu"``, ``"dask"`` or ``"disk"``."""
    if container == "arrow.dataset":
        return "disk"
    return "gpu" if container in GPU else "dask" if container in DASK else "host"
