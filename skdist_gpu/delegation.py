"""Show of an AutoScale estimator what the wrapped one has: its methods, its parameters, the arguments of `fit`."""

from __future__ import annotations

from functools import partial, update_wrapper
from inspect import Signature, signature
from typing import Any

from skdist_gpu._compat.sklearn_parameters import parameter_names


def estimator_has(*methods: str) -> Any:
    """Make a check for ``available_if``: the wrapped estimator has the method, or one of several."""

    def check(self: Any) -> bool:
        plain = self._plain_estimator()
        return any(hasattr(plain, method) for method in methods)

    return check


class ParameterNames:
    """Accept and answer every parameter by the name that it has in the wrapped estimator, too.

    ``alpha`` and ``estimator__alpha`` are the same parameter. Where both the wrapper and what it wraps have a name,
    such as ``estimator`` of a BaggingRegressor, it is the wrapper's, and ``estimator__estimator`` the other one.
    """

    def _wrapped(self) -> Any:
        """Return the estimator whose parameters these are: one of the default kind, if none was given; None without."""
        inner = self.__dict__.get("estimator")
        if inner is not None:
            return inner
        try:
            return self._make_estimator()  # type: ignore[attr-defined]
        except TypeError:  # this kind has no default
            return None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters: with `deep` those of the wrapped estimator under their own names, too.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the wrapped estimator's.

        Returns
        -------
        dict
            Names, and their values.
        """
        # as scikit-learn's own, which reads the signature each time
        own = {name: getattr(self, name) for name in parameter_names(type(self))}
        if not deep or "estimator" not in own:
            return own
        inner = self._wrapped()
        if not hasattr(inner, "get_params") or isinstance(inner, type):
            return own
        theirs = inner.get_params(deep=True)
        # a meta-estimator draws a seed for each one that is listed, so that one must not be listed twice
        long = {f"estimator__{name}": value for name, value in theirs.items() if not _is_seed(name) or name in own}
        return theirs | long | own

    def set_params(self, **params: Any) -> Any:
        """Set parameters of this estimator, or of the wrapped one by their own names.

        Parameters
        ----------
        **params : dict
            Such as ``alpha=1.0``, which ``estimator__alpha=1.0`` means as well.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            scikit-learn's own, for a name that neither has.
        """
        names = parameter_names(type(self))
        if "estimator" not in names:
            return super().set_params(**params)  # type: ignore[misc]
        for name in [name for name in params if name in names]:
            setattr(self, name, params.pop(name))
        if not params:
            return self
        inner = self._wrapped()
        if inner is None:
            return super().set_params(**params)  # type: ignore[misc]
        theirs = inner.get_params(deep=True)
        inner.set_params(**{_name_in(theirs, name): value for name, value in params.items()})
        self.__dict__["estimator"] = inner
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a parameter of the wrapped estimator where it is set as an attribute."""
        inner = None if _is_state(name) else self.__dict__.get("estimator")
        if inner is None or name in parameter_names(type(self)) or name not in parameter_names(type(inner)):
            super().__setattr__(name, value)
        else:
            setattr(inner, name, value)


def _is_state(name: str) -> bool:
    return name.startswith("_") or name.endswith("_")


def _is_seed(name: str) -> bool:
    return name.rpartition("__")[2] == "random_state"


def _name_in(parameters: dict[str, Any], name: str) -> str:
    """Return the name of a parameter in the wrapped estimator, given with ``estimator__`` before it or without."""
    head, _, rest = name.partition("__")
    return rest if head == "estimator" and (rest.partition("__")[0] in parameters or head not in parameters) else name


class FitMethod:
    """`fit`, showing ``sample_weight`` in its signature only where the wrapped estimator takes it.

    scikit-learn's meta-estimators read that signature to decide whether to pass weights.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        update_wrapper(self, function)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.function
        return update_wrapper(_BoundFit(self.function, instance), self.function)


class _BoundFit(partial):
    """`fit` of one instance; its signature is worked out when it is asked for, not at each fit."""

    @property
    def __signature__(self) -> Signature:
        whole, instance = signature(self.func), self.args[0]
        hidden = set() if instance._takes_weights() else {"sample_weight"}
        shown = [p for p in list(whole.parameters.values())[1:] if p.name not in hidden]
        return whole.replace(parameters=shown)
