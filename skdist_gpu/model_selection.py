"""Model selection on rows in any container: scikit-learn's names and meaning, also for Dask collections and files.

scikit-learn takes rows by number, which Dask frames, datasets and queries do not have. Here such rows are read once and
gathered where they, with the copies of folds, fit into main memory. A Dask collection or files that do not fit become a
Dask array, of which folds are taken lazily: one reading tells the sums of all folds, and what is not fitted from sums
reads the blocks again for each fit. Rows of a query, of a filter or of CSV files, which have no number, are written
once to a temporary Parquet file then. Estimators are wrapped by :func:`skdist_gpu.autoscale`, and all fits share what
they can of a fold: its sums, and the fitted steps of a pipeline before the last.

The splitters are scikit-learn's own: they number rows, and look at the target and groups only, which are gathered.

Examples
--------
>>> import dask.dataframe as dd
>>> import pandas as pd
>>> from sklearn.linear_model import Ridge
>>> from skdist_gpu.model_selection import cross_val_score
>>> frame = dd.from_pandas(pd.DataFrame({"a": range(20), "b": [1.0, 0.0] * 10}), npartitions=2)
>>> scores = cross_val_score(Ridge(), frame, frame["a"] + frame["b"], cv=4)
>>> scores.shape
(4,)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from sklearn import model_selection as _sklearn
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  makes the halving searches importable
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)

from skdist_gpu.compose.autoscale import autoscale
from skdist_gpu.compose.searches import call_sharing, fit_search
from skdist_gpu.config import configured_budget
from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.gather import FILES, column_of, gather, n_rows, take
from skdist_gpu.hardware.detect import detect_resources

__all__ = [
    "GridSearchCV",
    "GroupKFold",
    "GroupShuffleSplit",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "KFold",
    "LeaveOneGroupOut",
    "PredefinedSplit",
    "RandomizedSearchCV",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
    "ShuffleSplit",
    "StratifiedGroupKFold",
    "StratifiedKFold",
    "StratifiedShuffleSplit",
    "TimeSeriesSplit",
    "cross_val_predict",
    "cross_val_score",
    "cross_validate",
    "learning_curve",
    "permutation_test_score",
    "train_test_split",
    "validation_curve",
]

_MORE = """

    This is scikit-learn's function for rows in any container. `estimator` may be a plain one, which is wrapped by
    :func:`skdist_gpu.autoscale`. Where `X` is a pyarrow dataset or a Polars query, `y` and `groups` name columns of it.
    """


def _free_bytes() -> int:
    return configured_budget() or detect_resources().available_bytes


def _for_any_rows(plain: Any) -> Callable[..., Any]:
    """Return one of scikit-learn's functions, for rows in any container."""

    @wraps(plain)
    def function(estimator: Any, X: Any, y: Any = None, *, groups: Any = None, **options: Any) -> Any:
        with gather(X, y, groups, _free_bytes()) as rows:
            if rows.groups is not None:
                options["groups"] = rows.groups
            found = call_sharing(plain, autoscale(estimator), rows.X, rows.y, **options)
            # predictions for Dask stay lazy; what was written of files is about to be removed
            return to_host(found) if rows.folder is not None and container_of(found) in DASK else found

    first, _, rest = (plain.__doc__ or "").partition("\n")
    function.__doc__ = first + _MORE.rstrip() + "\n" + rest
    return function


cross_val_predict = _for_any_rows(_sklearn.cross_val_predict)
cross_val_score = _for_any_rows(_sklearn.cross_val_score)
cross_validate = _for_any_rows(_sklearn.cross_validate)
learning_curve = _for_any_rows(_sklearn.learning_curve)
permutation_test_score = _for_any_rows(_sklearn.permutation_test_score)
validation_curve = _for_any_rows(_sklearn.validation_curve)


class _OfAnyRows:
    """A search of scikit-learn's that takes rows in any container, and wraps its estimator while it fits."""

    estimator: Any

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Search.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows; Dask collections, datasets and queries are read once.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target; the name of a column where `X` is a dataset or query.
        **params : dict
            As scikit-learn's search takes them.

        Returns
        -------
        self : object
        """
        given, plain_fit = self.estimator, super().fit  # type: ignore[misc]
        self.estimator = autoscale(given)
        try:
            with gather(X, y, params.pop("groups", None), _free_bytes()) as rows:
                if rows.groups is not None:
                    params["groups"] = rows.groups
                return fit_search(self, plain_fit, rows.X, rows.y, **params)
        finally:
            self.estimator = given


class GridSearchCV(_OfAnyRows, _sklearn.GridSearchCV):
    __doc__ = _sklearn.GridSearchCV.__doc__


class RandomizedSearchCV(_OfAnyRows, _sklearn.RandomizedSearchCV):
    __doc__ = _sklearn.RandomizedSearchCV.__doc__


class HalvingGridSearchCV(_OfAnyRows, _sklearn.HalvingGridSearchCV):
    __doc__ = _sklearn.HalvingGridSearchCV.__doc__


class HalvingRandomSearchCV(_OfAnyRows, _sklearn.HalvingRandomSearchCV):
    __doc__ = _sklearn.HalvingRandomSearchCV.__doc__


def train_test_split(*arrays: Any, **options: Any) -> list[Any]:
    """Split rows in any container into training and test rows.

    Parameters
    ----------
    *arrays : containers of n_samples rows
        Dask collections, pyarrow datasets and Polars queries give what is lazy as well: the rows that scikit-learn
        would choose, in the order that they have there; other containers what scikit-learn gives.
    **options : dict
        ``test_size``, ``train_size``, ``random_state``, ``shuffle`` and ``stratify`` as scikit-learn takes them; of a
        dataset or query, `stratify` is the name of a column.

    Returns
    -------
    list
        Training and test rows of each container.

    Raises
    ------
    ValueError
        scikit-learn's own, such as for containers of different lengths.

    Examples
    --------
    >>> import dask.array as da
    >>> X = da.arange(10, chunks=5)
    >>> train, test = train_test_split(X, test_size=3, random_state=0)
    >>> test.compute().tolist()
    [2, 4, 8]
    """
    lazy = next((data for data in arrays if container_of(data) in (*DASK, *FILES)), None)
    if lazy is None:
        found: list[Any] = _sklearn.train_test_split(*arrays, **options)
        return found
    lengths = [len(data) if type(data) in (list, tuple) else n_rows(data) for data in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {lengths}")
    if isinstance(options.get("stratify"), str):
        options["stratify"] = column_of(lazy, options["stratify"])
    elif options.get("stratify") is not None:
        options["stratify"] = to_host(options["stratify"])
    parts = _sklearn.train_test_split(np.arange(lengths[0]), **options)
    return [take(data, numbers) for data in arrays for numbers in parts]
