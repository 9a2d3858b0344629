"""What our own block reductions fit from one pass over the data, beside the linear models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.reductions.rows_linear import reductions_rows

_DENSE: dict[str, Any] = {"sparse": (), "weights": False}
# scikit-learn's own loops over the entries of a sparse matrix in memory are faster: on 500 000 × 100 with 2 % stored
# 2 to 20 times, with 30 % up to 5 times; its TruncatedSVD from about 1000 columns, ours up to 7 times below 300
_SPARSE_BLOCKS: dict[str, Any] = {"sparse": ("dask",), "weights": False}
# beyond, scikit-learn's solvers that find only some components are faster
_SQUARES: dict[str, Any] = {"most_columns": 1000}
_NO_ESTIMATOR = {"covariance_estimator": (None,)}


def _known_score(function: Any) -> bool:
    """Whether a score function is one of scikit-learn's that are sums over rows."""
    names = ("f_classif", "f_regression", "r_regression", "chi2")
    return getattr(function, "__module__", "").startswith("sklearn.feature_selection") and function.__name__ in names


def _not_a_number(value: Any) -> bool:
    return isinstance(value, float) and value != value


_SELECTION = {"score_func": _known_score}
_IMPUTER: dict[str, Any] = {
    "strategy": ("mean", "median"),
    "missing_values": _not_a_number,
}
_BINS = {"strategy": ("uniform",), "subsample": (None,)}


def _one_pass(estimator: str, break_even: float, **options: Any) -> list[Entry]:
    return reductions_rows(estimator, break_even, **({"measured_by": "benchmarks/one_pass.py"} | options))


def _is_set(value: Any) -> bool:
    return value is not None


def _on_host(rows: list[Entry]) -> list[Entry]:
    """Leave out the GPU, where nothing counts text; scikit-learn gets a copy of numbers that are there."""
    return [row for row in rows if row.device != "gpu"]


def _simple_imputer() -> list[Entry]:
    """Values, and gaps in values of any kind, are counted on the host only."""
    rows = _one_pass("SimpleImputer", 1e6, accepts=_IMPUTER, **_DENSE)
    counting = _IMPUTER | {"strategy": ("mean", "median", "constant", "most_frequent")}
    return [row if row.device == "gpu" else replace(row, accepts=counting) for row in rows]


ROWS: tuple[Entry, ...] = (
    *_one_pass("StandardScaler", 1e6, sparse=()),
    *_one_pass("MinMaxScaler", 5e6, **_DENSE),
    *_one_pass("MaxAbsScaler", 5e6, **_SPARSE_BLOCKS),
    *_one_pass("RobustScaler", 1e5, **_DENSE),
    *_one_pass("QuantileTransformer", 1e5, slower_with={"subsample": _is_set}, **_DENSE),
    *_one_pass("VarianceThreshold", 1e6, **_SPARSE_BLOCKS),
    *_one_pass("PCA", 1e7, accepts={"svd_solver": ("auto", "full", "covariance_eigh")}, **_SQUARES, **_DENSE),
    *_one_pass("IncrementalPCA", 2e5, **_SQUARES, **_DENSE),
    *_one_pass("TruncatedSVD", 2e5, **_SQUARES, **_SPARSE_BLOCKS),
    *_one_pass("EmpiricalCovariance", 3e6, **_DENSE),
    *_one_pass("ShrunkCovariance", 3e6, **_DENSE),
    *_one_pass("LedoitWolf", 3e6, **_DENSE),
    *_one_pass("OAS", 3e6, **_DENSE),
    *_one_pass("GaussianNB", 1e6, sparse=(), multi_target=False),
    *_one_pass("MultinomialNB", 1e7, sparse=("dask",), multi_target=False),
    *_one_pass("ComplementNB", 1e7, sparse=("dask",), multi_target=False),
    *_one_pass("BernoulliNB", 1e6, sparse=("dask",), multi_target=False),
    *_one_pass("CategoricalNB", 1e6, sparse=(), multi_target=False),
    *_one_pass("LinearDiscriminantAnalysis", 1e5, accepts=_NO_ESTIMATOR, multi_target=False, **_SQUARES, **_DENSE),
    *_one_pass("QuadraticDiscriminantAnalysis", 1e6, accepts=_NO_ESTIMATOR, multi_target=False, **_SQUARES, **_DENSE),
    *_one_pass("NearestCentroid", 1e6, accepts={"metric": ("euclidean",)}, multi_target=False, weights=False),
    *_one_pass("SelectKBest", 1e6, accepts=_SELECTION, multi_target=False, **_SPARSE_BLOCKS),
    *_one_pass("SelectPercentile", 1e6, accepts=_SELECTION, multi_target=False, **_SPARSE_BLOCKS),
    *_simple_imputer(),
    # 2 to 100 times scikit-learn's speed, save OrdinalEncoder on arrays of Python objects: 0.7
    *_on_host(_one_pass("OneHotEncoder", 1e6, measured_by="benchmarks/categories.py", **_DENSE)),
    *_on_host(_one_pass("OrdinalEncoder", 1e6, measured_by="benchmarks/categories.py", **_DENSE)),
    *_one_pass("KBinsDiscretizer", 1e6, accepts=_BINS, sparse=()),
)
