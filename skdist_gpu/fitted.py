"""Call a method of a fitted estimator on data in any container, lazily for lazy data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from skdist_gpu.data.convert import to_host
from skdist_gpu.data.dataset import read_batches, schema_of
from skdist_gpu.data.kinds import DASK, GPU, container_of


@dataclass(frozen=True)
class BlockMethod:
    """A method of a plain estimator as a function of one block of rows.

    `labels` turn the codes that XGBoost predicts into the classes of the user.
    """

    estimator: Any
    method: str
    labels: np.ndarray | None = None
    params: dict[str, Any] = field(default_factory=dict)

    def __call__(self, block: Any) -> Any:
        return self.decode(getattr(self.estimator, self.method)(block, **self.params))

    def decode(self, result: Any) -> Any:
        """Return labels for codes; anything else as it is."""
        if self.labels is None or self.method != "predict":
            return result
        return self.labels[np.asarray(result).astype(np.intp)]


def block_method(estimator: Any, method: str, labels: np.ndarray | None, params: dict[str, Any]) -> BlockMethod:
    """Return the method as a function of a block; XGBoost's check their rows first."""
    if type(estimator).__module__.startswith("xgboost."):
        from skdist_gpu.engines.xgboost_scoring import XGBoostMethod

        return XGBoostMethod(estimator, method, labels, params)
    return BlockMethod(estimator, method, labels, params)


def apply_to(function: BlockMethod, X: Any) -> Any:
    """Return the method's result for `X`: lazy for Dask, on the GPU for CuPy and cuDF."""
    container = container_of(X)
    if container in DASK:
        from skdist_gpu.data.lazy import map_rows

        return map_rows(function, X)
    if container in ("arrow.dataset", "polars.lazy"):
        names = list(getattr(function.estimator, "feature_names_in_", schema_of(X)))
        results = [function(batch.to_pandas()) for batch in read_batches(X, names) if batch.num_rows]
        return sparse.vstack(results, format="csr") if sparse.issparse(results[0]) else np.concatenate(results)
    if container in GPU:
        from skdist_gpu.engines.gpu_scoring import call_on_gpu

        return call_on_gpu(function, X)
    return function(to_host(X))
