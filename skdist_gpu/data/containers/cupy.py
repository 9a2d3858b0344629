"""CuPy's arrays and sparse matrices, on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.data.containers.base import Container
from skdist_gpu.data.containers.registry import register


class CuPyArray(Container):
    """``cupy.ndarray``."""

    name = "cupy"
    location = "gpu"
    types: tuple[tuple[str, str], ...] = (("cupy", "ndarray"),)

    def to_host(self, data: Any) -> Any:
        return data.get()

    def to_gpu(self, data: Any) -> Any:
        return data

    def place(self, values: np.ndarray, like: Any) -> Any:
        import cupy

        return cupy.asarray(values)


class CuPySparse(CuPyArray):
    """Sparse matrices of CuPy, in any format."""

    name = "cupy.sparse"
    types = ()
    is_sparse = True

    def recognises(self, data: Any) -> bool:
        return type(data).__module__.startswith("cupyx.scipy.sparse")

    def n_stored(self, data: Any) -> int | None:
        return int(data.nnz)

    def to_gpu(self, data: Any) -> Any:
        return canonical_rows(data)


def canonical_rows(data: Any) -> Any:
    """Return CuPy's CSR matrix, each value stored once; the user's own matrix is left as it is."""
    from cupyx.scipy.sparse import csr_matrix

    # CuPy holds no sparse integers
    matrix = csr_matrix(data if data.dtype in (np.float32, np.float64) else data.astype(np.float64))
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


register(CuPyArray())
register(CuPySparse())
