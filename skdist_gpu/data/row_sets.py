"""Rows of which scikit-learn takes sets by number, and that remember what was computed of each set.

A search, or a cross-validation, fits a model for each candidate and each fold, and hands each fit its own copy of the
fold's rows. Given a :class:`RowSet` in place of `X`, scikit-learn's own loops hand on sets without a copy: what one
candidate has found of a fold, such as its sums, the others find there.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

import numpy as np

from skdist_gpu.data.blocks import own_rows
from skdist_gpu.data.containers import container_of

# copies of sets of rows that are kept, as a multiple of the bytes of all rows, or as a share of the free memory
KEPT, KEPT_SHARE = 2, 1 / 8


class RowTable:
    """All rows of a search, and what is known of sets of them.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame, sparse matrix or dask.array.Array of shape (n_rows, n_features)
        Only of dense numbers there are sums; other rows are only taken. Those of Dask, in chunks of known sizes, are
        taken lazily.
    y : array-like of shape (n_rows,) or (n_rows, n_targets), or None
        Target.
    labels : bool
        Whether `y` holds classes.
    n_threads : int
        Cores to use.
    free_bytes : int, default=0
        Memory that is free.
    """

    def __init__(self, X: Any, y: Any, labels: bool, n_threads: int, free_bytes: int = 0) -> None:
        self.original, self.original_target, self.n_threads = X, y, n_threads
        self.n_rows = X.shape[0]
        self.room = max(KEPT * _own_bytes(X), int(KEPT_SHARE * free_bytes))
        self.matrix: np.ndarray | None = None
        self.lazy = X if container_of(X) == "dask.array" else None
        # columns of dense numbers, and their dtypes
        self.n_columns: int | None = None
        if is_table_of_numbers(X):
            self.n_columns = X.shape[1]
            self.input_dtype = self.dtype = X.dtype if self.lazy is not None else None
            if self.lazy is None:
                self.matrix, self.input_dtype = _matrix(X)
                self.dtype = self.matrix.dtype
        columns = list(getattr(X, "columns", ()))
        # scikit-learn remembers names if all are text
        named = bool(columns) and all(isinstance(name, str) for name in columns)
        self.names = np.array(columns, dtype=object) if named else None
        self.y = None if y is None else np.asarray(y)
        self.classes: np.ndarray | None = None
        self.target = self.y
        if self.y is not None:
            if labels:
                from skdist_gpu.data.labels import encode  # takes more of scikit-learn than an import of the package

                self.classes, self.target = encode(self.y)
            elif self.y.dtype != np.float32:
                self.target = self.y.astype(np.float64, copy=False)
        # one thread at a time computes what all of them need
        self.lock = RLock()
        self.rows_read = 0
        self.refusals: Counter[str] = Counter()
        self._sets: dict[int, RowSet] = {}
        self._columns: list[Column] = []
        self._kept: OrderedDict[Any, np.ndarray] = OrderedDict()
        self.all = RowSet(self, None)

    def column(self, values: np.ndarray | None) -> Column | None:
        """Return a value for each row, such as the target or weights, whose sets are told apart as the rows' are."""
        if values is None:
            return None
        column = values.view(Column)
        column.rows, column.whole = self.all, values
        self._columns.append(column)  # what is remembered of values is found by their identity
        return column

    def set_of(self, numbers: np.ndarray) -> RowSet:
        """Return the rows with these numbers: the same set for the same array of numbers."""
        with self.lock:
            found = self._sets.get(id(numbers))
            if found is None:
                found = self._sets[id(numbers)] = RowSet(self, numbers)
            return found

    def learn_splits(self, splits: list[tuple[Any, Any]]) -> None:
        """Note which test sets share no row: all other rows, and all rows, are made of them."""
        first = 0
        seen = np.zeros(self.n_rows, dtype=np.int32)
        for last, (_, test) in enumerate(splits):
            seen[test] += 1
            if seen.all():
                if seen.max() == 1:
                    self._learn_partition(splits[first : last + 1])
                first, seen = last + 1, np.zeros_like(seen)

    def _learn_partition(self, splits: list[tuple[Any, Any]]) -> None:
        tests = [self.set_of(test) for _, test in splits]
        self.all.parts = self.all.parts or tuple(tests)
        for test in tests:
            test.siblings = tuple(tests)
        for held_out, (train, _) in enumerate(splits):
            outside = np.ones(self.n_rows, dtype=bool)
            outside[splits[held_out][1]] = False
            # no row left out, none twice, and none of the test set
            if len(train) == outside.sum() and np.bincount(train, minlength=len(outside))[outside].min() == 1:
                self.set_of(train).parts = (*tests[:held_out], *tests[held_out + 1 :])

    def keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return rows that were made before, or make them; the ones not used for longest make room."""
        with self.lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            rows = make()
            self._kept[key] = rows
            while len(self._kept) > 1 and sum(map(_own_bytes, self._kept.values())) > self.room:
                self._kept.popitem(last=False)
            return rows


class RowSet:
    """Some rows of a table, as they are or transformed.

    Attributes
    ----------
    table : RowTable
        The rows that these are taken from.
    numbers : ndarray of int or None
        Which ones; None for all.
    before : RowSet or None
        The rows that `step` has changed into these.
    step : estimator or None
        A fitted transformer.
    transform : callable or None
        What makes these rows of those before, where it is not the method of the step.
    parts : tuple of RowSet
        Sets that make up this one and share no row, where such are known.
    siblings : tuple of RowSet
        Sets that share no row, this one among them: one reading of lazy rows tells the sums of all.
    known : dict
        What was computed of the rows.
    """

    def __init__(
        self, table: RowTable, numbers: np.ndarray | None, before: RowSet | None = None, step: Any = None
    ) -> None:
        self.table, self.numbers, self.before, self.step = table, numbers, before, step
        self.transform: Callable[[Any], Any] | None = None
        self.parts: tuple[RowSet, ...] = ()
        self.siblings: tuple[RowSet, ...] = (self,)
        self.known: dict[Any, Any] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return len(self), (self.to_host() if self.before is not None else self.table.original).shape[1]

    def __len__(self) -> int:
        return self.table.n_rows if self.numbers is None else len(self.numbers)

    def __getitem__(self, key: Any) -> Any:
        numbers = _numbers(key)
        if numbers is None or self.numbers is not None or self.before is not None:
            return self.to_host()[key]
        return self.table.set_of(numbers)

    def raw(self) -> RowSet:
        """Return the rows before the first step."""
        return self if self.before is None else self.before.raw()

    def steps(self) -> list[Any]:
        """Return the fitted transformers that have changed the rows, the first one first."""
        return [] if self.before is None else [*self.before.steps(), self.step]

    def through(self, transformer: Any, of_lazy_rows: Callable[[Any], Any] | None = None) -> RowSet:
        """Return the rows as a fitted transformer changes them, once they are asked for; lazy ones by a function."""
        # the new rows keep the transformer, so that no other one gets its id
        changed: RowSet = self.remember(
            ("through", id(transformer)), lambda: RowSet(self.table, self.numbers, self, transformer)
        )
        if self.table.lazy is not None:
            changed.transform = of_lazy_rows
        return changed

    def remember(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what is known under a key, or compute it."""
        with self.table.lock:
            if key not in self.known:
                self.known[key] = compute()
            return self.known[key]

    def matrix(self) -> np.ndarray:
        """Return the rows before the first step as an array of numbers."""
        assert self.table.matrix is not None
        taken: np.ndarray = self._taken(self.table.matrix)
        return taken

    def to_host(self, estimator: Any = None) -> Any:
        """Return the rows as scikit-learn takes them, in the container that the table came in or the last step gave.

        Others see the same rows, of which an estimator that may write into them gets a copy.
        """
        if estimator is not None:
            return own_rows(estimator, self.to_host())
        before = self.before
        if before is None:
            return self._taken(self.table.original)
        transform = self.transform or self.step.transform
        return self.table.keep(self, lambda: transform(before.to_host(self.step)))

    def target(self) -> np.ndarray | None:
        """Return the target as numbers, or the codes of the classes."""
        target, numbers = self.table.target, self.numbers
        if target is None or numbers is None:
            return target
        return self._values(target)

    def original_target(self) -> Any:
        """Return the target of these rows in the container that it came in."""
        whole, numbers = self.table.original_target, self.numbers
        if numbers is None:
            return whole
        return whole.iloc[numbers] if hasattr(whole, "iloc") else np.asarray(whole)[numbers]

    def weights(self, whole: np.ndarray | None) -> np.ndarray | None:
        """Return the weights of these rows, of those of all rows."""
        return whole if whole is None or self.numbers is None else self._values(whole)

    def _values(self, whole: np.ndarray) -> np.ndarray:
        numbers: Any = self.numbers
        taken: np.ndarray = self.raw().remember(("values", id(whole)), lambda: whole[_stretch(numbers)])
        return taken

    def _taken(self, rows: Any) -> Any:
        if self.numbers is None:
            return rows
        stretch = _stretch(self.numbers)
        take = rows.iloc if hasattr(rows, "iloc") else rows
        if isinstance(stretch, slice):
            return take[stretch]
        return self.table.keep((id(rows), id(self.numbers)), lambda: take[stretch])


