"""Show how far a fit is, if asked to."""

from __future__ import annotations

from typing import Any


class Progress:
    """A progress bar that stays silent unless ``visible``.

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
        self._task: Any = None
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
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar.start()
        elif self._task is not None:
            self._bar.stop_task(self._task)
        self._task = self._bar.add_task(description, total=total)
        self._description = description

    def advance(self, amount: float = 1) -> None:
        """Move the bar of the current stage."""
        if self._bar is not None:
            self._bar.advance(self._task, amount)

    def note(self, text: str) -> None:
        """Write a text, such as the value of a metric, behind the current stage's description."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self._description}, {text}")

    def finish(self) -> None:
        """Fill the bar of the current stage."""
        if self._bar is not None:
            task = self._bar.tasks[-1]
            self._bar.update(self._task, total=task.total or 1, completed=task.total or 1)
