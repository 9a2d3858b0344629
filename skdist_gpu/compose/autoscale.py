"""Wrap any scikit-learn object, step by step."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.utils import get_tags

from skdist_gpu._compat.sklearn import unfitted, with_requests_of
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.estimators import AutoScaleClassifier, AutoScaleClusterer, AutoScaleRegressor, AutoScaleTransformer
from skdist_gpu.unsupervised import AutoScaleEstimator, AutoScaleNeighbors, AutoScaleOutlierDetector

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
        OneVsOneClassifier, whose inner estimator is. The parameters that a search tries get the names
        that they have there, ``estimator__`` before the step's own.
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

    if isinstance(obj, AutoScaleBase):
        return obj
    if isinstance(obj, Pipeline):
        *firsts, last = obj.steps
        steps = [(name, _transformer(step, **options)) for name, step in firsts]
        return clone(obj).set_params(steps=[*steps, (last[0], _step(last[1], **options))])
    if isinstance(obj, FeatureUnion):
        parts = [(name, _transformer(part, **options)) for name, part in obj.transformer_list]
        return clone(obj).set_params(transformer_list=parts)
    if isinstance(obj, ColumnTransformer):
        columns = [(name, _transformer(part, **options), where) for name, part, where in obj.transformers]
        return clone(obj).set_params(transformers=columns)
    if isinstance(obj, type) or not hasattr(obj, "fit") or not hasattr(obj, "get_params"):
        raise TypeError(f"autoscale() takes a scikit-learn estimator, not {type(obj).__name__}: {obj!r:.80}.")
    if type(obj).__name__ in ("OneVsRestClassifier", "OneVsOneClassifier"):
        from skdist_gpu.compose import multiclass

        parameters = clone(obj).get_params(deep=False) | {"estimator": autoscale(obj.estimator, **options)}
        return with_requests_of(obj, getattr(multiclass, type(obj).__name__)(**parameters))
    if _is_search(obj):
        inner = autoscale(obj.estimator, **options)
        return clone(obj).set_params(estimator=inner, **_renamed_grid(obj, inner))
    tags = get_tags(obj)
    # LabelEncoder and LabelBinarizer transform a target, and have no X
    copy = unfitted(obj)
    if tags.target_tags.one_d_labels:
        return copy
    return with_requests_of(obj, _wrapper(obj, tags.estimator_type)(copy, **options))


def _step(step: Any, **options: Any) -> Any:
    """Wrap a step of a pipeline, unless it is ``"passthrough"``, ``"drop"`` or None."""
    return step if step is None or isinstance(step, str) else autoscale(step, **options)


def _transformer(step: Any, **options: Any) -> Any:
    """Wrap a step whose `transform` is called: some predict, too, as LinearDiscriminantAnalysis does."""
    wrapped = _step(step, **options)
    if hasattr(step, "transform") and not hasattr(wrapped, "transform"):
        return with_requests_of(step, AutoScaleTransformer(unfitted(step), **options))
    return wrapped


def _is_search(obj: Any) -> bool:
    """Whether an object tries parameters of an inner estimator, as GridSearchCV does."""
    return hasattr(obj, "estimator") and any(hasattr(obj, name) for name in ("param_grid", "param_distributions"))


def _renamed_grid(search: Any, inner: Any) -> dict[str, Any]:
    """Return the parameters that a search tries, by their names in the wrapped inner estimator."""
    attribute = "param_grid" if hasattr(search, "param_grid") else "param_distributions"
    grid = getattr(search, attribute)

    def renamed(tried: Any) -> Any:
        return {_renamed(name, search.estimator, inner): values for name, values in tried.items()}

    return {attribute: [renamed(tried) for tried in grid] if isinstance(grid, (list, tuple)) else renamed(grid)}


def _renamed(name: str, estimator: Any, wrapped: Any) -> str:
    """Return the name that a parameter of an estimator has once it is wrapped."""
    parameters = estimator.get_params()
    if name not in parameters or isinstance(estimator, AutoScaleBase):
        return name
    if isinstance(wrapped, AutoScaleBase):
        return f"estimator__{name}"
    step, _, rest = name.partition("__")
    return f"{step}__{_renamed(rest, parameters[step], wrapped.get_params()[step])}" if rest else name


def _wrapper(estimator: Any, kind: str | None) -> type[AutoScaleBase]:
    if kind in _KINDS:
        return _KINDS[kind]
    if hasattr(estimator, "transform") or hasattr(estimator, "fit_transform"):
        return AutoScaleTransformer
    return AutoScaleNeighbors if hasattr(estimator, "kneighbors") else AutoScaleEstimator
