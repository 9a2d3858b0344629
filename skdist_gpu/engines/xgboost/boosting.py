"""What XGBoost fits in place of scikit-learn's gradient boosting, if it is asked for by name."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.entry import Allowed, Entry

_MODEL = "its own model, with those parameters that have an equal there"
_LOSSES = ("squared_error", "absolute_error", "quantile", "poisson", "gamma", "log_loss")
# XGBoost limits the sum of Hessians in a leaf, which is the number of rows for the squared error alone
_HISTOGRAMS: dict[str, Allowed] = {
    "loss": _LOSSES,
    "scoring": ("loss",),
    "interaction_cst": (None,),
    "categorical_features": ("from_dtype", None),
    "warm_start": (False,),
    "tol": (1e-7,),
}
_GRADIENT_BOOSTING: dict[str, Allowed] = {
    "loss": _LOSSES,
    "criterion": ("friedman_mse", "squared_error", "deprecated"),
    "min_samples_split": (2,),
    "min_weight_fraction_leaf": (0.0,),
    "min_impurity_decrease": (0.0,),
    "init": (None,),
    "max_features": (None,),
    "max_leaf_nodes": (None,),
    "warm_start": (False,),
    "ccp_alpha": (0.0,),
    "tol": (1e-4,),
}


def _rows(estimator: str, accepts: dict[str, Allowed]) -> list[Entry]:
    common: dict[str, Any] = {"accepts": accepts, "explicit": _MODEL, "multi_target": False}
    packages = ("xgboost",)
    return [
        Entry(estimator, "xgboost", "gpu", packages=packages, **common),
        Entry(estimator, "xgboost.external", "gpu", packages=(*packages, "cupy"), **common),
        Entry(estimator, "xgboost.dask", "dask", packages=(*packages, "dask", "distributed"), **common),
        Entry(estimator, "xgboost", "cpu", packages=packages, **common),
        Entry(estimator, "xgboost.external", "cpu", packages=packages, **common),
    ]


_ONE_ROW: dict[str, Allowed] = {"min_samples_leaf": (1,)}
_HISTOGRAM_CLASSES = _HISTOGRAMS | _ONE_ROW | {"class_weight": (None,)}
ROWS: tuple[Entry, ...] = (
    *_rows("HistGradientBoostingRegressor", _HISTOGRAMS),
    *_rows("HistGradientBoostingClassifier", _HISTOGRAM_CLASSES),
    *_rows("GradientBoostingRegressor", _GRADIENT_BOOSTING),
    *_rows("GradientBoostingClassifier", _GRADIENT_BOOSTING | _ONE_ROW),
)
