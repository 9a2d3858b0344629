"""XGBoost's estimator in place of scikit-learn's gradient boosting: another model, with parameters that have an equal.

Which values have an equal, the rows of the catalogue say; here they get XGBoost's names.
"""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier
from xgboost import XGBClassifier, XGBRegressor

from skdist_gpu.engines.protocol import FitJob

LOSSES = {
    "squared_error": "reg:squarederror",
    "absolute_error": "reg:absoluteerror",
    "quantile": "reg:quantileerror",
    "poisson": "count:poisson",
    "gamma": "reg:gamma",
    "log_loss": None,  # binary or multinomial, as XGBClassifier finds
}
# rows above which HistGradientBoosting stops early by itself
MANY_ROWS = 10_000


def replace_by_xgboost(job: FitJob) -> None:
    """Replace scikit-learn's estimator of a job by XGBoost's."""
    theirs = job.estimator
    if not type(theirs).__module__.startswith("sklearn."):
        return
    histogram = type(theirs).__name__.startswith("Hist")
    params = _of_histograms(job) if histogram else _of_gradient_boosting(job)
    params |= {"objective": LOSSES[theirs.loss], "learning_rate": theirs.learning_rate}
    params |= {"random_state": theirs.random_state}
    if theirs.loss == "quantile":
        params["quantile_alpha"] = theirs.quantile if histogram else theirs.alpha
    # the Hessian of half the squared error is one for each row
    rows_as_weight = theirs.loss == "squared_error"
    params["min_child_weight"] = theirs.min_samples_leaf if rows_as_weight else 1e-3
    job.estimator = (XGBClassifier if is_classifier(theirs) else XGBRegressor)(**params)


def _of_histograms(job: FitJob) -> dict[str, Any]:
    theirs = job.estimator
    stops = theirs.early_stopping
    if stops == "auto":
        stops = (job.info.n_samples or 0) > MANY_ROWS
    if stops:
        job.options = job.options | {"validation_fraction": theirs.validation_fraction}
    return {
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "n_estimators": theirs.max_iter,
        "max_leaves": theirs.max_leaf_nodes or 0,
        "max_depth": theirs.max_depth or 0,
        "max_bin": theirs.max_bins,
        "reg_lambda": theirs.l2_regularization,
        "colsample_bynode": theirs.max_features,
        "monotone_constraints": _monotone(theirs.monotonic_cst),
        "enable_categorical": theirs.categorical_features == "from_dtype",
        "early_stopping_rounds": theirs.n_iter_no_change if stops else None,
    }


def _of_gradient_boosting(job: FitJob) -> dict[str, Any]:
    theirs = job.estimator
    stops = theirs.n_iter_no_change is not None
    if stops:
        job.options = job.options | {"validation_fraction": theirs.validation_fraction}
    return {
        "n_estimators": theirs.n_estimators,
        "max_depth": theirs.max_depth or 0,
        "subsample": theirs.subsample,
        "reg_lambda": 0.0,
        "early_stopping_rounds": theirs.n_iter_no_change,
    }


def _monotone(constraints: Any) -> Any:
    return constraints if constraints is None or isinstance(constraints, dict) else tuple(int(c) for c in constraints)
