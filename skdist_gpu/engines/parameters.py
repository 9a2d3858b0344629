"""What scikit-learn's own `fit` says of parameters, said by every engine.

Its estimators check parameters against each other, raise and warn, before they read the data. So an engine that fits
in another way first calls `fit` with data that stop it at the first look.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any, NoReturn

import scipy.sparse
from sklearn.exceptions import ConvergenceWarning

from skdist_gpu._compat.sklearn import unfitted
from skdist_gpu.engines.protocol import FitJob


class _FirstLook(BaseException):
    """Raised when data are read; no `except Exception` on the way may catch it."""


class _Unread:
    """Data that raise as soon as anything but their class is asked for."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return _Unread
        raise _FirstLook

    def _stop(self, *_: Any) -> NoReturn:
        raise _FirstLook

    # Python looks these up on the class
    __len__ = __iter__ = __getitem__ = __array__ = _stop


class _UnreadSparse(_Unread):
    """The same, in place of a sparse matrix, since some checks ask whether `X` is one."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return scipy.sparse.csr_array
        raise _FirstLook


def check_as_scikit_learn(job: FitJob) -> None:
    """Raise and warn as scikit-learn does of the parameters of a job's estimator."""
    if not type(job.estimator).__module__.startswith("sklearn."):
        return
    X = _UnreadSparse() if job.info.sparse else _Unread()
    y = None if job.y is None else _Unread()
    arguments = {} if job.sample_weight is None else {"sample_weight": _Unread()}
    with suppress(_FirstLook):
        unfitted(job.estimator).fit(X, y, **arguments)


def warn_of_few_clusters(n_found: int, n_clusters: int) -> None:
    """Warn as scikit-learn's k-means does where some clusters have no rows."""
    if n_found < n_clusters:
        warnings.warn(
            f"Number of distinct clusters ({n_found}) found smaller than n_clusters ({n_clusters}). "
            "Possibly due to duplicate points in X.",
            ConvergenceWarning,
            stacklevel=2,
        )
