"""A pytest plugin that puts this package behind the names of dask_ml's wrappers."""

from __future__ import annotations

from typing import Any

import dask_ml._partial
import dask_ml.wrappers
from sklearn.base import BaseEstimator, clone

from skdist_gpu import autoscale, get_scorer
from skdist_gpu.scoring.apply import apply_to
from skdist_gpu.scoring.methods import method_of


class ParallelPostFit(BaseEstimator):
    """dask_ml's name for a model that is fitted at once and scores blocks."""

    def __init__(
        self, estimator=None, scoring=None, predict_meta=None, predict_proba_meta=None, transform_meta=None
    ) -> None:
        self.estimator = estimator
        self.scoring = scoring
        self.predict_meta = predict_meta
        self.predict_proba_meta = predict_proba_meta
        self.transform_meta = transform_meta

    def fit(self, X: Any, y: Any = None, **params: Any) -> ParallelPostFit:
        self.model_ = autoscale(self.estimator).fit(X, y, **params)
        self.estimator = self.model_.estimator_  # where dask_ml keeps what it fitted
        return self

    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        if self.scoring is None:
            return self.model_.score(X, y, **params)
        return get_scorer(self.scoring)(self.model_, X, y, **params)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "model_" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return getattr(self.model_, name)


class Incremental(ParallelPostFit):
    """dask_ml's name for training block after block."""

    def __init__(
        self,
        estimator=None,
        scoring=None,
        shuffle_blocks=True,
        random_state=None,
        assume_equal_chunks=True,
        predict_meta=None,
        predict_proba_meta=None,
        transform_meta=None,
    ) -> None:
        super().__init__(estimator, scoring, predict_meta, predict_proba_meta, transform_meta)
        self.shuffle_blocks = shuffle_blocks
        self.random_state = random_state
        self.assume_equal_chunks = assume_equal_chunks

    def fit(self, X: Any, y: Any = None, **params: Any) -> Incremental:
        model = autoscale(self.estimator, backend="incremental")
        if self.random_state is not None:
            model.set_params(estimator__random_state=self.random_state)
        self.model_ = model.fit(X, y, shuffle=self.shuffle_blocks, **params)
        return self

    def partial_fit(self, X: Any, y: Any = None, **params: Any) -> Incremental:
        """Train a first time; this package's engine does not go on from an earlier fit."""
        if "model_" in self.__dict__:
            raise NotImplementedError("a second partial_fit")
        return self.fit(X, y, **params)


def fit_blocks(model: Any, X: Any, y: Any, shuffle_blocks: bool = True, random_state: Any = None, **params: Any) -> Any:
    """Do what ``dask_ml._partial.fit`` does."""
    model = clone(model)
    if random_state is not None:
        model.set_params(random_state=random_state)
    return autoscale(model, backend="incremental").fit(X, y, shuffle=shuffle_blocks, **params).estimator_


def predict_blocks(model: Any, X: Any) -> Any:
    """Do what ``dask_ml._partial.predict`` does."""
    return apply_to(method_of(model, "predict"), X)


dask_ml.wrappers.ParallelPostFit = ParallelPostFit
dask_ml.wrappers.Incremental = Incremental
dask_ml._partial.fit = fit_blocks
dask_ml._partial.predict = predict_blocks
