"""The private names of scikit-learn that the package uses, in one place."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

from skdist_gpu._compat.sklearn_parameters import parameters_of
from skdist_gpu.facts import PLAIN

# what clone carries over beside the parameters
_CARRIED = frozenset({"_metadata_request", "_sklearn_output_config", "_skl_callbacks"})


def unfitted(estimator: Any) -> Any:
    """Return what ``clone`` does, with the user's own callbacks; for plain parameters in a fifth of the time.

    A generator, such as of folds, has no copy; it is the user's own, which scikit-learn's `fit` uses up as well.
    """
    cls = estimator.__class__
    known = cls.__module__.partition(".")[0] in ("sklearn", "xgboost") and not vars(estimator).get("kwargs")
    if known and _CARRIED.isdisjoint(vars(estimator)):
        values = parameters_of(estimator)
        if PLAIN.issuperset(map(type, values.values())):
            return cls(**values)
        if any(isinstance(value, Iterator) for value in values.values()):
            return cls(**{k: v if isinstance(v, Iterator) else clone(v, safe=False) for k, v in values.items()})
    return _with_callbacks_of(estimator, clone(estimator))


def _with_callbacks_of(estimator: Any, copy: Any) -> Any:
    """Return a copy that calls the user's own callbacks: what they have seen of a fit, the user reads from them."""
    if hasattr(estimator, "get_params") and not isinstance(estimator, type):
        params = estimator.get_params()
        callbacks = {n: v for n, v in params.items() if n.rpartition("__")[2] == "callbacks" and v is not None}
        if callbacks:
            copy.set_params(**callbacks)
    return copy


def goes_on(estimator: Any) -> bool:
    """Whether a fit goes on from the last one."""
    warm_start = getattr(estimator, "warm_start", False)
    return isinstance(warm_start, (bool, np.bool_)) and bool(warm_start)


def continued(fitted: Any, estimator: Any) -> Any:
    """Return a fitted estimator to fit on, with the parameters of another one.

    It shares what `fitted` has learned, such as trees, but not the lists and arrays that hold it. A random state is
    the fitted one's, which has drawn already.
    """
    start = copy(fitted)
    for name, value in vars(fitted).items():
        if isinstance(value, (list, np.ndarray)):
            setattr(start, name, value.copy())
    for name, value in parameters_of(estimator).items():
        if not isinstance(value, np.random.RandomState):
            setattr(start, name, value)
    return start


def has_callbacks(estimator: Any) -> bool:
    """Whether an estimator was given callbacks by `set_callbacks`."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def is_part_of_a_fit(estimator: Any) -> bool:
    """Whether a meta-estimator that calls callbacks fits an estimator now."""
    return hasattr(estimator, "_parent_callback_ctx")


@contextmanager
def called_back(estimator: Any) -> Iterator[Any]:
    """Give the task of a fit, whose number of passes is not known; the callbacks are torn down at the end."""
    from sklearn.callback._callback_support import CallbackSupportMixin, callback_management_context

    with callback_management_context(estimator):
        yield CallbackSupportMixin._init_callback_context(estimator, max_subtasks=None)


def diagram_box(estimator: Any, name: str, caption: str) -> Any:
    """Return a box of scikit-learn's diagram with a caption under the name."""
    from sklearn.utils._repr_html.estimator import _VisualBlock

    return _VisualBlock("single", estimator, names=name, name_caption=caption, name_details=str(estimator))


def with_requests_of(estimator: Any, wrapper: Any) -> Any:
    """Return a wrapper that asks for the metadata, such as weights, that its estimator was set to ask for."""
    if hasattr(estimator, "_metadata_request"):
        wrapper._metadata_request = deepcopy(estimator._metadata_request)
    return wrapper


def check_gcv_mode(estimator: Any, sparse: bool) -> None:
    """Warn as a RidgeCV does where its `gcv_mode` does not fit the rows."""
    from scipy.sparse import csr_array
    from sklearn.linear_model._ridge import _check_gcv_mode

    _check_gcv_mode(csr_array((1, 1)) if sparse else np.zeros((1, 1)), estimator.gcv_mode)


def infer_dimension(variances: Any, n_samples: int) -> int:
    """Return Minka's estimate of the number of components."""
    from sklearn.decomposition._pca import _infer_dimension

    return _infer_dimension(variances, n_samples)


def lloyd_step(X: Any, sample_weight: Any, centres: Any, means: bool) -> tuple[Any, Any]:
    """Return the label of each row, and of each label the mean of its rows, if `means` are wanted.

    The compiled loop keeps the rows in the processor's cache, and lets other threads run. If a label has no weight, the
    means are those after scikit-learn has moved rows to it; of such there may not be more than rows.
    """
    from sklearn.cluster._k_means_lloyd import lloyd_iter_chunked_dense

    centres = np.ascontiguousarray(centres, X.dtype)
    labels, moved = np.empty(len(X), np.int32), np.zeros_like(centres)
    weight, shift = np.zeros((2, len(centres)), X.dtype)
    lloyd_iter_chunked_dense(
        np.ascontiguousarray(X),
        np.ascontiguousarray(sample_weight, X.dtype),
        centres,
        moved,
        weight,
        labels,
        shift,
        n_threads=1,
        update_centers=means,
    )
    return labels, moved


