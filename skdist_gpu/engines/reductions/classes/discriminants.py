"""LinearDiscriminantAnalysis and QuadraticDiscriminantAnalysis from the moments of each class.

Sources: Hastie, Tibshirani & Friedman, "The Elements of Statistical Learning", Springer 2009,
section 4.3; Duda, Hart & Stork, "Pattern Classification", Wiley 2001, sections 2.6.2 and 3.8.3.
Where squares lose digits, a second pass reduces the rows of the classes, less their means, to the
triangle R of a QR decomposition, whose singular values are the data's.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.covariance import shrunk_covariance
from sklearn.utils.multiclass import unique_labels

from skdist_gpu._compat.sklearn_learned import remember_components
from skdist_gpu.engines.reductions.classes.class_moments import ClassMoments, centered_by_class, class_moments
from skdist_gpu.engines.reductions.columns.covariance import SquaredNorms, ledoit_wolf_shrinkage, warn_of_one_row
from skdist_gpu.engines.reductions.core.moments import SMALLEST_SHARE
from skdist_gpu.engines.reductions.core.protocol import Passes, namespace, too_few_rows
from skdist_gpu.engines.reductions.entries import DENSE, SQUARES, everywhere


def fit_linear_discriminant_analysis(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``LinearDiscriminantAnalysis`` in place.

    Parameters
    ----------
    estimator : LinearDiscriminantAnalysis
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for priors, shrinkage or a number of components that cannot be.
    """
    if estimator.solver == "svd" and estimator.shrinkage is not None:
        raise NotImplementedError("shrinkage not supported with 'svd' solver.")
    pooled = estimator.solver == "svd" and not (estimator.store_covariance and estimator.priors is not None)
    moments = class_moments(data, "pooled" if pooled else "classes")
    n_classes = len(moments.weight)
    n_rows = int(moments.weight.sum())
    if n_rows < 2:
        raise too_few_rows(n_rows, data.n_features, 2, "LinearDiscriminantAnalysis")
    if n_rows == n_classes:
        raise ValueError("The number of samples must be more than the number of classes.")
    estimator.classes_ = unique_labels(data.classes)
    estimator.priors_ = _linear_priors(estimator, moments)
    n_components = _n_components(estimator, n_classes, data.n_features)
    remember_components(estimator, n_components)
    estimator.means_ = moments.mean

    if estimator.solver == "svd":
        if estimator.store_covariance:
            estimator.covariance_ = _within_covariance(estimator, moments, data)
        _solve_by_scalings(estimator, moments, n_components, data)
    else:
        estimator.covariance_ = _within_covariance(estimator, moments, data)
        _solve_by_covariance(estimator, moments, n_components, data)
    if n_classes == 2:
        estimator.coef_ = estimator.coef_[[1]] - estimator.coef_[[0]]
        estimator.intercept_ = estimator.intercept_[[1]] - estimator.intercept_[[0]]
    if data.dtype == np.float32:
        _narrow(estimator, "priors_", "means_")
        if estimator.solver == "svd":
            _narrow(estimator, "xbar_", "explained_variance_ratio_", "scalings_")
        if estimator.solver == "svd" or n_classes == 2:
            _narrow(estimator, "coef_", "intercept_")


