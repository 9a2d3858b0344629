"""The public meta-estimators, one for each kind of scikit-learn estimator."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from sklearn.base import ClassifierMixin, ClusterMixin, RegressorMixin, TransformerMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from skdist_gpu.base import AutoScaleBase
from skdist_gpu.data.containers import GPU, container_of
from skdist_gpu.data.convert import place_like, to_host
from skdist_gpu.data.row_sets import RowSet, plain_values
from skdist_gpu.delegation import estimator_has
from skdist_gpu.scoring.output import lazy_output

PARAMETERS = """
    Parameters
    ----------
    estimator : estimator, default=None
        The scikit-learn or XGBoost {kind} to fit; {default} if None.
    backend : str, default="auto"
        ``"auto"`` chooses; ``"sklearn"``, ``"reductions"``, ``"cuml"``, ``"dask_ml"``, ``"incremental"``,
        ``"voting"``, ``"xgboost"`` or ``"xgboost.dask"`` forces an engine, ``"reductions:gpu"`` one and its device.
"""
_COMMON = """\
    fallback : {"warn", "silent", "raise"}, default="warn"
        What to do when the first choice fails: the next engine with a warning, without one, or
        raise at once.
    precision : {"auto", "float32"}, default="auto"
        ``"auto"`` keeps to engines whose answer is scikit-learn's in float64; ``"float32"`` also accepts
        those whose float32 sums are known to drift with the number of rows, by how much says `plan`.
    memory_budget : int or str, default=None
        Bytes that a fit may take on its device, such as ``"4GB"``; None for what is free.
    progress : bool, default=False
        Show a progress bar during `fit`.

    Attributes
    ----------
    estimator_ : estimator
        The fitted plain estimator. Any other fitted attribute, such as ``coef_``, is its.
    backend_ : str
        The engine that ran.
    plan_ : Plan
        All engines considered.
    report_ : Report
        Predicted against measured.
"""


def document(parameters: str) -> Any:
    """Insert a class's own parameters, and those that all have, into its docstring."""

    def decorate(cls: type) -> type:
        # Python 3.13 has taken the indentation away already
        own, shared = cleandoc(cls.__doc__ or ""), cleandoc(parameters + _COMMON)
        cls.__doc__ = own.replace("{parameters}", shared)
        return cls

    return decorate


@document(PARAMETERS.format(kind="regressor", default="LinearRegression()"))
class AutoScaleRegressor(RegressorMixin, AutoScaleBase):
    """A regressor that chooses, at fit time, the engine that serves best.

    {parameters}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from skdist_gpu import AutoScaleRegressor
    >>> X = np.arange(20.0).reshape(10, 2)
    >>> y = X @ [1.0, 2.0]
    >>> model = AutoScaleRegressor(Ridge(alpha=1e-3), backend="reductions").fit(X, y)
    >>> model.backend_, float(round(model.score(X, y), 6))
    ('reductions', 1.0)
    >>> type(model.estimator_).__name__
    'Ridge'
    """

    _kind = "regressor"
    __sklearn_tags__ = AutoScaleBase.__sklearn_tags__

    def _default_estimator(self) -> Any:
        from sklearn.linear_model import LinearRegression

        return LinearRegression()

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the estimator's own score of `X`: R², or D² for generalised linear models.

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
        return self._score(X, y, sample_weight)


@document(PARAMETERS.format(kind="classifier", default="LogisticRegression()"))
class AutoScaleClassifier(ClassifierMixin, AutoScaleBase):
    """A classifier that chooses, at fit time, the engine that serves best.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdist_gpu import AutoScaleClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = AutoScaleClassifier(LogisticRegression(max_iter=1000)).fit(X, y)
    >>> model.backend_, model.predict(X[:2]).tolist()
    ('sklearn', [0, 0])
    """

    _kind = "classifier"
    __sklearn_tags__ = AutoScaleBase.__sklearn_tags__

    def _default_estimator(self) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression()

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of the predictions for `X`.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True targets, in a container that matches `X`; of files, the name of a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        accuracy : float
            Share of rows, by weight, whose class was predicted.
        """
        return self._score(X, y, sample_weight)


@document(PARAMETERS.format(kind="clusterer", default="KMeans(random_state=0)"))
class AutoScaleClusterer(TransformerMixin, ClusterMixin, AutoScaleBase):
    """A clusterer that chooses, at fit time, the engine that serves best.

    {parameters}

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from skdist_gpu import AutoScaleClusterer
    >>> X = [[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0]]
    >>> labels = AutoScaleClusterer(KMeans(n_clusters=2, random_state=0)).fit_predict(X)
    >>> bool(labels[0] == labels[1] != labels[2] == labels[3])
    True
    """

    _kind = "clusterer"
    __sklearn_tags__ = AutoScaleBase.__sklearn_tags__

    def _default_estimator(self) -> Any:
        from sklearn.cluster import KMeans

        return KMeans(random_state=0)

    def transform(self, X: Any) -> Any:
        """Return the distance of each row to each cluster.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.

        Returns
        -------
        container of shape (n_samples, n_clusters)
            Distances, laid out like `X`.
        """
        return self._call("transform", X)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit, and return the distance of each row to each cluster.

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
        container of shape (n_samples, n_clusters)
            Distances, laid out like `X`.
        """
        return self.fit(X, y, **fit_params).transform(X)

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


