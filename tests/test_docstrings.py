"""Public docstrings have the sections that a reader needs, and they match the code."""

import inspect
import re

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import skdist_gpu
import skdist_gpu.plots
import skdist_gpu.testing

# numpydoc's codes: missing docstring, summary, period, undocumented or unknown parameters, return, example
CLASS_CHECKS = {"GL08", "SS01", "SS03", "PR01", "PR02", "EX01"}
FUNCTION_CHECKS = CLASS_CHECKS | {"RT01"}


def _public() -> list[str]:
    names = [f"skdist_gpu.{name}" for name in skdist_gpu.__all__]
    for module in (skdist_gpu.testing, skdist_gpu.plots):
        names += [f"{module.__name__}.{name}" for name in module.__all__]
    return names


def _methods() -> list[tuple[str, str]]:
    """Return the public methods of public classes, also inherited ones; those of scikit-learn are documented there."""
    found = {}
    for name in skdist_gpu.__all__:
        cls = getattr(skdist_gpu, name)
        if not inspect.isclass(cls):
            continue
        for method in dir(cls):
            if method.startswith(("_", "set_", "get_metadata")):
                continue
            owner = next(base for base in cls.__mro__ if method in vars(base))
            if owner.__module__.startswith("skdist_gpu.") and callable(getattr(cls, method, None)):
                found.setdefault((owner.__qualname__, method), f"{cls.__name__}.{method}")
    return sorted((where, name) for (where, _), name in found.items())


def _errors(name: str, checks: set[str]) -> list[str]:
    return [f"{code}: {text}" for code, text in validate(name)["errors"] if code in checks]


@pytest.mark.parametrize("name", _public())
def test_public_names(name):
    is_class = inspect.isclass(getattr(skdist_gpu, name.rpartition(".")[2], None))
    assert _errors(name, CLASS_CHECKS if is_class else FUNCTION_CHECKS) == []


@pytest.mark.parametrize("name", [name for _, name in _methods()])
def test_methods_tell_parameters_shapes_and_what_they_return(name):
    cls, _, method = name.partition(".")
    function = getattr(getattr(skdist_gpu, cls), method)
    text = inspect.cleandoc(function.__doc__ or "")
    assert text.splitlines()[:1], f"{name} has no docstring"
    assert text.splitlines()[0].endswith("."), f"the summary of {name} ends with no period"
    sections = NumpyDocString(text)
    known = {part.strip().lstrip("*") for entry in sections["Parameters"] for part in entry.name.split(",")}
    wanted = {p for p in inspect.signature(function).parameters if p not in ("self", "params")}
    assert wanted <= known, f"{name} does not document {sorted(wanted - known)}"
    returns = inspect.signature(function).return_annotation
    if returns not in (None, "None"):
        assert sections["Returns"] or sections["Yields"], f"{name} does not say what it returns"
    for entry in sections["Parameters"]:
        if entry.name in ("X", "y"):
            assert re.search(r"of shape|as in", entry.type), f"{name} gives no shape of {entry.name}"
