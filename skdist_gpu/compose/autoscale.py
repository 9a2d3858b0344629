"""Wrap any scikit-learn object, step by step."""

from __future__ import annotations

from copy import copy
from functools import cache
from importlib import import_module
from typing import Any

from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skdist_gpu._compat.dask_ml_searches import mend_searches
from skdist_gpu._compat.sklearn import unfitted, with_requests_of
from skdist_gpu._compat.sklearn_parameters import parameter_names
from skdist_gpu.base import AutoScaleBase
from skdist_gpu.compose.children import children, is_estimator, replace_children
from skdist_gpu.compose.methods import add_methods
from skdist_gpu.compose.names import find_class
from skdist_gpu.compose.plain import unwrap
from skdist_gpu.compose.plan import CompositePlan, plan_of
from skdist_gpu.compose.report import CompositeReport, report_of
from skdist_gpu.compose.scoring_plan import scoring_plan_of
from skdist_gpu.data.inspect import described_input, inspect_input
from skdist_gpu.engines.registry import entries_for, matches
from skdist_gpu.estimators import (
    AutoScaleClassifier,
    AutoScaleClusterer,
    AutoScaleEstimator,
    AutoScaleNeighbors,
    AutoScaleOutlierDetector,
    AutoScaleRegressor,
    AutoScaleTransformer,
)
from skdist_gpu.hardware.detect import Resources
from skdist_gpu.scoring.mixin import came_fitted

_OPTIONS = ("backend", "fallback", "precision", "memory_budget", "progress")
_PREFIX = "AutoScale"
# what scikit-learn has that holds estimators, and where
HOLDERS = {
    "calibration": ("CalibratedClassifierCV",),
    "compose": ("ColumnTransformer", "TransformedTargetRegressor"),
    "ensemble": (
        *("AdaBoostClassifier", "AdaBoostRegressor", "BaggingClassifier", "BaggingRegressor", "StackingClassifier"),
        *("StackingRegressor", "VotingClassifier", "VotingRegressor"),
    ),
    "feature_selection": ("RFE", "RFECV", "SelectFromModel", "SequentialFeatureSelector"),
    "frozen": ("FrozenEstimator",),
    "impute": ("IterativeImputer",),
    "linear_model": ("RANSACRegressor",),
    "model_selection": (
        *("FixedThresholdClassifier", "GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"),
        *("RandomizedSearchCV", "TunedThresholdClassifierCV"),
    ),
    "multiclass": ("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier"),
    "multioutput": ("ClassifierChain", "MultiOutputClassifier", "MultiOutputRegressor", "RegressorChain"),
    "pipeline": ("FeatureUnion", "Pipeline"),
    "semi_supervised": ("SelfTrainingClassifier",),
}
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
    if isinstance(obj, (AutoScaleBase, Composite)):
        return obj
    if not is_estimator(obj):
        raise TypeError(
            f"autoscale() takes a scikit-learn estimator, not {type(obj).__name__}: {obj!r:.80}.{_hint(obj)}"
        )
    if any(children(obj)) and not _is_fitted_whole(obj, options):
        return _composite(obj, options)
    tags = get_tags(obj)
    inner = copy(obj) if came_fitted(obj) else unfitted(obj)
    # LabelEncoder and LabelBinarizer transform a target, and have no X
    if tags.target_tags.one_d_labels:
        return inner
    return with_requests_of(obj, _wrapper(obj, tags.estimator_type)(inner, **options))


def _hint(obj: Any) -> str:
    """Say what to write where the class of an estimator was given, or its name."""
    if isinstance(obj, type):
        return f" That is a class: write autoscale({obj.__name__}())." if hasattr(obj, "fit") else ""
    if not isinstance(obj, str):
        return ""
    name, module = find_class(obj)
    return f" Write autoscale({name}()), after from {module} import {name}." if name else ""


