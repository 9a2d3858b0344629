"""SciPy's sparse matrices and arrays."""

from __future__ import annotations

from typing import Any

from skdist_gpu.data.containers.base import Container, Rows
from skdist_gpu.data.containers.registry import register


class SciPySparse(Container):
    """Both families, matrices and arrays, in any format."""

    name = "scipy.sparse"
    is_sparse = True

    def recognises(self, data: Any) -> bool:
        return type(data).__module__.startswith("scipy.sparse")

    def n_stored(self, data: Any) -> int | None:
        return int(data.nnz)

    def rows(self, data: Any, rows: Rows) -> Any:
        return self.with_quick_rows(data)[rows]  # not all formats give rows

    def with_quick_rows(self, data: Any) -> Any:
        return data.tocsr()

    def to_gpu(self, data: Any) -> Any:
        from skdist_gpu.data.containers.cupy import canonical_rows

        return canonical_rows(data)


register(SciPySparse())
