"""Map a fitted estimator's method over the row blocks of a Dask collection, computing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skdist_gpu._compat.dask import example_rows
from skdist_gpu.data.convert import to_gpu
from skdist_gpu.data.kinds import GPU, container_of
from skdist_gpu.fitted import BlockMethod, apply_to


def map_rows(function: BlockMethod, X: Any) -> Any:
    """Return a lazy collection with one row for each row of `X`.

    One made-up row is scored at once, to learn the shape and dtype of the result.
    """
    if container_of(X) == "dask.array":
        return _map_array(function, X)
    return _map_frame(function, X)


def _map_array(function: BlockMethod, X: Any) -> Any:
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    rows = np.zeros((1, X.shape[1]), dtype=X.dtype)
    rows[:] = _known_categories(function) or 0
    example = function(rows)
    if not hasattr(example, "toarray"):
        example = np.asarray(example)
    empty = to_gpu(example[:0]) if container_of(X._meta) in GPU else example[:0]
    score = _ArrayBlock(function, empty)
    if example.ndim == 1:
        return X.map_blocks(score, drop_axis=1, dtype=example.dtype, meta=empty)
    return X.map_blocks(score, chunks=(X.chunks[0], (example.shape[1],)), dtype=example.dtype, meta=empty)


def _map_frame(function: BlockMethod, X: Any) -> Any:
    example_X = example_rows(X)
    for column, category in zip(example_X.columns, _known_categories(function), strict=False):
        example_X[column] = category
    score = _FrameBlock(function, _columns(function))
    empty = score.frame(apply_to(function, example_X), example_X).iloc[:0]
    return X.map_partitions(_FrameBlock(function, score.columns, empty), meta=empty)


def _known_categories(function: BlockMethod) -> list[Any]:
    """Return a category of each column for an encoder, which takes no made-up ones; nothing for others."""
    return [categories[0] for categories in getattr(function.estimator, "categories_", ())]


@dataclass(frozen=True)
class _ArrayBlock:
    function: BlockMethod
    empty: Any

    def __call__(self, block: Any) -> Any:
        # scikit-learn raises on a block without rows
        return apply_to(self.function, block) if block.shape[0] else self.empty


@dataclass(frozen=True)
class _FrameBlock:
    function: BlockMethod
    columns: Any = None
    empty: Any = None

    def __call__(self, block: Any) -> Any:
        return self.frame(apply_to(self.function, block), block) if len(block) else self.empty

    def frame(self, result: Any, block: Any) -> Any:
        """Give a result the index, and the library, of the block it was computed from."""
        if hasattr(result, "index"):  # set_output made a frame already
            return result
        library = _frame_library(block)
        if result.ndim == 1:
            return library.Series(result, index=block.index)
        if hasattr(result, "toarray"):
            result = result.toarray()
        return library.DataFrame(result, index=block.index, columns=self.columns)


def _frame_library(block: Any) -> Any:
    import sys

    return sys.modules["cudf"] if container_of(block) == "cudf" else sys.modules["pandas"]


def _columns(function: BlockMethod) -> Any:
    """Name the columns of a 2-D result: output features, or classes."""
    estimator = function.estimator
    if function.method == "transform" and hasattr(estimator, "get_feature_names_out"):
        return list(estimator.get_feature_names_out())
    if function.method in ("predict_proba", "predict_log_proba"):
        classes = function.labels if function.labels is not None else getattr(estimator, "classes_", None)
        return None if isinstance(classes, list) else classes
    return None
