"""Where the fits of a search have ended, for the next one to begin near.

From one penalty to the next the coefficients of all folds move alike, so that one fold's move is the best guess of
another's. The minimum that is found does not depend on where the fit began, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdist_gpu.engines.reductions.core.curvature import Curvature
from skdist_gpu.engines.reductions.core.newton import Minimum


@dataclass
class End:
    """Where a fit has ended: its penalty, its minimum, and the end of the fit before it on the same rows."""

    penalty: np.ndarray
    minimum: Minimum
    before: End | None = None


class Ends:
    """The ends of all fits that differ in their penalty and their rows only, by the rows and the place in a fit."""

    def __init__(self) -> None:
        self.of_rows: dict[tuple[Any, int], End] = {}
        self.latest: dict[int, End] = {}
        self.known: dict[Any, Any] = {}


class Starts:
    """Where to begin a fit on some rows, which may search several minima behind each other, as for several classes.

    Parameters
    ----------
    ends : Ends
        What other fits have found.
    rows : hashable
        Which rows it is fitted to.
    """

    def __init__(self, ends: Ends, rows: Hashable) -> None:
        self.ends, self.rows, self.place = ends, rows, 0

    def remember(self, question: Any, compute: Callable[[], Any]) -> Any:
        """Return what another fit has found of the same rows, which nobody changes, or compute it."""
        if (self.rows, question) not in self.ends.known:
            self.ends.known[self.rows, question] = compute()
        return self.ends.known[self.rows, question]

    def begin(self, penalty: np.ndarray) -> Minimum | None:
        """Return coefficients to begin at, with second derivatives for this penalty; None if nothing is known."""
        own, latest = self.ends.of_rows.get((self.rows, self.place)), self.ends.latest.get(self.place)
        near = own or latest
        if near is None or latest is None or len(near.penalty) != len(penalty):
            return None
        coef = near.minimum.coef
        moved = latest.before
        if own is not None and moved is not None and _same(latest, penalty) and _same(moved, own.penalty):
            coef = coef + latest.minimum.coef - moved.minimum.coef
            near = latest
        curvature = near.minimum.curvature
        known = None if curvature is None else Curvature(curvature + np.diag(penalty - near.penalty))
        return replace(near.minimum, coef=coef, known=known)

    def end(self, penalty: np.ndarray, minimum: Minimum) -> None:
        """Remember where the fit has ended."""
        before = self.ends.of_rows.get((self.rows, self.place))
        end = End(penalty, minimum, None if before is None else replace(before, before=None))
        self.ends.of_rows[self.rows, self.place] = self.ends.latest[self.place] = end
        self.place += 1


def _same(end: End, penalty: np.ndarray) -> bool:
    return bool(np.array_equal(end.penalty, penalty))
