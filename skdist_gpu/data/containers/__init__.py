"""The containers that users hold data in: one file each, the same methods in each, one registry.

Outside this folder nobody calls a container's own methods; ``find(data)`` returns what knows how to.
"""

from skdist_gpu.data.containers import (  # noqa: F401, I001 -- each registers its containers, the first that fits wins
    numpy,
    pandas,
    polars,
    arrow,
    files,
    sparse,
    cupy,
    cudf,
    dask,
    narwhals,
)
from skdist_gpu.data.containers.arrow import ARROW_STREAM
from skdist_gpu.data.containers.base import Container
from skdist_gpu.data.containers.numpy import STANDARD_ARRAY
from skdist_gpu.data.containers.registry import DASK, DISK, FRAMES, GPU, HOST, container_of, find, register

# what says only that it keeps to a standard goes last
register(STANDARD_ARRAY)
register(ARROW_STREAM)

__all__ = ["DASK", "DISK", "FRAMES", "GPU", "HOST", "Container", "container_of", "find", "register"]
