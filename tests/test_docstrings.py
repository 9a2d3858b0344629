"""Public docstrings have the sections that a reader needs, and they match the code."""

import inspect

import pytest
from numpydoc.validate import validate

import skdist_gpu
import skdist_gpu.testing

# numpydoc's codes: missing docstring, summary, period, undocumented or unknown parameters, return, example
CLASS_CHECKS = {"GL08", "SS01", "SS03", "PR01", "PR02", "EX01"}
FUNCTION_CHECKS = CLASS_CHECKS | {"RT01"}
METHOD_CHECKS = {"GL08", "SS01"}


def _public() -> list[str]:
    names = [f"skdist_gpu.{name}" for name in skdist_gpu.__all__]
    return names + [f"skdist_gpu.testing.{name}" for name in skdist_gpu.testing.__all__]


def _methods() -> list[str]:
    return [
        f"skdist_gpu.{name}.{method}"
        for name in skdist_gpu.__all__
        if inspect.isclass(cls := getattr(skdist_gpu, name))
        for method, value in vars(cls).items()
        if callable(value) and not method.startswith("_") and not method.startswith("set_")
    ]


def _errors(name: str, checks: set[str]) -> list[str]:
    return [f"{code}: {text}" for code, text in validate(name)["errors"] if code in checks]


@pytest.mark.parametrize("name", _public())
def test_public_names(name):
    is_class = inspect.isclass(getattr(skdist_gpu, name.rpartition(".")[2], None))
    assert _errors(name, CLASS_CHECKS if is_class else FUNCTION_CHECKS) == []


@pytest.mark.parametrize("name", _methods())
def test_methods(name):
    assert _errors(name, METHOD_CHECKS) == []
