"""What the package asks of a container of data, with answers for what scikit-learn turns into an array itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from skdist_gpu.data.containers.dtypes import numpy_name

Rows = slice | np.ndarray


class Container:
    """One kind of data that users hold; a new kind is one subclass in one file, handed to :func:`register`.

    Describing computes nothing and imports nothing: whoever holds such an object has imported its library.
    The class itself answers for lists, memory views and whatever else NumPy makes an array of.

    Attributes
    ----------
    name : str
        What plans and messages call it.
    location : {"host", "gpu", "dask", "disk"}
        Where the values live.
    types : tuple of (module, attribute)
        Classes of the objects; they are looked up among the modules that are imported.
    has_columns : bool
        Whether the columns have names.
    is_sparse : bool
        Whether only some values are stored.

    Examples
    --------
    >>> import numpy as np
    >>> from skdist_gpu.data.containers import find
    >>> container = find(np.zeros((2, 3)))
    >>> container.name, container.shape(np.zeros((2, 3))), container.location
    ('numpy', (2, 3), 'host')
    """

    name = "other"
    location = "host"
    types: tuple[tuple[str, str], ...] = ()
    has_columns = False
    is_sparse = False

    # --- recognise -------------------------------------------------------------------------

    def recognises(self, data: Any) -> bool:
        """Whether these data are of this kind; imports nothing."""
        classes = (getattr(sys.modules.get(module), attribute, None) for module, attribute in self.types)
        return any(isinstance(data, cls) for cls in classes if cls is not None)

    # --- describe: computes nothing --------------------------------------------------------

    def shape(self, data: Any) -> tuple[int | None, ...]:
        """Return the length of each axis, None where it is not known without computing."""
        shape = getattr(data, "shape", None)
        if isinstance(shape, tuple):
            return tuple(int(n) if isinstance(n, (int, np.integer)) else None for n in shape)
        if isinstance(data, (list, tuple)):
            of_rows = len(data) and (isinstance(data[0], (list, tuple)) or getattr(data[0], "ndim", 0) == 1)
            return (len(data), len(data[0])) if of_rows else (len(data),)
        return ()

    def dtypes(self, data: Any) -> list[str]:
        """Return NumPy's names of the dtypes of the columns, or the one that all share."""
        dtype = getattr(data, "dtype", None)
        return [] if dtype is None else [numpy_name(dtype)]

    def names(self, data: Any) -> list[Any] | None:
        """Return the names of the columns; None if they have none."""
        return list(data.columns) if self.has_columns else None

    def fields(self, data: Any) -> list[tuple[Any, Any]]:
        """Return name and dtype of each column, as its library has them; none if columns have no names."""
        dtypes = getattr(data, "dtypes", None)
        return list(zip(self.names(data) or (), self.dtypes(data) if dtypes is None else dtypes, strict=False))

    def holds_sparse(self, data: Any) -> bool:
        """Whether only some values of these data are stored."""
        return self.is_sparse

    def n_stored(self, data: Any) -> int | None:
        """Return the number of stored values of a sparse matrix, where it is known."""
        return None

    def backing(self, data: Any) -> str:
        """Return the name of the container of one block."""
        return self.name

    def block_sizes(self, data: Any) -> tuple[int | None, ...]:
        """Return the rows of each block; () for data in one piece."""
        return ()

    # --- parts -----------------------------------------------------------------------------

    def select(self, data: Any, names: Sequence[Any]) -> Any:
        """Return some columns, in this order."""
        return data[list(names)]

    def rows(self, data: Any, rows: Rows) -> Any:
        """Return rows, counted from the first."""
        return data[rows]

    def with_quick_rows(self, data: Any) -> Any:
        """Return the data in a form that gives some rows without a look at the others."""
        return data

    def count_rows(self, data: Any) -> int:
        """Return the number of rows, reading them where nobody knows it."""
        return len(data)

    def simplified(self, data: Any) -> Any:
        """Return lazy data whose graph reads no other columns; anything else as it is."""
        return data

    def first_rows(self, data: Any, n: int) -> Any:
        """Return up to so many of the first rows, in main memory as scikit-learn takes them."""
        return self.to_host(self.rows(data, slice(n)))

    def delayed_blocks(self, data: Any) -> list[Any]:
        """Return one of Dask's delayed objects for each block of rows, with all columns."""
        raise TypeError(f"{type(data).__name__} has no lazy blocks.")

    def whole(self, data: Any) -> Any:
        """Return what Dask computes to all rows, in memory that nothing else holds."""
        raise TypeError(f"{type(data).__name__} has no lazy blocks.")

    def map_lazily(self, data: Any, function: Any, like: Any, beside: Any = None, **options: Any) -> Any:
        """Return a lazy collection of what a function gives for each block of rows.

        The function takes a block of `data`, one of `beside` if that is given, and the options. `like` is what it
        gives for no rows; an empty array of objects stands for anything.
        """
        raise TypeError(f"{type(data).__name__} has no lazy blocks.")

    def map_rows(self, data: Any, function: Any, *arguments: Any) -> Any:
        """Return a lazy number for each row, by a function of a block."""
        raise TypeError(f"{type(data).__name__} has no lazy blocks.")

    def first_column(self, data: Any) -> Any:
        """Return the first column as one dimension."""
        return data[:, 0]

    # --- move ------------------------------------------------------------------------------

    def to_host(self, data: Any) -> Any:
        """Return data as scikit-learn takes them."""
        return data

    def to_pandas(self, data: Any) -> Any:
        """Return a pandas frame of data whose columns have names; anything else as :meth:`to_host` does."""
        return self.to_host(data)

    def numbers(self, data: Any) -> Any:
        """Return an array of numbers, floating dtypes as they are, where the data are; sparse rows stay sparse.

        Raises
        ------
        ValueError, TypeError
            NumPy's own, as scikit-learn's, for what is no number.
        """
        values = data if hasattr(data, "dtype") else np.asarray(self.to_host(data))
        return values.astype(np.float64) if values.dtype.kind in "OmM" else values

    def to_gpu(self, data: Any) -> Any:
        """Return a CuPy array, or CuPy's CSR matrix."""
        import cupy

        return cupy.asarray(np.asarray(self.to_host(data)))

    def place(self, values: np.ndarray, like: Any) -> Any:
        """Return an array where the data `like` are."""
        return values
