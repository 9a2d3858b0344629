"""What `set_output` asks of results that are still to be computed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from skdist_gpu._compat.sklearn import transform_output
from skdist_gpu.data.containers import DASK, container_of


def lazy_output(method: Any) -> Callable[..., Any]:
    """Return a method that scikit-learn wrapped for `set_output`, without its wrapping where the rows are lazy.

    scikit-learn would collect the result to make the frame. Of Dask collections the result is a Dask frame where
    pandas is asked for; of files it stays what it is, with the names of the output features.

    Raises
    ------
    ValueError
        Where another kind of frame is asked for, before anything is computed.
    """

    @wraps(method)
    def call(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        container = container_of(X)
        if container not in DASK and container not in ("arrow.dataset", "polars.lazy"):
            return method(self, X, *args, **kwargs)
        own = "_sklearn_output_config" in vars(self) or "estimator_" not in vars(self)
        wanted = transform_output(self if own else self.estimator_)
        if wanted not in ("default", "pandas"):
            raise ValueError(
                f"Rows in Dask or in files are transformed lazily, and no lazy result is a frame of {wanted}. Nothing "
                'was computed. set_output(transform="pandas") gives a Dask frame for Dask; transform rows in memory '
                f"for frames of {wanted}."
            )
        result = method.__wrapped__(self, X, *args, **kwargs)
        if wanted == "default" or container_of(result) != "dask.array":
            return result
        from skdist_gpu.scoring.lazy import as_named_frame  # imports Dask

        return as_named_frame(result, self)

    return call
