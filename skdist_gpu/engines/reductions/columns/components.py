"""PCA, IncrementalPCA and TruncatedSVD from the second moments of the columns.

The eigenvectors of the covariance are the right singular vectors of the centred data (Jolliffe,
"Principal Component Analysis", Springer 2002, section 3.5). Squares keep the leading half of the
digits: singular values below 1e-3 of the largest come from a second pass, which reduces the rows
to the triangle R of a QR decomposition, whose singular values are the data's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg
from sklearn.utils.extmath import svd_flip

from skdist_gpu._compat.sklearn import infer_dimension
from skdist_gpu._compat.sklearn_learned import remember_solver
from skdist_gpu.engines.reductions.core.moments import SMALLEST_SHARE, TriangleReduction, finite_moments
from skdist_gpu.engines.reductions.core.protocol import Passes
from skdist_gpu.engines.reductions.entries import DENSE, SPARSE_BLOCKS, SQUARES, everywhere


def fit_pca(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``PCA`` in place.

    Parameters
    ----------
    estimator : PCA
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, if there are fewer rows or columns than components.
    """
    moments = finite_moments(data)
    n_rows, n_columns = moments.n_rows, data.n_features
    solver = _pca_solver(estimator, n_rows, n_columns)
    wanted = min(n_rows, n_columns) if estimator.n_components is None else estimator.n_components
    _check_wanted(wanted, n_rows, n_columns, solver)

    # scikit-learn's solver for tall data works with squares too
    all_digits = min(n_rows, n_columns) if solver == "full" else 0
    singular_values, components = _decompose(moments.scatter, moments.mean, all_digits, data)
    if solver == "full":
        singular_values = singular_values[: min(n_rows, n_columns)]
    variances = singular_values**2 / (n_rows - 1)
    ratios = variances / variances.sum()
    if wanted == "mle":
        wanted = infer_dimension(variances, n_rows)
    elif 0 < wanted < 1:
        wanted = np.searchsorted(np.cumsum(ratios), wanted, side="right") + 1

    dtype = _float_dtype(data)
    estimator.n_samples_, estimator.n_components_ = n_rows, wanted
    estimator.mean_ = moments.mean.astype(dtype)
    estimator.noise_variance_ = 0.0
    if wanted < min(n_rows, n_columns):
        estimator.noise_variance_ = dtype(variances[wanted:].mean())
    estimator.components_ = _copy(components[:wanted], dtype)
    estimator.explained_variance_ = _copy(variances[:wanted], dtype)
    estimator.explained_variance_ratio_ = _copy(ratios[:wanted], dtype)
    estimator.singular_values_ = _copy(singular_values[:wanted], dtype)
    remember_solver(estimator, solver)


