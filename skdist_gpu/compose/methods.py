"""Methods of objects that hold estimators, for rows in any container: put before those of scikit-learn's class."""

from __future__ import annotations

from functools import wraps
from typing import Any

from sklearn.utils.metaestimators import available_if

from skdist_gpu._compat.questions import answer_with_the_plain
from skdist_gpu.compose.columns import as_selectors_take, fit_columns, fit_union, forget_names_between
from skdist_gpu.compose.folding import fit_folded
from skdist_gpu.compose.plain import unwrap
from skdist_gpu.compose.rows import encodes_apart, fit_arguments, is_lazy, scores_itself
from skdist_gpu.data.row_sets import RowSet, plain_values
from skdist_gpu.scoring.apply import apply_to
from skdist_gpu.scoring.methods import block_method
from skdist_gpu.sharing import fit_holder


def add_methods(cls: Any, plain: type) -> None:
    """Put methods that take rows in any container before those of the plain class."""
    # set on the finished class: scikit-learn would wrap them for set_output a second time
    for name, make in _MAKERS.items():
        if hasattr(plain, name):
            found = vars(next(base for base in plain.__mro__ if name in vars(base)))[name]
            method = wraps(getattr(found, "fn", found))(make(cls, name))
            if hasattr(found, "check"):  # it is there when the plain one is
                method = available_if(found.check)(method)
            setattr(cls, name, method)


def _fit(cls: Any, name: str) -> Any:
    plain = cls.plain_class

    def fit(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        answer_with_the_plain()
        own = getattr(super(cls, self), name)
        if isinstance(X, RowSet) and not scores_itself(self, X):
            return fit_holder(self, name, own, X, *args, **kwargs)
        lazy = is_lazy(X, args[0] if args else kwargs.get("y")) and not encodes_apart(self)
        if lazy:
            if name == "fit_transform" and not is_pipeline:
                return self.fit(X, *args, **kwargs).transform(X)
            if name == "fit" and fit_parts is not None and fit_parts(self, X, *args, **kwargs):
                return self
        if is_pipeline and name == "fit" and not isinstance(X, RowSet) and fit_folded(self, X, *args, **kwargs):
            return self
        if fit_parts is fit_columns:
            X = as_selectors_take(self, X)
        X, args, kwargs = fit_arguments(self, X, args, kwargs)
        if searches and name == "fit":
            # takes scikit-learn's metrics, which take time to import
            from skdist_gpu.compose.searches import fit_search

            return fit_search(self, own, X, *args, **kwargs)
        found = own(X, *args, **kwargs)
        if lazy and is_pipeline:
            forget_names_between(self)
        return found

    is_pipeline = plain.__name__ == "Pipeline"
    fit_parts = _FITS_OF_PARTS.get(plain.__name__)
    searches = any(base.__name__ == "BaseSearchCV" for base in cls.__mro__)
    return fit


def _score_rows(cls: Any, name: str) -> Any:
    def score_rows(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(X, RowSet) and not scores_itself(self, X):
            if name == "transform":
                return X.through(self)
            X = X.to_host(self)
        if scores_itself(self, X):
            return getattr(super(cls, self), name)(X, *args, **kwargs)
        return apply_to(block_method(unwrap(self), name, None, kwargs), X)

    return score_rows


def _score(cls: Any, name: str) -> Any:
    def score(self: Any, X: Any, y: Any = None, *args: Any, **params: Any) -> float:
        if isinstance(X, RowSet) and not scores_itself(self, X):
            X, y = X.to_host(self), plain_values(y)
        if scores_itself(self, X):
            return getattr(super(cls, self), name)(X, y, *args, **params)
        from skdist_gpu.scoring.score import own_score  # takes scikit-learn's metrics, which take time to import

        return own_score(self, unwrap(self), X, y, params)

    return score


def _names(cls: Any, name: str) -> Any:
    def names(self: Any, input_features: Any = None) -> Any:
        return getattr(unwrap(self), name)(input_features)  # some hold the name of the class

    return names


_FITS_OF_PARTS = {"ColumnTransformer": fit_columns, "FeatureUnion": fit_union}
_MAKERS = {
    **dict.fromkeys(("fit", "fit_transform", "fit_predict", "partial_fit"), _fit),
    **dict.fromkeys(("predict", "predict_proba", "predict_log_proba", "decision_function"), _score_rows),
    **dict.fromkeys(("score_samples", "transform"), _score_rows),
    "score": _score,
    "get_feature_names_out": _names,
}
