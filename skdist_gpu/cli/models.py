"""Estimators by name, and models in files."""

from __future__ import annotations

import json
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import click

from skdist_gpu.cli.errors import CommandError
from skdist_gpu.compose.names import find_class
from skdist_gpu.config import listed
from skdist_gpu.publish import published

# the member of a model's file that holds what `explain` tells; skops does not read it
EXPLANATION = "skdist_gpu/explanation.json"

param_option = click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="Parameter of the estimator; may be repeated."
)
trust_option = click.option(
    "--trust", multiple=True, metavar="TYPE", help="Type that MODEL may hold beside scikit-learn's own."
)


def parameter(text: str) -> tuple[str, Any]:
    """Read ``name=value``, the value as a Python literal or else as text."""
    import ast

    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is no parameter. Write name=value.")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def make_estimator(path: str, params: tuple[str, ...]) -> Any:
    """Return an estimator by its name, with the parameters of the command.

    Raises
    ------
    CommandError
        If the class has no such parameter.
    """
    cls, given = find_estimator(path), dict(map(parameter, params))
    known = signature(cls).parameters
    unknown = set(given) - set(known)
    if unknown and not any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known.values()):
        raise CommandError(f"{cls.__name__} has no parameter {listed(sorted(unknown))}; it has {', '.join(known)}.")
    return cls(**given)


def find_estimator(path: str) -> type:
    """Import a class of scikit-learn or XGBoost by its dotted name, or by its name alone.

    Raises
    ------
    CommandError
        If the library is not installed or has no such class.
    """
    module, _, name = path.rpartition(".")
    if not module:
        module = _module_of(name)
    if module.partition(".")[0] not in ("sklearn", "xgboost"):
        raise CommandError(f"{path!r} is not in sklearn or xgboost. Write sklearn.linear_model.Ridge.")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CommandError(f"{path!r} was not found: {error}.") from error
    if not (isinstance(found, type) and hasattr(found, "fit")):
        raise CommandError(f"{path!r} is no estimator.")
    return found


def _module_of(name: str) -> str:
    """Return the module of a class."""
    found, module = find_class(name)
    if found != name:
        hint = f" Did you mean {found}?" if found else ""
        raise CommandError(f"scikit-learn and XGBoost have no estimator {name!r}.{hint}")
    return module


def save_model(wrapped: Any, path: str) -> None:
    """Write the plain fitted estimator to a file of skops, and beside it in the file what `explain` tells."""
    from skdist_gpu import save

    explained = wrapped.explain()
    with published(path) as hidden:
        save(_without_wrapper(wrapped), hidden)
        with ZipFile(hidden, "a") as archive:
            archive.writestr(EXPLANATION, json.dumps({"text": str(explained), **explained.to_dict()}, default=str))


def _without_wrapper(wrapped: Any) -> Any:
    """Return the plain estimator, unless it predicts numbers for classes that only the wrapper knows."""
    plain = wrapped.estimator_
    same = list(getattr(wrapped, "classes_", ())) == list(getattr(plain, "classes_", ()))
    return plain if same else wrapped


def load_model(path: str, trust: tuple[str, ...]) -> Any:
    """Read a model.

    Raises
    ------
    CommandError
        If the file is none of skops, or holds types that nobody trusted.
    """
    from skops.io.exceptions import UntrustedTypesFoundException

    from skdist_gpu import load

    try:
        return load(path, trust)
    except BadZipFile as error:
        raise CommandError(f"{path} is no file of skops, as `skdist-gpu fit` writes them: {error}.") from error
    except UntrustedTypesFoundException as error:
        raise CommandError(f"{error} Name each with --trust if you know where {path} is from.") from error


def explanation_in(path: str) -> dict[str, Any]:
    """Return what the fit of a model in a file decided; no model is loaded.

    Raises
    ------
    CommandError
        If the file is none of skops, or tells nothing.
    """
    try:
        with ZipFile(path) as archive:
            if EXPLANATION in archive.namelist():
                return json.loads(archive.read(EXPLANATION))
    except BadZipFile as error:
        raise CommandError(f"{path} is no file of skops, as `skdist-gpu fit` writes them: {error}.") from error
    name = Path(path).name
    raise CommandError(f"{name} does not tell how it was fitted: only files that `skdist-gpu fit` wrote do.")
