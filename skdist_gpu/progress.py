"""Show how far a fit is, if asked to: in a terminal by rich, in a notebook by a bar of HTML, elsewhere not at all."""

from __future__ import annotations

import sys
import time
from html import escape
from threading import Lock
from typing import Any

# seconds between two pictures of a notebook's bar
_OFTEN = 0.1


class Progress:
    """A progress bar that stays silent unless ``visible``, and where the output is neither terminal nor notebook.

    Parameters
    ----------
    visible : bool, default=False
        Whether to show anything.

    Examples
    --------
    >>> with Progress(visible=False) as progress:
    ...     progress.start("fit", total=10)
    ...     progress.advance(10)
    """

    def __init__(self, visible: bool = False, tasks: Any = None) -> None:
        self.visible = visible
        self.tasks = tasks  # of callbacks, which hear of each stage, too
        self._bar: Any = None
        self._description = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.tasks is not None:
            self.tasks.finish()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def start(self, description: str, total: float | None = None) -> None:
        """Begin a stage; without a `total` the bar only shows that work goes on."""
        if self.tasks is not None:
            self.tasks.start(description)
        if not self.visible:
            return
        if self._bar is None:
            self._bar = _make_bar()
            if self._bar is None:
                self.visible = False
                return
        self._description = description
        self._bar.stage(description, total)

    def advance(self, amount: float = 1) -> None:
        """Move the bar of the current stage."""
        if self._bar is not None:
            self._bar.advance(amount)

    def note(self, text: str) -> None:
        """Write a text, such as the value of a metric, behind the current stage's description."""
        if self._bar is not None:
            self._bar.describe(f"{self._description}, {text}")

    def finish(self) -> None:
        """Fill the bar of the current stage."""
        if self._bar is not None:
            self._bar.fill()


def _make_bar() -> Any:
    """Return a bar for where the output goes; None where nobody would see it."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and hasattr(shell, "kernel"):
        return NotebookBar()
    from rich.console import Console

    console = Console()
    return _TerminalBar(console) if console.is_terminal else None


class _TerminalBar:
    """Stages below each other, each with a bar, the time taken and the time left."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console)
        self._task: Any = None
        self._bar.start()

    def stage(self, description: str, total: float | None) -> None:
        if self._task is not None:
            self._bar.stop_task(self._task)
        self._task = self._bar.add_task(description, total=total)

    def advance(self, amount: float) -> None:
        self._bar.advance(self._task, amount)

    def describe(self, text: str) -> None:
        self._bar.update(self._task, description=text)

    def fill(self) -> None:
        total = self._bar.tasks[-1].total or 1
        self._bar.update(self._task, total=total, completed=total)

    def stop(self) -> None:
        self._bar.stop()


class NotebookBar:
    """The current stage as a bar of HTML, which any notebook shows without ipywidgets."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._handle = display(HTML(""), display_id=True)
        self._begin = self._shown = time.perf_counter()
        self._text, self._done = "", 0.0
        self._total: float | None = None
        # several GPUs move the bar, each from a thread of its own
        self._lock = Lock()

    def stage(self, description: str, total: float | None) -> None:
        self._begin = time.perf_counter()
        self._text, self._total, self._done = description, total, 0.0
        self._show()

    def advance(self, amount: float) -> None:
        with self._lock:
            self._done += amount
            if time.perf_counter() - self._shown >= _OFTEN:
                self._show()

    def describe(self, text: str) -> None:
        self._text = text

    def fill(self) -> None:
        self._done = self._total = self._total or 1.0
        self._show()

    def stop(self) -> None:
        self._show()

    def _show(self) -> None:
        self._shown = time.perf_counter()
        taken = self._shown - self._begin
        value = "" if not self._total else f"value={self._done:g} max={self._total:g}"
        left = f", {taken * (self._total / self._done - 1):.0f} s left" if self._total and self._done else ""
        text = escape(f"{self._text}: {taken:.0f} s{left}")
        bar = f"<progress aria-label='{escape(self._text)}' {value} style='vertical-align: middle'></progress>"
        self._handle.update(self._html(f"<div>{bar} {text}</div>"))
