"""Replace methods of scikit-learn's own classes, and put them back.

Only the exact class is touched: a subclass that inherits a replaced method runs scikit-learn's. Modules of
scikit-learn that are imported later are treated when they are, so that the order of imports does not matter.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from inspect import getattr_static, isabstract, isfunction, signature
from types import ModuleType
from typing import Any

from sklearn.base import BaseEstimator

from skdist_gpu._compat.sklearn import is_conditional
from skdist_gpu._compat.sklearn_parameters import parameter_names

FITS = ("fit", "fit_transform", "fit_predict")
SCORES = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "mahalanobis",
    "transform",
    "inverse_transform",
    "kneighbors",
    "radius_neighbors",
    "score",
)
# parameters that hold what the user made: its own methods are planned, not those of what holds it
_HOLDERS = frozenset(
    {"estimator", "estimators", "steps", "transformers", "transformer_list", "regressor", "classifier", "func"}
)

Method = Callable[..., Any]


class Replacement:
    """The methods that were replaced, and what they were.

    Parameters
    ----------
    wrap : callable
        Takes a class, the name of a method and scikit-learn's function; returns the one to put in its place.
    wants : callable, default=is_estimator
        Takes a class of scikit-learn; whether its methods are replaced.
    """

    def __init__(
        self, wrap: Callable[[type, str, Method], Method], wants: Callable[[type], bool] | None = None
    ) -> None:
        self._wrap = wrap
        self._wants = wants or is_estimator
        self._replaced: list[tuple[type, str, Any]] = []
        self._originals: dict[Method, Method] = {}
        self._finder = _AfterImport(self._replace_in)

    def start(self) -> None:
        """Replace the methods of what is imported, and of what will be."""
        for module in list(sys.modules.values()):
            if isinstance(module, ModuleType):
                self._replace_in(module)
        sys.meta_path.insert(0, self._finder)

    def stop(self) -> None:
        """Put back what was there."""
        sys.meta_path.remove(self._finder)
        for cls, name, own in reversed(self._replaced):
            if own is None:
                delattr(cls, name)
            else:
                setattr(cls, name, own)
        self._replaced.clear()
        self._originals.clear()

    def _replace_in(self, module: ModuleType) -> None:
        if not module.__name__.startswith("sklearn."):
            return
        for cls in list(vars(module).values()):
            if isinstance(cls, type) and cls.__module__ == module.__name__ and self._wants(cls):
                for name in (*FITS, *SCORES):
                    self._replace(cls, name)

    def _replace(self, cls: type, name: str) -> None:
        found = getattr_static(cls, name, None)
        conditional = is_conditional(found)
        function = found.fn if conditional else found  # type: ignore[union-attr]
        if not isfunction(function) or not _takes_rows(function):
            return
        original = self._originals.get(function, function)  # of a parent that was replaced
        new = self._wrap(cls, name, original)
        self._originals[new] = original
        self._replaced.append((cls, name, vars(cls).get(name)))
        if conditional:  # there only for some parameters
            descriptor = copy(found)
            descriptor.fn = new  # type: ignore[union-attr]
            setattr(cls, name, descriptor)
        else:
            setattr(cls, name, new)


def is_estimator(cls: type) -> bool:
    """Whether a class is a public estimator of rows that holds no other estimator."""
    if not issubclass(cls, BaseEstimator) or cls.__name__.startswith("_") or isabstract(cls):
        return False
    return hasattr(cls, "fit") and _HOLDERS.isdisjoint(parameter_names(cls))


@cache
def _takes_rows(function: Method) -> bool:
    names = list(signature(function).parameters)[1:2]
    return names == ["X"]


class _AfterImport(MetaPathFinder):
    """Finds modules of scikit-learn as the other finders do, and hands each to a function once it is there."""

    def __init__(self, then: Callable[[ModuleType], None]) -> None:
        self._then = then

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not name.startswith("sklearn."):
            return None
        specs = (spec for finder in self._others() if (spec := finder.find_spec(name, path, target)) is not None)
        spec = next(specs, None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._then)
        return spec

    def _others(self) -> Iterator[Any]:
        return (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))


class _Loader(Loader):
    """Loads a module as its own loader does, which the module then has."""

    def __init__(self, loader: Any, then: Callable[[ModuleType], None]) -> None:
        self._loader, self._then = loader, then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then(module)
