"""What ran where in a program: a line for each call, and tables of all."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from skdist_gpu.planning.plan import Candidate, Plan

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Call:
    """One fit or prediction.

    Attributes
    ----------
    estimator, method : str
        Name of the class, and of the method.
    engine : str
        Engine and device that ran it.
    seconds : float
        How long it took.
    data : str
        The rows, in words.
    reason : str
        Why this engine.
    instead : str
        Why no other engine; empty where another than scikit-learn's own method ran.
    sklearn_seconds : float or None
        What scikit-learn was predicted to take; None where nothing is known of it.
    line : str
        File and line of the program that called, where it was asked for.
    """

    estimator: str
    method: str
    engine: str
    seconds: float
    data: str = ""
    reason: str = ""
    instead: str = ""
    sklearn_seconds: float | None = None
    line: str = ""

    def __str__(self) -> str:
        why = "; ".join(text for text in (self.reason, self.instead) if text)
        where = f" ({self.line})" if self.line else ""
        return f"{self.estimator}.{self.method}: {self.engine}, {self.seconds:.3g} s, {self.data}: {why}{where}"


@dataclass
class Row:
    """All calls of one method of one class that ran on one engine."""

    estimator: str
    method: str
    engine: str
    calls: int = 0
    seconds: float = 0.0
    sklearn_seconds: float | None = None
    why: str = ""


class Profile:
    """What ran where, how often and how long.

    Parameters
    ----------
    verbose : bool, default=False
        Print a line for each call to the standard error stream.
    trace : bool, default=False
        Keep every call, and not only the sums.
    script : str, default=""
        File whose lines are told of; none if empty.

    Examples
    --------
    >>> profile = Profile()
    >>> profile.add(Call("Ridge", "fit", "sklearn:cpu", 0.5))
    >>> profile.add(Call("Ridge", "fit", "sklearn:cpu", 0.25))
    >>> [(row.engine, row.calls, row.seconds) for row in profile.rows]
    [('sklearn:cpu', 2, 0.75)]
    """

    def __init__(self, verbose: bool = False, trace: bool = False, script: str = "") -> None:
        self.verbose, self.trace, self.script = verbose, trace, script
        self.calls: list[Call] = []
        self._rows: dict[tuple[str, str, str], Row] = {}
        self._lines: dict[tuple[str, str], tuple[int, float]] = {}
        self._lock = Lock()

    @property
    def rows(self) -> list[Row]:
        """The sums by class, method and engine, the longest first."""
        return sorted(self._rows.values(), key=lambda row: -row.seconds)

    @property
    def seconds(self) -> float:
        """Seconds of all calls."""
        return sum(row.seconds for row in self._rows.values())

    def add(self, call: Call) -> None:
        """Count a call.

        Parameters
        ----------
        call : Call
            What was called, by which engine, and its seconds.
        """
        with self._lock:
            key = (call.estimator, call.method, call.engine)
            row = self._rows.setdefault(key, Row(*key))
            row.calls += 1
            row.seconds += call.seconds
            if call.sklearn_seconds is not None:
                row.sklearn_seconds = (row.sklearn_seconds or 0.0) + call.sklearn_seconds
            row.why = call.instead or call.reason
            if self.trace:
                self.calls.append(call)
            if call.line:
                what = (call.line, f"{call.estimator}.{call.method} on {call.engine}")
                calls, seconds = self._lines.get(what, (0, 0.0))
                self._lines[what] = (calls + 1, seconds + call.seconds)
        if self.verbose:
            print(f"[skdist_gpu] {call}", file=sys.stderr, flush=True)

    def line_of_caller(self) -> str:
        """Return file and line of the program that is running; empty where lines are not asked for.

        Returns
        -------
        str
            As in ``script.py:12``.
        """
        frame = sys._getframe(2) if self.script else None
        while frame is not None and frame.f_code.co_filename != self.script:
            frame = frame.f_back
        return f"{Path(self.script).name}:{frame.f_lineno}" if frame is not None else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the sums, the lines, and each call where they were kept, as plain values.

        Returns
        -------
        dict
            Ready for JSON.
        """
        lines = [{"line": line, "what": what, "calls": n, "seconds": s} for (line, what), (n, s) in self._by_line()]
        rows, calls = [asdict(row) for row in self.rows], [asdict(call) for call in self.calls]
        return {"seconds": self.seconds, "rows": rows, "lines": lines, "calls": calls}

    def to_json(self, path: str | Path) -> None:
        """Write what `to_dict` returns to a file.

        Parameters
        ----------
        path : str or Path
            File to write.
        """
        Path(path).write_text(json.dumps(self.to_dict(), indent=1))

    def to_html(self, path: str | Path) -> None:
        """Write the tables to a page that a browser shows.

        Parameters
        ----------
        path : str or Path
            File to write.
        """
        title = "<title>skdist_gpu: what ran where</title>"
        Path(path).write_text(f"<!doctype html><meta charset='utf-8'>{title}{self._repr_html_()}")

    def _by_line(self) -> list[tuple[tuple[str, str], tuple[int, float]]]:
        return sorted(self._lines.items(), key=lambda item: _line_number(item[0][0]))

    def tables(self) -> list[Table]:
        """Return the table of the methods, and that of the lines where they are known, for rich to print.

        Returns
        -------
        list of rich.table.Table
            One or two tables.
        """
        from rich.table import Table

        title = f"What ran where: {self.seconds:.3g} s"
        methods = Table("method", "engine", "calls", "seconds", "scikit-learn, predicted", "why", title=title)
        for row in self.rows:
            predicted = "" if row.sklearn_seconds is None else f"{row.sklearn_seconds:.3g}"
            name = f"{row.estimator}.{row.method}"
            methods.add_row(name, row.engine, str(row.calls), f"{row.seconds:.3g}", predicted, row.why)
        if not self._lines:
            return [methods]
        lines = Table("line", "method", "calls", "seconds", title="By line")
        for (line, what), (calls, seconds) in self._by_line():
            lines.add_row(line, what, str(calls), f"{seconds:.3g}")
        return [methods, lines]

    def print(self, file: Any = None) -> None:
        """Print the tables; to the standard error stream if `file` is None.

        Parameters
        ----------
        file : file object, default=None
            Where to print.
        """
        from rich.console import Console

        stream = file or sys.stderr
        # a file has no width of its own
        console = Console(file=stream, width=None if stream.isatty() else 140)
        for table in self.tables():
            console.print(table)

    def __str__(self) -> str:
        from io import StringIO

        text = StringIO()
        self.print(text)
        return text.getvalue()

    def __repr__(self) -> str:
        return str(self)  # what a console shows

    def _repr_html_(self) -> str:
        from html import escape
        from itertools import zip_longest

        parts = []
        for table in self.tables():
            head = "".join(f"<th>{escape(str(column.header))}</th>" for column in table.columns)
            columns = (column.cells for column in table.columns)
            rows = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in zip_longest(*columns))
            body = "".join(f"<tr>{row}</tr>" for row in rows)
            parts.append(f"<table><caption>{escape(str(table.title))}</caption><tr>{head}</tr>{body}</table>")
        return "".join(parts)


def _line_number(line: str) -> int:
    return int(line.rpartition(":")[2])


def why_not_elsewhere(plan: Plan) -> str:
    """Say why a fit was left to scikit-learn: of the engine that came nearest to running."""
    others = [c for c in plan.candidates if c.backend != "sklearn" and not _only_by_name(c)]
    for verdict in ("possible", "slower", "refused"):
        found = [c for c in others if c.verdict == verdict and c.reasons]
        if found:
            first = min(found, key=lambda c: ("cpu", "gpu", "dask").index(c.device))
            return f"{first.name}: {first.reasons[0]}"
    return "no other engine knows it"


def _only_by_name(candidate: Candidate) -> bool:
    return len(candidate.reasons) == 1 and "only backend=" in candidate.reasons[0]


def sklearn_seconds(plan: Plan) -> float | None:
    """Return what scikit-learn is predicted to take."""
    return next((c.seconds for c in plan.candidates if c.backend == "sklearn"), None)
