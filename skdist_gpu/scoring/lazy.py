"""Map a fitted estimator's method over the row blocks of a Dask collection, computing nothing."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import Any

import dask
import numpy as np

from skdist_gpu._compat.dask import example_rows, meta_of
from skdist_gpu.data.blocks import own_rows, take_rows
from skdist_gpu.data.containers import FRAMES, GPU, container_of, find
from skdist_gpu.data.convert import aligned, place_like, to_host
from skdist_gpu.data.examples import with_categories_of
from skdist_gpu.data.text import with_nan_in_text
from skdist_gpu.engines.block_method import BlockMethod
from skdist_gpu.scoring.methods import apply_to_block, column_names

# the empty result of a method of which no more is known
ANYTHING = np.empty(0, dtype=object)


def map_rows(function: BlockMethod, X: Any) -> Any:
    """Return a lazy collection with one row for each row of `X`; a list of them where the method gives a list.

    Made-up rows are scored at once, to learn the shape and dtype of the result. The model is one
    key of the graph, whatever the number of blocks, so that each worker receives it once. XGBoost's
    margins are cut into the blocks of `X`.
    """
    margin = function.params.get("base_margin")
    if margin is not None:
        function, margin = function.with_margin(None), aligned(margin, X, "base_margin")
    if container_of(X) == "dask.array":
        return _map_array(function, X, margin)
    like = with_nan_in_text(meta_of(X))
    if like is not meta_of(X):
        X = find(X).map_lazily(X, with_nan_in_text, like)
    return _map_frame(function, X, margin)


def _shared(function: BlockMethod) -> Any:
    return dask.delayed(function, pure=True, traverse=False)


# --- arrays ----------------------------------------------------------------------------------


def _map_array(function: BlockMethod, X: Any, margin: Any) -> Any:
    example = np.zeros((1, *X.shape[1:]), dtype=X.dtype)
    if container_of(meta_of(X)) == "scipy.sparse":
        example = type(meta_of(X))(example)
    empty = _empty(function, with_categories_of(function.estimator, example), meta_of(X))
    if not isinstance(empty, (list, tuple)):
        return find(X).map_lazily(X, _score, empty, margin, model=_shared(function), empty=empty)
    whole = find(X).map_lazily(X, _score, ANYTHING, model=_shared(function), empty=empty)
    return type(empty)(find(whole).map_lazily(whole, _pick, part, i=i) for i, part in enumerate(empty))


def _empty(function: BlockMethod, example: Any, like: Any) -> Any:
    """Return the result for no rows, with the dtype and the columns that it has for some."""
    with warnings.catch_warnings():  # the values are made up
        warnings.simplefilter("ignore")
        result = function(example)
    if isinstance(result, (list, tuple)):
        return type(result)(_no_rows(part, like) for part in result)
    return _no_rows(result, like)


def _no_rows(result: Any, like: Any) -> Any:
    if container_of(result) != "scipy.sparse":
        result = np.asarray(result)
        return place_like(result[:0], like) if result.dtype.kind in "biuf" else result[:0]
    return result[:0]


def _score(block: Any, margin: Any = None, *, model: BlockMethod, empty: Any) -> Any:
    """Score one block of an array."""
    if not block.shape[0]:
        return empty  # scikit-learn raises on a block without rows
    result = _applied(model if margin is None else model.with_margin(margin), block)
    if isinstance(result, (list, tuple)):
        return type(result)(_as(part, like) for part, like in zip(result, empty, strict=True))
    return _as(result, empty)


def _applied(model: BlockMethod, block: Any) -> Any:
    """Return the method's result for a block, which stays as it is."""
    return apply_to_block(model, own_rows(model.estimator, block, model.params))


def _as(result: Any, empty: Any) -> Any:
    """Return an array of the dtype that was promised; `set_output` may have made a frame."""
    result = to_host(result).to_numpy() if container_of(result) in FRAMES else result
    return result.astype(empty.dtype, copy=False) if empty.dtype.kind in "biuf" else result


def _pick(results: Any, i: int) -> Any:
    return results[i]


# --- frames ----------------------------------------------------------------------------------


def _map_frame(function: BlockMethod, X: Any, margin: Any) -> Any:
    example = with_categories_of(function.estimator, example_rows(X))
    result = apply_to_block(function, _as_it_learned(function, example))
    if container_of(result) == "scipy.sparse":
        return _sparse_blocks(function, X, result[:0])
    if not isinstance(result, (list, tuple)):
        frame = partial(_frame, columns=column_names(function))
        empty = take_rows(frame(result, example), slice(0))
        score = partial(_score_frame, frame=frame, empty=empty)
        return find(X).map_lazily(X, score, empty, margin, model=_shared(function))
    empties = type(result)(take_rows(_frame(part, example, None), slice(0)) for part in result)
    score = partial(_score_frame, frame=partial(_frames, columns=None), empty=empties)
    whole = find(X).map_lazily(X, score, ANYTHING, model=_shared(function))
    return type(result)(find(whole).map_lazily(whole, _pick, empty, i=i) for i, empty in enumerate(empties))


def _sparse_blocks(function: BlockMethod, X: Any, empty: Any) -> Any:
    """Return a Dask array of sparse blocks: a frame of so many columns would be slow, and dense."""
    from dask.array import concatenate, from_delayed

    model, score = _shared(function), dask.delayed(_score, pure=True)
    blocks = [score(block, model=model, empty=empty) for block in find(X).delayed_blocks(X)]
    shape = (np.nan, empty.shape[1])
    return concatenate([from_delayed(block, shape, dtype=empty.dtype, meta=empty) for block in blocks])


def as_named_frame(result: Any, estimator: Any) -> Any:
    """Return a Dask array as a Dask frame with the names of the output features.

    Raises
    ------
    ValueError
        In scikit-learn's words, where the blocks are sparse.
    """
    from dask.dataframe import from_dask_array

    if container_of(meta_of(result)) == "scipy.sparse":
        raise ValueError(
            "Pandas output does not support sparse data. Set sparse_output=False to output pandas dataframes or "
            "disable Pandas output via `ohe.set_output(transform='default')`. Nothing was computed."
        )
    names = estimator.get_feature_names_out() if hasattr(estimator, "get_feature_names_out") else None
    return from_dask_array(result, columns=None if names is None else list(names))


def _score_frame(block: Any, margin: Any = None, *, model: BlockMethod, frame: Any, empty: Any) -> Any:
    model = model if margin is None else model.with_margin(margin.values)
    return frame(_applied(model, _as_it_learned(model, block)), block) if len(block) else empty


def _as_it_learned(model: BlockMethod, block: Any) -> Any:
    """Return a block without names where the estimator knows how many columns there are, and no names."""
    nameless = hasattr(model.estimator, "n_features_in_") and not hasattr(model.estimator, "feature_names_in_")
    return block.to_numpy() if nameless and container_of(block) == "pandas" else block


def _frame(result: Any, block: Any, columns: Any) -> Any:
    """Give a result the index, and the library, of the block it was computed from."""
    if container_of(result) in FRAMES:  # set_output made a frame already
        return result
    library = sys.modules["cudf" if container_of(block) in GPU else "pandas"]
    if result.ndim == 1:
        return library.Series(result, index=block.index)
    return library.DataFrame(result, index=block.index, columns=columns)


def _frames(results: Any, block: Any, columns: Any) -> Any:
    return type(results)(_frame(result, block, columns) for result in results)
