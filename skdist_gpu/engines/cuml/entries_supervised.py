"""What cuML fits of regressors and classifiers; the parameters are those that cuML 26.10 converts.

Where our own reductions fit an estimator, too, their entries come first in the catalogue.
"""

from __future__ import annotations

from numbers import Real
from sys import float_info
from typing import Any

from skdist_gpu.engines.entry import Entry

# what cuML's float32 sums were off on an H100: 20 normal columns to 1e6 rows, 100 with the truth known beyond
_LEAST_SQUARES_DRIFT = ((1e5, 1.8e-5), (1e6, 4.5e-4), (2e6, 3.5e-3), (1e7, 4.3e-2), (2.1e7, 1.0e-1), (2.5e7, 1.7e-1))


def cuml_entry(estimator: str, **options: Any) -> Entry:
    """Return an entry for cuML on one GPU."""
    return Entry(estimator, "cuml", "gpu", **{"weights": True, "multi_target": True, **options})


def is_number(value: Any) -> bool:
    """Whether a parameter is one number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_strength(C: Any) -> bool:
    """Whether there is a penalty beyond rounding; without one, the answer is where a solver stops, or there is none."""
    return is_number(C) and C * float_info.epsilon < 1


def _are_many_steps(max_iter: Any) -> bool:
    """Whether a search may take as many steps as by scikit-learn's defaults, the least of which is 100."""
    return is_number(max_iter) and max_iter >= 100


def _is_norm(p: Any) -> bool:
    """Whether the power of Minkowski's distance makes it one; scikit-learn warns of lower ones, or refuses them."""
    return is_number(p) and p >= 1


def _no_count(value: Any) -> bool:
    return value is None or isinstance(value, float)


def _no_subsample(value: Any) -> bool:
    return not isinstance(value, str) or value == "balanced"


