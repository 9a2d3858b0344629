"""What cuML fits."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.entry import NEVER, Entry


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_name(init: Any) -> bool:
    return isinstance(init, str)


def _cuml(estimator: str, break_even: float, **options: Any) -> Entry:
    source = options.pop("source", "crossover measured on an H100 with 16 cores")
    packages = ("cuml", "cupy")
    return Entry(estimator, "cuml", "gpu", break_even=break_even, source=source, packages=packages, **options)


ROWS: tuple[Entry, ...] = (
    _cuml("LinearRegression", 2e5, accepts={"positive": (False,)}, tolerance=1e-5),
    _cuml("Ridge", 2e6, accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")}, tolerance=1e-5),
    _cuml(
        "Lasso",
        2e6,
        accepts={"positive": (False,), "precompute": (False,), "warm_start": (False,)},
        multi_target=False,
        weights=False,
        tolerance=1e-3,
    ),
    _cuml(
        "ElasticNet",
        2e6,
        accepts={"positive": (False,), "precompute": (False,), "warm_start": (False,), "l1_ratio": _is_real},
        multi_target=False,
        weights=False,
        tolerance=1e-3,
    ),
    _cuml(
        "LogisticRegression",
        2e5,
        accepts={"warm_start": (False,), "intercept_scaling": (1,), "dual": (False,)},
        tolerance=1e-3,
    ),
    _cuml(
        "LinearSVC",
        2e6,
        accepts={"intercept_scaling": (1,), "dual": (False, "auto", True), "multi_class": ("ovr",)},
        tolerance=1e-2,
    ),
    *(
        _cuml(
            name,
            5e6,
            accepts={
                "criterion": ("gini", "entropy") if name.endswith("Classifier") else ("squared_error", "poisson"),
                "ccp_alpha": (0.0,),
                "min_weight_fraction_leaf": (0.0,),
                "warm_start": (False,),
                "monotonic_cst": (None,),
                "oob_score": (False,),
            },
            multi_target=False,
            tolerance=1e-2,
            memory=3.0,
        )
        for name in ("RandomForestClassifier", "RandomForestRegressor")
    ),
    *(
        _cuml(
            name,
            2e4,
            accepts={
                "weights": ("uniform", "distance"),
                "metric": ("minkowski", "euclidean", "manhattan", "cosine", "chebyshev"),
                "metric_params": (None,),
                "p": (1, 2),
            },
            weights=False,
            tolerance=1e-4,
        )
        for name in ("KNeighborsClassifier", "KNeighborsRegressor")
    ),
    _cuml("KMeans", 2e5, accepts={"init": _is_name}, tolerance=1e-2),
    _cuml(
        "PCA",
        NEVER,
        accepts={"svd_solver": ("auto", "full", "covariance_eigh")},
        weights=False,
        tolerance=1e-2,
        source="cuML's PCA was slower than scikit-learn's at every size measured, 1e3 to 1e8 values",
    ),
)
