"""Scalers, encoders and other preprocessing that cuML fits: scikit-learn's attributes are set from its statistics.

Where scikit-learn learns the same from a few rows that stand in for the data, its own `fit` sets the attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.preprocessing import Normalizer
from sklearn.utils import check_array
from sklearn.utils.multiclass import type_of_target

from skdist_gpu._compat.cuml import cuml_class, known_parameters, make_cuml
from skdist_gpu._compat.sklearn import handle_zeros, learn_categories, shallow_copy
from skdist_gpu._compat.sklearn_learned import remember_no_infrequent
from skdist_gpu.data.containers import GPU, container_of, find
from skdist_gpu.data.convert import to_host
from skdist_gpu.engines.reductions.core.learned import keep_learned, learn_from
from skdist_gpu.exceptions import EngineRefusal


def fit_min_max_scaler(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``MinMaxScaler`` in place."""
    model = make_cuml(estimator).fit(values)
    learn_from(estimator, np.array([to_host(model.data_min_), to_host(model.data_max_)]))
    estimator.n_samples_seen_ = values.shape[0]


def fit_max_abs_scaler(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``MaxAbsScaler`` in place."""
    learn_from(estimator, to_host(make_cuml(estimator).fit(values).max_abs_)[None])
    estimator.n_samples_seen_ = values.shape[0]


def fit_robust_scaler(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``RobustScaler`` in place.

    Raises
    ------
    EngineRefusal
        If values are missing: cuML takes a median among them.
    """
    _check_none_missing(values, "takes a wrong median among missing values")
    model = make_cuml(estimator).fit(values)
    estimator.center_ = to_host(model.center_)
    estimator.scale_ = None if model.scale_ is None else handle_zeros(to_host(model.scale_))


def fit_simple_imputer(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``SimpleImputer`` of means or medians in place."""
    filling = to_host(make_cuml(estimator, add_indicator=False).fit(values).statistics_)
    # a column with missing values has one here, too, for the indicator
    holes = np.where(to_host((values != values).any(axis=0)), np.nan, filling)
    learn_from(estimator, np.array([filling, holes], dtype=values.dtype))


def fit_k_bins_discretizer(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``KBinsDiscretizer(strategy="uniform")`` in place."""
    model = make_cuml(estimator, encode="ordinal", n_bins=2).fit(values)
    ends = np.array([to_host(edges)[[0, -1]] for edges in model.bin_edges_], dtype=values.dtype).T
    learn_from(estimator, np.where(np.isinf(ends), 0, ends))  # a constant column has one bin without ends


def fit_nothing(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn transformer that learns nothing but the number of columns in place."""
    make_cuml(Normalizer()).fit(values)  # learns nothing, either, and checks the values
    learn_from(estimator, np.ones((1, values.shape[1]), dtype=values.dtype))


def fit_projection(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn random projection in place: it draws a matrix for the shape of X, whatever the values."""
    make_cuml(Normalizer()).fit(values)  # checks them
    keep_learned(estimator, shallow_copy(estimator).fit(csr_matrix(values.shape, dtype=values.dtype)))


def fit_tfidf_transformer(estimator: Any, values: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``TfidfTransformer`` in place."""
    model = make_cuml(estimator).fit(values)
    if estimator.use_idf:
        estimator.idf_ = to_host(model.idf_)


def _check_none_missing(values: Any, why: str) -> None:
    if bool((values != values).any()):
        raise EngineRefusal(f"X has missing values, and cuML {why}")


def fit_encoder(estimator: Any, table: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``OneHotEncoder`` or ``OrdinalEncoder`` in place.

    cuML finds the distinct values of each column; what follows from them is scikit-learn's own.

    Raises
    ------
    EngineRefusal
        If an object column has missing values: cuML does not tell None from NaN.
    """
    found = cuml_class(estimator)().fit(_as_frame(table)).categories_
    values = _as_in(table, found)
    keep_learned(
        estimator, learn_categories(estimator, table.shape[0], [(v, np.ones(len(v), np.int64)) for v in values])
    )


def fit_target_encoder(estimator: Any, table: Any, y: Any, sample_weight: Any) -> None:
    """Fit a scikit-learn ``TargetEncoder`` with one target, continuous or of two classes, in place.

    Raises
    ------
    EngineRefusal
        For more classes, and for missing values, which cuML leaves out of its groups.
    """
    y = np.ravel(to_host(y))
    kind = type_of_target(y, input_name="y")
    if kind not in ("binary", "continuous"):
        raise EngineRefusal(f"cuML encodes by a target that is continuous or binary, not {kind}")
    params = {"smooth": float(estimator.smooth), "multi_feature_mode": "independent", "seed": 0}
    model = cuml_class(estimator)(**params, output_type="numpy").fit(_as_frame(table), pd.Series(y))
    if any(pd.isna(to_host(values)).any() for values in model.categories_):
        raise EngineRefusal("X has missing values, which cuML leaves out")
    encoded = [to_host(part).sort_values(part.columns[0]) for part in model.encode_all]
    estimator.categories_ = _as_in(table, [part[part.columns[0]].to_numpy() for part in encoded])
    estimator.encodings_ = [part["out"].to_numpy(dtype=np.float64) for part in encoded]
    estimator.target_type_, estimator.target_mean_ = kind, np.float64(model.mean)
    estimator.classes_ = np.unique(y) if kind == "binary" else None
    remember_no_infrequent(estimator)


def _as_frame(table: Any) -> Any:
    """Return a table as cuDF reads it: text and objects of an array as columns, categories as their values."""
    if hasattr(table, "iloc"):
        categories = {name: t.categories.dtype for name, t in find(table).fields(table) if hasattr(t, "categories")}
        return table.astype(categories) if categories else table
    if container_of(table) in GPU or table.dtype.kind not in "OUS":
        return table
    return pd.DataFrame(table).infer_objects()


def _as_in(table: Any, found: list[Any]) -> list[np.ndarray]:
    """Return the distinct values of each column as the arrays that scikit-learn makes of the column."""
    frame = to_host(table[:0]) if container_of(table) == "cudf" else table
    dtypes = [dtype for _, dtype in find(frame).fields(frame)] or [frame.dtype] * frame.shape[1]
    arrays = []
    for values, dtype in zip(found, dtypes, strict=True):
        column = np.asarray(to_host(values))
        if not isinstance(dtype, np.dtype):  # pandas' text and categories
            arrays.append(check_array(pd.Series(column), ensure_2d=False, dtype=None, ensure_all_finite="allow-nan"))
            continue
        if dtype.kind == "O" and pd.isna(column).any():
            raise EngineRefusal("X has missing values among objects, and cuML does not tell None from NaN")
        arrays.append(column.astype(dtype))
    return arrays


# estimator -> the function that fits it in place from a CuPy array
PREPROCESSING: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "MinMaxScaler": fit_min_max_scaler,
    "MaxAbsScaler": fit_max_abs_scaler,
    "RobustScaler": fit_robust_scaler,
    "SimpleImputer": fit_simple_imputer,
    "KBinsDiscretizer": fit_k_bins_discretizer,
    "PolynomialFeatures": fit_nothing,
    "Normalizer": fit_nothing,
    "Binarizer": fit_nothing,
    "TfidfTransformer": fit_tfidf_transformer,
    "GaussianRandomProjection": fit_projection,
    "SparseRandomProjection": fit_projection,
}
# and from a table of any kind of values
ENCODERS: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
    "OneHotEncoder": fit_encoder,
    "OrdinalEncoder": fit_encoder,
    "TargetEncoder": fit_target_encoder,
}
# what cuML's twin of a fitted transformer needs to transform
TRANSFORMS: dict[str, tuple[str, ...]] = {
    "MinMaxScaler": ("data_min_", "data_max_", "data_range_", "scale_", "min_", "n_samples_seen_"),
    "MaxAbsScaler": ("max_abs_", "scale_", "n_samples_seen_"),
    "RobustScaler": ("center_", "scale_"),
    "PolynomialFeatures": ("n_output_features_",),
    "Normalizer": (),
    "Binarizer": (),
    "TfidfTransformer": ("idf_",),
}


def transformer_twin(estimator: Any) -> Any:
    """Return cuML's twin of a fitted transformer that cuML does not convert; None where it transforms otherwise."""
    import cupy

    name, params = type(estimator).__name__, estimator.get_params(deep=False)
    if name not in TRANSFORMS:
        return None
    unread = params.keys() - known_parameters(cuml_class(estimator))
    defaults = type(estimator)().get_params(deep=False)
    if any(params[other] != defaults[other] for other in unread):
        return None
    model = make_cuml(estimator)
    for attribute in ("n_features_in_", *TRANSFORMS[name]):
        value = getattr(estimator, attribute, None)
        setattr(model, attribute, cupy.asarray(value) if isinstance(value, np.ndarray) else value)
    if name == "PolynomialFeatures":
        model.n_input_features_ = estimator.n_features_in_
    return model