@document(PARAMETERS.format(kind="transformer", default="StandardScaler()"))
class AutoScaleTransformer(TransformerMixin, AutoScaleBase):
    """A transformer that chooses, at fit time, the engine that serves best.

    {parameters}

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from skdist_gpu import AutoScaleTransformer
    >>> X = [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    >>> AutoScaleTransformer(PCA(n_components=1)).fit_transform(X).shape
    (3, 1)
    """

    __sklearn_tags__ = AutoScaleBase.__sklearn_tags__

    def _default_estimator(self) -> Any:
        from sklearn.preprocessing import StandardScaler

        return StandardScaler()

    def _check_parameters(self, estimator: Any) -> None:
        if not hasattr(estimator, "transform") and not hasattr(estimator, "fit_transform"):
            raise TypeError(
                f"AutoScaleTransformer wraps a transformer, and {type(estimator).__name__} has no transform. "
                "skdist_gpu.autoscale(estimator) picks the right class."
            )
        if get_tags(estimator).target_tags.one_d_labels:
            raise TypeError(f"AutoScaleTransformer transforms X, and {type(estimator).__name__} a target.")
        super()._check_parameters(estimator)

    @available_if(estimator_has("transform"))
    def transform(self, X: Any) -> Any:
        """Transform `X`.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Dask gives a lazy Dask collection, files record batches that are computed each time that they
            are read; other containers what `set_output` asks for.

        Returns
        -------
        X_new : container of shape (n_samples, n_features_out)
        """
        return self._call("transform", X)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
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
        container of shape (n_samples, n_components)
            Transformed rows, laid out like `X`.
        """
        fitted = self.fit(X, y, **fit_params)
        encodes_apart = type(fitted.estimator_).__name__ == "TargetEncoder"
        if isinstance(X, RowSet) and (encodes_apart or hasattr(fitted.estimator_, "embedding_")):
            return self.fit_transform(X.to_host(), plain_values(y), **fit_params)
        if encodes_apart:
            # it encodes the rows of a fit by others than themselves
            return clone(fitted.estimator_).fit_transform(to_host(X), to_host(y), **fit_params)
        # what embeds rows has placed these, and transforms others by their neighbours, if at all
        if not hasattr(fitted.estimator_, "embedding_"):
            return fitted.transform(X)
        return place_like(fitted.embedding_, X) if container_of(X) in GPU else fitted.embedding_

    @available_if(estimator_has("inverse_transform"))
    def inverse_transform(self, X: Any) -> Any:
        """Return data in the original space for transformed data.

        Parameters
        ----------
        X : container of shape (n_samples, n_components)
            Transformed rows.

        Returns
        -------
        container of shape (n_samples, n_features)
            Rows, laid out like `X`.
        """
        return self._call("inverse_transform", X)

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
_if_transforms = available_if(estimator_has("transform"))
AutoScaleTransformer.transform = _if_transforms(lazy_output(AutoScaleTransformer.transform))  # type: ignore[method-assign]
AutoScaleTransformer.fit_transform = lazy_output(AutoScaleTransformer.fit_transform)  # type: ignore[method-assign]
AutoScaleClusterer.transform = _if_transforms(lazy_output(AutoScaleClusterer.transform))  # type: ignore[method-assign]
AutoScaleClusterer.fit_transform = _if_transforms(lazy_output(AutoScaleClusterer.fit_transform))  # type: ignore[method-assign]
