"""Fits with cuML whose result cuML cannot convert: the attributes of scikit-learn's estimator are set here."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import check_non_negative

from skdist_gpu._compat.cuml import fit_options, make_cuml
from skdist_gpu._compat.sklearn import number_of_categories
from skdist_gpu._compat.sklearn_learned import machine_of, remember_gamma, remember_machines, smooth_counts
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.labels import encode


def fit_twin(estimator: Any, values: Any, y: Any, sample_weight: Any, **changed: Any) -> Any:
    """Fit cuML's twin of an estimator, with some parameters changed, and return it."""
    options = fit_options(estimator) | ({} if sample_weight is None else {"sample_weight": sample_weight})
    return make_cuml(estimator, **changed).fit(values, *(() if y is None else (y,)), **options)


def copy_attributes(
    estimator: Any, values: Any, y: Any, sample_weight: Any, *, names: tuple[str, ...], **changed: Any
) -> Any:
    """Fit, and copy attributes that mean the same in both libraries; return cuML's model."""
    model = fit_twin(estimator, values, y, sample_weight, **changed)
    for name in names:
        setattr(estimator, name, to_host(getattr(model, name)))
    return model


def fit_agglomerative(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``AgglomerativeClustering`` with single linkage in place."""
    names = ("labels_", "children_", "n_clusters_", "n_leaves_", "n_connected_components_")
    copy_attributes(estimator, values, y, sample_weight, names=names)
    estimator.labels_ = estimator.labels_.astype(np.int64)
    estimator.children_ = estimator.children_.astype(np.int64)


def fit_gaussian_nb(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``GaussianNB`` in place."""
    names = ("classes_", "theta_", "class_count_", "class_prior_", "epsilon_")
    model = copy_attributes(estimator, values, y, sample_weight, names=names)
    estimator.var_ = to_host(model.sigma_)
    estimator.class_count_ = estimator.class_count_.astype(np.float64)
    estimator.epsilon_ = float(estimator.epsilon_)


# scikit-learn smooths, at home; cuML counts in the dtype of X, and float32 ends at 2**24
_COUNTS_ONLY: dict[str, Any] = {"alpha": 1.0, "class_prior": None}


def fit_counting_nb(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn naive Bayes classifier of counts in place: its probabilities follow from the counts."""
    if type(estimator).__name__ != "BernoulliNB":  # which counts what is above a threshold
        _check_not_negative(estimator, _lowest(values))
    names = ("classes_", "class_count_", "feature_count_")
    copy_attributes(estimator, values.astype(np.float64), y, sample_weight, names=names, **_COUNTS_ONLY)
    if hasattr(estimator, "norm"):
        estimator.feature_all_ = estimator.feature_count_.sum(axis=0)
    smooth_counts(estimator)


def fit_categorical_nb(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``CategoricalNB`` in place."""
    _check_not_negative(estimator, np.trunc(_lowest(values)))  # codes are whole numbers
    names = ("classes_", "class_count_")
    model = copy_attributes(estimator, values, y, sample_weight, names=names, **_COUNTS_ONLY)
    counts = to_host(model.category_count_)  # (columns, classes, codes of the column that has most)
    highest = to_host(values.max(axis=0)).astype(np.int64)
    estimator.n_categories_ = number_of_categories(estimator, highest)
    estimator.category_count_ = [np.zeros((len(estimator.classes_), n)) for n in estimator.n_categories_]
    for table, counted, n in zip(estimator.category_count_, counts, highest + 1, strict=True):
        table[:, :n] = counted[:, :n]
    smooth_counts(estimator)


def _check_not_negative(estimator: Any, lowest: float) -> None:
    """Raise scikit-learn's own error for counts and codes below zero."""
    check_non_negative(np.array([[lowest]]), f"{type(estimator).__name__} (input X)")


def _lowest(values: Any) -> float:
    """Return the least value, of a sparse matrix the least of those that it stores."""
    stored = values.data if hasattr(values, "toarray") else values
    return float(stored.min()) if stored.size else 0.0


def fit_svc(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``SVC`` in place: one machine for each pair of classes, as libsvm does.

    cuML converts no model of several classes, and says nothing of the support vectors of each class.
    """
    import cupy
    from cupyx.scipy.sparse import issparse

    y = np.ravel(to_host(y))
    classes, codes = encode(y)
    if len(classes) < 2:
        raise ValueError(f"The number of classes has to be greater than one; got {len(classes)} class")
    codes = cupy.asarray(codes)
    estimator.classes_ = classes
    estimator.class_weight_ = compute_class_weight(estimator.class_weight, classes=classes, y=y)
    weights = cupy.asarray(estimator.class_weight_)[codes]
    if sample_weight is not None:
        weights *= cupy.asarray(sample_weight)
    gamma = remember_gamma(estimator, _gamma(estimator, values))
    machines = []
    for first, second in combinations(range(len(classes)), 2):
        rows = cupy.flatnonzero((codes == first) | (codes == second))
        model = make_cuml(estimator, gamma=gamma, class_weight=None)
        model.fit(values[rows], (codes[rows] == second).astype(np.int32), sample_weight=weights[rows])
        plain = model.as_sklearn()
        support = to_host(rows)[plain.support_]
        coefficients, intercept = machine_of(plain)
        machines.append((support, coefficients, intercept, int(np.ravel(plain.n_iter_)[0])))
    join_machines(estimator, machines, to_host(codes), sparse=issparse(values))
    estimator.support_vectors_ = to_host(values[cupy.asarray(estimator.support_)]).astype(np.float64)
    estimator.shape_fit_ = tuple(values.shape)


def join_machines(
    estimator: Any,
    machines: list[tuple[np.ndarray, np.ndarray, float, int]],
    codes: np.ndarray,
    *,
    sparse: bool = False,
) -> None:
    """Give an ``SVC`` the state that libsvm has after one machine for each pair of classes.

    Each machine has the rows of its support vectors, their coefficients and an intercept, positive for
    the first class of the pair. The layout is libsvm's (Chang and Lin, 2011, section 7.1).
    """
    n_classes = len(estimator.classes_)
    support = np.unique(np.concatenate([rows for rows, *_ in machines]))
    support = support[np.argsort(codes[support], kind="stable")]
    place = {row: i for i, row in enumerate(support.tolist())}
    coefficients: Any = np.zeros((n_classes - 1, len(support)))
    for (first, second), (rows, values, *_) in zip(combinations(range(n_classes), 2), machines, strict=True):
        columns = np.array([place[row] for row in rows.tolist()], dtype=np.intp)
        coefficients[np.where(codes[rows] == first, second - 1, first), columns] = values
    if sparse:  # libsvm reads a coefficient of each support vector, zeros too
        columns = np.tile(np.arange(len(support)), n_classes - 1)
        starts = len(support) * np.arange(n_classes)
        coefficients = csr_matrix((coefficients.ravel(), columns, starts), coefficients.shape)
    intercepts = np.array([intercept for _, _, intercept, _ in machines])
    sign = -1.0 if n_classes == 2 else 1.0
    estimator.support_ = support.astype(np.int32)
    estimator.dual_coef_, estimator.intercept_ = sign * coefficients, sign * intercepts
    estimator.n_iter_, estimator.fit_status_ = np.array([n for *_, n in machines], dtype=np.int32), 0
    remember_machines(estimator, np.bincount(codes[support], minlength=n_classes), coefficients, intercepts, sparse)


def _gamma(estimator: Any, values: Any) -> float:
    """Return the kernel coefficient that scikit-learn takes from all rows."""
    if estimator.gamma == "scale":
        variance = _variance(values)
        return 1.0 / (values.shape[1] * variance) if variance else 1.0
    return 1.0 / values.shape[1] if estimator.gamma == "auto" else float(estimator.gamma)


def _variance(values: Any) -> float:
    """Return the variance of all values, of a sparse matrix with its zeros."""
    if not hasattr(values, "toarray"):
        return float(values.var(dtype=np.float64))
    stored, n = values.data.astype(np.float64), values.shape[0] * values.shape[1]
    return float((stored**2).sum() / n - (stored.sum() / n) ** 2)


# estimator -> the function that fits it in place
REBUILT: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "AgglomerativeClustering": fit_agglomerative,
    "GaussianNB": fit_gaussian_nb,
    "MultinomialNB": fit_counting_nb,
    "ComplementNB": fit_counting_nb,
    "BernoulliNB": fit_counting_nb,
    "CategoricalNB": fit_categorical_nb,
    "SVC": fit_svc,
}
