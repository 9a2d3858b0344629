"""Call a method of a fitted estimator on rows in memory, and on batches of rows in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import joblib
import numpy as np

from skdist_gpu._compat.sklearn import check_feature_names
from skdist_gpu.config import configured_budget
from skdist_gpu.data.containers import GPU, container_of
from skdist_gpu.data.convert import to_host, to_pandas
from skdist_gpu.data.dataset import features_schema, in_threads, read_batches, schema_of
from skdist_gpu.engines.block_method import BlockMethod, ModelCopies
from skdist_gpu.engines.registry import method_class
from skdist_gpu.hardware.threads import one_blas_thread

# rows of a batch of files, which takes no more bytes than these
BATCH_ROWS = 16_384
BATCH_BYTES = 4 * 2**20
# methods of estimators that are no function of rows, beside those that fit, get and set
_OF_NO_ROWS = ("partial_fit", "score")


def block_method(
    estimator: Any,
    method: str,
    labels: Any = None,
    params: Any = None,
    copies: ModelCopies | None = None,
    memory_budget: int | None = None,
) -> BlockMethod:
    """Return a method of a plain fitted estimator as a function of a block of rows in main memory."""
    cls, budget = method_class(estimator, "cpu"), memory_budget or configured_budget()
    return cls(estimator, method, labels, params or {}, copies or ModelCopies(), budget)


def method_of(estimator: Any, name: str) -> BlockMethod:
    """Return a method of a fitted estimator, AutoScale or plain, as a function of a block of rows."""
    if not callable(getattr(estimator, name, None)):
        raise AttributeError(f"{type(estimator).__name__} has no method {name!r}.")
    if name in _OF_NO_ROWS or name.startswith(("_", "fit", "get_", "set_")):
        raise AttributeError(f"{name} of {type(estimator).__name__} gives nothing for each row, as predict does.")
    own = getattr(estimator, "_block_method", None)
    return own(name) if own else block_method(estimator, name)


def apply_to_block(function: BlockMethod, block: Any) -> Any:
    """Return the method's result for data in the memory of this machine or of its GPU."""
    if container_of(block) in GPU:
        return function.as_class(method_class(function.estimator, "gpu"))(block)
    return function(to_host(block))


def features_of(function: BlockMethod, source: Any, keep: Sequence[str] = ()) -> list[str]:
    """Name the columns of files that an estimator was fitted to; all but those kept, where it knows no names."""
    known = getattr(function.estimator, "feature_names_in_", None)
    # a step before leaves what it did not see beside its result
    others = {*keep, *getattr(source, "kept", ()), margin_column(function)}
    if known is None:
        return [name for name in features_schema(source) if name not in others]
    names = schema_of(source)
    if any(name not in names for name in known):
        check_feature_names(function.estimator, [name for name in names if name in known])
    return list(known)


def margin_column(function: BlockMethod) -> str | None:
    """Return the name of the column of files that holds XGBoost's margins, if there is one."""
    margin = function.params.get("base_margin")
    if margin is None or isinstance(margin, str):
        return margin
    raise ValueError("X is read from files, so that base_margin must name a column of it. Nothing was read.")


def scored_batches(
    function: BlockMethod, source: Any, names: Sequence[str], keep: Sequence[str] = (), n_rows: int | None = None
) -> Iterator[tuple[Any, Any]]:
    """Yield Arrow batches of a dataset or lazy frame with the method's results for the columns `names`.

    A few batches are in memory at a time.
    """
    known, margin = getattr(function.estimator, "feature_names_in_", None), margin_column(function)
    columns = list(dict.fromkeys([*names, *keep, *([] if margin is None else [margin])]))
    n_rows = n_rows or max(256, min(BATCH_ROWS, BATCH_BYTES // (8 * len(columns))))

    def score(batch: Any) -> tuple[Any, Any]:
        rows = to_pandas(batch.select(names))
        method = function if margin is None else function.with_margin(batch.column(margin).to_numpy())
        return batch, method(rows.to_numpy() if known is None else rows)

    results = in_threads(score, read_batches(source, columns, n_rows), joblib.cpu_count())
    while True:
        # between batches the caller computes, too, and BLAS is the caller's again
        with one_blas_thread():
            scored = next(results, None)
        if scored is None:
            return
        yield scored


def put_together(results: list[Any]) -> Any:
    """Put the results of blocks of rows together."""
    first = results[0]
    if isinstance(first, (list, tuple)):
        return type(first)(put_together(list(parts)) for parts in zip(*results, strict=True))
    if container_of(first) == "scipy.sparse":
        from scipy.sparse import vstack

        return vstack(results, format="csr")
    return np.concatenate(results)


def column_names(function: BlockMethod) -> Any:
    """Name the columns of a 2-D result: output features, classes, or the features that were transformed."""
    estimator = function.estimator
    if function.method == "transform":
        try:
            return list(estimator.get_feature_names_out())
        except AttributeError:  # it has no names, or a part of it has none
            return None
    if function.method == "inverse_transform":
        return getattr(estimator, "feature_names_in_", None)
    if function.method in ("predict_proba", "predict_log_proba"):
        classes = function.labels if function.labels is not None else getattr(estimator, "classes_", None)
        return None if isinstance(classes, list) else classes
    return None
