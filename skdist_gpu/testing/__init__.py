"""Help for tests of code that uses the package."""

from __future__ import annotations

from typing import Any

from skdist_gpu.hardware.fake import make_resources
from skdist_gpu.testing.contract import parametrize_with_autoscale_checks


def assert_ran_on(estimator: Any, backend: str) -> None:
    """Raise unless a fitted AutoScale estimator ran on an engine.

    Parameters
    ----------
    estimator : AutoScale estimator
        After `fit`.
    backend : str
        Engine such as ``"cuml"``, or engine and device such as ``"reductions:gpu"``.

    Raises
    ------
    AssertionError
        With the explanation of the choice.

    Examples
    --------
    >>> from skdist_gpu import AutoScaleRegressor
    >>> model = AutoScaleRegressor(backend="reductions").fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> assert_ran_on(model, "reductions:cpu")
    """
    ran = estimator.report_.candidate
    if backend not in (ran.backend, ran.name):
        raise AssertionError(f"ran on {ran.name}, not on {backend}\n{estimator.explain()}")


__all__ = ["assert_ran_on", "make_resources", "parametrize_with_autoscale_checks"]
