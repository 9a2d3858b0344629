"""Score rows in main memory with the plain estimator itself."""

from skdist_gpu.engines.block_method import BlockMethod

METHODS = {"cpu": BlockMethod}
