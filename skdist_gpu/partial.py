"""Learn from one block of rows after another."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any

from sklearn.utils.metaestimators import available_if

from skdist_gpu._compat.sklearn import unfitted
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.delegation import estimator_has
from skdist_gpu.engines.protocol import Fitted
from skdist_gpu.engines.registry import engines
from skdist_gpu.planning.plan import Candidate, Plan


class PartialFit:
    """`partial_fit`, where the wrapped estimator has it."""

    @available_if(estimator_has("partial_fit"))
    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Any:
        """Learn from one more block of rows, after those of earlier calls and of `fit`.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, which are taken to main memory.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Target.
        classes : array-like of shape (n_classes,), default=None
            All classes that a classifier will meet; needed by the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        self : object
        """
        before = self._known_fitted()  # type: ignore[attr-defined]
        if before is None:
            estimator = unfitted(self._make_estimator())  # type: ignore[attr-defined]
            self._check_parameters(estimator)  # type: ignore[attr-defined]
        else:
            estimator = before if "estimator_" in vars(self) else deepcopy(before)
        arguments = {"y": y, "classes": classes, "sample_weight": sample_weight}
        given = {name: to_host(value) for name, value in arguments.items() if value is not None}
        start = time.perf_counter()
        estimator.partial_fit(to_host(X), **given)
        candidate = _candidate()
        plan = Plan(type(estimator).__name__, str(inspect_input(X)), "this one", (candidate,))
        self._keep(plan, Fitted(estimator), candidate, time.perf_counter() - start, [])  # type: ignore[attr-defined]
        return self


def _candidate() -> Candidate:
    """Return the engine that every estimator's own methods belong to."""
    name = next(info.name for info in engines().values() if info.fits_anything)
    return Candidate(name, "cpu", "chosen", ("partial_fit is the estimator's own, block after block",))
