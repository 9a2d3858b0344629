"""The catalogue: which engine can fit which estimator, with which parameters, and from what size.

One table that the planner, :func:`skdist_gpu.capabilities`, the documentation and the tests read.
Importing it imports no engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Allowed = tuple[Any, ...] | Callable[[Any], bool]


@dataclass(frozen=True)
class Entry:
    """One estimator on one engine.

    Attributes
    ----------
    estimator : str
        Class name of the scikit-learn or XGBoost estimator.
    backend : str
        Engine: a module name in :mod:`skdist_gpu.engines` with ``.`` for ``_``.
    device : {"cpu", "gpu", "dask"}
        Where it computes.
    accepts : dict
        Parameter name -> allowed values, or a function that tells whether a value is allowed.
        Parameters that are not named may have any value.
    sparse, weights, multi_target : bool
        Whether sparse `X`, sample weights and 2-D `y` are supported.
    break_even : float
        Number of values in `X` below which scikit-learn is faster.
    source : str
        Where `break_even` comes from.
    tolerance : float
        Largest relative difference from scikit-learn in float64 that the tests accept.
    memory : float
        Peak bytes on the device as a multiple of the data's bytes there, data included.
    packages : tuple of str
        What must be installed.
    """

    estimator: str
    backend: str
    device: str
    accepts: dict[str, Allowed] = field(default_factory=dict)
    sparse: bool = False
    weights: bool = True
    multi_target: bool = True
    break_even: float = 0
    source: str = ""
    tolerance: float = 1e-8
    memory: float = 2.0
    packages: tuple[str, ...] = ()


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _reductions(estimator: str, break_even: float, **options: Any) -> list[Entry]:
    """Our own block reductions run on threads, on a GPU and over Dask alike."""
    return [
        Entry(
            estimator,
            "reductions",
            device,
            sparse=device != "gpu",
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


def _cuml(estimator: str, break_even: float, **options: Any) -> Entry:
    source = options.pop("source", "crossover measured on an H100 with 16 cores")
    packages = ("cuml", "cupy")
    return Entry(estimator, "cuml", "gpu", break_even=break_even, source=source, packages=packages, **options)


def _dask_ml(estimator: str, accepts: dict[str, Allowed], **options: Any) -> Entry:
    packages = ("dask_ml", "dask")
    return Entry(estimator, "dask_ml", "dask", accepts=accepts, weights=False, packages=packages, **options)


def _xgboost(estimator: str) -> list[Entry]:
    gpu = "XGBoost's GPU pays from about a million rows (GBM-perf)"
    packages = ("xgboost",)
    histograms: dict[str, Allowed] = {
        "tree_method": (None, "auto", "hist", "approx"),
        "booster": (None, "gbtree", "dart"),
    }
    on_gpu: dict[str, Allowed] = {"device": lambda d: d != "cpu"}
    on_cpu: dict[str, Allowed] = {"device": lambda d: not _is_gpu(d)}
    on_dask: dict[str, Allowed] = {"device": _has_no_number, "objective": lambda o: not callable(o)}
    cluster = ("xgboost", "dask", "distributed")
    return [
        Entry(
            estimator,
            "xgboost",
            "gpu",
            accepts=histograms | on_gpu,
            sparse=True,
            break_even=2e7,
            source=gpu,
            packages=packages,
        ),
        Entry(
            estimator,
            "xgboost.dask",
            "dask",
            accepts=histograms | on_dask,
            sparse=True,
            packages=cluster,
        ),
        Entry(estimator, "xgboost", "cpu", accepts=on_cpu, sparse=True, packages=packages),
    ]


def _is_gpu(device: Any) -> bool:
    return str(device).startswith(("cuda", "gpu"))


def _has_no_number(device: Any) -> bool:
    return ":" not in str(device)  # XGBoost's workers each take the GPU that Dask shows them


NEVER = float("inf")

CATALOG: tuple[Entry, ...] = (
    *_reductions("LinearRegression", 2e5, accepts={"positive": (False,)}),
    *_reductions("Ridge", 2e6, accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")}),
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
    _cuml("KMeans", 2e5, accepts={"init": ("k-means++", "random")}, tolerance=1e-2),
    _cuml(
        "PCA",
        NEVER,
        accepts={"svd_solver": ("auto", "full", "covariance_eigh")},
        weights=False,
        tolerance=1e-2,
        source="cuML's PCA was slower than scikit-learn's at every size measured, 1e3 to 1e8 values",
    ),
    _dask_ml("StandardScaler", {}),
    _dask_ml("MinMaxScaler", {"clip": (False,)}),
    _dask_ml("TruncatedSVD", {"algorithm": ("randomized",)}, tolerance=1e-4),
    _dask_ml("PCA", {"svd_solver": ("full",), "n_components": lambda n: n is None or type(n) is int}),
    _dask_ml(
        "SpectralClustering",
        {"affinity": ("rbf", "polynomial", "sigmoid", "laplacian"), "assign_labels": ("kmeans",)},
        tolerance=1e-2,
        break_even=2e5,
        source="below, scikit-learn's exact affinity matrix fits; dask_ml approximates it by Nyström's method",
    ),
    *_xgboost("XGBRegressor"),
    *_xgboost("XGBClassifier"),
)


def entries_for(estimator: Any) -> tuple[Entry, ...]:
    """Return the rows for an estimator, scikit-learn itself last.

    A subclass of a scikit-learn class may compute anything, so only the exact class has rows.
    """
    cls = type(estimator)
    known = cls.__module__.startswith(("sklearn.", "xgboost."))
    return rows_of(cls.__name__) if known else (_scikit_learn(cls.__name__),)


def rows_of(estimator: str) -> tuple[Entry, ...]:
    """Return the rows for a class of scikit-learn or XGBoost, scikit-learn itself last."""
    rows = tuple(e for e in CATALOG if e.estimator == estimator)
    if any(e.backend == "xgboost" for e in rows):
        return rows
    return (*rows, _scikit_learn(estimator))


def _scikit_learn(estimator: str) -> Entry:
    return Entry(estimator, "sklearn", "cpu", sparse=True, tolerance=0.0)


def matches(entry: Entry, backend: str) -> bool:
    """Whether a row is meant by ``backend=``, such as ``"auto"``, ``"cuml"`` or ``"reductions:gpu"``."""
    name, _, device = str(backend).partition(":")
    return backend == "auto" or (entry.backend == name and device in ("", entry.device))


def backends() -> tuple[str, ...]:
    """Names that ``backend=`` accepts, apart from ``"auto"``."""
    return tuple(dict.fromkeys(["sklearn", *(e.backend for e in CATALOG)]))
