"""What our own block reductions fit in a few passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.engines.entry import Allowed, Entry
from skdist_gpu.engines.rows.reductions import _reductions


def _known_start(init: Any) -> bool:
    """Whether the first centres need no function of all rows."""
    return (isinstance(init, str) and init in ("k-means++", "random")) or isinstance(init, (list, tuple, np.ndarray))


# these solvers have one answer; liblinear penalises the intercept, sag and saga stop early
_LOGISTIC: dict[str, Allowed] = {
    "solver": ("lbfgs", "newton-cg", "newton-cholesky"),
    "penalty": ("deprecated",),
    "l1_ratio": (0,),
    "dual": (False,),
    "warm_start": (False,),
    "n_jobs": (None,),
    "verbose": (0, False),
    "max_iter": lambda n: n > 0,
}

_GLM: dict[str, Any] = {
    "accepts": {"warm_start": (False,), "verbose": (0, False), "max_iter": lambda n: n > 0},
    "multi_target": False,
    "tolerance": 1e-6,
}

ROWS: tuple[Entry, ...] = (
    *_reductions("LogisticRegression", 1e6, accepts=_LOGISTIC, multi_target=False, tolerance=1e-6),
    *_reductions("PoissonRegressor", 1e6, **_GLM),
    *_reductions("GammaRegressor", 1e6, **_GLM),
    *_reductions("TweedieRegressor", 1e6, **_GLM),
    *_reductions("HuberRegressor", 1e6, accepts={"warm_start": (False,)}, multi_target=False, tolerance=1e-6),
    *_reductions(
        "LinearSVC",
        1e6,
        accepts={
            "loss": ("squared_hinge",),
            "penalty": ("l2",),
            "multi_class": ("ovr",),
            "verbose": (0, False),
            "max_iter": lambda n: n > 0,
        },
        multi_target=False,
        tolerance=1e-6,
    ),
    *_reductions(
        "LinearSVR",
        1e6,
        accepts={"loss": ("squared_epsilon_insensitive",), "verbose": (0, False), "max_iter": lambda n: n > 0},
        multi_target=False,
        tolerance=1e-6,
    ),
    *_reductions("KMeans", 1e6, accepts={"init": _known_start, "verbose": (0, False)}, tolerance=1e-2),
)
