"""The methods of AutoScale estimators that transform rows."""

from __future__ import annotations

from typing import Any

from sklearn.base import RegressorMixin, TransformerMixin, clone
from sklearn.utils.metaestimators import available_if

from skdist_gpu.data.containers import GPU, HOST, container_of
from skdist_gpu.data.convert import place_like, to_host
from skdist_gpu.data.row_sets import RowSet, plain_values
from skdist_gpu.delegation import estimator_has
from skdist_gpu.scoring.mixin import ScoringMixin
from skdist_gpu.scoring.output import lazy_output


class TransformingMixin(TransformerMixin, ScoringMixin):
    """Transform rows as the plain estimator does, where it does."""

    def transform(self, X: Any, **params: Any) -> Any:
        """Transform `X`; a clusterer gives the distance of each row to each cluster.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Dask gives a lazy Dask collection, files record batches that are computed each time that they
            are read; other containers what `set_output` asks for.
        **params : dict
            Further arguments of the plain estimator's own `transform`, such as ``copy``.

        Returns
        -------
        X_new : container of shape (n_samples, n_features_out)
        """
        return self._call("transform", X, **params)

    def fit_transform(self: Any, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit, and return `X` transformed.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        y : array-like of shape (n_samples,), default=None
            Target, for estimators that take one.
        **fit_params : dict
            Further arguments of `fit`.

        Returns
        -------
        X_new : container of shape (n_samples, n_features_out)
            Transformed rows, laid out like `X`.
        """
        arguments = {"sample_weight": None} | fit_params
        transformed = self._fit(X, y, arguments.pop("sample_weight"), arguments, transforms=container_of(X) in HOST)
        if transformed is not None:
            # PLS gives the scores of y beside those of X, which no next step takes
            only_x = isinstance(transformed, tuple) and not isinstance(self, RegressorMixin)
            return transformed[0] if only_x else transformed
        encodes_apart = type(self.estimator_).__name__ == "TargetEncoder"
        if isinstance(X, RowSet) and (encodes_apart or hasattr(self.estimator_, "embedding_")):
            return self.fit_transform(X.to_host(self), plain_values(y, self), **fit_params)
        if encodes_apart:
            # it encodes the rows of a fit by others than themselves
            return clone(self.estimator_).fit_transform(to_host(X), to_host(y), **fit_params)
        # what embeds rows has placed these, and transforms others by their neighbours, if at all
        if not hasattr(self.estimator_, "embedding_"):
            return self.transform(X)
        return place_like(self.embedding_, X) if container_of(X) in GPU else self.embedding_

    @available_if(estimator_has("set_output"))
    def set_output(self: Any, *, transform: str | None = None) -> Any:
        """Choose the container that `transform` and `fit_transform` give.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            None leaves it as it is.

        Returns
        -------
        self : object
        """
        if hasattr(self, "get_feature_names_out"):
            return super().set_output(transform=transform)
        # a FunctionTransformer without names makes frames itself
        for estimator in (self._make_estimator(), self._known_fitted()):
            if estimator is not None:
                estimator.set_output(transform=transform)
        return self

    @available_if(estimator_has("inverse_transform"))
    def inverse_transform(self, X: Any, **params: Any) -> Any:
        """Return data in the original space for transformed data.

        Parameters
        ----------
        X : container of shape (n_samples, n_features_out)
            Transformed rows.
        **params : dict
            Further arguments of the plain estimator's own method, such as ``copy``.

        Returns
        -------
        container of shape (n_samples, n_features)
            Rows, laid out like `X`.
        """
        return self._call("inverse_transform", X, **params)

    @available_if(estimator_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of `X`; None for those that were fitted.

        Returns
        -------
        numpy.ndarray of str
            Names.
        """
        return self._fitted().get_feature_names_out(input_features)


# set last, over scikit-learn's wrapping of these methods for set_output, which collects and shows what is not there
for _method, _needed in (("transform", ["transform"]), ("fit_transform", ["transform", "fit_transform"])):
    _lazy = lazy_output(getattr(TransformingMixin, _method))
    setattr(TransformingMixin, _method, available_if(estimator_has(*_needed))(_lazy))
