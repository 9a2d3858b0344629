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
    "ccp_alpha": (0.0,),
    "tol": (1e-4,),
}


def _entries(estimator: str, accepts: dict[str, Allowed]) -> list[Entry]:
    common: dict[str, Any] = {"accepts": accepts, "explicit": _MODEL, "weights": True}
    return [
        Entry(estimator, "xgboost", "gpu", **common),
        Entry(estimator, "xgboost.external", "gpu", **common),
        Entry(estimator, "xgboost.dask", "dask", **common),
        Entry(estimator, "xgboost", "cpu", **common),
        Entry(estimator, "xgboost.external", "cpu", **common),
    ]


_ONE_ROW: dict[str, Allowed] = {"min_samples_leaf": (1,)}
_HISTOGRAM_CLASSES = _HISTOGRAMS | _ONE_ROW | {"class_weight": (None,)}
ENTRIES: tuple[Entry, ...] = (
    *_entries("HistGradientBoostingRegressor", _HISTOGRAMS),
    *_entries("HistGradientBoostingClassifier", _HISTOGRAM_CLASSES),
    *_entries("GradientBoostingRegressor", _GRADIENT_BOOSTING),
    *_entries("GradientBoostingClassifier", _GRADIENT_BOOSTING | _ONE_ROW),
)
