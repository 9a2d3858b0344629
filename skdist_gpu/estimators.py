"""The public meta-estimators, one for each kind of scikit-learn estimator."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, ClusterMixin, OutlierMixin, RegressorMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from skdist_gpu.base import AutoScaleBase
from skdist_gpu.delegation import estimator_has
from skdist_gpu.scoring.mixin import WeightedScoreMixin
from skdist_gpu.scoring.neighbors import NeighborsMixin
from skdist_gpu.scoring.transforms import TransformingMixin

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
        Bytes that a fit, or a call of a fitted model, may take on its device, such as ``"4GB"``; None for what is free.
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
class AutoScaleRegressor(WeightedScoreMixin, TransformingMixin, NeighborsMixin, RegressorMixin, AutoScaleBase):
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


@document(PARAMETERS.format(kind="classifier", default="LogisticRegression()"))
class AutoScaleClassifier(WeightedScoreMixin, TransformingMixin, NeighborsMixin, ClassifierMixin, AutoScaleBase):
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


@document(PARAMETERS.format(kind="clusterer", default="KMeans(random_state=0)"))
class AutoScaleClusterer(TransformingMixin, ClusterMixin, AutoScaleBase):
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


@document(PARAMETERS.format(kind="transformer", default="StandardScaler()"))
class AutoScaleTransformer(TransformingMixin, NeighborsMixin, AutoScaleBase):
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


@document(PARAMETERS.format(kind="outlier detector", default="IsolationForest(random_state=0)"))
class AutoScaleOutlierDetector(NeighborsMixin, OutlierMixin, AutoScaleBase):
    """An outlier detector that chooses, at fit time, the engine that serves best.

    {parameters}

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> from skdist_gpu import AutoScaleOutlierDetector
    >>> X = [[0.0], [0.1], [0.2], [0.1], [9.0]]
    >>> AutoScaleOutlierDetector(IsolationForest(random_state=0)).fit_predict(X).tolist()
    [1, 1, 1, 1, -1]
    """

    _kind = "outlier_detector"
    __sklearn_tags__ = AutoScaleBase.__sklearn_tags__

    def _default_estimator(self) -> Any:
        from sklearn.ensemble import IsolationForest

        return IsolationForest(random_state=0)

    @available_if(estimator_has("fit_predict"))
    def fit_predict(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit, and return 1 for rows that are like the others and -1 for outliers.

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
        container of shape (n_samples,)
            1 or -1 for each row, laid out like `X`.
        """
        fitted = self.fit(X, y, **fit_params)
        if hasattr(fitted, "predict"):
            return fitted.predict(X)
        # LocalOutlierFactor knows the rows it was fitted to, and no others
        return np.where(fitted.negative_outlier_factor_ < fitted.offset_, -1, 1)


class AutoScaleEstimator(AutoScaleBase):
    """An estimator of any kind that chooses, at fit time, the engine that serves best.

    It wraps what is no regressor, classifier, clusterer, transformer, outlier detector or search for
    neighbours, such as a covariance or a density.

    Parameters
    ----------
    estimator : estimator
        The scikit-learn estimator to fit; there is no default.
    backend, fallback, precision, memory_budget, progress
        As in :class:`AutoScaleRegressor`.

    Attributes
    ----------
    estimator_, backend_, plan_, report_
        As in :class:`AutoScaleRegressor`.

    Examples
    --------
    >>> from sklearn.covariance import EmpiricalCovariance
    >>> from skdist_gpu import AutoScaleEstimator
    >>> model = AutoScaleEstimator(EmpiricalCovariance()).fit([[0.0, 1.0], [2.0, 3.0]])
    >>> model.covariance_.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """

    @available_if(estimator_has("fit_predict"))
    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """Fit, and return the label of each row, as mixtures do.

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        y : array-like of shape (n_samples,), default=None
            Ignored; scikit-learn's pipelines give it.

        Returns
        -------
        container of shape (n_samples,)
            Labels, laid out like `X`.
        """
        return self.fit(X, y).predict(X)


@document(PARAMETERS.format(kind="search for neighbours", default="NearestNeighbors()"))
class AutoScaleNeighbors(NeighborsMixin, AutoScaleBase):
    """A search for neighbours that chooses, at fit time, the engine that serves best.

    {parameters}

    Examples
    --------
    >>> from sklearn.neighbors import NearestNeighbors
    >>> from skdist_gpu import AutoScaleNeighbors
    >>> model = AutoScaleNeighbors(NearestNeighbors(n_neighbors=2)).fit([[0.0], [1.0], [5.0]])
    >>> model.kneighbors([[0.9]], return_distance=False).tolist()
    [[1, 0]]
    """

    def _default_estimator(self) -> Any:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors()