class Composite:
    """What an object that holds estimators has beside its own methods once each of them is wrapped.

    Its class is made from that of the object, so that it keeps all parameters, methods and meanings. What is set as
    a parameter later is wrapped as what was there before.
    """

    plain_class: type

    def set_params(self, **params: Any) -> Any:
        """Set parameters by the names that the plain object has; estimators among them are wrapped."""
        options = _options_of(self)
        super().set_params(**params)  # type: ignore[misc]
        _wrap_children(self, options)
        return self

    def plan(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        method: str = "fit",
        shape: tuple[int, int] | None = None,
        dtype: str = "float64",
        resources: Resources | None = None,
    ) -> CompositePlan:
        """Tell what `fit` would do, or another method, with a line for each estimator inside; computes nothing.

        Parameters as of :meth:`AutoScaleRegressor.plan`. What a step gives to the next one is foreseen.
        """
        if (X is None) == (shape is None):
            raise ValueError("plan() takes either X or shape=(n_samples, n_features).")
        info = inspect_input(X, y, sample_weight) if shape is None else described_input(shape, dtype)
        if method == "fit":
            return plan_of(self, info, resources)
        check_is_fitted(self)
        return scoring_plan_of(self, method, info, resources)

    def explain(self) -> CompositeReport:
        """Return the engine of each estimator inside, predicted against measured."""
        check_is_fitted(self)
        return report_of(self)

    def __getattr__(self, name: str) -> Any:
        """Answer ``estimator_``, the fitted plain object, and ``report_``, where the object has none itself."""
        if name in ("estimator_", "report_") and came_fitted(self):
            return unwrap(self) if name == "estimator_" else report_of(self)
        if hasattr(super(), "__getattr__"):
            return super().__getattr__(name)  # type: ignore[misc]
        return object.__getattribute__(self, name)  # raises the first error again, which tells what is missing and why

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _empty, (self.plain_class,), self.__getstate__()


@cache
def _composite_class(plain: Any) -> type:
    """Return the class of composites of a class of scikit-learn's, or of another library."""
    mend_searches(plain)
    members = {"__doc__": plain.__doc__, "__module__": __name__, "plain_class": plain}
    cls = type(f"{_PREFIX}{plain.__name__}", (Composite, plain), members)
    add_methods(cls, plain)
    return cls


def _composite(obj: Any, options: dict[str, Any]) -> Any:
    """Return a copy of an object that holds estimators, each wrapped; a fitted one stays fitted, as do those in it."""
    new = _empty(type(obj))
    vars(new).update(vars(obj))
    _wrap_children(new, options)
    for name, value in obj.get_params(deep=False).items():
        if getattr(new, name) is value:
            setattr(new, name, clone(value, safe=False))
    return new


def _empty(plain: type) -> Any:
    """Return a composite without its state."""
    return object.__new__(_composite_class(plain))


def __getattr__(name: str) -> Any:
    """Return the composite of scikit-learn's class of a name, such as ``AutoScalePipeline``, for who looks it up."""
    plain = name.removeprefix(_PREFIX)
    for module, names in HOLDERS.items():
        if name.startswith(_PREFIX) and plain in names:
            return _composite_class(getattr(import_module(f"sklearn.{module}"), plain))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _wrap_children(obj: Any, options: dict[str, Any]) -> None:
    """Wrap the estimators inside an object, for their `transform` where nothing else of them is called.

    Some that transform predict, too, as LinearDiscriminantAnalysis does.
    """

    def wrap(child: Any, only_transforms: bool) -> Any:
        wrapped = autoscale(child, **options)
        predicts = isinstance(wrapped, (AutoScaleClassifier, AutoScaleRegressor))
        if only_transforms and predicts and hasattr(child, "transform"):
            return with_requests_of(child, AutoScaleTransformer(wrapped.estimator, **options))
        return wrapped

    replace_children(obj, wrap)


def _options_of(obj: Any) -> dict[str, Any]:
    """Return the options, such as ``backend``, with which the estimators inside an object were wrapped."""
    for _, child, _ in children(obj):
        if isinstance(child, AutoScaleBase):
            return {name: getattr(child, name) for name in _OPTIONS if name in parameter_names(type(child))}
        if isinstance(child, Composite):
            return _options_of(child)
    return {}


def _is_fitted_whole(obj: Any, options: dict[str, Any]) -> bool:
    """Whether an engine was asked for by name that fits the object as one, and not what is inside it."""
    backend = options.get("backend", "auto")
    return backend != "auto" and any(entry.explicit and matches(entry, backend) for entry in entries_for(obj))


def _wrapper(estimator: Any, kind: str | None) -> type[AutoScaleBase]:
    if kind in _KINDS:
        return _KINDS[kind]
    if hasattr(estimator, "transform") or hasattr(estimator, "fit_transform"):
        return AutoScaleTransformer
    return AutoScaleNeighbors if hasattr(estimator, "kneighbors") else AutoScaleEstimator
