"""Say how much work a fit or a prediction is, in physical terms that follow from shape and parameters.

Each term counts something that a machine does at a steady rate, so that seconds are the sum of term × rate. Which terms
an algorithm has is its form; how fast they go on an engine is measured (:mod:`skdist_gpu.planning.cost`).
"""

from __future__ import annotations

import math

import numpy as np

from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.protocols import Estimator

# what each term counts, in its unit
TERMS = {
    "calls": "fits or predictions: the fixed cost of one",
    "rows": "rows that are handled one by one",
    "columns": "columns that are handled one by one",
    "values": "stored values of X that are read",
    "cells": "cells of X as a dense table",
    "products": "multiplications of a product of X with itself along its shorter side: n·d·min(n, d)",
    "gram": "multiplications of Xᵀ X: n·d²",
    "solves": "a decomposition of d × d: d³",
    "small_solves": "a decomposition along the shorter side: min(n, d)³",
    "sorts": "comparisons to sort each column: n·d·log2(n)",
    "pairs": "multiplications to compare each row with each other: n²·d",
    "compared": "pairs of rows that are compared: n²",
    "queries": "multiplications to compare each row with those that the model keeps",
    "levels": "values looked at to grow trees: trees·n·depth, or log2(n)·features at each split",
    "leaves": "rows times what the model keeps: trees, clusters, support vectors",
    "copied": "bytes copied to the device",
}

# the terms of each form of work
FORMS = {
    "columns": ("calls", "rows", "columns", "values", "cells", "sorts"),
    "moments": ("calls", "rows", "values", "cells", "products", "gram", "solves", "small_solves"),
    "passes": ("calls", "rows", "values", "cells", "gram", "solves"),
    "clusters": ("calls", "rows", "values", "cells", "gram"),
    "pairs": ("calls", "pairs", "compared"),
    "kernels": ("calls", "pairs", "compared"),
    "neighbours": ("calls", "values", "sorts"),
    "trees": ("calls", "rows", "levels"),
}
_FORM_OF = {
    "moments": (
        "LinearRegression Ridge RidgeCV RidgeClassifier RidgeClassifierCV Lasso ElasticNet LassoCV ElasticNetCV Lars "
        "LassoLars OrthogonalMatchingPursuit BayesianRidge ARDRegression PCA IncrementalPCA TruncatedSVD "
        "EmpiricalCovariance ShrunkCovariance LedoitWolf OAS LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis"
    ),
    "columns": (
        "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler QuantileTransformer PowerTransformer SimpleImputer "
        "OneHotEncoder OrdinalEncoder TargetEncoder KBinsDiscretizer PolynomialFeatures TfidfTransformer Normalizer "
        "Binarizer VarianceThreshold SelectKBest SelectPercentile GaussianNB MultinomialNB BernoulliNB ComplementNB "
        "CategoricalNB NearestCentroid"
    ),
    "clusters": "KMeans MiniBatchKMeans BisectingKMeans GaussianMixture BayesianGaussianMixture",
    "pairs": (
        "KernelRidge DBSCAN HDBSCAN OPTICS AgglomerativeClustering SpectralClustering LocalOutlierFactor TSNE UMAP "
        "SpectralEmbedding MeanShift AffinityPropagation GaussianProcessRegressor GaussianProcessClassifier"
    ),
    "kernels": "SVC SVR NuSVC NuSVR OneClassSVM",
    "neighbours": (
        "KNeighborsClassifier KNeighborsRegressor NearestNeighbors RadiusNeighborsClassifier "
        "RadiusNeighborsRegressor KernelDensity"
    ),
    "trees": (
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor DecisionTreeClassifier "
        "DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor GradientBoostingClassifier "
        "GradientBoostingRegressor HistGradientBoostingClassifier HistGradientBoostingRegressor IsolationForest "
        "XGBClassifier XGBRegressor XGBRanker XGBRFClassifier XGBRFRegressor"
    ),
}
# what has coefficients for each class that are found together
_EACH_CLASS = ("LogisticRegression", "LogisticRegressionCV")
_FORMS_BY_NAME = {name: form for form, names in _FORM_OF.items() for name in names.split()}


def form_of(estimator: str) -> str:
    """Return the form of an estimator's work by its class name; a few passes over the data, where it is not known.

    Examples
    --------
    >>> form_of("Ridge"), form_of("SVC"), form_of("LogisticRegression")
    ('moments', 'kernels', 'passes')
    """
    return _FORMS_BY_NAME.get(estimator, "passes")


