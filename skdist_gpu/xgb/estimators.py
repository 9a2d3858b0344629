"""XGBoost's estimators with an engine chosen at fit time."""

from __future__ import annotations

from typing import Any

from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.estimators import AutoScaleClassifier, AutoScaleRegressor, document
from skdist_gpu.xgb.model import XGBoostModel
from skdist_gpu.xgb.plots import XGBoostPlots

# how an objective begins -> the plain estimator
_TASKS = {"reg:": "XGBRegressor", "count:": "XGBRegressor", "survival:": "XGBRegressor"}
_TASKS |= {"binary:": "XGBClassifier", "multi:": "XGBClassifier", "rank:": "XGBRanker"}
_OWN = ("validation_fraction", "reproducible", "backend", "fallback", "precision", "memory_budget", "progress")

_PARAMETERS = """
    All parameters are keywords. Those of XGBoost have XGBoost's own names and meaning; None leaves
    XGBoost's default, which differs between its versions.

    Parameters
    ----------
    n_estimators, learning_rate, max_depth, max_leaves, max_bin, grow_policy, tree_method, booster : default=None
        Number, size and kind of the trees.
    min_child_weight, gamma, max_delta_step, reg_alpha, reg_lambda : float, default=None
        Regularisation.
    subsample, sampling_method, colsample_bytree, colsample_bylevel, colsample_bynode : default=None
        Sampling of rows and columns.
    objective : str or callable, default=None
        {objective}
    base_score, scale_pos_weight, num_parallel_tree, multi_strategy, importance_type : default=None
        See XGBoost's parameter documentation.
    monotone_constraints, interaction_constraints : default=None
        Constraints on the features.
    missing : float, default=None
        Value that stands for a missing one, besides NaN.
    enable_categorical : bool, default=None
        Whether frames may have columns of categories; None means True, with every version of XGBoost.
    feature_types, feature_weights, max_cat_to_onehot, max_cat_threshold : default=None
        Categories and weights of the features.
    eval_metric, early_stopping_rounds, callbacks : default=None
        What to watch during `fit`; early stopping needs ``fit(..., eval_set=[(X_val, y_val)])`` or
        `validation_fraction`.
    random_state, n_jobs, verbosity, validate_parameters : default=None
        Seed, threads, and how much XGBoost prints and checks.
    device : str, default=None
        ``"cpu"`` or ``"cuda"`` keeps to one device; None lets the plan choose.
    validation_fraction : float or int, default=None
        Part of the rows, or their number, that `fit` itself holds out to stop early, as in
        scikit-learn's HistGradientBoosting; it stops after `early_stopping_rounds` rounds without a
        better metric, 10 if that is None. Works inside pipelines and cross-validation.
    reproducible : bool, default=False
        Round the values of X down to one of `max_bin` quantiles common to all rows before training,
        so that any number of workers, the CPU and the GPU choose among the same splits.
    backend : str, default="auto"
        ``"auto"`` chooses; ``"xgboost"``, ``"xgboost.external"`` or ``"xgboost.dask"`` forces an engine,
        ``"xgboost:gpu"`` an engine and its device.
    **kwargs : dict
        Further parameters of XGBoost, such as ``quantile_alpha``, ``tweedie_variance_power`` or
        ``lambdarank_num_pair_per_sample``.
"""


def _import_xgboost() -> Any:
    try:
        import xgboost
    except ImportError as error:
        raise ImportError(
            "The AutoScaleXGB estimators need XGBoost, which cannot be imported here "
            f'({error}). Nothing was computed. Install it with: pip install "skdist_gpu[cpu]"'
        ) from error
    return xgboost