def fit_quadratic_discriminant_analysis(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``QuadraticDiscriminantAnalysis`` in place.

    Parameters
    ----------
    estimator : QuadraticDiscriminantAnalysis
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, for a single class or a class of one row.
    LinAlgError
        scikit-learn's own, for a class whose covariance has no full rank.
    """
    assert data.classes is not None
    if estimator.solver == "svd" and estimator.shrinkage is not None:
        raise NotImplementedError("shrinkage not supported with 'svd' solver.")
    if len(data.classes) < 2:
        raise ValueError(f"The number of classes has to be greater than one. Got {len(data.classes)} class.")
    moments = class_moments(data, "classes")
    for label, count in zip(data.classes, moments.weight, strict=True):
        if count == 1:
            raise ValueError(f"y has only 1 sample in class {label}, covariance is ill defined.")

    estimator.classes_ = data.classes
    found = moments.weight / moments.weight.sum()
    estimator.priors_ = found if estimator.priors is None else np.array(estimator.priors)
    covariances = list(_class_covariances(moments, estimator.shrinkage, data))
    axes = [_principal_axes(covariance) for covariance in covariances]
    scalings, rotations = [list(part) for part in zip(*axes, strict=True)]
    if estimator.solver == "svd":
        if any(s[-1] < SMALLEST_SHARE * s[0] for s in scalings):
            scalings, rotations = _class_axes_by_triangles(moments, data)
        scalings = [s[: int(n)] for s, n in zip(scalings, moments.weight, strict=True)]
        rotations = [r[:, : int(n)] for r, n in zip(rotations, moments.weight, strict=True)]
        scalings = [(1 - estimator.reg_param) * s + estimator.reg_param for s in scalings]
        covariances = [(r * s) @ r.T for s, r in zip(scalings, rotations, strict=True)]
    for label, scaling, count in zip(data.classes, scalings, moments.weight, strict=True):
        _check_rank(estimator, label, scaling, int(count), data.n_features)
    if estimator.store_covariance:
        estimator.covariance_ = covariances
    estimator.means_ = moments.mean
    estimator.scalings_, estimator.rotations_ = scalings, rotations
    if data.dtype == np.float32:
        _narrow(estimator, "means_")
        if estimator.solver == "svd":
            _narrow(estimator, "scalings_", "rotations_", "covariance_")


def _linear_priors(estimator: Any, moments: ClassMoments) -> np.ndarray:
    if estimator.priors is None:
        return moments.weight / moments.weight.sum()
    priors = np.asarray(estimator.priors, dtype=np.float64)
    if np.any(priors < 0):
        raise ValueError("priors must be non-negative")
    if abs(priors.sum() - 1.0) > 1e-5:
        warnings.warn("The priors do not sum to 1. Renormalizing", UserWarning, stacklevel=2)
        priors = priors / priors.sum()
    return priors


def _n_components(estimator: Any, n_classes: int, n_features: int) -> int:
    largest = min(n_classes - 1, n_features)
    if estimator.n_components is None:
        return largest
    if estimator.n_components > largest:
        raise ValueError("n_components cannot be larger than min(n_features, n_classes - 1).")
    return estimator.n_components


def _within_covariance(estimator: Any, moments: ClassMoments, data: Passes) -> np.ndarray:
    """Return the covariances of the classes, weighted by their priors."""
    if moments.scatter.ndim == 2:
        return moments.scatter / moments.weight.sum()
    return np.tensordot(estimator.priors_, _class_covariances(moments, estimator.shrinkage, data), axes=1)


def _class_covariances(moments: ClassMoments, shrinkage: Any, data: Passes) -> np.ndarray:
    """Return the (shrunk) covariance of each class."""
    if np.any(moments.weight == 1):
        warn_of_one_row()
    covariances = moments.scatter / moments.weight[:, None, None]
    if shrinkage is None:
        return covariances
    if shrinkage != "auto":
        return shrunk_covariance(covariances, shrinkage)
    scales = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    scales = np.where(scales > 0, scales, 1.0)
    fourth = data.reduce(SquaredNorms(moments.mean, scales))
    return np.array([_shrink(*each) for each in zip(covariances, scales, fourth, moments.weight, strict=True)])


def _shrink(covariance: np.ndarray, scale: np.ndarray, fourth: float, n_rows: float) -> np.ndarray:
    """Shrink a covariance as Ledoit and Wolf do, in units of the standard deviations."""
    correlation = covariance / np.outer(scale, scale)
    shrinkage = ledoit_wolf_shrinkage(correlation, fourth, n_rows)
    return shrunk_covariance(correlation, shrinkage) * np.outer(scale, scale)


def _solve_by_scalings(estimator: Any, moments: ClassMoments, n_components: int, data: Passes) -> None:
    """Scale the classes to a sphere, and find the directions that separate their means."""
    scatter = moments.scatter if moments.scatter.ndim == 2 else moments.scatter.sum(axis=0)
    n_rows, n_classes = moments.weight.sum(), len(moments.weight)
    deviations = np.sqrt(np.maximum(np.diag(scatter), 0.0) / n_rows)
    deviations[deviations == 0] = 1.0
    eigenvalues, eigenvectors = linalg.eigh(scatter / np.outer(deviations, deviations) / n_rows)
    singular_values, directions = np.sqrt(np.maximum(eigenvalues[::-1], 0.0)), eigenvectors[:, ::-1].T
    if singular_values[-1] ** 2 < SMALLEST_SHARE * singular_values[0] ** 2:
        triangle = data.reduce(_WithinTriangle(moments.mean)) / deviations
        _, singular_values, directions = linalg.svd(triangle / np.sqrt(n_rows), full_matrices=False)
    rank = int(np.sum(singular_values > estimator.tol))
    scalings = (directions[:rank] / deviations).T / singular_values[:rank]

    estimator.xbar_ = estimator.priors_ @ moments.mean
    centered = moments.mean - estimator.xbar_
    weights = np.sqrt(n_rows * estimator.priors_ / max(1, n_classes - 1))
    _, spread, directions = linalg.svd((weights[:, None] * centered) @ scalings, full_matrices=False)
    with np.errstate(invalid="ignore"):
        estimator.explained_variance_ratio_ = (spread**2 / np.sum(spread**2))[:n_components]
    rank = int(np.sum(spread > estimator.tol * spread[0]))
    estimator.scalings_ = scalings @ directions.T[:, :rank]
    coef = centered @ estimator.scalings_
    estimator.coef_ = coef @ estimator.scalings_.T
    estimator.intercept_ = -0.5 * np.sum(coef**2, axis=1) + np.log(estimator.priors_)
    estimator.intercept_ -= estimator.xbar_ @ estimator.coef_.T


def _solve_by_covariance(estimator: Any, moments: ClassMoments, n_components: int, data: Passes) -> None:
    """Solve least squares with the within-class covariance, or the eigenproblem of both covariances."""
    if estimator.solver == "lsqr":
        estimator.coef_ = linalg.lstsq(estimator.covariance_, moments.mean.T)[0].T
    else:
        between = _total_covariance(estimator, moments, data) - estimator.covariance_
        eigenvalues, eigenvectors = linalg.eigh(between, estimator.covariance_)
        ratios = np.sort(eigenvalues / np.sum(eigenvalues))[::-1]
        estimator.explained_variance_ratio_ = ratios[:n_components]
        estimator.scalings_ = eigenvectors[:, np.argsort(eigenvalues)[::-1]]
        estimator.coef_ = moments.mean @ estimator.scalings_ @ estimator.scalings_.T
    half = 0.5 * np.einsum("ij,ij->i", moments.mean, estimator.coef_)
    estimator.intercept_ = np.log(estimator.priors_) - half


def _total_covariance(estimator: Any, moments: ClassMoments, data: Passes) -> np.ndarray:
    """Return the (shrunk) covariance of the rows of all classes."""
    n_rows = moments.weight.sum()
    mean = moments.weight @ moments.mean / n_rows
    distances = moments.mean - mean
    scatter = moments.scatter.sum(axis=0) + (distances.T * moments.weight) @ distances
    whole = ClassMoments(np.array([n_rows]), mean[None], scatter[None])
    return _class_covariances(whole, estimator.shrinkage, data)[0]


def _principal_axes(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the variances, largest first, and the directions in columns."""
    variances, directions = linalg.eigh(covariance)
    return np.maximum(variances[::-1], 0.0), directions[:, ::-1]


class _WithinTriangle:
    """Reduce the rows, less the mean of their class, to the triangle of a QR decomposition (TSQR)."""

    def __init__(self, means: np.ndarray) -> None:
        self.means = means

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the triangle of a block."""
        xp = namespace(X)
        return xp.linalg.qr(centered_by_class(X, y, xp.asarray(self.means)), mode="r")

    def combine(self, a: Any, b: Any) -> Any:
        """Return the triangle of two triangles on top of each other."""
        xp = namespace(a)
        return xp.linalg.qr(xp.concatenate([a, b]), mode="r")


class _ClassTriangles(_WithinTriangle):
    """The triangle of each class on its own."""

    def map(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Return the triangles of a block, a list."""
        xp = namespace(X)
        table = centered_by_class(X, y, xp.asarray(self.means))
        return [xp.linalg.qr(table[y == code], mode="r") for code in range(len(self.means))]

    def combine(self, a: Any, b: Any) -> Any:
        """Merge the triangles of each class."""
        return [super(_ClassTriangles, self).combine(x, y) for x, y in zip(a, b, strict=True)]


def _class_axes_by_triangles(moments: ClassMoments, data: Passes) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the variances and directions of each class with all their digits."""
    triangles = data.reduce(_ClassTriangles(moments.mean))
    found = [linalg.svd(triangle, full_matrices=False) for triangle in triangles]
    scalings = [s**2 / count for (_, s, _), count in zip(found, moments.weight, strict=True)]
    return scalings, [directions.T for _, _, directions in found]


def _check_rank(estimator: Any, label: Any, scaling: np.ndarray, n_rows: int, n_features: int) -> None:
    """Raise scikit-learn's error for a class whose covariance has no full rank."""
    if np.sum(scaling > estimator.tol) >= n_features:
        return
    if estimator.solver == "svd" and n_rows <= n_features:
        raise linalg.LinAlgError(
            f"The covariance matrix of class {label} is not full rank. When using `solver='svd'` the number of "
            f"samples in each class should be more than the number of features, but class {label} has {n_rows} "
            f"samples and {n_features} features. Try using `solver='eigen'` and setting the parameter `shrinkage` "
            "for regularization."
        )
    parameter = "shrinkage" if estimator.solver == "eigen" else "reg_param"
    raise linalg.LinAlgError(
        f"The covariance matrix of class {label} is not full rank. Increase the value of `{parameter}` to reduce "
        "the collinearity."
    )


def _narrow(estimator: Any, *names: str) -> None:
    """Turn attributes to float32, as those are that scikit-learn takes straight from float32 data."""
    for name in names:
        value = getattr(estimator, name, None)
        if isinstance(value, list):
            setattr(estimator, name, [part.astype(np.float32) for part in value])
        elif value is not None:
            setattr(estimator, name, value.astype(np.float32))


_OPTIONS: dict[str, Any] = {"accepts": {"covariance_estimator": (None,)}, "multi_target": False, **SQUARES, **DENSE}
ENTRIES = (
    *everywhere("LinearDiscriminantAnalysis", fit_linear_discriminant_analysis, **_OPTIONS),
    *everywhere("QuadraticDiscriminantAnalysis", fit_quadratic_discriminant_analysis, **_OPTIONS),
)
