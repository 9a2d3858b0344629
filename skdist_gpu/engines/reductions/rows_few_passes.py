"""What our own block reductions fit in a few passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.engines.entry import Allowed, Entry
from skdist_gpu.engines.reductions.rows_linear import reductions_rows


def _known_start(init: Any) -> bool:
    """Whether the first centres need no function of all rows."""
    return (isinstance(init, str) and init in ("k-means++", "random")) or isinstance(init, (list, tuple, np.ndarray))


def _few(estimator: str, break_even: float, **options: Any) -> list[Entry]:
    """Return the rows of an estimator."""
    return reductions_rows(estimator, break_even, measured_by="benchmarks/few_pass.py sizes", **options)


# all these solvers are after one answer, which sag and saga stop short of; liblinear penalises the intercept
_LOGISTIC: dict[str, Allowed] = {
    "solver": ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"),
    "penalty": ("deprecated",),
    "l1_ratio": lambda ratio: ratio is not None,
    "dual": (False,),
    "warm_start": (False,),
    "n_jobs": (None,),
    "verbose": (0, False),
    "max_iter": lambda n: n > 0,
}


def _disjoint_folds(cv: Any) -> bool:
    """Whether each row is left out by one fold, and the folds follow from the classes of the rows."""
    return cv is None or type(cv) is int or type(cv).__name__ in ("KFold", "StratifiedKFold")


# scores that are sums over rows
_LOGISTIC_CV: dict[str, Allowed] = {
    **{name: allowed for name, allowed in _LOGISTIC.items() if name not in ("l1_ratio", "warm_start", "n_jobs")},
    "cv": _disjoint_folds,
    "scoring": (None, "warn", "accuracy", "neg_log_loss"),
}

_GLM: dict[str, Any] = {
    "accepts": {"warm_start": (False,), "verbose": (0, False), "max_iter": lambda n: n > 0},
    "multi_target": False,
    "tolerance": 1e-6,
}

ROWS: tuple[Entry, ...] = (
    *_few(
        "LogisticRegression",
        1e6,
        accepts=_LOGISTIC,
        multi_target=False,
        tolerance=1e-6,
    ),
    *_few(
        "LogisticRegressionCV",
        3e4,
        accepts=_LOGISTIC_CV,
        multi_target=False,
        tolerance=1e-6,
        numbered_passes=lambda estimator: 2,
        # measured while scikit-learn places the folds; 4 are kept
        row_bytes=52,
    ),
    *_few("PoissonRegressor", 3e5, **_GLM),
    *_few("GammaRegressor", 3e5, **_GLM),
    *_few("TweedieRegressor", 3e5, **_GLM),
    *_few("HuberRegressor", 1e6, accepts={"warm_start": (False,)}, multi_target=False, tolerance=1e-6),
    *_few(
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
    *_few(
        "LinearSVR",
        1e6,
        accepts={"loss": ("squared_epsilon_insensitive",), "verbose": (0, False), "max_iter": lambda n: n > 0},
        multi_target=False,
        tolerance=1e-6,
    ),
    *_few("KMeans", 5e6, accepts={"init": _known_start, "verbose": (0, False)}, tolerance=1e-2),
    # not batches of rows, but a sample that converged and two steps over all rows, which end lower
    *_few("MiniBatchKMeans", 5e6, accepts={"init": _known_start, "verbose": (0, False)}, tolerance=1e-2),
    *_few(
        "GaussianMixture",
        1e6,
        sparse=(),
        accepts={
            "init_params": ("kmeans",),
            "warm_start": (False,),
            "verbose": (0, False),
            "max_iter": lambda n: n > 0,
        },
        weights=False,
        tolerance=1e-6,
    ),
)
