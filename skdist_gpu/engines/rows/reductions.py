"""What our own block reductions fit."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.entry import Entry


def _reductions(
    estimator: str, break_even: float, sparse: tuple[str, ...] = ("cpu", "dask"), **options: Any
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
            ("cpu", (), break_even, "benchmarks/least_squares.py"),
            ("dask", ("dask",), 0, ""),
        )
    ]


def _contiguous_folds(cv: Any) -> bool:
    """Whether folds are whole stretches of rows, whose sums need no row indices."""
    return cv is None or type(cv) is int or (type(cv).__name__ == "KFold" and not cv.shuffle)


def _no_array(value: Any) -> bool:
    return isinstance(value, (bool, str)) or value is None


_COORDINATE_DESCENT: dict[str, Any] = {"precompute": _no_array, "warm_start": (False,)}
_LEAVE_ONE_OUT: dict[str, Any] = {"scoring": (None,), "store_cv_results": (False,)}
_LARS: dict[str, Any] = {"precompute": _no_array, "jitter": (None,)}

ROWS: tuple[Entry, ...] = (
    *_reductions("LinearRegression", 2e5, accepts={"positive": (False,)}),
    *_reductions("Ridge", 2e6, accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")}),
    *_reductions(
        "RidgeClassifier",
        2e5,
        accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")},
        multi_target=False,
    ),
    *_reductions("RidgeCV", 3e5, accepts={"cv": _contiguous_folds, **_LEAVE_ONE_OUT}),
    *_reductions("RidgeClassifierCV", 2e5, accepts={"cv": (None,), **_LEAVE_ONE_OUT}, multi_target=False),
    *_reductions("Lasso", 1.5e6, accepts=_COORDINATE_DESCENT),
    *_reductions("ElasticNet", 1.5e6, accepts=_COORDINATE_DESCENT),
    *_reductions(
        "LassoCV", 1e5, accepts={"precompute": _no_array, "cv": _contiguous_folds}, weights=False, multi_target=False
    ),
    *_reductions(
        "ElasticNetCV",
        1e5,
        accepts={"precompute": _no_array, "cv": _contiguous_folds},
        weights=False,
        multi_target=False,
    ),
    *_reductions("Lars", 2.5e6, accepts=_LARS, weights=False),
    *_reductions("LassoLars", 2.5e6, accepts=_LARS, weights=False),
    *_reductions("OrthogonalMatchingPursuit", 2.5e6, accepts={"precompute": _no_array}, weights=False),
    *_reductions("BayesianRidge", 2e5, multi_target=False),
    *_reductions("ARDRegression", 2e5, weights=False, multi_target=False),
)