_NO_GAP = "leaves no dual_gap_, which tells how near the minimum scikit-learn's coefficients are"
_LASSO: dict[str, Any] = {"positive": (False,), "precompute": (False,)}
# liblinear says which penalties go with the other losses, whose corners stop cuML's search at once
_LINEAR_SVC: dict[str, Any] = {
    "intercept_scaling": (1,),
    "multi_class": ("ovr",),
    "penalty": ("l2",),
    "loss": ("squared_hinge",),
}
_LINEAR_SVR: dict[str, Any] = {"intercept_scaling": (1,), "loss": ("squared_epsilon_insensitive",)}
_SEARCH: dict[str, Any] = {
    "differs": "after a few steps its search is elsewhere than scikit-learn's solver",
    "differs_unless": {"max_iter": _are_many_steps},
}
_KERNELS = ("linear", "poly", "rbf", "sigmoid")
# an own number of iterations counts other steps than scikit-learn's
_VECTORS: dict[str, Any] = {"kernel": _KERNELS, "max_iter": (-1,)}
_PAIRWISE_KERNELS = (*_KERNELS, "polynomial", "cosine", "laplacian", "chi2", "additive_chi2")
DISTANCES = ("minkowski", "euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "cosine", "correlation")
NO_TREE = "leaves no tree, by which scikit-learn finds neighbours among few columns, and a row at distance 0 of itself"
# what is learned has no tree, which a search within a radius of each row needs
NEIGHBOURS: dict[str, Any] = {
    "metric": DISTANCES,
    "metric_params": (None,),
    "p": _is_norm,
    "algorithm": ("auto", "brute"),
}
# what scikit-learn computes between sparse rows, too
SPARSE_DISTANCES = ("euclidean", "l2", "manhattan", "l1", "cityblock", "cosine")
SPARSE_NEIGHBOURS: dict[str, Any] = {"metric": ("minkowski", *SPARSE_DISTANCES), "p": (1, 2)}
_FOREST: dict[str, Any] = {
    "ccp_alpha": (0.0,),
    "min_weight_fraction_leaf": (0.0,),
    "monotonic_cst": (None,),
    "oob_score": (False,),
    "max_samples": _no_count,
}

ENTRIES: tuple[Entry, ...] = (
    cuml_entry(
        "LinearRegression",
        accepts={"positive": (False,)},
        sparse=True,
        tolerance=1e-5,
        drift=_LEAST_SQUARES_DRIFT,
    ),
    cuml_entry(
        "Ridge",
        accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")},
        sparse=True,
        sparse_accepts={"solver": ("auto", "sparse_cg", "lsqr")},
        tolerance=1e-5,
        drift=_LEAST_SQUARES_DRIFT,
    ),
    cuml_entry(
        "Lasso", accepts=_LASSO, sparse=True, multi_target=False, weights=False, tolerance=1e-3, differs=_NO_GAP
    ),
    cuml_entry(
        "ElasticNet",
        accepts={**_LASSO, "l1_ratio": is_number},
        sparse=True,
        multi_target=False,
        weights=False,
        tolerance=1e-3,
        differs=_NO_GAP,
    ),
    cuml_entry(
        "LogisticRegression",
        # scikit-learn warns that n_jobs has no effect, and that penalty=None ignores C
        accepts={
            "intercept_scaling": (1,),
            "dual": (False,),
            "n_jobs": (None,),
            "penalty": ("deprecated", "l1", "l2", "elasticnet"),
            "C": _is_strength,
        },
        only_fits=("penalty", "C"),
        sparse=True,
        # liblinear penalises the intercept, too; the other solvers have one answer
        ignores={"solver": ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")},
        tolerance=1e-3,
        **_SEARCH,
    ),
    cuml_entry("LinearSVC", accepts=_LINEAR_SVC, only_fits=("penalty", "loss"), tolerance=1e-2, **_SEARCH),
    cuml_entry(
        "LinearSVR",
        accepts=_LINEAR_SVR,
        only_fits=("loss",),
        weights=False,  # with them, predictions were 4 % off
        multi_target=False,
        tolerance=1e-2,
        **_SEARCH,
    ),
    cuml_entry(
        "SVC",
        # scikit-learn warns of any other `probability`
        accepts=_VECTORS | {"probability": ("deprecated",)},
        only_fits=("max_iter",),
        sparse=True,
        multi_target=False,
        tolerance=1e-2,
    ),
    cuml_entry("SVR", accepts=_VECTORS, only_fits=("max_iter",), sparse=True, multi_target=False, tolerance=1e-2),
    cuml_entry(
        "KernelRidge",
        accepts={"kernel": _PAIRWISE_KERNELS, "kernel_params": (None,)},
        tolerance=1e-4,
        pair_bytes=16,
    ),
    *(
        cuml_entry(
            name,
            accepts={**criteria, **_FOREST},
            multi_target=False,
            tolerance=1e-2,
            differs="its trees have no counts of rows, of which a forest makes its importances",
            memory=3.0,
        )
        for name, criteria in (
            ("RandomForestClassifier", {"criterion": ("gini", "entropy"), "class_weight": _no_subsample}),
            ("RandomForestRegressor", {"criterion": ("squared_error", "poisson")}),
        )
    ),
    *(
        cuml_entry(
            name,
            accepts={"weights": ("uniform", "distance"), **NEIGHBOURS},
            sparse=True,
            sparse_accepts=SPARSE_NEIGHBOURS,
            weights=False,
            tolerance=1e-4,
            differs=NO_TREE,
            differs_unless={"algorithm": ("brute",)},
        )
        for name in ("KNeighborsClassifier", "KNeighborsRegressor")
    ),
    *(
        cuml_entry(
            name,
            sparse=name not in ("GaussianNB", "CategoricalNB"),  # as in scikit-learn
            weights=name == "GaussianNB",
            multi_target=False,
            tolerance=1e-6,
            slower="the same counts as our own in one pass",
        )
        for name in ("GaussianNB", "MultinomialNB", "ComplementNB", "BernoulliNB", "CategoricalNB")
    ),
)
