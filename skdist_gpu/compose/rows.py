"""Which rows an object that holds estimators hands on as they are, and which are gathered for it first."""

from __future__ import annotations

from typing import Any

from skdist_gpu.config import configured_budget, format_bytes
from skdist_gpu.data.containers import DASK, HOST, container_of
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.dataset import is_read_from_files, read_all, table_of
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.data.row_sets import RowSet
from skdist_gpu.exceptions import BackendError
from skdist_gpu.hardware.detect import detect_resources

# what hands X and y of a fit to what is inside it without looking at them, and what does so with X alone
_HANDS_ON_ALL = ("Pipeline", "FeatureUnion", "FrozenEstimator")
_HANDS_ON_SCORES = ("Pipeline", "FrozenEstimator")
_HANDS_ON_X = (
    *("OneVsRestClassifier", "MultiOutputClassifier", "MultiOutputRegressor", "VotingClassifier", "VotingRegressor"),
    *("TransformedTargetRegressor", "SelectFromModel", "FixedThresholdClassifier"),
)
# scikit-learn takes these as they are
_TAKEN = HOST - {"arrow", "arrow.array", "polars.lazy"}


def hands_on(obj: Any) -> bool:
    """Whether an object's `fit` hands X to what it holds without looking at it."""
    return obj.plain_class.__name__ in (*_HANDS_ON_ALL, *_HANDS_ON_X)


def encodes_apart(obj: Any) -> bool:
    """Whether an object holds a TargetEncoder, which encodes the rows of a fit by others than themselves: in memory."""
    return any(type(value).__name__ == "TargetEncoder" for value in obj.get_params().values())


def is_lazy(X: Any, y: Any) -> bool:
    """Whether rows are to be computed or read block by block, with a target that goes with them."""
    return container_of(X) in DASK or is_read_from_files(X, y)


def scores_itself(obj: Any, X: Any) -> bool:
    """Whether the object's own methods score such rows; others are scored block by block."""
    return scores_in(obj, "a set of rows" if isinstance(X, RowSet) else container_of(X))


def scores_in(obj: Any, container: str) -> bool:
    """Whether the object's own methods score rows in a container of this name."""
    return container in _TAKEN or obj.plain_class.__name__ in _HANDS_ON_SCORES


def fit_arguments(obj: Any, X: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the arguments of `fit` as the object can use them: in memory, but for those that it only hands on.

    Raises
    ------
    BackendError
        If rows would have to be gathered and do not fit into memory.
    """
    if all(map(_is_taken, (X, *args, *kwargs.values()))):
        return X, args, kwargs
    named = kwargs if not args else kwargs | {"y": args[0]}
    weights = {name: value for name, value in named.items() if name.rpartition("__")[2] == "sample_weight"}
    # a step that gets no weights would take their column for a feature
    together = any(isinstance(value, str) for value in weights.values()) or encodes_apart(obj)
    if obj.plain_class.__name__ in _HANDS_ON_ALL and not (together and is_lazy(X, named.get("y"))):
        return X, args, kwargs
    if is_read_from_files(X, named.get("y")):
        _check_size(obj, X)
        return _read(X, named, weights)
    if not hands_on(obj):
        _check_size(obj, X)
        X = _gathered(X)
    return X, tuple(map(_gathered, args)), {name: _gathered(value) for name, value in kwargs.items()}


def _read(X: Any, named: dict[str, Any], weights: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Return the arguments of `fit`, of which some name columns of files, with what is in these columns."""
    rows, y, _ = read_all(table_of(X, named.get("y"), None, as_frames=True))
    found = {name: rows[value] if isinstance(value, str) else value for name, value in weights.items()}
    rows = rows.drop(columns=list({value for value in weights.values() if isinstance(value, str)}))
    return rows, (), named | found | ({} if y is None else {"y": y})


def _gathered(value: Any) -> Any:
    """Return rows in main memory; anything else as it is."""
    return value if _is_taken(value) else to_host(value)


def _is_taken(value: Any) -> bool:
    return isinstance(value, str) or container_of(value) in _TAKEN


def _check_size(obj: Any, X: Any) -> None:
    """Raise where rows that would have to be gathered are known not to fit."""
    info, budget = inspect_input(X), configured_budget()
    free = detect_resources().available_bytes if budget is None else budget
    needed = 2 * (info.n_bytes or 0)
    limit = f"{format_bytes(free)} are free" if budget is None else f"memory_budget= allows {format_bytes(free)}"
    if info.location in ("dask", "disk") and needed > free:
        raise BackendError(
            f"{obj.plain_class.__name__} reads its rows in main memory: to gather {info} and work on it takes about "
            f"{format_bytes(needed)}, {limit}. Nothing was computed. "
            "Give fewer rows, or put what is inside it into a Pipeline, which hands rows on block by block."
        )
