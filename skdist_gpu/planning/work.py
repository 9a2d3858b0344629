"""Say how much work a fit is, in the terms of :mod:`skdist_gpu.planning.forms`, by shape and parameters."""

from __future__ import annotations

import math

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.planning.clusters import cluster_amounts
from skdist_gpu.planning.forms import form_of
from skdist_gpu.planning.numbers import number_of
from skdist_gpu.protocols import Estimator

# what has coefficients for each class that are found together
_EACH_CLASS = ("LogisticRegression", "LogisticRegressionCV")
# solutions of d equations in the time of an eigendecomposition, as RidgeCV took them
_EIGEN = 5.0
# evaluations in which a Gaussian process finds its kernel's parameters
_KERNEL_STEPS = 30.0
# columns up to which scikit-learn compares rows in a k-d tree, and iterations for a column or the root of their number,
# as coordinate descent and L-BFGS took on the workloads of benchmarks/workloads.py
_TREE_COLUMNS, _DESCENTS, _GRADIENTS = 15, 6.0, 6.0
# rows of the sample on which a fit of several passes is begun: all, where there are no more
_SAMPLED = 20_000
# rows between two quantiles from which NumPy's partition takes no scan for each
_CLOSE = 4
# values of the first blocks of rows, before all cores have some
_FIRST_VALUES = 2e6
# what XGBoost takes n_estimators=None for
XGBOOST_TREES = 100