class _XGBParameters(XGBoostPlots, XGBoostModel):
    """XGBoost's parameters instead of an estimator."""

    def __init__(
        self,
        *,
        max_depth: int | None = None,
        max_leaves: int | None = None,
        max_bin: int | None = None,
        grow_policy: str | None = None,
        learning_rate: float | None = None,
        n_estimators: int | None = None,
        verbosity: int | None = None,
        objective: Any = None,
        booster: str | None = None,
        tree_method: str | None = None,
        n_jobs: int | None = None,
        gamma: float | None = None,
        min_child_weight: float | None = None,
        max_delta_step: float | None = None,
        subsample: float | None = None,
        sampling_method: str | None = None,
        colsample_bytree: float | None = None,
        colsample_bylevel: float | None = None,
        colsample_bynode: float | None = None,
        reg_alpha: float | None = None,
        reg_lambda: float | None = None,
        scale_pos_weight: float | None = None,
        base_score: Any = None,
        random_state: Any = None,
        missing: float | None = None,
        num_parallel_tree: int | None = None,
        monotone_constraints: Any = None,
        interaction_constraints: Any = None,
        importance_type: str | None = None,
        device: str | None = None,
        validate_parameters: bool | None = None,
        enable_categorical: bool | None = None,
        feature_types: Any = None,
        feature_weights: Any = None,
        max_cat_to_onehot: int | None = None,
        max_cat_threshold: int | None = None,
        multi_strategy: str | None = None,
        eval_metric: Any = None,
        early_stopping_rounds: int | None = None,
        callbacks: Any = None,
        validation_fraction: float | int | None = None,
        reproducible: bool = False,
        backend: str = "auto",
        fallback: str = "warn",
        precision: str = "auto",
        memory_budget: str | int | None = None,
        progress: bool = False,
        **kwargs: Any,
    ) -> None:
        # every argument under its own name, as scikit-learn asks
        self.__dict__.update({name: value for name, value in locals().items() if name not in ("self", "kwargs")})
        self._add_parameters(kwargs)

    def _add_parameters(self, further: dict[str, Any]) -> None:
        """Keep parameters that XGBoost's estimators take beside those that they name."""
        if further:
            self._further = (*self.__dict__.get("_further", ()), *further)
            self.__dict__.update(further)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of ``**kwargs`` among them.

        Parameters
        ----------
        deep : bool, default=True
            Whether parameters of inner estimators count.

        Returns
        -------
        dict
            Name -> value.
        """
        return super().get_params(deep) | {name: getattr(self, name) for name in self.__dict__.get("_further", ())}

    def set_params(self, **params: Any) -> Any:
        """Set parameters; names that are not known yet are parameters of XGBoost, as in ``**kwargs``.

        Parameters
        ----------
        **params : dict
            Name -> value.

        Returns
        -------
        self : object
        """
        known = self.get_params()
        self._add_parameters({n: value for n, value in params.items() if n not in known and "__" not in n})
        return super().set_params(**params)

    def _plain_class(self) -> str:
        raise NotImplementedError

    def _make_estimator(self) -> Any:
        given = {name: value for name, value in self.get_params(deep=False).items() if value is not None}
        given.setdefault("enable_categorical", self.tree_method != "exact")
        plain = getattr(_import_xgboost(), self._plain_class())
        return plain(**{name: value for name, value in given.items() if name not in _OWN})

    def _engine_options(self) -> dict[str, Any]:
        return {"validation_fraction": self.validation_fraction, "reproducible": self.reproducible}

    def _takes_weights(self) -> bool:
        return self._plain_class() != "XGBRanker"  # whose weights are those of queries

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = False  # the engines check what XGBoost alone lets through
        return tags


@document(_PARAMETERS.format(objective='Loss to minimise, such as ``"reg:squarederror"`` or ``"count:poisson"``.'))
class AutoScaleXGBRegressor(_XGBParameters, AutoScaleRegressor):
    """XGBoost's regressor on the engine that serves best, chosen at fit time.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skdist_gpu import AutoScaleXGBRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = AutoScaleXGBRegressor(n_estimators=20, max_depth=3).fit(X, y)
    >>> model.backend_, type(model.estimator_).__name__, model.score(X, y) > 0.6
    ('xgboost', 'XGBRegressor', True)
    """

    __sklearn_tags__ = _XGBParameters.__sklearn_tags__

    def _plain_class(self) -> str:
        return "XGBRegressor"


@document(_PARAMETERS.format(objective='Loss to minimise, such as ``"binary:logistic"``.'))
class AutoScaleXGBClassifier(_XGBParameters, AutoScaleClassifier):
    """XGBoost's classifier, for labels of any kind, on the engine that serves best.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdist_gpu import AutoScaleXGBClassifier
    >>> iris = load_iris()
    >>> model = AutoScaleXGBClassifier(n_estimators=5).fit(iris.data, iris.target_names[iris.target])
    >>> print(*model.predict(iris.data[[0, 50, 100]]))
    setosa versicolor virginica
    """

    __sklearn_tags__ = _XGBParameters.__sklearn_tags__

    def _plain_class(self) -> str:
        return "XGBClassifier"


@document(_PARAMETERS.format(objective='Loss to minimise, such as ``"rank:ndcg"``, the default.'))
class AutoScaleXGBRanker(_XGBParameters):
    """XGBoost's ranker on the engine that serves best, chosen at fit time.

    `fit` takes the query of each row as ``qid=`` (or the sizes of the queries as ``group=``);
    without it, all rows belong to one query.

    {parameters}

    Examples
    --------
    >>> import numpy as np
    >>> from skdist_gpu import AutoScaleXGBRanker
    >>> X, qid = np.arange(40.0)[:, None], np.repeat([0, 1, 2, 3], 10)
    >>> relevance = np.tile(np.arange(10), 4)
    >>> model = AutoScaleXGBRanker(n_estimators=5).fit(X, relevance, qid=qid)
    >>> float(round(model.score(X, relevance, qid=qid), 2)) > 0.5
    True
    """

    def _plain_class(self) -> str:
        return "XGBRanker"

    def score(self, X: Any, y: Any, qid: Any = None) -> float:
        """Return the mean over queries of the model's metric, nDCG for the default objective.

        Parameters
        ----------
        X, y : as in `fit`
            Rows and their relevance.
        qid : array-like of shape (n_samples,), default=None
            Query of each row; None for one query.

        Returns
        -------
        float

        Raises
        ------
        CollectLimitError
            For Dask collections larger than ``collect_limit``: the metric needs all rows of a query in one place.
        """
        from skdist_gpu.engines.xgboost.score import ranking_metric
        from skdist_gpu.scoring.score import FILES, collected

        X = collected(X, self._budget()) if container_of(X) in (*DASK, *FILES) else X
        return ranking_metric(self._fitted(), X, y, qid)


@document(
    _PARAMETERS.format(
        objective='``"binary:…"`` and ``"multi:…"`` make a classifier, ``"rank:…"`` a ranker; ``"reg:…"``,\n'
        '        ``"count:…"``, ``"survival:…"``, a callable and None a regressor.'
    )
)
class AutoScaleXGB(_XGBParameters):
    """XGBoost on the engine that serves best; the objective tells whether it classifies, ranks or regresses.

    {parameters}

    Examples
    --------
    >>> from sklearn.base import is_classifier
    >>> from skdist_gpu import AutoScaleXGB
    >>> is_classifier(AutoScaleXGB(objective="binary:logistic")), is_classifier(AutoScaleXGB())
    (True, False)
    """

    def _plain_class(self) -> str:
        if self.objective is None or callable(self.objective):
            return "XGBRegressor"
        for beginning, plain in _TASKS.items():
            if str(self.objective).startswith(beginning):
                return plain
        raise ValueError(
            f"objective={self.objective!r} tells no task: AutoScaleXGB knows those that begin with "
            f"{', '.join(_TASKS)}. Nothing was computed. AutoScaleXGBRegressor, AutoScaleXGBClassifier and "
            "AutoScaleXGBRanker take any objective."
        )

    def score(self, X: Any, y: Any, sample_weight: Any = None, **params: Any) -> float:
        """Return the accuracy of a classifier, R² of a regressor, the metric of a ranker (with ``qid=``).

        Parameters
        ----------
        X : container of shape (n_samples, n_features)
            Rows, in any container that `fit` takes.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            True targets, in a container that matches `X`; of files, the name of a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.
        **params : dict
            ``qid`` of a ranker.

        Returns
        -------
        score : float
            The higher, the better.
        """
        if self._plain_class() == "XGBRanker":
            return AutoScaleXGBRanker.score(self, X, y, **params)  # type: ignore[arg-type]
        return self._own_score(X, y, {} if sample_weight is None else {"sample_weight": sample_weight})
