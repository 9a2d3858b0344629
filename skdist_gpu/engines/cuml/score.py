"""Score data that are on the GPU there, with a device copy of the plain estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from skdist_gpu.data.containers import container_of
from skdist_gpu.data.convert import place_like, to_gpu, to_host
from skdist_gpu.engines.block_method import BlockMethod, FittedState
from skdist_gpu.engines.cuml.fit import FORESTS, to_cuml
from skdist_gpu.engines.registry import entries_for

# linear models need no more than one product
_LINEAR = {"LinearRegression", "Ridge", "Lasso", "ElasticNet"}


class CuMLMethod(BlockMethod):
    """A method of a fitted scikit-learn estimator for rows on the GPU.

    The result is a CuPy array, or labels on the host where they are text.
    """

    def __call__(self, X: Any) -> Any:
        estimator = self.estimator
        if container_of(X) == "cudf" and any(dtype.kind not in "biuf" for dtype in X.dtypes):
            return _on_gpu(super().__call__(to_host(X)), X)  # CuPy holds no text
        values = to_gpu(X)
        if type(estimator).__name__ in _LINEAR and self.method == "predict":
            return values @ to_gpu(estimator.coef_).T + to_gpu(estimator.intercept_)
        model = self.copies.get("cuml", FittedState(estimator), lambda: to_cuml(estimator))
        if model is None or not hasattr(model, self.method) or not _takes(estimator, values):
            return _on_gpu(super().__call__(to_host(X)), values)
        if type(estimator).__name__ in FORESTS:
            values = values.astype("float32")
        return _on_gpu(getattr(model, self.method)(values, **self.params), values)


METHODS = {"gpu": CuMLMethod}


def _takes(estimator: Any, values: Any) -> bool:
    """Whether cuML scores such rows: not each twin takes sparse ones, and neighbours only what they were fitted to."""
    sparse = container_of(values) == "cupy.sparse"
    if hasattr(estimator, "_fit_X"):
        return sparse == issparse(estimator._fit_X)
    return not sparse or any(row.sparse for row in entries_for(estimator) if row.backend == "cuml")


def _on_gpu(result: Any, values: Any) -> Any:
    """Return numbers as a CuPy array, text and sparse matrices as they are."""
    numbers = isinstance(result, np.ndarray) and result.dtype.kind in "biuf"
    return place_like(result, values) if numbers else result
