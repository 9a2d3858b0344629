"""What an estimator holds, as something that can be compared and kept: what follows from it is worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# types of values that never change
PLAIN = frozenset({type(None), bool, int, float, str})


@dataclass(frozen=True)
class PlainFacts:
    """An estimator that holds numbers, texts and None alone, as something that can be compared and kept.

    The types are told apart, since 1, 1.0 and True are equal and mean different things.
    """

    cls: Any
    names: tuple[str, ...]
    types: tuple[Any, ...]
    values: tuple[Any, ...]

    def estimator(self) -> Any:
        """Return such an estimator."""
        made = self.cls.__new__(self.cls)
        vars(made).update(zip(self.names, self.values, strict=True))
        return made


def plain_facts(estimator: Any) -> PlainFacts | None:
    """Return what an estimator holds; None if that is more than numbers, texts and None."""
    held = vars(estimator)
    types = tuple(map(type, held.values()))
    if not PLAIN.issuperset(types):
        return None
    return PlainFacts(type(estimator), tuple(held), types, tuple(held.values()))
