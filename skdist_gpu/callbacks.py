"""scikit-learn's callbacks, such as its progress bar, around a fit and the passes of an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from skdist_gpu._compat.sklearn import called_back, has_callbacks, is_part_of_a_fit


class CallsCallbacks:
    """Take callbacks as scikit-learn's estimators do.

    Those that a pipeline or search hands on to its steps are called around the fit and each pass of the engine that
    runs, whichever it is. Others, such as ScoringMonitor, look at the model while it learns, and go to the wrapped
    estimator; a fit then stays with engines that call them.
    """

    def set_callbacks(self, *callbacks: Any) -> Any:
        """Set callbacks.

        Parameters
        ----------
        *callbacks : callback instances
            They follow scikit-learn's FitCallback protocol.

        Returns
        -------
        self : object

        Raises
        ------
        TypeError
            scikit-learn's own for what is no callback; for one that looks at a model that calls none.
        """
        from sklearn.callback import AutoPropagatedCallback, CallbackSupportMixin  # takes time to import

        inside = [c for c in callbacks if not isinstance(c, (AutoPropagatedCallback, type))]
        wrapped = self._wrapped() if "estimator" in vars(self) else self  # type: ignore[attr-defined]
        if not hasattr(wrapped, "set_callbacks") or wrapped is self:
            inside = []
        elif inside:
            wrapped.set_callbacks(*inside)
            self.__dict__["estimator"] = wrapped
        return CallbackSupportMixin.set_callbacks(self, *[c for c in callbacks if c not in inside])


@contextmanager
def fit_task(estimator: Any, X: Any, y: Any) -> Iterator[Any]:
    """Call an estimator's callbacks around a fit; gives the task, under which the passes are, or None without any."""
    if not has_callbacks(estimator) and not is_part_of_a_fit(estimator):
        yield None
        return
    with called_back(estimator) as task:
        task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
        yield task
        task.call_on_fit_task_end(estimator=estimator, X=X, y=y)


class PassTasks:
    """The passes of an engine as tasks under the task of a fit."""

    def __init__(self, estimator: Any, task: Any) -> None:
        self.estimator, self.task = estimator, task
        self.current: Any = None

    def start(self, description: str) -> None:
        """Begin a pass, which ends the one before."""
        self.finish()
        if self.task is not None:
            self.current = self.task.subcontext(task_name=description)
            self.current.call_on_fit_task_begin(estimator=self.estimator)

    def finish(self) -> None:
        """End the pass that runs, if one does."""
        if self.current is not None:
            current, self.current = self.current, None
            current.call_on_fit_task_end(estimator=self.estimator)
