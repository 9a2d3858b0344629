"""The names of containers; what they can do stands in :mod:`skdist_gpu.data.containers`."""

from skdist_gpu.data.containers import DASK, FRAMES, GPU, HOST, container_of

__all__ = ["DASK", "FRAMES", "GPU", "HOST", "container_of"]
