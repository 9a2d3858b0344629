"""What our own block reductions fit in one pass, beside the linear models."""

from __future__ import annotations

from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.rows.reductions import _reductions

# the squared sums of PCA take a component count that is known, or a share, as scikit-learn's exact solvers do
_EXACT_PCA = ("auto", "full", "covariance_eigh")

ROWS: tuple[Entry, ...] = (
    *_reductions("StandardScaler", 1e6, sparse=()),
    *_reductions("MinMaxScaler", 1e6, sparse=()),
    *_reductions("MaxAbsScaler", 1e6, sparse=("dask",)),
    *_reductions("VarianceThreshold", 1e6, sparse=("dask",)),
    *_reductions("PCA", 1e6, sparse=(), accepts={"svd_solver": _EXACT_PCA}),
    *_reductions("IncrementalPCA", 1e6, sparse=()),
    *_reductions("TruncatedSVD", 1e6, sparse=("dask",)),
    *_reductions("EmpiricalCovariance", 1e6, sparse=()),
    *_reductions("ShrunkCovariance", 1e6, sparse=()),
    *_reductions("LedoitWolf", 1e6, sparse=()),
    *_reductions("OAS", 1e6, sparse=()),
    *_reductions("GaussianNB", 1e6, sparse=()),
    *_reductions("LinearDiscriminantAnalysis", 1e6, sparse=(), accepts={"covariance_estimator": (None,)}),
    *_reductions("QuadraticDiscriminantAnalysis", 1e6, sparse=(), accepts={"covariance_estimator": (None,)}),
)
