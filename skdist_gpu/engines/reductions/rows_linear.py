"""What our own block reductions fit."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.entry import Entry


def reductions_rows(
    estimator: str,
    break_even: float,
    sparse: tuple[str, ...] = ("cpu", "dask"),
    measured_by: str = "benchmarks/least_squares.py",
    **options: Any,
) -> list[Entry]:
    """Our own block reductions run on threads, on a GPU and over Dask alike; sparse X on some devices."""
    return [
        Entry(
            estimator,
            "reductions",
            device,
            sparse=device in sparse,
            break_even=break_even if device == "cpu" else gpu_break_even,
            source=source,
            packages=packages,
            **options,
        )
        for device, packages, gpu_break_even, source in (
            ("gpu", ("cupy",), 2e6, "cuML's crossover; a first GPU call takes about a second"),
            ("cpu", (), break_even, measured_by),
            ("dask", ("dask",), 0, ""),
        )
    ]


def _contiguous_folds(cv: Any) -> bool:
    """Whether folds are whole stretches of rows, whose sums need no row indices."""
    return cv is None or type(cv) is int or (type(cv).__name__ == "KFold" and not cv.shuffle)


def _no_array(value: Any) -> bool:
    return isinstance(value, (bool, str)) or value is None


_COORDINATE_DESCENT: dict[str, Any] = {"precompute": _no_array, "warm_start": (False,)}
_COORDINATE_DESCENT_CV: dict[str, Any] = {
    "accepts": {"precompute": _no_array, "cv": _contiguous_folds},
    "weights": False,
    "multi_target": False,
    "numbered_passes": lambda estimator: 1,
}
_LEAVE_ONE_OUT: dict[str, Any] = {"scoring": (None,), "store_cv_results": (False,)}
_LARS: dict[str, Any] = {"precompute": _no_array, "jitter": (None,)}

ROWS: tuple[Entry, ...] = (
    *reductions_rows("LinearRegression", 2e5, accepts={"positive": (False,)}),
    *reductions_rows("Ridge", 2e6, accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")}),
    *reductions_rows(
        "RidgeClassifier",
        2e5,
        accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")},
        multi_target=False,
    ),
    *reductions_rows(
        "RidgeCV",
        3e5,
        accepts={"cv": _contiguous_folds, **_LEAVE_ONE_OUT},
        numbered_passes=lambda ridge: int(ridge.cv is not None),
    ),
    *reductions_rows("RidgeClassifierCV", 2e5, accepts={"cv": (None,), **_LEAVE_ONE_OUT}, multi_target=False),
    *reductions_rows("Lasso", 1.5e6, accepts=_COORDINATE_DESCENT),
    *reductions_rows("ElasticNet", 1.5e6, accepts=_COORDINATE_DESCENT),
    *reductions_rows("LassoCV", 1e5, **_COORDINATE_DESCENT_CV),
    *reductions_rows("ElasticNetCV", 1e5, **_COORDINATE_DESCENT_CV),
    *reductions_rows("Lars", 2.5e6, accepts=_LARS, weights=False),
    *reductions_rows("LassoLars", 2.5e6, accepts=_LARS, weights=False),
    *reductions_rows("OrthogonalMatchingPursuit", 2.5e6, accepts={"precompute": _no_array}, weights=False),
    *reductions_rows("BayesianRidge", 2e5, multi_target=False),
    *reductions_rows("ARDRegression", 2e5, weights=False, multi_target=False),
)
