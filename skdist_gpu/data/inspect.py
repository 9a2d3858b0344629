"""Look at the input: shape, dtype, bytes, place and blocks, computing nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu.data.dataset import is_read_from_files, most_rows, schema_of
from skdist_gpu.data.kinds import container_of, location_of


@dataclass(frozen=True)
class InputInfo:
    """What the planner may know of the data; every field is read, none is computed.

    Attributes
    ----------
    container : str
        Name from :mod:`skdist_gpu.data.kinds`, such as ``"numpy"`` or ``"dask.array"``.
    n_samples, n_features : int or None
        Shape of `X`; None where it is not known without computing.
    dtype : str
        Common dtype of the columns, ``"object"`` where they have none.
    location : {"host", "gpu", "dask", "disk"}
        Where the values live.
    backing : str
        Container of one Dask block; the container itself otherwise.
    sparse : bool
        Whether `X` is a sparse matrix.
    n_stored : int or None
        Number of stored values of a sparse matrix.
    block_sizes : tuple of (int or None)
        Rows of each Dask block.
    n_targets : int
        Columns of `y`; 0 without `y`.
    weighted : bool
        Whether sample weights were given.
    """

    container: str
    n_samples: int | None
    n_features: int | None
    dtype: str = "float64"
    location: str = "host"
    backing: str = "numpy"
    sparse: bool = False
    n_stored: int | None = None
    block_sizes: tuple[int | None, ...] = ()
    n_targets: int = 0
    weighted: bool = False

    @property
    def n_elements(self) -> int | None:
        """Number of values of the dense table; None if the shape is not known."""
        if self.n_samples is None or self.n_features is None:
            return None
        return self.n_samples * self.n_features

    @property
    def n_values(self) -> int | None:
        """Number of values that are held, of a sparse matrix those stored; None if not known."""
        return self.n_stored if self.sparse else self.n_elements

    @property
    def n_bytes(self) -> int | None:
        """Bytes that the values take as they are held now; None if not known."""
        if self.n_values is None:
            return None
        # a sparse value carries an index of 4 bytes
        return self.n_values * (itemsize(self.dtype) + (4 if self.sparse else 0))

    @property
    def rows_keep_order(self) -> bool:
        """Whether rows come in the same order each time that they are read; a query may change it."""
        return self.container != "polars.lazy"

    @property
    def float64_bytes(self) -> int | None:
        """Bytes of the table as dense float64."""
        return None if self.n_elements is None else 8 * self.n_elements

    def __str__(self) -> str:
        rows = "?" if self.n_samples is None else f"{self.n_samples:,}".replace(",", " ")
        return f"{rows} × {self.n_features} {self.dtype} in {self.container}"


def itemsize(dtype: str) -> int:
    """Bytes of one value; 8 for dtypes that NumPy does not know."""
    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        return 8


def inspect_input(X: Any, y: Any = None, sample_weight: Any = None) -> InputInfo:
    """Describe `X`, `y` and weights without computing, copying or validating them.

    Bad input (one dimension, ragged lists, text) is described as far as possible: saying what
    is wrong with it is scikit-learn's job.

    Examples
    --------
    >>> import numpy as np
    >>> info = inspect_input(np.zeros((4, 3), dtype="float32"), np.zeros(4))
    >>> info.n_samples, info.n_features, info.dtype, info.n_bytes, info.n_targets
    (4, 3, 'float32', 48, 1)
    """
    container = container_of(X)
    if is_read_from_files(X, y):
        return _inspect_files(X, y, sample_weight)
    n_samples, n_features = _shape(X)
    dtype, backing = _dtype(X), container
    block_sizes: tuple[int | None, ...] = ()
    if container == "dask.array":
        backing = container_of(X._meta)
        block_sizes = tuple(None if math.isnan(n) else int(n) for n in X.chunks[0])
    elif container == "dask.dataframe":
        backing = container_of(X._meta)
        block_sizes = (None,) * X.npartitions
    sparse = container in ("scipy.sparse", "cupy.sparse") or backing in ("scipy.sparse", "cupy.sparse")
    return InputInfo(
        container=container,
        n_samples=n_samples,
        n_features=n_features,
        dtype=dtype,
        location=location_of(container),
        backing=backing,
        sparse=sparse,
        n_stored=int(X.nnz) if sparse and hasattr(X, "nnz") else None,
        block_sizes=block_sizes,
        n_targets=_n_targets(y),
        weighted=sample_weight is not None,
    )


def described_input(shape: tuple[int, int], dtype: Any) -> InputInfo:
    """Describe an array that does not exist, with a target.

    Raises
    ------
    ValueError, TypeError
        If the shape is not two numbers of rows and columns, or NumPy does not know the dtype.
    """
    lengths = list(shape) if isinstance(shape, (tuple, list)) else []
    if len(lengths) != 2 or not all(isinstance(n, (int, np.integer)) and n > 0 for n in lengths):
        raise ValueError(f"shape={shape!r} is no table. Give (n_samples, n_features), such as (10**9, 100).")
    return InputInfo("numpy", int(lengths[0]), int(lengths[1]), np.dtype(dtype).name, n_targets=1)


def _inspect_files(source: Any, y: Any, sample_weight: Any) -> InputInfo:
    """Describe files by their schema and footers; `y` and weights are names of columns. A filter is not applied."""
    targets = [y] if isinstance(y, str) else list(y) if isinstance(y, (list, tuple)) else []
    schema = {n: t for n, t in schema_of(source).items() if n not in targets and n != sample_weight}
    return InputInfo(
        container=container_of(source),
        n_samples=most_rows(source),
        n_features=len(schema),
        dtype=_common_dtype(list(schema.values())),
        location="disk",
        backing="arrow",
        n_targets=len(targets),
        weighted=sample_weight is not None,
    )


def _known(n: Any) -> int | None:
    """An axis length, or None where it is lazy or NaN."""
    if isinstance(n, (int, np.integer)):
        return int(n)
    return None


def _shape(X: Any) -> tuple[int | None, int | None]:
    if container_of(X) == "polars.lazy":
        return None, len(X.collect_schema())
    shape = getattr(X, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2:
        return _known(shape[0]), _known(shape[1])
    if isinstance(shape, tuple) and len(shape) == 1:
        return _known(shape[0]), None
    if isinstance(X, (list, tuple)):
        n_features = len(X[0]) if len(X) and isinstance(X[0], (list, tuple)) else None
        return len(X), n_features
    return None, None


def _dtype(X: Any) -> str:
    container = container_of(X)
    if container == "arrow":
        return _common_dtype([_arrow_dtype(t) for t in X.schema.types])
    if container == "polars.lazy":
        return _common_dtype([_numpy_name(t) for t in X.collect_schema().dtypes()])
    dtype = getattr(X, "dtype", None)
    if dtype is not None:
        return _numpy_name(dtype)
    dtypes = getattr(X, "dtypes", None)
    if dtypes is not None:
        return _common_dtype([_numpy_name(t) for t in dtypes])
    return "float64"


def _numpy_name(dtype: Any) -> str:
    """Name NumPy's dtype for NumPy, pandas, Polars and cuDF dtypes alike."""
    if isinstance(dtype, np.dtype):
        return dtype.name
    name = str(dtype).lower()
    try:
        return np.dtype(name).name
    except TypeError:
        return name


def _arrow_dtype(arrow_type: Any) -> str:
    try:
        return np.dtype(arrow_type.to_pandas_dtype()).name
    except (NotImplementedError, TypeError):
        return "object"


def _common_dtype(names: list[str]) -> str:
    try:
        dtype = np.result_type(*names) if names else np.dtype(np.float64)
    except TypeError:
        return "object"
    return dtype.name if dtype.kind in "biufc" else "object"


def _n_targets(y: Any) -> int:
    if y is None:
        return 0
    shape = getattr(y, "shape", None)
    return int(shape[1]) if isinstance(shape, tuple) and len(shape) == 2 else 1
