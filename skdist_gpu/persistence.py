"""Save a fitted estimator to a file, and load it without running code from the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_OWN_TYPES = [
    *(f"skdist_gpu.estimators.AutoScale{kind}" for kind in ("Classifier", "Clusterer", "Regressor", "Transformer")),
    *(f"skdist_gpu.xgb.estimators.AutoScaleXGB{kind}" for kind in ("", "Classifier", "Ranker", "Regressor")),
    "skdist_gpu.planning.plan.Candidate",
    "skdist_gpu.planning.plan.Plan",
    "skdist_gpu.info.report.Report",
]


def save(estimator: Any, path: str | Path) -> None:
    """Write an estimator to a file in the format of skops.

    Parameters
    ----------
    estimator : estimator
        Fitted or not; an AutoScale estimator or any of scikit-learn's.
    path : str or Path
        File to write, by habit with the ending ``.skops``.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdist_gpu import AutoScaleRegressor, save
    >>> save(AutoScaleRegressor(), os.path.join(tempfile.mkdtemp(), "model.skops"))
    """
    import skops.io

    skops.io.dump(estimator, path)


def load(path: str | Path, trusted: tuple[str, ...] = ()) -> Any:
    """Read an estimator that :func:`save` wrote; needs no GPU package.

    Parameters
    ----------
    path : str or Path
        File to read.
    trusted : tuple of str
        Types beyond scikit-learn's and the package's own that the file may hold, such as
        ``"xgboost.sklearn.XGBRegressor"``.

    Returns
    -------
    estimator

    Raises
    ------
    UntrustedTypesFoundException
        skops's own error, naming the types that the file holds and nobody trusted.

    Examples
    --------
    >>> import os, tempfile
    >>> from skdist_gpu import AutoScaleRegressor, load, save
    >>> path = os.path.join(tempfile.mkdtemp(), "model.skops")
    >>> save(AutoScaleRegressor().fit([[0.0], [1.0]], [0.0, 2.0]), path)
    >>> load(path).predict([[2.0]]).round(6).tolist()
    [4.0]
    """
    import skops.io

    return skops.io.load(path, trusted=[*_OWN_TYPES, *trusted])