def amounts(estimator: Estimator, info: InputInfo, *, device: str = "cpu") -> dict[str, float] | None:
    """Return how much of each term a fit of `estimator` to such data is; None where the shape is not known.

    Parameters
    ----------
    estimator : estimator
        Its parameters tell the number of trees, clusters, folds and penalties.
    info : InputInfo
        The data.
    device : {"cpu", "gpu", "dask"}, default="cpu"
        Where it runs, and what is copied there first.
    """
    n, d, stored = info.n_samples, info.n_features, info.n_values
    if n is None or d is None or stored is None:
        n = 100_000 * max(1, len(info.block_sizes)) if n is None else n
        if d is None:
            return None
        stored = n * d if stored is None else stored
    form, shorter, log_n = form_of(type(estimator).__name__), min(n, d), math.log2(max(2, n))
    times, (drawn, depth) = _repeats(estimator), _growth(estimator, n)
    # one vector of coefficients for each class, or each class but one, and second derivatives of all pairs of them
    vectors = max(1, info.n_classes) if info.n_classes > 2 and type(estimator).__name__ in _EACH_CLASS else 1
    # and a matrix for each component of a mixture
    matrices = times if form == "mixtures" else 1.0
    read = times * vectors
    iterations = read * _iterations(estimator, form, d)
    first_rows, decomposed = _FIRST_VALUES / max(1, d), _is_decomposed(estimator)
    amount: dict[str, float] = {
        "calls": 1.0,
        "rows": (drawn if form == "trees" else n) * times,
        # a tree has a leaf for at least 20 rows
        "columns": d * (times * min(31.0, 1.0 + n / 20) if form == "boosting" else 1.0),
        "values": stored * read,
        "cells": float(n) * d * read,
        "iterated_rows": n * iterations,
        "iterated_values": stored * iterations,
        "dual_values": stored * number_of(estimator, "max_iter") * _is_dual(estimator, n, d),
        "sweeps": float(d) ** 2 * iterations if form == "descents" else 0.0,
        "products": float(n) * d * shorter * (n < d or not decomposed),
        "wide_products": float(n) * d * d * (n < d),
        "decompositions": float(n) * d * d * (n >= d and decomposed),
        "inner_fits": 0.0 if decomposed else _folds_and_penalties(estimator) - 1,
        "inner_values": stored * _refits(estimator),
        "refits": float(n) * d * shorter * _refits(estimator),
        "gram": min(n, first_rows) * d * d * vectors**2 * matrices,
        "tall_gram": max(0.0, n - first_rows) * d * d * vectors**2 * matrices,
        "solves": float(d * vectors) ** 3 * _matrices(estimator, info, matrices),
        "small_solves": float(shorter) ** 3,
        "sorts": stored * log_n,
        "pairs": float(n) * stored,
        "row_pairs": float(n) ** 2,
        "uncached": float(n) * stored * _uncached(estimator, n) if form == "kernels" else 0.0,
        "row_cubes": float(n) ** 3 * _kernel_steps(estimator),
        "levels": drawn * depth * _features_of_a_split(estimator, d) * times,
        "grown": depth * times,
        "copied": float(info.n_bytes or 8 * stored) if device == "gpu" != info.location else 0.0,
        "gathered": gathered_values(info),
    }
    if form == "clusters":
        amount |= cluster_amounts(estimator, n, d, stored, on_gpu=device == "gpu")
    if form == "components":
        amount |= _decomposition(estimator, n, d, stored)
    if form == "descents" and n > d and _sums_first(estimator):
        # the iterations of each fold read its Xᵀ X, which takes a product
        amount |= {"iterated_rows": d * iterations, "iterated_values": d * d * iterations}
        amount["refits"] = float(n) * d * d * _n_folds(estimator)
    if form == "passes":
        # the sample is even; where it is all rows, nothing is left to go on with
        share, goes_on = 1 / -(-max(1, n) // _SAMPLED), float(n > _SAMPLED)
        begun = {"rows": n * read, "values": stored * read, "gram": float(n) * d * d * vectors**2}
        amount |= {f"begun_{term}": whole * share for term, whole in begun.items()}
        amount |= {term: amount[term] * goes_on for term in ("gram", "tall_gram")}
        amount["class_pairs"] = vectors**2 - 1.0
    if form == "quantiles":
        sampled = min(n, int(number_of(estimator, "subsample")) or n)
        quantiles = min(sampled, number_of(estimator, "n_quantiles"))
        amount["sampled_sorts"] = stored * sampled / max(1, n) * math.log2(max(2, sampled))
        amount["sampled_scans"] = float(sampled) * d * quantiles * (sampled < _CLOSE * quantiles)
    if form in ("pairs", "neighbours"):
        in_tree = is_searched_in_tree(estimator, info)
        amount |= {"searched": stored * log_n * in_tree, "compared": float(n) * stored * (not in_tree)}
    return amount


def gathered_values(info: InputInfo) -> float:
    """Return the values in main memory that are no array yet."""
    return 0.0 if info.as_numpy or info.location != "host" else float(info.n_values or 0)


def is_searched_in_tree(estimator: Estimator, info: InputInfo) -> bool:
    """Whether scikit-learn finds neighbours in a k-d tree, and does not compare all pairs."""
    few = (info.n_features or 0) <= _TREE_COLUMNS
    return few and not info.sparse and getattr(estimator, "algorithm", "auto") != "brute"


def _iterations(estimator: Estimator, form: str, d: int) -> float:
    """Return how often an iterative algorithm of scikit-learn is expected to read the rows."""
    expected = _DESCENTS * d if form == "descents" else _GRADIENTS * math.sqrt(d)
    return min(expected, number_of(estimator, "max_iter") or expected)


def _is_dual(estimator: Estimator, n: int, d: int) -> bool:
    """Whether a linear machine finds the weights of its rows, not those of its columns."""
    dual = getattr(estimator, "dual", False)
    # anything else than a name or a truth value is refused by the fit
    return n < d if isinstance(dual, str) else dual is True


def _uncached(estimator: Estimator, n: int) -> float:
    """Return the share of the kernel matrix, in float32, that the cache of a support vector machine does not hold."""
    return max(0.0, 1 - number_of(estimator, "cache_size") * 1e6 / (4.0 * max(1, n) ** 2))


def _is_decomposed(estimator: Estimator) -> bool:
    """Whether scikit-learn searches a penalty in a decomposition of X, in place of fitting anew for each fold."""
    return hasattr(estimator, "alphas") and getattr(estimator, "cv", 0) is None


def _matrices(estimator: Estimator, info: InputInfo, matrices: float) -> float:
    """Return how many matrices of d × d are decomposed: some estimators have one for each class, or for each fold."""
    if type(estimator).__name__ == "QuadraticDiscriminantAnalysis":
        return max(2, info.n_classes)
    return _EIGEN * _n_folds(estimator) if _refits(estimator) else matrices


def _kernel_steps(estimator: Estimator) -> float:
    """Return how often a Gaussian process is fitted to find the parameters of a kernel that the user chose."""
    chosen = getattr(estimator, "optimizer", None) and getattr(estimator, "kernel", None) is not None
    return _KERNEL_STEPS * (1 + number_of(estimator, "n_restarts_optimizer")) if chosen else 1.0


def way_of_components(estimator: Estimator, n: float, d: float) -> str:
    """Return the way in which scikit-learn decomposes rows of such a shape, by the name of its solver.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> way_of_components(PCA(5), 10_000, 20), way_of_components(PCA(5), 1000, 2000)
    ('covariance_eigh', 'randomized')
    """
    k = number_of(estimator, "n_components") or min(n, d)
    way = getattr(estimator, "svd_solver", getattr(estimator, "algorithm", "full"))
    # anything else than a name is refused by the fit
    way = way if isinstance(way, str) else "full"
    if way == "auto":
        way = "randomized" if max(n, d) > 500 and k < 0.8 * min(n, d) else "full"
        way = "covariance_eigh" if d <= 1000 and n >= 10 * d else way
    return way


def _decomposition(estimator: Estimator, n: int, d: int, stored: float) -> dict[str, float]:
    """Return the work of the way in which scikit-learn decomposes rows of such a shape."""
    way, k = way_of_components(estimator, n, d), number_of(estimator, "n_components") or min(n, d)
    return {
        "sketched": stored * (k + 10) if way == "randomized" else 0.0,
        "sketches": (n + d) * (k + 10) ** 2 if way == "randomized" else 0.0,
        "covariances": float(n) * d**2 + 10.0 * d**3 if way == "covariance_eigh" else 0.0,
        "decompositions": float(n) * d * min(n, d) if way == "full" else 0.0,
    }


def _repeats(estimator: Estimator) -> float:
    """Return how often an algorithm does its work over: trees, or clusters × starts, or folds × penalties."""
    trees = number_of(estimator, "n_estimators", "max_iter" if hasattr(estimator, "max_leaf_nodes") else "")
    if getattr(estimator, "n_estimators", 0) is None:
        trees = XGBOOST_TREES
    clusters = number_of(estimator, "n_clusters") or (
        number_of(estimator, "n_components") if hasattr(estimator, "covariance_type") else 0
    )
    # the sums of a linear model serve all its folds and penalties
    folds = _folds_and_penalties(estimator) if form_of(type(estimator).__name__) != "moments" else 1.0
    return max(1.0, trees) * max(1.0, clusters * max(1.0, number_of(estimator, "n_init"))) * folds


def _folds_and_penalties(estimator: Estimator) -> float:
    """Return how many folds × penalties an estimator searches by itself; 1 where it searches none."""
    if not hasattr(estimator, "cv"):
        return 1.0
    return max(1.0, _n_folds(estimator) * (number_of(estimator, "Cs", "alphas") or 1))


def _n_folds(estimator: Estimator) -> float:
    return number_of(estimator, "cv") if isinstance(getattr(estimator, "cv", None), int) else 5.0


def _refits(estimator: Estimator) -> float:
    """Return how often scikit-learn fits a linear model anew to search for its penalty: never without `cv`."""
    searches = type(estimator).__name__ in ("RidgeCV", "RidgeClassifierCV")
    return _folds_and_penalties(estimator) if searches and getattr(estimator, "cv", None) is not None else 0.0


def _growth(estimator: Estimator, n: int) -> tuple[float, float]:
    """Return the rows that a tree is grown from, and how deep it grows: to single rows, if nothing stops it before."""
    share, smallest = number_of(estimator, "max_samples"), number_of(estimator, "min_samples_leaf")
    drawn = min(n, share * n if 0 < share <= 1 else share or n)
    smallest = max(1.0, smallest * n if smallest < 1 else smallest)
    stops = [number_of(estimator, "max_depth"), math.log2(max(2.0, number_of(estimator, "max_leaf_nodes") or drawn))]
    depth = min([math.log2(max(2.0, drawn / smallest)), *filter(None, stops)])
    return drawn, depth


def _features_of_a_split(estimator: Estimator, d: int) -> float:
    """Return how many features a tree looks at to split a node, by scikit-learn's `max_features`."""
    wanted = getattr(estimator, "max_features", None)
    if isinstance(wanted, str) and wanted == "sqrt":
        return math.sqrt(d)
    if isinstance(wanted, str) and wanted == "log2":
        return math.log2(max(2, d))
    if isinstance(wanted, float):
        return max(1.0, wanted * d)
    return float(max(1, min(wanted, d))) if isinstance(wanted, int) else float(d)


def _sums_first(estimator: Estimator) -> bool:
    """Whether coordinate descent is told to read XᵀX, not the rows; a matrix that is given is not ours to make."""
    precompute = getattr(estimator, "precompute", False)
    return precompute is True or isinstance(precompute, str)
