"""Rows that `fit` itself holds out to stop early."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state

# rounds without a better metric, as n_iter_no_change of scikit-learn's gradient boosting
PATIENCE = 10


def wanted_fraction(options: dict[str, Any], estimator: Any, arguments: dict[str, Any]) -> float | int | None:
    """Return how many rows to hold out, and set the estimator's patience; None if it is not wanted.

    Raises
    ------
    ValueError
        If the number makes no sense, or there is an ``eval_set`` as well.
    """
    fraction = options.get("validation_fraction")
    if fraction is None:
        return None
    number = isinstance(fraction, Real) and not isinstance(fraction, bool)
    if not number or not (0 < fraction < 1 or (fraction >= 1 and isinstance(fraction, Integral))):
        raise ValueError(
            f"validation_fraction={fraction!r} is neither a part of the rows between 0 and 1 nor their number, 1 or "
            "more. Nothing was computed."
        )
    if arguments.get("eval_set"):
        raise ValueError(
            "validation_fraction holds out rows to stop early, and eval_set gives such rows. Nothing was computed. "
            "Give one of the two."
        )
    if estimator.early_stopping_rounds is None:
        estimator.early_stopping_rounds = PATIENCE
    return fraction


def split(fraction: float | int, estimator: Any, y: np.ndarray, codes: bool, qid: Any = None) -> tuple[Any, Any]:
    """Return the numbers of the rows to train on, and of those held out, both sorted.

    Classes are held out in proportion, as scikit-learn's gradient boosting does; queries as a whole.
    """
    rows = np.zeros(len(y), np.uint8)
    options: dict[str, Any] = {"n_splits": 1, "test_size": fraction, "random_state": seed_of(estimator)}
    if qid is not None:
        train, held_out = next(GroupShuffleSplit(**options).split(rows, groups=qid))
    elif codes and y.ndim == 1:
        train, held_out = next(StratifiedShuffleSplit(**options).split(rows, y))
    else:
        train, held_out = next(ShuffleSplit(**options).split(rows))
    return np.sort(train), np.sort(held_out)


def seed_of(estimator: Any) -> Any:
    """Return the seed of the held-out rows: the same in each fit, unless the user gives a generator."""
    return 0 if estimator.random_state is None else estimator.random_state


@dataclass(frozen=True)
class RowDraw:
    """Draw the rows to hold out block by block, where not all of `y` is in one place.

    Each block draws by its number, so that the same rows are drawn in each pass.
    """

    part: float
    seed: int

    @classmethod
    def of(cls, fraction: float | int, estimator: Any, n_rows: int | None) -> RowDraw:
        """Return the draw of a part, or of about a number, of all rows."""
        if fraction >= 1 and n_rows is None:
            raise ValueError(
                f"validation_fraction={fraction} is a number of rows, and how many there are is not known. Nothing "
                "was computed. Give a part of the rows, such as 0.1."
            )
        part = fraction if fraction < 1 else fraction / max(1, n_rows or 1)
        return cls(part, int(check_random_state(seed_of(estimator)).randint(2**31 - 1)))

    def held_out(self, number: int, n_rows: int, qid: Any = None) -> np.ndarray:
        """Return which rows of a block are held out; all rows of a query are, or none."""
        if qid is None:
            return np.random.default_rng([self.seed, number]).random(n_rows) < self.part
        queries, where = np.unique(np.asarray(qid), return_inverse=True)
        drawn = [np.random.default_rng([self.seed, int(q) % 2**32]).random() < self.part for q in queries]
        return np.array(drawn, bool)[where]
