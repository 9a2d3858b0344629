"""Move data between containers and devices; the only module that copies the user's data."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import is_regressor
from sklearn.utils import check_array, get_tags
from sklearn.utils.validation import validate_data

from skdist_gpu.data.containers import DASK, container_of, find
from skdist_gpu.data.containers.dtypes import check_numbers, numpy_name
from skdist_gpu.data.targets import all_finite, dense, is_of_floats, one_target
from skdist_gpu.data.weights import (
    check_lazy_weights,
    check_shape,
    checked_weights,
    constant_weights,
    extremes_of,
    full_of,
    is_one_number,
    judge,
)
from skdist_gpu.exceptions import MisalignedBlocksError
from skdist_gpu.protocols import DaskClient, Estimator


def to_host(data: Any) -> Any:
    """Return data as scikit-learn takes them: host containers as they are, others copied."""
    return find(data).to_host(data)


def to_pandas(data: Any) -> Any:
    """Return a pandas frame of data whose columns have names; anything else on the host, as scikit-learn takes it."""
    return find(data).to_pandas(data)


def to_gpu(data: Any) -> Any:
    """Return a CuPy array of the data, or CuPy's CSR matrix, integers as float64; no copy if it is one already."""
    return _floating(find(data).to_gpu(data))


def validate(
    estimator: Estimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    sparse: bool,
    multi_target: bool,
    finite: bool | str | None = None,
    finite_target: bool = True,
) -> tuple[Any, Any, Any]:
    """Return `X`, `y` and weights on the host as arrays, checked by scikit-learn with its errors.

    The estimator learns ``n_features_in_`` and ``feature_names_in_``. Integers become float64,
    float32 and float64 stay. `finite` is scikit-learn's ``ensure_all_finite``; None takes it from
    the estimator's tags, False leaves it to the engine, where a pass over X would cost too much.
    False for `finite_target`, beside False for `finite`, leaves floats of `y` to the engine likewise.
    """
    if finite is None:
        finite = "allow-nan" if get_tags(estimator).input_tags.allow_nan else True
    options: dict[str, Any] = {"accept_sparse": ["csr"] if sparse else False, "ensure_all_finite": finite}
    X = to_host(X)
    if y is None:
        X = validate_data(estimator, X, None, **options)
    else:
        options |= {"multi_output": multi_target, "y_numeric": is_regressor(estimator)}
        y = to_host(y)
        known = finite is False and (all_finite(y) if finite_target else is_of_floats(y))
        with config_context(assume_finite=True) if known else nullcontext():
            X, y = validate_data(estimator, X, y, **options)
        y = _floating(dense(y)) if is_regressor(estimator) else one_target(estimator, y)
    if sample_weight is not None:
        sample_weight = checked_weights(estimator, to_host(sample_weight), X)
    return _floating(X), y, sample_weight


def check_table(estimator: Estimator, X: Any) -> Any:
    """Return a pandas frame as it is, anything else as an array of any dtype; the estimator learns its features.

    Raises
    ------
    ValueError
        scikit-learn's own, for what is no table or has no rows.
    """
    X = to_host(X)
    if not (hasattr(X, "iloc") and X.ndim == 2 and len(X)):
        names = X
        X = check_array(X, dtype=None, ensure_all_finite="allow-nan")
        if X.dtype.kind == "U" and not hasattr(names, "dtype"):
            X = check_array(names, dtype=object, ensure_all_finite="allow-nan")  # numbers stay numbers
        validate_data(estimator, names, skip_check_array=True)
    else:
        validate_data(estimator, X, skip_check_array=True)
    return X


