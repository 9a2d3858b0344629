"""Warnings of work that may fail, or is done in blocks: held back until it is known which of them count."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import unwrap
from pathlib import Path
from threading import Lock, get_ident
from typing import Any


class HeldWarnings:
    """Holds the warnings of some threads back, after the filters, until it is known whether they count.

    Examples
    --------
    >>> waiting = HeldWarnings()
    >>> with warnings.catch_warnings(record=True, action="always") as shown, waiting.held() as held:
    ...     warnings.warn("of a fit that fails", stacklevel=1)
    ...     held.clear()
    >>> shown
    []
    """

    def __init__(self) -> None:
        self._held: dict[int, list[tuple[Any, ...]]] = {}
        self._show = warnings.showwarning
        self._lock = Lock()

    @contextmanager
    def held(self, among: list[tuple[Any, ...]] | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """Hold back what this thread warns of inside; at the end, what is left of the list is shown.

        A thread that helps another one puts its warnings `among` those, which the other shows.
        """
        thread = get_ident()
        mine: list[tuple[Any, ...]] = [] if among is None else among
        with self._lock:
            if warnings.showwarning != self._hold:
                self._show, warnings.showwarning = warnings.showwarning, self._hold
            before, self._held[thread] = self._held.get(thread), mine
        try:
            yield mine
        finally:
            with self._lock:
                if before is None:
                    del self._held[thread]
                else:
                    self._held[thread] = before
                if not self._held and warnings.showwarning == self._hold:
                    warnings.showwarning = self._show
            for warning in mine if among is None else ():
                self._show(*warning) if before is None else before.append(warning)

    def _hold(
        self, message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        """Take the place of `warnings.showwarning`."""
        warning = (message, category, filename, lineno, file, line)
        mine = self._held.get(get_ident())
        if mine is None:
            self._show(*warning)
        else:
            mine.append(warning)


# the one of the process, as there is one `warnings.showwarning`
WARNINGS = HeldWarnings()


def warn_as_of(cls: type, held: list[tuple[Any, ...]]) -> None:
    """Warn anew of what modules of this package warn of, as `fit` of a class does: filters may name its module.

    Such warnings are taken from the list; the others stay in it.
    """
    package = str(Path(__file__).parent)
    ours = [warning for warning in held if warning[2].startswith(package)]
    held[:] = [warning for warning in held if warning not in ours]
    fit, module = unwrap(cls.fit).__code__, cls.__module__  # type: ignore[attr-defined]
    heard = vars(sys.modules[module]).setdefault("__warningregistry__", {})  # where Python notes what to show only once
    for message, category, *_ in ours:
        warnings.warn_explicit(message, category, fit.co_filename, fit.co_firstlineno, module, heard)
