"""The methods of AutoScale estimators that score rows: predict, transform and their relatives."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdist_gpu.data.row_sets import RowSet, plain_values
from skdist_gpu.delegation import estimator_has
from skdist_gpu.engines.block_method import BlockMethod, ModelCopies
from skdist_gpu.planning.scored import kept_size
from skdist_gpu.scoring.apply import apply_to
from skdist_gpu.scoring.methods import block_method
from skdist_gpu.sharing import squared_errors

# values of an array, times what the model keeps, that go to the estimator without a look at how to score them best
SMALL = 2**16
# rows that go there whatever the model keeps
FEW = 32


def came_fitted(estimator: Any) -> bool:
    """Whether an estimator has learned from rows, as scikit-learn's `check_is_fitted` tells."""
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        return False
    if not get_tags(estimator).requires_fit:  # such as a Gaussian process, which predicts without a fit, too
        return any(name.endswith("_") and not name.startswith("_") for name in vars(estimator))
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


class ScoringMixin:
    """Call the methods of the plain fitted estimator on data in any container."""

    def _known_fitted(self) -> Any:
        """Return the plain fitted estimator: of the last fit, or the wrapped one where it came fitted; else None.

        scikit-learn's `check_is_fitted` decides whether it did. ``clone`` makes unfitted copies of both, and a fit of
        the wrapper takes such a copy, so that the wrapped one stays as it came.
        """
        if "estimator_" in self.__dict__:
            return self.__dict__["estimator_"]
        wrapped = self.__dict__.get("estimator")
        return wrapped if wrapped is not None and came_fitted(wrapped) else None

    def _fitted(self) -> Any:
        """Return the plain fitted estimator; of one that learns nothing, such as a Normalizer, any will do."""
        fitted = self._known_fitted()
        if fitted is None:
            if not get_tags(self).requires_fit:
                return clone(self._make_estimator())  # type: ignore[attr-defined]
            self._check_fitted()
        return fitted

    def _check_fitted(self) -> None:
        if self._known_fitted() is None:
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with appropriate "
                "arguments before using this estimator."
            )

    def _block_method(self, method: str, **params: Any) -> BlockMethod:
        """Return a method of the plain fitted estimator as a function of a block of rows."""
        copies = self.__dict__.setdefault("_copies", ModelCopies())
        known = self.__dict__.get("_labels"), params, copies, self._budget()  # type: ignore[attr-defined]
        return block_method(self._fitted(), method, *known)

    def _call(self, method: str, X: Any, **params: Any) -> Any:
        """Call a method of the plain estimator on data in any container."""
        if isinstance(X, RowSet):
            if method == "transform":
                return X.through(self._fitted(), partial(apply_to, self._block_method(method, **params)))
            X = X.to_host(self)
        function = self._block_method(method, **params)
        few = type(X) is np.ndarray and X.size < SMALL
        small = few and (X.shape[0] <= FEW or X.size * kept_size(function.estimator) < SMALL)
        return function(X) if small else apply_to(function, X)

    @available_if(estimator_has("predict"))
    def predict(self, X: Any, **params: Any) -> Any:
        """Predict the target of each row of `X`.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            NumPy, pandas, Polars, Arrow and SciPy give what scikit-learn gives; Dask gives a lazy
            Dask collection, CuPy and cuDF a CuPy array. A pyarrow dataset or Polars query gives record
            batches, which are computed anew each time that they are read, by ``numpy.asarray``, too;
            :func:`predict_to_parquet` keeps them.
        **params : dict
            Further arguments for the estimator's own `predict`.

        Returns
        -------
        y : array of shape (n_samples,) or (n_samples, n_targets)
        """
        return self._call("predict", X, **params)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> Any:
        """Return the probability of each class, shape (n_samples, n_classes).

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        **params : dict
            Further arguments of the plain estimator's method.

        Returns
        -------
        container of shape (n_samples, n_classes)
            Probabilities, laid out like `X`; columns as in ``classes_``.
        """
        return self._call("predict_proba", X, **params)

    @available_if(estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> Any:
        """Return the log-probability of each class, shape (n_samples, n_classes).

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.

        Returns
        -------
        container of shape (n_samples, n_classes)
            Logarithms of probabilities.
        """
        return self._call("predict_log_proba", X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Return the confidence scores of each row.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.

        Returns
        -------
        container of shape (n_samples,) or (n_samples, n_classes)
            Scores, laid out like `X`.
        """
        return self._call("decision_function", X)

    @available_if(estimator_has("score_samples"))
    def score_samples(self, X: Any) -> Any:
        """Return the estimator's score of each row.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.

        Returns
        -------
        container of shape (n_samples,)
            Scores, laid out like `X`.
        """
        return self._call("score_samples", X)

    @available_if(estimator_has("score"))
    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Return the estimator's own score of `X`.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        y : array-like of shape (n_samples,), default=None
            True targets, for estimators that take them.
        **params : dict
            Further arguments of the plain estimator's method.

        Returns
        -------
        score : float
            The higher, the better.
        """
        return self._own_score(X, y, params)

    def _own_score(self, X: Any, y: Any, params: dict[str, Any]) -> float:
        if isinstance(X, RowSet):
            known = isinstance(self, RegressorMixin) and not params.keys() - {"sample_weight"}
            errors = squared_errors(self, X, y, params.get("sample_weight")) if known else None
            if errors is not None:
                return errors.r2
            X, y = X.to_host(self), plain_values(y)
            params = {name: plain_values(value) for name, value in params.items()}
        from skdist_gpu.scoring.score import own_score  # takes scikit-learn's metrics, which take time to import

        return own_score(self, self._fitted(), X, y, params, self._budget())  # type: ignore[attr-defined]


class WeightedScoreMixin(ScoringMixin):
    """Score with weights: an argument of its own, by which scikit-learn's searches know that they can pass them."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # type: ignore[override]
        """Return the estimator's own score: accuracy of a classifier, R² of a regressor or D² of a GLM.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            True targets, in a container that matches `X`; of files, the name of a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            The higher, the better.
        """
        return self._own_score(X, y, {} if sample_weight is None else {"sample_weight": sample_weight})