def _floating(values: Any) -> Any:
    """Return float32 and float64 as they are, anything else as float64."""
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def remember_features(estimator: Estimator, X: Any, y: Any) -> None:
    """Set ``n_features_in_`` and ``feature_names_in_`` from data that stay where they are.

    Raises
    ------
    ValueError
        scikit-learn's own, if `X` is no table or has no columns, or `y` is missing and the estimator needs it.
    """
    if len(X.shape) != 2:
        raise ValueError(
            f"Expected 2D array, got {len(X.shape)}D array instead. Reshape your data either using "
            "array.reshape(-1, 1) if your data has a single feature or array.reshape(1, -1) if it contains a single "
            "sample."
        )
    n_rows, n_columns = X.shape
    if n_columns == 0:
        shape = f"({n_rows if isinstance(n_rows, (int, np.integer)) else '?'}, 0)"
        by = type(estimator).__name__
        raise ValueError(f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required by {by}.")
    if isinstance(n_rows, (int, np.integer)) and n_rows == 0:
        by = type(estimator).__name__
        shape = f"(0, {n_columns})"
        raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required by {by}.")
    empty: Any = np.empty((0, n_columns))
    if hasattr(X, "columns"):
        import pandas as pd

        empty = pd.DataFrame(empty, columns=list(X.columns))
    validate_data(estimator, empty, None if y is None else "no_validation", skip_check_array=True)


def aligned(part: Any, X: Any, name: str = "y") -> Any:
    """Return rows that belong to those of Dask's `X` as a Dask collection with the same row blocks; computes nothing.

    Arrays whose block sizes are known are cut like `X`, and frames at known divisions: a column is cheap to move.

    Raises
    ------
    MisalignedBlocksError
        Naming both chunkings. Blocks of unknown sizes are compared when they are read.
    """
    if container_of(part) not in DASK:
        return _cut_like(part, X, name)
    if name == "sample_weight":
        n_rows = find(X).shape(X)[0]
        check_shape(part, n_rows)
    if _same_range(part, X):
        return part if part.divisions == X.divisions else part.repartition(divisions=X.divisions)
    x_blocks, blocks = _row_blocks(X), _row_blocks(part)
    unknown = None in x_blocks + blocks
    if len(blocks) == len(x_blocks) and (unknown or blocks == x_blocks):
        return part
    if not unknown and sum(blocks) == sum(x_blocks):  # type: ignore[arg-type]
        return part.rechunk({0: x_blocks})
    reason = "The sizes of some are not known" if unknown else "Their rows are not as many"
    raise MisalignedBlocksError(
        f"The blocks of X and {name} do not line up: X has {_blocks_text(x_blocks)}, {name} has "
        f"{_blocks_text(blocks)}. {reason}, so that {name} was not cut like X. Nothing was computed. Give both the "
        f"same partitions, for example by taking X and {name} from one persisted frame."
    )


def _same_range(part: Any, X: Any) -> bool:
    """Whether both are frames with known divisions from the same first to the same last index."""
    if not all(hasattr(data, "known_divisions") and data.known_divisions for data in (part, X)):
        return False
    return (part.divisions[0], part.divisions[-1]) == (X.divisions[0], X.divisions[-1])


def _row_blocks(data: Any) -> tuple[int | None, ...]:
    return find(data).block_sizes(data)


def _blocks_text(blocks: tuple[int | None, ...]) -> str:
    sizes = ["?" if n is None else str(n) for n in blocks]
    shown = ", ".join(sizes[:8]) + (", …" if len(sizes) > 8 else "")
    known = "" if None in blocks else f", {sum(n for n in blocks if n is not None)} rows"
    return f"{len(blocks)} blocks ({shown}){known}"


def result_to_host(result: Any) -> Any:
    """Return the result of a reduction with NumPy arrays for CuPy's."""
    if is_dataclass(result) and not isinstance(result, type):
        return replace(result, **{f.name: result_to_host(getattr(result, f.name)) for f in fields(result)})
    if isinstance(result, dict):
        return {key: result_to_host(part) for key, part in result.items()}
    if isinstance(result, (tuple, list)):
        return type(result)(result_to_host(part) for part in result)
    return to_host(result)


def place_like(values: np.ndarray, like: Any) -> Any:
    """Return an array with its dtype where another is: on the GPU for CuPy and cuDF, in the blocks of a Dask array."""
    return find(like).place(values, like)


def check_gpu_input(
    estimator: Estimator, X: Any, y: Any, sample_weight: Any, *, labels: bool = False
) -> tuple[Any, Any, Any]:
    """Return `X`, `y` and weights as CuPy arrays of matching length; the estimator learns its features.

    With `labels`, `y` stays as it is, since labels may be text.

    Raises
    ------
    ValueError
        In scikit-learn's words, for wrong dimensions or lengths.
    """
    remember_features(estimator, X, y)
    X, y = to_gpu(X), y if y is None or labels else to_gpu(y)
    y = one_target(estimator, y)
    if sample_weight is not None:
        one = is_one_number(sample_weight)
        sample_weight = full_of(X, float(sample_weight)) if one else to_gpu(sample_weight)
        check_shape(sample_weight, X.shape[0])
        judge(estimator, extremes_of(sample_weight))
    lengths = [
        part.shape[0] if hasattr(part, "shape") else len(part) for part in (X, y, sample_weight) if part is not None
    ]
    if len(set(lengths)) > 1:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {lengths}")
    if lengths[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required.")
    return X, y, sample_weight


def check_lazy_input(
    estimator: Estimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    labels: bool = False,
    text: bool = False,
    client: DaskClient | None = None,
) -> tuple[Any, Any, Any]:
    """Return Dask collections whose blocks line up; the estimator learns its features.

    With `labels`, `y` may hold text; with `text`, `X` may. Weights are checked, for which they are computed.

    Raises
    ------
    ValueError
        If a column holds no numbers.
    MisalignedBlocksError
        If the blocks do not line up.
    """
    if not text:
        _check_numbers(X, "X")
    remember_features(estimator, X, y)
    if is_one_number(sample_weight):
        sample_weight = constant_weights(sample_weight, X)
    parts = [X]
    for part, name in ((one_target(estimator, y), "y"), (sample_weight, "sample_weight")):
        if part is not None:
            part = aligned(part, X, name)
            if not (labels and name == "y"):
                _check_numbers(part, name)
        parts.append(part)
    if parts[2] is not None:
        check_lazy_weights(estimator, parts[2], client)
    return parts[0], parts[1], parts[2]


def count_rows(X: Any) -> int:
    """Return the number of rows of a Dask collection of unknown length, reading each block for it."""
    return sum(block_lengths(X))


def _cut_like(part: Any, X: Any, name: str) -> Any:
    """Cut data in memory into the blocks of `X`, whose sizes are counted where nobody knows them.

    Raises
    ------
    ValueError
        In scikit-learn's words, if there are not as many rows.
    """
    import dask.array

    values, blocks = np.asarray(to_host(part)), _row_blocks(X)
    if values.ndim == 0:
        raise ValueError(f"{name}={part!r} has no rows. Columns of files have names; give frame[{part!r}] here.")
    if None in blocks:
        blocks = block_lengths(X)
    n_rows = sum(b for b in blocks if b is not None)
    if name == "sample_weight":
        check_shape(values, n_rows)
    if n_rows != len(values):
        raise MisalignedBlocksError(
            f"Found input variables with inconsistent numbers of samples: {[n_rows, len(values)]}. {name} has "
            f"{len(values)} rows in memory, X has {_blocks_text(blocks)}. Nothing was fitted."
        )
    return dask.array.from_array(values, chunks=(blocks, *((n,) for n in values.shape[1:])))


def block_lengths(X: Any) -> tuple[int, ...]:
    """Return the rows of each block of a Dask collection, reading of a frame one column."""
    import dask

    X = X[list(X.columns[:1])] if container_of(X) == "dask.dataframe" and len(X.columns) else X
    blocks = find(X).delayed_blocks(X)
    return tuple(dask.compute(*(dask.delayed(_length)(block) for block in blocks)))


def _length(block: Any) -> int:
    return int(block.shape[0])


def _check_numbers(data: Any, name: str) -> None:
    """Raise for columns of text; objects may be numbers, and are converted block by block."""
    frame = container_of(data) == "dask.dataframe"
    pairs = list(zip(data.columns, data.dtypes, strict=True)) if frame else [(name, data.dtype)]
    # scikit-learn reads nothing but dates as whole numbers
    if not all(getattr(dtype, "kind", "O") in "mM" for _, dtype in pairs):
        check_numbers({column: dtype for column, dtype in pairs if not _may_be_numbers(dtype)}, name)


def _may_be_numbers(dtype: Any) -> bool:
    """Whether scikit-learn would read values of a dtype as numbers if they are."""
    categories = getattr(getattr(dtype, "categories", None), "dtype", None)
    return dtype == np.dtype(object) or (categories is not None and numpy_name(categories) != "object")


# rows of a block when data in memory are handed to an engine for Dask
_DASK_BLOCKS = 8


def to_dask(data: Any) -> Any:
    """Return data in memory as a Dask array or frame, in a few row blocks; Dask collections as they are."""
    if data is None or container_of(data) in DASK:
        return data
    import dask.array

    if container_of(data) == "pandas":
        import dask.dataframe

        with dask.config.set({"dataframe.convert-string": False}):
            return dask.dataframe.from_pandas(data, npartitions=_DASK_BLOCKS, sort=False)
    rows = max(1, -(-data.shape[0] // _DASK_BLOCKS))
    return dask.array.from_array(data, chunks=(rows, *data.shape[1:]))


def as_dask_array(estimator: Estimator, X: Any) -> Any:
    """Return `X` as a Dask array of known shape with one column block; the estimator learns its features."""
    if container_of(X) not in DASK:
        X, _, _ = validate(estimator, X, None, None, sparse=False, multi_target=False)
        return to_dask(X)
    X, _, _ = check_lazy_input(estimator, X, None, None)
    if container_of(X) == "dask.dataframe":
        X = X.to_dask_array(lengths=True)
    elif None in _row_blocks(X):
        X = X.compute_chunk_sizes()
    return _floating(X).rechunk({1: -1})