class Column(np.ndarray):
    """A value for each row, that knows the rows it belongs to; what is computed from it does not."""

    rows: RowSet | None = None
    whole: np.ndarray

    def __getitem__(self, key: Any) -> Any:
        numbers = _numbers(key)
        if self.rows is None or self.rows.numbers is not None or numbers is None:
            return np.asarray(self)[key]
        rows = self.rows.table.set_of(numbers)

        def take(numbers: np.ndarray = numbers) -> Column:
            taken: Column = self.whole[_stretch(numbers)].view(Column)
            taken.rows, taken.whole = rows, self.whole
            return taken

        return rows.remember(("column", id(self.whole)), take)


def belongs(values: Any, rows: RowSet) -> bool:
    """Whether a column is that of the rows, or there is none."""
    if values is None:
        return True
    return isinstance(values, Column) and values.rows is not None and values.rows.raw() is rows.raw()


def plain_values(values: Any, estimator: Any = None) -> Any:
    """Return a column as a plain array; a copy for an estimator that may write into it."""
    if not isinstance(values, Column):
        return values
    return np.asarray(values) if estimator is None else own_rows(estimator, np.asarray(values))


def is_table_of_numbers(X: Any) -> bool:
    """Whether rows are dense numbers, in a NumPy array, a pandas frame or a Dask array of known chunks."""
    if container_of(X) == "dask.array":
        return X.ndim == 2 and X.dtype.kind in "iuf" and not any(np.isnan(n) for n in X.chunks[0])
    if container_of(X) == "pandas":
        dtypes: Iterable[Any] = X.dtypes if X.ndim == 2 else ()
        return X.ndim == 2 and all(isinstance(d, np.dtype) and d.kind in "iuf" for d in dtypes)
    return type(X) is np.ndarray and X.ndim == 2 and X.dtype.kind in "iuf" and X.dtype.itemsize in (1, 2, 4, 8)


def _matrix(X: Any) -> tuple[np.ndarray, np.dtype]:
    values = X if type(X) is np.ndarray else X.to_numpy()
    given = values.dtype
    return values if given in (np.float32, np.float64) else values.astype(np.float64), given


def _numbers(key: Any) -> np.ndarray | None:
    """Return the array of row numbers of a key such as scikit-learn indexes with; None for another key."""
    if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
        key = key[0]
    return key if isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "iu" else None


def _stretch(numbers: np.ndarray) -> Any:
    """Return the slice that row numbers are, so that nothing is copied; the numbers if they are none."""
    n = len(numbers)
    if n and numbers[-1] - numbers[0] == n - 1 and (n == 1 or bool((np.diff(numbers) == 1).all())):
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def _own_bytes(rows: Any) -> int:
    if hasattr(rows, "memory_usage"):
        return int(rows.memory_usage().sum())
    return int(getattr(getattr(rows, "data", rows), "nbytes", 0))  # of a sparse matrix its values
