"""Look at the input: shape, dtype, bytes, place and blocks, computing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu.data.containers import container_of, find
from skdist_gpu.data.containers.dtypes import common_dtype
from skdist_gpu.data.dataset import features_schema, is_read_from_files, most_rows

SPARSE = ("scipy.sparse", "cupy.sparse")


# labels that tell the number of classes, at equal distances
LABELS_LOOKED_AT = 256


@dataclass(frozen=True)
class InputInfo:
    """What the planner may know of the data; every field is read, none is computed.

    Attributes
    ----------
    container : str
        Name from :mod:`skdist_gpu.data.containers`, such as ``"numpy"`` or ``"dask.array"``.
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
    n_classes : int
        Different values among a few labels of a `y` in main memory; 0 where `y` holds numbers with fractions, or is
        elsewhere.
    weighted : bool
        Whether sample weights were given.
    exists : bool
        Whether there are such data already; their bytes are then no longer among those that are free.
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
    n_classes: int = 0
    weighted: bool = False
    exists: bool = True

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
    def as_numpy(self) -> bool:
        """Whether the rows are NumPy's or SciPy's already, so that no engine on the CPU needs to copy them for that."""
        return self.container in ("numpy", "scipy.sparse")

    @property
    def rows_keep_order(self) -> bool:
        """Whether rows come in the same order each time that they are read; a query may change it."""
        return self.container != "polars.lazy"

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
    if is_read_from_files(X, y):
        return _inspect_files(X, y, sample_weight)
    container = find(X)
    n_samples, n_features = (*container.shape(X), None, None)[:2]
    backing = container.backing(X)
    sparse = container.holds_sparse(X) or backing in SPARSE
    return InputInfo(
        container=container.name,
        n_samples=n_samples,
        n_features=n_features,
        dtype=_dtype(container.dtypes(X)),
        location=container.location,
        backing=backing,
        sparse=sparse,
        n_stored=container.n_stored(X) if sparse else None,
        block_sizes=container.block_sizes(X),
        n_targets=_n_targets(y),
        n_classes=_n_classes(y),
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
    return InputInfo("numpy", int(lengths[0]), int(lengths[1]), np.dtype(dtype).name, n_targets=1, exists=False)


def _inspect_files(source: Any, y: Any, sample_weight: Any) -> InputInfo:
    """Describe files by their schema and footers; `y` and weights are names of columns. A filter is not applied."""
    targets = [y] if isinstance(y, str) else list(y) if isinstance(y, (list, tuple)) else []
    others = [*targets, sample_weight] if isinstance(sample_weight, str) else targets
    schema = {n: t for n, t in features_schema(source).items() if n not in others}
    return InputInfo(
        container=container_of(source),
        n_samples=most_rows(source),
        n_features=len(schema),
        dtype=common_dtype(list(schema.values())),
        location="disk",
        backing="arrow",
        n_targets=len(targets),
        weighted=sample_weight is not None,
    )


def _dtype(names: list[str]) -> str:
    """Return the dtype of all columns; that of one alone stays what it is."""
    return names[0] if len(names) == 1 else common_dtype(names)


def _n_classes(y: Any) -> int:
    """Count the different values among some labels of a `y` in main memory; a look at so few computes nothing."""
    if y is None or container_of(y) not in ("numpy", "pandas.series") or y.ndim != 1 or not len(y):
        return 0
    few = np.asarray(find(y).rows(y, slice(None, None, -(-len(y) // LABELS_LOOKED_AT))))
    try:
        return 0 if few.dtype.kind in "fc" else len(set(few.tolist()))
    except TypeError:  # objects that cannot be compared
        return 0


def _n_targets(y: Any) -> int:
    if y is None:
        return 0
    shape = find(y).shape(y)
    return (shape[1] or 1) if len(shape) == 2 else 1