def safe_scale(variance: Any, mean: Any, n_samples: Any) -> Any:
    """Return standard deviations, 1 for columns that are constant but for rounding."""
    from sklearn.preprocessing._data import _handle_zeros_in_scale, _is_constant_feature

    constant = _is_constant_feature(variance, mean, n_samples)
    return _handle_zeros_in_scale(variance**0.5, copy=False, constant_mask=constant)


def handle_zeros(scale: Any) -> Any:
    """Return scales, 1 for those that are almost zero."""
    from sklearn.preprocessing._data import _handle_zeros_in_scale

    return _handle_zeros_in_scale(scale, copy=False)


def number_of_categories(estimator: Any, highest: Any) -> Any:
    """Return how many categories a CategoricalNB knows in each column, given the highest code seen."""
    return estimator._validate_n_categories(highest[None], estimator.min_categories)


def check_selection(estimator: Any, X: Any) -> None:
    """Warn or raise as a univariate selection does for its parameters."""
    estimator._check_params(X, None)


def check_clusters(estimator: Any, n_rows: int, n_features: int, tolerance: float) -> None:
    """Raise or warn as a KMeans does where its parameters do not fit the rows; keep what it derives from them."""
    from scipy.sparse import csc_array
    from sklearn.utils import check_array

    rows, tol = csc_array((n_rows, n_features)), estimator.tol
    estimator.tol = 0.0  # it would be multiplied by the variances of so many rows
    try:
        estimator._check_params_vs_input(rows)
    finally:
        estimator.tol = tol
    estimator._tol = tolerance
    if not isinstance(estimator.init, str) and not callable(estimator.init):
        estimator._validate_center_shape(rows, check_array(estimator.init))


def rows_fitted_to(estimator: Any) -> Any:
    """Return the rows that a model of neighbours keeps; None for other models."""
    return getattr(estimator, "_fit_X", None)


def with_neighbours(estimator: Any, distances: Any, numbers: Any) -> Any:
    """Return a fitted model of neighbours that takes these for those of the rows that it is asked about next."""
    told = copy(estimator)
    told._fit_method = "kd_tree"  # with "brute" a compiled loop would search by itself, and vote at once
    told.kneighbors = lambda X=None, n_neighbors=None, return_distance=True: (
        (distances, numbers) if return_distance else numbers
    )
    return told


def learn_categories(encoder: Any, n_rows: int, counted: list[tuple[Any, Any]]) -> Any:
    """Return a OneHotEncoder or OrdinalEncoder fitted to the distinct values of each column and their counts."""
    import numpy as np
    import pandas as pd
    from sklearn.utils._encode import _check_unknown, _encode

    def counts_of(categories: Any, values: Any, counts: Any) -> Any:
        known = _check_unknown(values, categories, return_mask=True)[1]
        found = np.zeros(len(categories), dtype=np.int64)
        if known.any():
            found[_encode(values[known], uniques=categories, check_unknown=False)] = counts[known]
        return found

    class Told(type(encoder)):  # type: ignore[misc]
        """The encoder, told the values and counts that it would find in the rows."""

        def _check_X(self, X: Any, ensure_all_finite: Any = True) -> Any:
            return [values for values, _ in counted], n_rows, len(counted)

        def _fit_infrequent_category_mapping(self, n_samples: int, category_counts: Any, missing_indices: Any) -> None:
            counts = [counts_of(c, *each) for c, each in zip(self.categories_, counted, strict=True)]
            super()._fit_infrequent_category_mapping(n_samples, counts, missing_indices)

    names = getattr(encoder, "feature_names_in_", None)
    return Told(**encoder.get_params()).fit(pd.DataFrame(np.empty((1, len(counted))), columns=names))


def in_words_of(estimator: Any, error: ValueError, X: Any) -> ValueError:
    """Return an error about data as the estimator itself words it: an imputer names its strategy."""
    if not (hasattr(estimator, "missing_values") and hasattr(estimator, "strategy")):
        return error
    if "not compatible with arrays of bytes/strings" in str(error):  # which value, NumPy tells
        try:
            np.asarray(X, dtype=np.float64)
        except ValueError as which:
            error = which
    if "could not convert" in str(error):
        return ValueError(f"Cannot use {estimator.strategy} strategy with non-numeric data:\n{error}")
    return error


