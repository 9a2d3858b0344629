"""Wrap any scikit-learn object, step by step."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.utils import get_tags

from skdist_gpu._compat.sklearn import unfitted
from skdist_gpu.base import AutoScaleEstimator
from skdist_gpu.estimators import AutoScaleClassifier, AutoScaleClusterer, AutoScaleRegressor, AutoScaleTransformer
from skdist_gpu.unsupervised import AutoScaleNeighbors, AutoScaleOutlierDetector

_KINDS = {
    "regressor": AutoScaleRegressor,
    "classifier": AutoScaleClassifier,
    "clusterer": AutoScaleClusterer,
    "outlier_detector": AutoScaleOutlierDetector,
}


def autoscale(obj: Any, **options: Any) -> Any:
    """Return a copy of an estimator in which every step chooses its engine by itself.

    Parameters
    ----------
    obj : estimator
        A scikit-learn or XGBoost estimator; a Pipeline, FeatureUnion or ColumnTransformer, whose
        steps are wrapped one by one; or a search such as GridSearchCV, or a OneVsRestClassifier or
        OneVsOneClassifier, whose inner estimator is. The names of a search's parameters get
        ``estimator__`` before the step's own parameter.
    **options : dict
        Parameters of the AutoScale classes, such as ``backend`` or ``memory_budget``.

    Returns
    -------
    estimator
        Unfitted; `obj` is left as it was.

    Raises
    ------
    TypeError
        If `obj` is no estimator.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdist_gpu import autoscale
    >>> model = autoscale(make_pipeline(StandardScaler(), Ridge()))
    >>> [type(step).__name__ for _, step in model.steps]
    ['AutoScaleTransformer', 'AutoScaleRegressor']
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import FeatureUnion, Pipeline

    if obj is None or isinstance(obj, (str, AutoScaleEstimator)):  # "passthrough", "drop"
        return obj
    if isinstance(obj, Pipeline):
        return clone(obj).set_params(steps=[(name, autoscale(step, **options)) for name, step in obj.steps])
    if isinstance(obj, FeatureUnion):
        parts = [(name, autoscale(part, **options)) for name, part in obj.transformer_list]
        return clone(obj).set_params(transformer_list=parts)
    if isinstance(obj, ColumnTransformer):
        columns = [(name, autoscale(part, **options), where) for name, part, where in obj.transformers]
        return clone(obj).set_params(transformers=columns)
    if not hasattr(obj, "fit") or not hasattr(obj, "get_params"):
        raise TypeError(f"autoscale() takes a scikit-learn estimator, not {type(obj).__name__}.")
    if _is_search(obj) or type(obj).__name__ in ("OneVsRestClassifier", "OneVsOneClassifier"):
        return clone(obj).set_params(estimator=autoscale(obj.estimator, **options))
    tags = get_tags(obj)
    # LabelEncoder and LabelBinarizer transform a target, and have no X
    copy = unfitted(obj)
    return copy if tags.target_tags.one_d_labels else _wrapper(obj, tags.estimator_type)(copy, **options)


def _is_search(obj: Any) -> bool:
    """Whether an object tries parameters of an inner estimator, as GridSearchCV does."""
    return hasattr(obj, "estimator") and any(hasattr(obj, name) for name in ("param_grid", "param_distributions"))


def _wrapper(estimator: Any, kind: str | None) -> type[AutoScaleEstimator]:
    if kind in _KINDS:
        return _KINDS[kind]
    if hasattr(estimator, "transform") or hasattr(estimator, "fit_transform"):
        return AutoScaleTransformer
    return AutoScaleNeighbors if hasattr(estimator, "kneighbors") else AutoScaleEstimator