def fit_incremental_pca(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``IncrementalPCA`` in place, from all rows at once.

    scikit-learn drops what it takes for noise after each batch; the components here are those that
    its batches approximate, and the same where all components are kept.

    Parameters
    ----------
    estimator : IncrementalPCA
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, if there are fewer rows or columns than components.
    """
    moments = finite_moments(data)
    n_rows, n_columns = moments.n_rows, data.n_features
    wanted = min(n_rows, n_columns) if estimator.n_components is None else estimator.n_components
    if wanted > n_columns:
        raise ValueError(
            f"n_components={wanted!r} invalid for n_features={n_columns}, need more rows than columns for "
            "IncrementalPCA processing"
        )
    if wanted > n_rows:
        raise ValueError(
            f"n_components={wanted} must be less or equal to the batch number of samples {n_rows} for the first "
            "partial_fit call."
        )
    singular_values, components = _decompose(moments.scatter, moments.mean, wanted, data)
    with np.errstate(invalid="ignore", divide="ignore"):
        variances = singular_values[: min(n_rows, n_columns)] ** 2 / (n_rows - 1)
        ratios = singular_values**2 / np.trace(moments.scatter)

    estimator.batch_size_ = 5 * n_columns if estimator.batch_size is None else estimator.batch_size
    # from the second batch on, scikit-learn subtracts a mean of float64
    dtype = _float_dtype(data) if n_rows < estimator.batch_size_ + max(1, wanted) else np.float64
    estimator.n_samples_seen_, estimator.n_components_ = np.float64(n_rows), wanted
    estimator.mean_ = moments.mean
    estimator.var_ = np.maximum(np.diag(moments.scatter), 0.0) / n_rows
    estimator.noise_variance_ = 0.0 if wanted in (n_rows, n_columns) else variances[wanted:].mean()
    estimator.components_ = _copy(components[:wanted], dtype)
    estimator.explained_variance_ = variances[:wanted].copy()
    estimator.explained_variance_ratio_ = ratios[:wanted].copy()
    estimator.singular_values_ = _copy(singular_values[:wanted], dtype)


def fit_truncated_svd(estimator: Any, data: Passes) -> None:
    """Fit a scikit-learn ``TruncatedSVD`` in place: the exact one, which its solvers approximate.

    Parameters
    ----------
    estimator : TruncatedSVD
        Unfitted, with valid parameters.
    data : Passes
        The rows to fit on.

    Raises
    ------
    ValueError
        scikit-learn's own, if there are fewer columns than components.
    """
    n_columns, wanted = data.n_features, estimator.n_components
    if n_columns < 2:
        shape = f"({'?' if data.n_rows is None else data.n_rows}, {n_columns})"
        raise ValueError(
            f"Found array with {n_columns} feature(s) (shape={shape}) while a minimum of 2 is required by TruncatedSVD."
        )
    if estimator.algorithm == "randomized" and wanted > n_columns:
        raise ValueError(f"n_components({wanted}) must be <= n_features({n_columns}).")
    moments = finite_moments(data)
    if estimator.algorithm == "arpack" and wanted >= min(moments.n_rows, n_columns):
        raise ValueError("`k` must be an integer satisfying `0 < k < min(A.shape)`.")
    products = moments.scatter + moments.n_rows * np.outer(moments.mean, moments.mean)
    kept = min(wanted, moments.n_rows)
    singular_values, components = _decompose(products, np.zeros(n_columns), kept, data)
    components = components[:kept]
    variances = np.maximum(np.einsum("ij,jk,ik->i", components, moments.scatter, components), 0.0) / moments.n_rows
    dtype = _float_dtype(data)
    estimator.components_ = _copy(components, dtype)
    estimator.explained_variance_ = _copy(variances, dtype)
    estimator.explained_variance_ratio_ = _copy(variances * moments.n_rows / np.trace(moments.scatter), dtype)
    estimator.singular_values_ = _copy(singular_values[:kept], dtype)


def _pca_solver(estimator: Any, n_rows: int, n_columns: int) -> str:
    """Return the solver that scikit-learn would choose; all of its exact ones are one here."""
    if estimator.svd_solver != "auto":
        return estimator.svd_solver
    return "covariance_eigh" if n_columns <= 1000 and n_rows >= 10 * n_columns else "full"


def _check_wanted(wanted: Any, n_rows: int, n_columns: int, solver: str) -> None:
    if wanted == "mle":
        if n_rows < n_columns:
            raise ValueError("n_components='mle' is only supported if n_samples >= n_features")
    elif not 0 <= wanted <= min(n_rows, n_columns):
        raise ValueError(
            f"n_components={wanted} must be between 0 and min(n_samples, n_features)={min(n_rows, n_columns)} "
            f"with svd_solver={solver!r}"
        )


def _decompose(products: np.ndarray, center: np.ndarray, n_exact: int, data: Passes) -> tuple[np.ndarray, np.ndarray]:
    """Return singular values, largest first, and right singular vectors of the rows less `center`.

    The first `n_exact` singular values keep their digits, by a second pass over the data if needed.
    """
    eigenvalues, eigenvectors = linalg.eigh(products)
    eigenvalues = np.maximum(eigenvalues[::-1], 0.0)
    singular_values, components = np.sqrt(eigenvalues), eigenvectors[:, ::-1].T
    if n_exact and eigenvalues[n_exact - 1] < SMALLEST_SHARE * eigenvalues[0]:
        # without y the triangle is that of X
        _, singular_values, components = linalg.svd(data.reduce(TriangleReduction(center)), full_matrices=False)
    return singular_values, svd_flip(None, components, u_based_decision=False)[1]


def _float_dtype(data: Passes) -> Any:
    """Return the dtype that scikit-learn gives the attributes."""
    return np.float32 if data.dtype == np.float32 else np.float64


def _copy(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Return values on their own in memory, without the part that was cut off."""
    return np.array(values, dtype=dtype, order="C")


_EXACT = {"svd_solver": ("auto", "full", "covariance_eigh")}
_NO_BATCHES = "PCA of all rows at once, whose components are more exact than those of batches, and need no batch_size"
ENTRIES = (
    *everywhere("PCA", fit_pca, accepts=_EXACT, **SQUARES, **DENSE),
    *everywhere("IncrementalPCA", fit_incremental_pca, explicit=_NO_BATCHES, **SQUARES, **DENSE),
    *everywhere("TruncatedSVD", fit_truncated_svd, **SQUARES, **SPARSE_BLOCKS),
)