def check_starts(mixture: Any, n_features: int) -> None:
    """Raise scikit-learn's own error for starts given to a GaussianMixture; keep them as arrays, as it does."""
    with config_context(array_api_dispatch=False):  # the rows are NumPy's, whatever else scikit-learn may dispatch
        mixture._check_parameters(np.empty((0, n_features)), xp=np)


def roots_of_precisions(precisions: Any, covariance_type: str) -> Any:
    """Return the triangular roots of precisions that a GaussianMixture is given, float64."""
    from sklearn.mixture._gaussian_mixture import _compute_precision_cholesky_from_precisions

    return _compute_precision_cholesky_from_precisions(precisions.astype(np.float64), covariance_type, xp=np)


def value_mask(values: Any, missing: Any) -> Any:
    """Return which values are missing."""
    from sklearn.utils._mask import _get_mask

    return _get_mask(values, missing)


def smallest_of(values: Any) -> Any:
    """Return the smallest value, of values that may have no order."""
    from sklearn.impute._base import _safe_min

    return _safe_min(list(values))


def check_feature_names(estimator: Any, names: list[str]) -> None:
    """Raise scikit-learn's error for rows that do not have the columns that an estimator was fitted to."""
    import pandas as pd
    from sklearn.utils.validation import _check_feature_names

    _check_feature_names(estimator, pd.DataFrame(columns=names), reset=False)


def column_indices(rows: Any, columns: Any) -> list[int]:
    """Return the positions of columns as a ColumnTransformer is told them: by names, numbers, a slice or a mask."""
    from sklearn.utils._indexing import _get_column_indices

    return [int(i) for i in _get_column_indices(rows, columns)]


def parts_of_scorer(scorer: Any) -> tuple[Any, int, dict[str, Any]]:
    """Return the function of a scorer, its sign and its further arguments."""
    return scorer._score_func, scorer._sign, scorer._kwargs


def response_method(estimator: Any, scorer: Any) -> str:
    """Return the name of the method whose predictions a scorer takes from an estimator."""
    from sklearn.utils.validation import _check_response_method

    return _check_response_method(estimator, scorer._response_method).__name__


def transform_output(estimator: Any) -> str:
    """Return what kind of frame an estimator is to transform to: its own setting, or the configured one."""
    from sklearn.utils._set_output import _get_output_config

    return _get_output_config("transform", estimator)["dense"]


def shallow_copy(estimator: Any) -> Any:
    """Return an unfitted object with the same parameters, not copies of them: a random state goes on drawing."""
    made = type(estimator)(**parameters_of(estimator))
    vars(made).update({name: value for name, value in vars(estimator).items() if name in _CARRIED})
    return made


def is_conditional(method: Any) -> bool:
    """Whether what a class holds under a name is a method that ``available_if`` shows of some objects only."""
    from sklearn.utils._available_if import _AvailableIfDescriptor

    return isinstance(method, _AvailableIfDescriptor)


__all__ = [
    "called_back",
    "check_clusters",
    "check_feature_names",
    "check_gcv_mode",
    "check_sample_weight",
    "check_selection",
    "check_starts",
    "continued",
    "diagram_box",
    "goes_on",
    "handle_zeros",
    "has_callbacks",
    "in_words_of",
    "infer_dimension",
    "is_conditional",
    "is_part_of_a_fit",
    "learn_categories",
    "lloyd_step",
    "number_of_categories",
    "parts_of_scorer",
    "response_method",
    "roots_of_precisions",
    "rows_fitted_to",
    "safe_scale",
    "shallow_copy",
    "smallest_of",
    "transform_output",
    "unfitted",
    "value_mask",
    "with_neighbours",
    "with_requests_of",
]


def has_output_config(estimator: Any) -> bool:
    """Whether `set_output` was called on an estimator."""
    return "_sklearn_output_config" in getattr(estimator, "__dict__", {})


def replace_splitter(search: Any, splitter: Any) -> None:
    """Set the splitter that a search remembers of its fit."""
    if "_checked_cv_orig" in vars(search):
        search._checked_cv_orig = splitter


def is_scorer(value: Any) -> bool:
    """Whether a value is a scorer as `make_scorer` makes them, which hands rows to the estimator only."""
    from sklearn.metrics._scorer import _BaseScorer

    return isinstance(value, _BaseScorer)


def keep_kmeans_state(estimator: Any, centres: np.ndarray) -> None:
    """Set what scikit-learn's own methods read beside the fitted attributes."""
    brief = clone(estimator).set_params(init=centres, n_init=1, max_iter=1)
    if hasattr(brief, "compute_labels"):
        brief.compute_labels = True  # without, MiniBatchKMeans fails where the first step is the last
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = brief.fit(centres)
    learned = {name: value for name, value in vars(fitted).items() if name.startswith("_")}
    vars(estimator).update(learned | vars(estimator))
