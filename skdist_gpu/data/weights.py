"""The one check of sample weights, for every container and engine."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from skdist_gpu._compat.sklearn import check_sample_weight
from skdist_gpu.data.containers import DASK, HOST, container_of, find
from skdist_gpu.exceptions import EngineRefusal
from skdist_gpu.protocols import DaskClient, Estimator

# whose fit refuses negative weights; a test asks every estimator of scikit-learn
_NON_NEGATIVE = frozenset({"LinearRegression"})
# whose weights libsvm alone looks at
_LIBSVM = frozenset({"SVC", "NuSVC", "SVR", "NuSVR"})
Extremes = tuple[float, float]


def is_one_number(sample_weight: Any) -> bool:
    """Whether one number is the weight of every row."""
    return isinstance(sample_weight, Real) or (isinstance(sample_weight, np.ndarray) and sample_weight.ndim == 0)


def checked_weights(estimator: Estimator, sample_weight: Any, X: Any) -> np.ndarray:
    """Return weights on the host as float64, one for each row of `X`.

    Raises
    ------
    ValueError
        scikit-learn's own, for weights that its estimator refuses.
    EngineRefusal
        For negative weights that it takes, and weights that are all zero of libsvm: what they mean is known to its own
        fit alone.
    """
    if type(estimator).__name__ in _LIBSVM and not np.asarray(sample_weight).any():
        raise EngineRefusal("sample_weight is zero throughout, of which libsvm has its own to say")
    weights: np.ndarray = check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=_refuses_negative(estimator)
    )
    judge(estimator, extremes_of(weights))
    return weights


def weights_in_memory(values: Any, n_rows: int) -> np.ndarray | None:
    """Return weights that every estimator takes, a number from 0 on for each row, as float64; None for others."""
    if values is None or container_of(values) not in HOST:
        return None
    weights = np.asarray(values)
    if weights.shape != (n_rows,) or weights.dtype.kind not in "biuf":
        return None
    weights = weights.astype(np.float64)
    return weights if np.isfinite(weights).all() and weights.min() >= 0 else None


def extremes_of(block: Any) -> Extremes | None:
    """Return the smallest and largest weight of a block, NaN for both where one is; None without rows."""
    if not len(block):
        return None
    container = find(block)
    values = container.to_gpu(block) if container.location == "gpu" else np.asarray(container.to_host(block))
    values = values.astype(np.float64)
    return float(values.min()), float(values.max())


def judge(estimator: Estimator, *extremes: Extremes | None) -> None:
    """Raise what scikit-learn raises for weights of which only the extremes of blocks are known.

    Raises
    ------
    ValueError, EngineRefusal
        As :func:`checked_weights`.
    """
    pair = np.array([found for found in extremes if found is not None])
    if not len(pair):
        return
    pair = np.array([pair.min(), pair.max()])
    check_sample_weight(pair, pair, dtype=np.float64, ensure_non_negative=_refuses_negative(estimator))
    if pair[0] < 0:
        raise EngineRefusal(
            f"sample_weight has negative values, down to {pair[0]:g}; what they mean to {type(estimator).__name__} "
            "is known to scikit-learn's own fit alone"
        )


def check_lazy_weights(estimator: Estimator, sample_weight: Any, client: DaskClient | None = None) -> None:
    """Check the weights in Dask blocks; computes them once, and two numbers of each block come back."""
    import dask

    blocks = [dask.delayed(extremes_of)(block) for block in find(sample_weight).delayed_blocks(sample_weight)]
    found = dask.compute(*blocks) if client is None else client.gather(client.compute(blocks))
    judge(estimator, *found)


def check_shape(sample_weight: Any, n_rows: int | None) -> None:
    """Raise scikit-learn's error for weights that are no vector or, where that is known, not as many as rows."""
    shape = find(sample_weight).shape(sample_weight)
    if len(shape) > 1:
        length = "n_samples" if n_rows is None else n_rows
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {len(shape)}D array. Expected either a scalar value or a "
            f"1D array of length {length}."
        )
    if n_rows is not None and shape and shape[0] is not None and shape[0] != n_rows:
        raise ValueError(f"sample_weight.shape == {shape}, expected {(n_rows,)}!")


def constant_weights(value: Any, X: Any) -> Any:
    """Return one weight for each row of Dask's `X`, in its blocks."""
    assert find(X).name in DASK
    return find(X).map_rows(X, full_of, float(value))


def full_of(block: Any, value: float) -> Any:
    """Return a value for each row of a block, where the block is."""
    return find(block).place(np.full(block.shape[0], value), block)


def _refuses_negative(estimator: Estimator) -> bool:
    return type(estimator).__name__ in _NON_NEGATIVE