def amounts(estimator: Estimator, info: InputInfo, *, to_device: bool = False) -> dict[str, float] | None:
    """Return how much of each term a fit of `estimator` to such data is; None where the shape is not known.

    Parameters
    ----------
    estimator : estimator
        Its parameters tell the number of trees, clusters, folds and penalties.
    info : InputInfo
        The data.
    to_device : bool
        Whether the values are copied to another device first.
    """
    n, d, stored = info.n_samples, info.n_features, info.n_values
    if n is None or d is None or stored is None:
        n = 100_000 * max(1, len(info.block_sizes)) if n is None else n
        if d is None:
            return None
        stored = n * d if stored is None else stored
    shorter, log_n = min(n, d), math.log2(max(2, n))
    times = _repeats(estimator)
    # one vector of coefficients for each class, or each class but one, and second derivatives of all pairs of them
    vectors = max(1, info.n_classes) if info.n_classes > 2 and type(estimator).__name__ in _EACH_CLASS else 1
    return {
        "calls": 1.0,
        "rows": n * times,
        "columns": float(d),
        "values": stored * times * vectors,
        "cells": float(n) * d * times * vectors,
        "products": float(n) * d * shorter,
        "gram": float(n) * d * d * vectors**2,
        "solves": float(d * vectors) ** 3,
        "small_solves": float(shorter) ** 3,
        "sorts": stored * log_n,
        "pairs": float(n) * stored,
        "compared": float(n) ** 2,
        "levels": n * _depth(estimator, log_n) * _features_of_a_split(estimator, d) * times,
        "copied": float(info.n_bytes or 8 * stored) if to_device else 0.0,
    }


def _repeats(estimator: Estimator) -> float:
    """Return how often an algorithm does its work over: trees, or clusters × starts, or folds × penalties."""
    trees = _number(estimator, "n_estimators", "max_iter" if hasattr(estimator, "max_leaf_nodes") else "")
    clusters = _number(estimator, "n_clusters") or (
        _number(estimator, "n_components") if hasattr(estimator, "covariance_type") else 0
    )
    folds = 0.0
    if hasattr(estimator, "cv"):
        folds = (estimator.cv if isinstance(estimator.cv, int) else 5) * (_number(estimator, "Cs", "alphas") or 1)
    return max(1.0, trees) * max(1.0, clusters * max(1.0, _number(estimator, "n_init"))) * max(1.0, folds)


def _number(estimator: Estimator, *names: str) -> float:
    """Return the first of these parameters that is a number, or the length of the first that is a list; else 0."""
    for name in names:
        value = getattr(estimator, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, (list, tuple, np.ndarray)):
            return float(len(value))
    return 0.0


def _depth(estimator: Estimator, log_n: float) -> float:
    """Return how deep trees grow: those that a parameter does not stop, until their leaves hold few rows."""
    stopped = _number(estimator, "max_depth") if hasattr(estimator, "min_weight_fraction_leaf") else 0.0
    return min(stopped, log_n) if stopped else log_n


def _features_of_a_split(estimator: Estimator, d: int) -> float:
    """Return how many features a tree looks at to split a node, by scikit-learn's `max_features`."""
    wanted = getattr(estimator, "max_features", None)
    if isinstance(wanted, str) and wanted == "sqrt":
        return math.sqrt(d)
    if isinstance(wanted, str) and wanted == "log2":
        return math.log2(max(2, d))
    if isinstance(wanted, float):
        return max(1.0, wanted * d)
    return float(min(wanted, d)) if isinstance(wanted, int) else float(d)


# what a prediction is beside calls and copies: rows compared with those kept, rows sent through trees, or values read
_SCORED_AS = {
    "kernels": "queries",
    "neighbours": "queries",
    "pairs": "queries",
    "clusters": "queries",
    "trees": "leaves",
}
# where fitted models say how many rows, support vectors, trees or clusters they keep
_KEPT = ("support_", "estimators_", "cluster_centers_", "means_", "X_fit_", "X_train_", "core_sample_indices_")


def kept_size(model: Estimator) -> int:
    """Return how many rows, support vectors, trees or clusters a fitted model keeps; 1 where it sums them up.

    Examples
    --------
    >>> from sklearn.neighbors import NearestNeighbors
    >>> kept_size(NearestNeighbors().fit([[0.0], [1.0], [2.0]]))
    3
    """
    held = vars(model)
    for name in _KEPT:
        if name in held:
            kept = held[name]
            return max(1, kept.shape[0] if hasattr(kept, "shape") else len(kept))
    if held.get("n_estimators", 0) is None:
        return 100  # XGBoost's own default
    name = "n_samples_fit_" if "n_samples_fit_" in held else "n_estimators"
    return max(1, int(_number(model, name) or (_number(model, "n_iter_") if "max_leaf_nodes" in held else 0)))


def scoring_amounts(
    estimator: str, kept: int, info: InputInfo, *, to_device: bool = False, with_model: bool = False
) -> dict[str, float] | None:
    """Return how much of each term a prediction is, for a model that keeps so many rows, trees or clusters.

    The rows are copied where they go to a device, and so are those of the model the first time.

    Examples
    --------
    >>> from skdist_gpu.data.inspect import described_input
    >>> scoring_amounts("SVC", 50, described_input((100, 20), "float64"))
    {'calls': 1.0, 'queries': 100000.0, 'copied': 0.0}
    """
    n, stored = info.n_samples, info.n_values
    if n is None or stored is None:
        return None
    term = _SCORED_AS.get(form_of(estimator), "values")
    amount = {"values": float(stored), "queries": float(stored) * kept, "leaves": float(n) * kept}[term]
    copied = float(info.n_bytes or 8 * stored) if to_device else 0.0
    if with_model and term == "queries":
        copied += 8.0 * kept * (info.n_features or 1)
    return {"calls": 1.0, term: amount, "copied": copied}
