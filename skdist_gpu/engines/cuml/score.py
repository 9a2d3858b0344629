"""Score rows on the GPU, with a copy of the plain estimator there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skdist_gpu._compat.sklearn import rows_fitted_to
from skdist_gpu.data.containers import container_of, find
from skdist_gpu.data.convert import place_like, to_gpu, to_host
from skdist_gpu.engines.block_method import BlockMethod, FittedState
from skdist_gpu.engines.cuml.fit import FORESTS, is_out_of_memory, name_of_copy, to_cuml
from skdist_gpu.engines.cuml.info import INFO
from skdist_gpu.engines.cuml.neighbours import among_many, are_many
from skdist_gpu.engines.registry import entries_for
from skdist_gpu.exceptions import EngineRefusal

# linear models need no more than one product
_LINEAR = {"LinearRegression", "Ridge", "Lasso", "ElasticNet"}


class CuMLMethod(BlockMethod):
    """A method of a fitted scikit-learn estimator for rows on the GPU.

    The result is a CuPy array, or labels on the host where they are text.
    """

    def __call__(self, X: Any) -> Any:
        if container_of(X) == "cudf" and any(t.kind not in "biuf" for _, t in find(X).fields(X)):
            return _on_gpu(super().__call__(to_host(X)), X)  # CuPy holds no text
        values = to_gpu(X)
        function = self._on_device(values)
        return _on_gpu(super().__call__(to_host(X)) if function is None else function(values), values)

    def of_host_rows(self, X: Any, n_gpus: int = 1) -> Any:
        from skdist_gpu.engines.executors.gpu_turns import in_turns

        try:
            if are_many(self.estimator, n_gpus, self.memory_budget):
                return among_many(self.estimator, self.method, X, n_gpus, self.memory_budget)
            return in_turns(self._of_rows_that_fit, X, n_gpus, self.memory_budget)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            raise

    def _of_rows_that_fit(self, X: Any, n_threads: int) -> Any:
        """Return the method's result for rows in main memory that the current GPU holds, copied by so many threads."""
        from skdist_gpu.engines.executors.gpu_copies import are_finite, from_device, to_device

        values = to_device(X, n_threads)
        if not are_finite(values):
            raise EngineRefusal("X has values that are not finite, which scikit-learn judges")
        function = self._on_device(values)
        if function is None:
            raise EngineRefusal(f"cuML has no {self.method} of {type(self.estimator).__name__} for such rows")
        result = function(values)
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        parts = [from_device(part, n_threads) if container_of(part) == "cupy" else to_host(part) for part in parts]
        return type(result)(parts) if isinstance(result, (tuple, list)) else parts[0]

    def _on_device(self, values: Any) -> Callable[[Any], Any] | None:
        """Return the function of CuPy rows that computes the method; None where cuML has none for such rows."""
        estimator = self.estimator
        if type(estimator).__name__ in _LINEAR and self.method == "predict":
            return lambda rows: rows @ to_gpu(estimator.coef_).T + to_gpu(estimator.intercept_)
        model = self.copies.get(name_of_copy(), FittedState(estimator), lambda: to_cuml(estimator))
        if model is None or not hasattr(model, self.method) or not _takes(estimator, values):
            return None
        method, in_float32 = getattr(model, self.method), type(estimator).__name__ in FORESTS
        return lambda rows: method(rows.astype(np.float32, copy=False) if in_float32 else rows, **self.params)


METHODS = {"gpu": CuMLMethod}


def _takes(estimator: Any, values: Any) -> bool:
    """Whether cuML scores such rows: not each twin takes sparse ones, and neighbours only what they were fitted to."""
    sparse = container_of(values) == "cupy.sparse"
    fitted_to = rows_fitted_to(estimator)
    if fitted_to is not None:
        return sparse == issparse(fitted_to)
    return not sparse or any(row.sparse for row in entries_for(estimator) if row.backend == INFO.name)


def _on_gpu(result: Any, values: Any) -> Any:
    """Return numbers as a CuPy array, text and sparse matrices as they are."""
    numbers = isinstance(result, np.ndarray) and result.dtype.kind in "biuf"
    return place_like(result, values) if numbers else result
