"""Move data between containers and devices; the only module that copies the user's data."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.validation import validate_data

from skdist_gpu._compat.sklearn import check_sample_weight
from skdist_gpu.data.kinds import DASK, GPU, container_of
from skdist_gpu.exceptions import MisalignedBlocksError


def to_host(data: Any) -> Any:
    """Return data as scikit-learn takes them: host containers as they are, others copied."""
    container = container_of(data)
    if container in DASK:
        return to_host(data.compute())
    if container in ("cupy", "cupy.sparse"):
        return data.get()
    if container in ("cudf", "cudf.series"):
        return data.to_pandas()
    if container == "polars.lazy":
        return data.collect()
    if container == "arrow":
        return data.to_pandas()
    if container == "arrow.array":
        return data.to_numpy()
    return data


def to_gpu(data: Any) -> Any:
    """Return a CuPy array of the data, integers as float64; no copy if it is one already."""
    import cupy

    container = container_of(data)
    if container in ("cudf", "cudf.series"):
        data = data.to_cupy()
    elif container not in GPU:
        data = cupy.asarray(np.asarray(data))
    return data if data.dtype.kind == "f" and data.dtype.itemsize >= 4 else data.astype(np.float64)


def validate(job_estimator: Any, X: Any, y: Any, sample_weight: Any, *, sparse: bool, multi_target: bool) -> tuple:
    """Return `X`, `y` and weights on the host as arrays, checked by scikit-learn with its errors.

    The estimator learns ``n_features_in_`` and ``feature_names_in_``. Integers become float64,
    float32 and float64 stay.
    """
    options: dict[str, Any] = {
        "accept_sparse": ["csr"] if sparse else False,
        "dtype": [np.float64, np.float32],
    }
    X = to_host(X)
    if y is None:
        X = validate_data(job_estimator, X, **options)
    else:
        options |= {"multi_output": multi_target, "y_numeric": is_regressor(job_estimator)}
        X, y = validate_data(job_estimator, X, to_host(y), **options)
    if sample_weight is not None:
        sample_weight = check_sample_weight(to_host(sample_weight), X, dtype=np.float64, ensure_non_negative=True)
    return X, y, sample_weight


def remember_features(estimator: Any, X: Any) -> None:
    """Set ``n_features_in_`` and ``feature_names_in_`` from data that stay where they are."""
    names = getattr(X, "columns", None)
    if names is None:
        validate_data(estimator, np.empty((1, X.shape[1])), skip_check_array=True)
        return
    import pandas as pd

    empty = pd.DataFrame(columns=list(names), dtype=np.float64)
    validate_data(estimator, empty, skip_check_array=True)


def check_aligned(X: Any, y: Any, what: str = "y") -> None:
    """Raise unless two Dask collections have the same blocks of rows, as far as that is known.

    Raises
    ------
    MisalignedBlocksError
        Naming both chunkings. Unknown block sizes are checked when the blocks are read.
    """
    x_blocks, y_blocks = _row_blocks(X), _row_blocks(y)
    same = len(x_blocks) == len(y_blocks) and all(
        a == b or a is None or b is None for a, b in zip(x_blocks, y_blocks, strict=True)
    )
    if not same:
        raise MisalignedBlocksError(
            f"The blocks of X and {what} do not line up: X has {_blocks_text(x_blocks)}, {what} has "
            f"{_blocks_text(y_blocks)}. Nothing was computed. Give both the same partitions, for example with "
            f"{what}.rechunk(X.chunks[0]) or by taking both from one persisted frame."
        )


def _row_blocks(data: Any) -> tuple[int | None, ...]:
    if container_of(data) == "dask.array":
        return tuple(None if np.isnan(n) else int(n) for n in data.chunks[0])
    return (None,) * data.npartitions


def _blocks_text(blocks: tuple[int | None, ...]) -> str:
    sizes = ["?" if n is None else str(n) for n in blocks]
    shown = ", ".join(sizes[:8]) + (", …" if len(sizes) > 8 else "")
    known = "" if None in blocks else f", {sum(n for n in blocks if n is not None)} rows"
    return f"{len(blocks)} blocks ({shown}){known}"
