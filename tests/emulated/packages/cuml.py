"""What cuML 26.10 does otherwise than scikit-learn, done by scikit-learn itself on the processor.

It keeps the rows of neighbours in float32, says nothing of steps that ran out, and raises in its own words.
"""

import sys
import warnings
from types import ModuleType

import numpy as np
from sklearn import linear_model, neighbors, svm

SMO = "exception occurred! file=/cuml/cpp/src/svm/smosolver.h line=313: SMO error: NaN found during fitting.\n"


class UnsupportedOnGPU(Exception):
    """Parameters that cuML does not take."""


class UnsupportedOnCPU(Exception):
    """Models that cuML does not convert."""


class _Twin:
    """A class that cuML converts from and to scikit-learn's, and that learns what that learns."""

    plain = None

    def __init__(self, **params):
        self.params = params

    @classmethod
    def _params_from_cpu(cls, model):
        return model.get_params(deep=False)

    def fit(self, X, *y, **options):
        with warnings.catch_warnings(action="ignore"):
            self.fitted = self.plain(**self.params).fit(X.get(), *y, **options)
        return self

    def as_sklearn(self):
        return self.fitted


class LogisticRegression(_Twin):
    plain = linear_model.LogisticRegression


class LinearRegression(_Twin):
    plain = linear_model.LinearRegression

    def fit(self, X, y):
        if len(X) == 1:
            raise ValueError("Found array with 1 sample(s) (shape=(1, 8)) while a minimum of 2 is required.")
        return super().fit(X, y)


class Ridge(_Twin):
    plain = linear_model.Ridge

    def fit(self, X, y):
        if np.size(self.params["alpha"]) > 1:
            raise ValueError("Number of targets and number of penalties do not correspond: 1 != 2")
        return super().fit(X, y)


class NearestNeighbors(_Twin):
    plain = neighbors.NearestNeighbors

    def fit(self, X):
        return super().fit(X.astype(np.float32))


class SVR(_Twin):
    plain = svm.SVR

    def fit(self, X, y):
        if float(X.max()) > 1e300:  # whose square is none
            raise RuntimeError(f"{SMO}Obtained 48 stack frames\n#1 in libcuml.so(+0x63fda4)")
        return super().fit(X, y)


class Normalizer:
    """Learns nothing, and checks the values."""

    def __init__(self, **params):
        pass

    def _get_param_names(self):
        return ["norm", "copy"]

    def fit(self, X):
        if np.isnan(float(X.sum())):
            raise ValueError("Input X contains NaN.")
        return self


class OrdinalEncoder:
    """Holds columns as cuDF does."""

    def fit(self, X):
        for column in X.columns:
            if X[column].dtype == object and not all(isinstance(value, str) for value in X[column]):
                raise TypeError("An object dtype X argument must be composed of strings, numbers, booleans, or nulls.")
        self.categories_ = [np.unique(X[column]) for column in X.columns]
        return self


_MODULES = {
    "internals.interop": (UnsupportedOnGPU, UnsupportedOnCPU),
    "linear_model": (LinearRegression, LogisticRegression, Ridge),
    "neighbors": (NearestNeighbors,),
    "svm": (SVR,),
    "preprocessing": (Normalizer, OrdinalEncoder),
}
for _name, _classes in _MODULES.items():
    _module = sys.modules[f"cuml.{_name}"] = ModuleType(_name)
    vars(_module).update({cls.__name__: cls for cls in _classes})
