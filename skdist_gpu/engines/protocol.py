"""What every engine takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.hardware.detect import Resources
from skdist_gpu.progress import Progress


@dataclass
class FitJob:
    """One fit to do.

    `estimator` is an unfitted clone that the engine may fit in place; `options` are parameters of the
    AutoScale estimator that only some engines know.
    """

    estimator: Any
    X: Any
    y: Any
    sample_weight: Any
    info: InputInfo
    resources: Resources
    device: str = "cpu"
    client: Any = None
    memory_budget: int | None = None
    fit_params: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)


@dataclass
class Fitted:
    """What a fit gives: the plain fitted estimator.

    `classes` are the labels, where the plain estimator predicts codes 0 … n-1 for them; `answers` the
    attributes that the plain estimator cannot hold.
    """

    estimator: Any
    classes: np.ndarray | None = None
    answers: dict[str, Any] = field(default_factory=dict)


class Engine(Protocol):
    """A module of :mod:`skdist_gpu.engines`."""

    def fit(self, job: FitJob) -> Fitted:
        """Fit the job's estimator.

        Raises
        ------
        EngineRefusal
            If the engine finds only now that it cannot; the next candidate takes over.
        MemoryError
            If memory ran out; the next candidate takes over.
        """


def load_engine(backend: str) -> Engine:
    """Import the engine of a backend name: ``"xgboost.dask"`` is ``engines.xgboost_dask.fit``."""
    return import_module(f"skdist_gpu.engines.{backend.replace('.', '_')}.fit")  # type: ignore[return-value]
