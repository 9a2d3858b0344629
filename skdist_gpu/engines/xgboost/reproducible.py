"""The same candidate splits on every engine: values rounded down to quantiles common to all rows.

XGBoost makes its histograms from quantile sketches that depend on how the rows are spread over workers
and devices. Rounded to at most ``max_bin`` values that are fixed beforehand, every sketch is exact, and a
split of rounded values divides the values themselves in the same way.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from skdist_gpu.data.blocks import take_rows, with_columns
from skdist_gpu.data.containers import FRAMES, GPU, container_of, find
from skdist_gpu.data.convert import to_gpu, to_host

SAMPLE_ROWS = 2**17
DEFAULT_BINS = 256  # XGBoost's max_bin

Table = dict[Any, np.ndarray]  # column -> its sorted values


def stride_of(n_rows: int) -> int:
    """Return the distance of the rows to take so that at most `SAMPLE_ROWS` are."""
    return max(1, -(-n_rows // SAMPLE_ROWS))


def sampled(X: Any, start: int = 0, stride: int | None = None) -> dict[Any, np.ndarray]:
    """Return the numeric columns of evenly spaced rows on the host; `start` is the number of the first row of X."""
    stride = stride_of(X.shape[0]) if stride is None else stride
    columns = _columns(take_rows(X, slice(-start % stride, None, stride)))
    return {name: np.asarray(to_host(column), np.float32) for name, column in columns.items()}


def pooled(samples: list[dict[Any, np.ndarray]]) -> dict[Any, np.ndarray]:
    """Return the samples of all blocks in one."""
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}


def table_of_quantiles(sample: dict[Any, np.ndarray], max_bin: int | None, missing: float) -> Table:
    """Return all values of each column if they are at most `max_bin`, else as many evenly spaced by rank."""
    n_bins = max_bin or DEFAULT_BINS
    ranks, table = np.linspace(0, 1, n_bins, endpoint=False), {}
    for name, values in sample.items():
        present = values[np.isfinite(values) & (values != missing)]
        steps = np.unique(present)
        if len(steps) > n_bins:
            steps = np.unique(np.quantile(present, ranks, method="lower"))
        table[name] = steps if len(steps) else np.zeros(1, np.float32)
    return table


def round_down(X: Any, table: Table, missing: float) -> Any:
    """Return `X` in float32 with each value replaced by the largest one of its table below it, or its first."""
    library: Any = sys.modules["cupy"] if container_of(X) in GPU else np

    def rounded(name: Any, values: Any) -> Any:
        values, steps = library.asarray(values, np.float32), library.asarray(table[name])
        found = steps[library.maximum(library.searchsorted(steps, values, side="right") - 1, 0)]
        return library.where(library.isnan(values) | (values == missing), np.float32(np.nan), found)

    if container_of(X) in FRAMES:
        return with_columns(X, {name: rounded(name, column) for name, column in _columns(X).items()})
    result = library.empty(X.shape, np.float32)
    for i in table:
        result[:, i] = rounded(i, X[:, i])
    return result


def _columns(X: Any) -> dict[Any, Any]:
    """Return the columns of numbers by their name, or by their position in an array."""
    if container_of(X) == "cudf":
        return {name: to_gpu(X[name]) for name, dtype in find(X).fields(X) if str(dtype) != "category"}
    if container_of(X) in FRAMES:
        return {
            name: X[name].to_numpy(np.float32, na_value=np.nan)
            for name, dtype in find(X).fields(X)
            if str(dtype) != "category"
        }
    if not hasattr(X, "__array__") and container_of(X) != "cupy":
        raise ValueError(
            "reproducible=True takes dense X: the entries that a sparse matrix leaves out are missing values. "
            "Nothing was fitted. X.toarray() makes it dense."
        )
    return {i: X[:, i] for i in range(X.shape[1])}
