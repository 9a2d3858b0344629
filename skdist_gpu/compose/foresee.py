"""Foresee what a step gives to the next one: shape, dtype and place, computing nothing."""

from __future__ import annotations

from dataclasses import replace
from math import comb
from typing import Any

from sklearn.base import OneToOneFeatureMixin
from sklearn.utils import get_tags

from skdist_gpu.data.inspect import InputInfo

# class -> columns that its `transform` gives, of so many; None where the rows decide
_COLUMNS = {
    "SelectKBest": lambda e, n: min(e.k, n) if type(e.k) is int else n if e.k == "all" else None,
    "RFE": lambda e, n: e.n_features_to_select if type(e.n_features_to_select) is int else None,
    "SequentialFeatureSelector": lambda e, n: e.n_features_to_select if type(e.n_features_to_select) is int else None,
    "PolynomialFeatures": lambda e, n: _n_terms(e, n),
    # columns without a value, which are left out, and those of an indicator are known from the rows only
    "SimpleImputer": lambda e, n: n if e.keep_empty_features and not e.add_indicator else None,
    "KMeans": lambda e, n: e.n_clusters,
    "MiniBatchKMeans": lambda e, n: e.n_clusters,
}


def foresee(estimator: Any, info: InputInfo) -> InputInfo:
    """Return what `transform` of a plain estimator will give for such rows.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from skdist_gpu.data.inspect import described_input
    >>> str(foresee(PCA(2), described_input((100, 5), "float32")))
    '100 × 2 float32 in numpy'
    """
    if not hasattr(estimator, "transform"):
        return info
    tags = get_tags(estimator)
    kept = tags.transformer_tags is not None and info.dtype in tags.transformer_tags.preserves_dtype
    kept = kept or hasattr(estimator, "get_support") or type(estimator).__name__ == "PolynomialFeatures"
    columns = _n_columns(estimator, info.n_features)
    container = "numpy" if info.location == "host" else "dask.array" if info.location == "dask" else info.container
    return replace(info, n_features=columns, dtype=info.dtype if kept else "float64", container=container)


def joined(parts: list[InputInfo], info: InputInfo) -> InputInfo:
    """Return what columns side by side are together."""
    widths = [part.n_features for part in parts]
    known = [width for width in widths if width is not None]
    first = parts[0] if parts else info
    dtype = (
        "float32" if {part.dtype for part in parts} == {"float32"} else first.dtype if len(parts) == 1 else "float64"
    )
    return replace(first, n_features=sum(known) if len(known) == len(widths) else None, dtype=dtype)


def chosen_columns(columns: Any, info: InputInfo) -> InputInfo:
    """Return some columns of rows, as a ColumnTransformer chooses them."""
    if isinstance(columns, (str, int)):
        return replace(info, n_features=1)
    return replace(info, n_features=len(columns) if isinstance(columns, (list, tuple)) else None)


def _n_columns(estimator: Any, n: int | None) -> int | None:
    if isinstance(estimator, OneToOneFeatureMixin):
        return n
    rule = _COLUMNS.get(type(estimator).__name__)
    if rule is not None:
        return None if n is None else rule(estimator, n)
    n_components = getattr(estimator, "n_components", None)
    return n_components if type(n_components) is int else None


def _n_terms(polynomial: Any, n: int) -> int | None:
    """Return how many products of columns there are of the degrees that are asked for."""
    degree = polynomial.degree
    least, most = degree if isinstance(degree, tuple) and len(degree) == 2 else (1, degree)
    if type(least) is not int or type(most) is not int:  # the fit refuses it
        return None
    of_degree = comb if polynomial.interaction_only else lambda n, k: comb(n + k - 1, k)
    return sum(of_degree(n, k) for k in range(max(1, least), most + 1)) + bool(polynomial.include_bias)
