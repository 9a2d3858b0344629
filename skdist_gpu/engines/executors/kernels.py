"""Which reductions have a kernel of their own, that reads rows once where array expressions would several times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from skdist_gpu.engines.executors import column_kernels, gram_kernels, lloyd_kernels, score_kernels, softmax_kernels
from skdist_gpu.engines.reductions.behind import BehindSteps
from skdist_gpu.engines.reductions.columns.columns import Together
from skdist_gpu.engines.reductions.columns.quantiles import SortReduction
from skdist_gpu.engines.reductions.core.moments import MomentsReduction
from skdist_gpu.engines.reductions.core.sample import OverviewReduction


def map_block(reduction: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    """Return what a block on the GPU contributes: by a kernel where there is one, else by the reduction's own map."""
    if type(reduction) is BehindSteps:
        return map_block(reduction.reduction, *reduction.arguments(X, y, sample_weight))
    if score_kernels.has_kernel(reduction, X, y):
        return score_kernels.map_rows(reduction, X, y, sample_weight)
    if softmax_kernels.has_kernel(reduction, X, y):
        return softmax_kernels.map_rows(reduction, X, y, sample_weight)
    if lloyd_kernels.has_kernel(reduction, X):
        return lloyd_kernels.map_rows(reduction, X, sample_weight)
    if _is_gram(reduction, X, y):
        return gram_kernels.moments(X, y, sample_weight)
    if type(reduction) is OverviewReduction and reduction.columns:
        view = replace(reduction, columns=False).map(X, y, sample_weight)
        view.columns = map_block(reduction.of_columns, X, None, None)
        return view
    if type(reduction) is SortReduction:
        return column_kernels.sorted_at(X, reduction.shares)
    if type(reduction) is Together:
        return tuple(map_block(each, X, y, sample_weight) for each in reduction.reductions)
    if column_kernels.has_kernel(reduction, X, y):
        return column_kernels.map_rows(reduction, X, y, sample_weight)
    return reduction.map(X, y, sample_weight)


def reads_in_place(reduction: Any, X: Any, y: Any) -> bool:
    """Whether a reduction makes no copy of the rows, so that one block may hold all of them."""
    return (
        (score_kernels.has_kernel(reduction, X, y) and (not reduction.every or gram_kernels.has_kernel(X, None)))
        or softmax_kernels.has_kernel(reduction, X, y)
        or lloyd_kernels.has_kernel(reduction, X)
        or _is_gram(reduction, X, y)
        or column_kernels.has_kernel(reduction, X, y)
        or type(reduction) is SortReduction
        or (type(reduction) is OverviewReduction and (not reduction.columns or _reads_columns(X)))
    )


def _reads_columns(X: Any) -> bool:
    return column_kernels.has_kernel(OverviewReduction.of_columns, X, None)


def _is_gram(reduction: Any, X: Any, y: Any) -> bool:
    return type(reduction) is MomentsReduction and gram_kernels.has_kernel(X, y)
