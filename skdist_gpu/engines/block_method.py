"""A method of a fitted estimator as a function of one block of rows, and the copies that engines score with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import ref

import numpy as np

# values of a large array that tell whether it was written to
_LOOKED_AT = 4096


class ModelCopies:
    """The copies of a fitted model that engines score with, such as one on a GPU; each lives as long as its state.

    They belong to the object that holds them, and are left behind where it is pickled or copied.

    Examples
    --------
    >>> copies = ModelCopies()
    >>> copies.get("doubled", 1, lambda: 2), copies.get("doubled", 1, lambda: 3), copies.get("doubled", 2, lambda: 4)
    (2, 2, 4)
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}
        self.last_call: Any = None  # what the last planned call did

    def get(self, name: str, state: Any, make: Callable[[], Any]) -> Any:
        """Return the copy of that name; made anew where the fitted state is another than when it was made."""
        kept = self._kept.get(name)
        if kept is None or kept[0] != state:
            kept = self._kept[name] = (state, make())
        return kept[1]

    def get_from_second_call(self, name: str, state: Any, make: Callable[[], Any]) -> Any:
        """Return the same, None where this state is asked for the first time: a copy must be used to pay."""
        kept = self._kept.get(name)
        if kept is None or kept[0] != state:
            self._kept[name] = (state, None)
        elif kept[1] is None:
            self._kept[name] = (state, make())
        return self._kept[name][1]

    def put(self, copies: dict[str, Any], state: Any) -> None:
        """Keep copies that were made with a fitted state."""
        self._kept |= {name: (state, copy) for name, copy in copies.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return ModelCopies, ()

    def __getstate__(self) -> dict[str, Any]:
        return vars(ModelCopies())  # what skops writes

    def __dask_tokenize__(self) -> str:
        return "ModelCopies"  # a graph is the same with and without them


@dataclass(frozen=True)
class BlockMethod:
    """A method of a plain fitted estimator as a function of one block of rows.

    Engines derive from it what scores the rows of some estimators, or on some device.

    Attributes
    ----------
    estimator : estimator
        Plain and fitted.
    method : str
        Name of the method.
    labels : array of shape (n_classes,) or None
        The user's classes, for which XGBoost predicts codes.
    params : dict
        Further arguments of the method.
    copies : ModelCopies
        Those of the object that asks, or its own.
    memory_budget : int or None
        Bytes that a call may take on its device; None for what is free.
    """

    estimator: Any
    method: str
    labels: np.ndarray | None = None
    params: dict[str, Any] = field(default_factory=dict)
    copies: ModelCopies = field(default_factory=ModelCopies, compare=False, repr=False)
    memory_budget: int | None = None

    def __call__(self, block: Any) -> Any:
        return self.decode(getattr(self.estimator, self.method)(block, **self.params))

    def of_host_rows(self, X: Any) -> Any:
        """Return the same for rows in main memory, which an engine on another device copies there.

        Raises
        ------
        EngineRefusal
            If the engine finds that it cannot score these rows as the plain estimator does.
        MemoryError
            If memory ran out on the device.
        """
        return self(X)

    def decode(self, result: Any) -> Any:
        """Return labels for codes; anything else as it is."""
        if self.labels is None or self.method != "predict":
            return result
        return self.labels[np.asarray(result).astype(np.intp)]

    def with_margin(self, margin: Any) -> BlockMethod:
        """Return the method with other margins of its rows, which XGBoost's estimators add to; None for none."""
        params = {name: value for name, value in self.params.items() if name != "base_margin"}
        return replace(self, params=params if margin is None else params | {"base_margin": margin})

    def as_class(self, cls: type[BlockMethod]) -> BlockMethod:
        """Return the same method as an engine computes it, with the same copies."""
        return cls(self.estimator, self.method, self.labels, self.params, self.copies, self.memory_budget)


class FittedState:
    """What an estimator holds at a moment: equal to a later one unless it was fitted again or written to.

    Arrays are the same if they are the same object and hold the same values; of a large one, every so-many-th
    value is looked at.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    >>> before = FittedState(model)
    >>> before == FittedState(model)
    True
    >>> model.coef_[0] = 5.0
    >>> before == FittedState(model)
    False
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, estimator: Any) -> None:
        self._estimator = ref(estimator)  # weak: copies of a model that is gone may go, too
        self.values = {name: (value, _glance(value)) for name, value in vars(estimator).items()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FittedState) or self._estimator() is not other._estimator():
            return False
        if self.values.keys() != other.values.keys():
            return False
        return all(_same(*held, *other.values[name]) for name, held in self.values.items())


def _glance(value: Any) -> Any:
    """Return a part of a value that tells whether it was changed where it is."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, dict):
        return [*value, *value.values()]
    values = getattr(value, "data", None) if hasattr(value, "tocsr") else value
    if isinstance(values, np.ndarray):
        flat = values.reshape(-1) if values.flags.c_contiguous else values.ravel(order="K")
        return flat[:: max(1, flat.size // _LOOKED_AT)].copy()
    return FittedState(value) if hasattr(value, "get_params") and hasattr(value, "__dict__") else None


def _same(value: Any, glance: Any, other: Any, other_glance: Any) -> bool:
    if value is not other:
        return isinstance(value, (bool, int, float, str)) and type(value) is type(other) and value == other
    if isinstance(glance, np.ndarray):
        return glance.tobytes() == other_glance.tobytes() if glance.dtype != object else _all_same(glance, other_glance)
    return _all_same(glance, other_glance) if isinstance(glance, list) else bool(glance == other_glance)


def _all_same(values: Any, others: Any) -> bool:
    return len(values) == len(others) and all(a is b for a, b in zip(values, others, strict=True))
