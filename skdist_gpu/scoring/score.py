"""Compute scores of data in any container: by scikit-learn's names, and the score that an estimator gives itself."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import unwrap
from typing import Any

import numpy as np
from sklearn import metrics
from sklearn.base import ClassifierMixin, RegressorMixin

from skdist_gpu._compat.sklearn import response_method
from skdist_gpu.config import configured_budget, format_bytes, option, parse_bytes
from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.dataset import schema_of
from skdist_gpu.data.inspect import inspect_input
from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.exceptions import CollectLimitError
from skdist_gpu.scoring.apply import apply_to
from skdist_gpu.scoring.methods import features_of, method_of, scored_batches
from skdist_gpu.scoring.score_sums import (
    DevianceShare,
    Metric,
    SampleScores,
    contribution,
    merge_batches,
    metric_of,
    one_probability,
    reduce_blocks,
    score_directly,
)

FILES = ("arrow.dataset", "polars.lazy")


def named_score(name: str, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
    """Return what scikit-learn's scorer of that name gives for an estimator's predictions."""
    method = response_method(estimator, metrics.get_scorer(name))
    if container_of(X) in (*DASK, *FILES):
        metric = metric_of(name, getattr(estimator, "classes_", None))
        return _score_lazy(metric, estimator, method, X, y, sample_weight)
    predicted = to_host(apply_to(method_of(estimator, method), X))
    if method == "predict_proba":
        predicted = one_probability(predicted)
    return score_directly(name, to_host(y), predicted, to_host(sample_weight))


def own_score(
    estimator: Any, plain: Any, X: Any, y: Any, params: dict[str, Any], memory_budget: int | None = None
) -> float:
    """Return what ``plain.score`` would, for data in any container; a budget of None is the configured one."""
    lazy = container_of(X) in (*DASK, *FILES)
    if lazy and isinstance(getattr(plain, "scoring", None), str) and hasattr(plain, "best_estimator_"):
        return named_score(plain.scoring, estimator, X, y, **params)
    whole, plain = plain, _whose_score(plain) if lazy else plain
    score = unwrap(type(plain).score)  # another function may stand in its place
    if score in (RegressorMixin.score, ClassifierMixin.score):
        return named_score("r2" if score is RegressorMixin.score else "accuracy", estimator, X, y, **params)
    if not lazy:
        return plain.score(to_host(X), to_host(y), **{name: to_host(value) for name, value in params.items()})
    name = type(plain).__name__
    if name in _POWERS and (power := _POWERS[name](plain)) >= 1:
        return _score_lazy(DevianceShare(power), estimator, "predict", X, y, params.get("sample_weight"))
    if name in _OF_SAMPLES and not params:
        total, n_rows = _score_lazy(SampleScores(), estimator, "score_samples", X, None, None)
        return total / n_rows if _OF_SAMPLES[name] == "mean" else total
    if name in _FROM_DISTANCES and not params:
        return -_score_lazy(SampleScores(square_of_least=True), estimator, "transform", X, None, None)[0]
    params = {name: to_host(value) for name, value in params.items()}
    return whole.score(collected(X, memory_budget), to_host(y), **params)


def _whose_score(plain: Any) -> Any:
    """Return the estimator whose score is that of a pipeline, which gives its last step's, or of a search."""
    if hasattr(plain, "steps"):
        inner = plain.steps[-1][1]
    elif hasattr(plain, "best_estimator_") and plain.scoring is None:
        inner = plain.best_estimator_
    else:
        return plain
    inner = inner._fitted() if hasattr(inner, "_fitted") else inner
    return _whose_score(inner) if hasattr(inner, "score") else plain


# scores that are deviances, and Tweedie's power of each
_POWERS = {"PoissonRegressor": lambda e: 1, "GammaRegressor": lambda e: 2, "TweedieRegressor": lambda e: e.power}
# scores that are made of `score_samples`
_OF_SAMPLES = {"PCA": "mean", "FactorAnalysis": "mean", "GaussianMixture": "mean", "KernelDensity": "sum"}
_OF_SAMPLES |= {"BayesianGaussianMixture": "mean"}
# scores that are sums of squared distances to the nearest center
_FROM_DISTANCES = ("KMeans", "MiniBatchKMeans", "BisectingKMeans")


def _score_lazy(metric: Metric, estimator: Any, method: str, X: Any, y: Any, weight: Any) -> Any:
    """Return a score of a Dask collection or of files; what is computed is a few sums, or what is collected."""
    function = method_of(estimator, method)
    if container_of(X) in DASK:
        total = reduce_blocks(metric, apply_to(function, X), y, weight)
    else:
        total = merge_batches(metric, _scored_files(metric, function, X, y, weight))
    if total is None:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required: there is nothing to score.")
    return metric.finish(total)


def _scored_files(metric: Metric, function: BlockMethod, source: Any, y: Any, weight: Any) -> Iterator[Any]:
    """Yield what each batch contributes; `y` and the weight are names of columns."""
    targets = [y] if isinstance(y, str) else list(y or ())
    named = [*targets, *([] if weight is None else [weight])]
    unknown = [name for name in named if name not in schema_of(source)]
    if unknown:
        raise ValueError(f"X is read from files, so that y and sample_weight must name columns of it, not {unknown}.")
    for batch, result in scored_batches(function, source, features_of(function, source, named), named):
        columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in named}
        target = columns[y] if isinstance(y, str) else np.column_stack([columns[n] for n in targets]) if y else None
        yield contribution(metric, target, np.asarray(result), None if weight is None else columns[weight])


def collected(X: Any, memory_budget: int | None = None) -> Any:
    """Return a Dask collection in main memory, if it is known to be small enough; None is the configured budget.

    Raises
    ------
    CollectLimitError
        If it is not, or the rows are in files.
    """
    limit, n_bytes = parse_bytes(option("collect_limit")), inspect_input(X).n_bytes
    budget = memory_budget or configured_budget()
    limit, name = min((limit, "collect_limit"), (budget or limit, "memory_budget"))
    is_own = name == "memory_budget" and budget != configured_budget()
    change = "set_params" if is_own else "skdist_gpu.set_config"
    if container_of(X) in FILES:
        raise CollectLimitError(
            "This score is no sum over rows, and X is read from files, of which a score collects nothing. Nothing was "
            "computed. X.to_table() of a dataset, or X.collect() of a query, brings the rows into memory."
        )
    if n_bytes is None or n_bytes > limit:
        size = "of unknown size" if n_bytes is None else f"of {format_bytes(n_bytes)}"
        raise CollectLimitError(
            f"This score is no sum over rows, and X {size} would have to be collected; the limit is "
            f"{format_bytes(limit)}. Nothing was computed. {change}({name}='8GB') raises it, "
            "X.compute_chunk_sizes() finds an unknown size, and X.compute() collects it."
        )
    return to_host(X)
