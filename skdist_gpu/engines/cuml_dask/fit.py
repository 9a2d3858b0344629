"""cuml.dask over the GPUs of a Dask cluster, brought home as the plain scikit-learn estimator.

cuml.dask trusts its caller: blocks of X and y that do not line up are cut off silently, a value that is not finite on
one GPU leaves the others waiting for it, and models live and die with the client. Here the blocks are brought to the
GPUs and checked first, and what was learned is fetched from the worker that has it.
"""

from __future__ import annotations

import time
from traceback import clear_frames
from typing import Any

import dask
import dask.array
import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import get_tags

from skdist_gpu._compat.cuml import cuml_dask_class, fit_options, make_parameters, unsupported_errors
from skdist_gpu._compat.sklearn_learned import smooth_counts
from skdist_gpu.data.containers import DASK, container_of
from skdist_gpu.data.convert import check_lazy_input, to_dask, to_gpu, to_host, validate
from skdist_gpu.data.labels import codes_of
from skdist_gpu.engines.cuml.fit import FORESTS, carry_over, check_shape, conclude, forest_answers
from skdist_gpu.engines.executors.dask import DaskExecutor, delayed_blocks
from skdist_gpu.engines.parameters import check_as_scikit_learn
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.exceptions import EngineRefusal, MisalignedBlocksError
from skdist_gpu.protocols import DaskClient

# after which Dask has told its workers of futures that are gone
FORGOTTEN_SECONDS = 0.1


def fit(job: FitJob) -> Fitted:
    """Fit with cuml.dask and carry the result over to the job's scikit-learn estimator."""
    estimator, client = job.estimator, job.client
    check_as_scikit_learn(job)
    X, y, classes = _checked(job)
    check_shape(estimator, X.shape)
    job.progress.start(f"{type(estimator).__name__} with cuml.dask")
    with client.as_current():  # cuml.dask asks for the current client, even where it was given one
        try:
            model = cuml_dask_class(estimator)(client=client, **make_parameters(estimator))
            _fit_there(model, X, y, fit_options(estimator))
            learned, answers = _bring_home(model, client, X.shape[0])
        except unsupported_errors() as error:
            raise EngineRefusal(f"cuML refuses: {error}") from error
        except Exception as error:
            # frames that failed hold communicators, which close when they go
            clear_frames(error.__traceback__)
            if "out of memory" in str(error).lower() or "bad_alloc" in str(error).lower():
                raise MemoryError(str(error)) from error
            raise
        _learn(estimator, learned, model, classes)
        conclude(job)
    job.progress.finish()
    return Fitted(estimator, answers=answers)


def _fit_there(model: Any, X: Any, y: Any, options: dict[str, Any]) -> None:
    """Fit a model of cuml.dask.

    DBSCAN hands out its rows under a name made of their values. The same name in the fit before may be forgotten just
    then, and the rows with it, which ends in a KeyError.
    """
    tries_left = 2 if type(model).__name__ == "DBSCAN" else 0
    while True:
        try:
            model.fit(*(part for part in (X, y) if part is not None), **options)
            return
        except KeyError:
            if not tries_left:
                raise
        tries_left -= 1
        time.sleep(FORGOTTEN_SECONDS)


def _checked(job: FitJob) -> tuple[Any, Any, np.ndarray | None]:
    """Return X and y as cuml.dask takes them, and the classes that codes in y stand for."""
    estimator = job.estimator
    y = job.y if get_tags(estimator).target_tags.required else None
    if type(estimator).__name__ == "DBSCAN":
        X, _, _ = validate(estimator, job.X, None, None, sparse=False, multi_target=False, finite=True)
        return X, None, None
    if container_of(job.X) in DASK:
        X, y, _ = check_lazy_input(estimator, job.X, y, None, labels=is_classifier(estimator))
    else:
        X, y, _ = validate(estimator, job.X, y, None, sparse=False, multi_target=False, finite=True)
        X, y = to_dask(X), to_dask(y)
    classes = None
    if is_classifier(estimator):
        classes = DaskExecutor(X, y, None, job.client, job.progress).find_classes()
    single = type(estimator).__name__ in FORESTS or job.info.dtype == "float32"
    dtype = np.dtype(np.float32 if single else np.float64)
    X_blocks = _to_gpus(job.client, X, dtype)
    if y is None:
        return *_as_arrays(job.client, X_blocks, None, dtype), None
    y_dtype = dtype if classes is None else np.dtype(np.int32)
    y_blocks = _to_gpus(job.client, y, y_dtype, classes)
    return *_as_arrays(job.client, X_blocks, y_blocks, dtype, y_dtype), classes


def _to_gpus(client: DaskClient, part: Any, dtype: np.dtype, classes: np.ndarray | None = None) -> list[Any]:
    """Return the blocks of a collection as arrays on the workers' GPUs, labels as codes."""
    to_gpu_block = dask.delayed(_to_gpu_block, pure=False)
    return client.compute([to_gpu_block(block, dtype, classes) for block in delayed_blocks(part)])


def _to_gpu_block(block: Any, dtype: np.dtype, classes: np.ndarray | None) -> Any:
    values = to_gpu(block) if classes is None else to_gpu(codes_of(block, classes))
    if values.ndim == 2 and values.shape[1] == 1 and classes is not None:
        values = values.ravel()
    return values.astype(dtype, order="C", copy=False)


def _as_arrays(client: DaskClient, X: list[Any], y: list[Any] | None, *dtypes: np.dtype) -> tuple[Any, Any]:
    """Return Dask arrays of blocks whose sizes and values were checked, without the empty ones.

    Raises
    ------
    MisalignedBlocksError
        If a block of y has another number of rows than its block of X.
    ValueError
        If a value is not finite: cuml.dask would fail on one worker, and the others wait for it.
    """
    found = client.gather(client.map(_shape_if_finite, [*X, *(y or [])], pure=False))
    shapes, targets = found[: len(X)], found[-len(X) :]
    for index, (shape, target) in enumerate(zip(shapes, targets, strict=True)):
        if shape is None or target is None:
            raise ValueError(f"Input contains NaN or infinity, in block {index}. Nothing was fitted.")
        if target[0] != shape[0]:
            raise MisalignedBlocksError(
                f"Block {index} has {shape[0]} rows of X and {target[0]} of y. Nothing was fitted. Take both from one "
                "frame, or repartition one like the other."
            )
    return _concatenate(X, shapes, dtypes[0]), None if y is None else _concatenate(y, targets, dtypes[1])


def _shape_if_finite(block: Any) -> tuple[int, ...] | None:
    from skdist_gpu.engines.executors.gpu_copies import are_finite

    return block.shape if block.dtype.kind != "f" or are_finite(block) else None


def _concatenate(blocks: list[Any], shapes: list[tuple[int, ...]], dtype: np.dtype) -> Any:
    """Return futures of blocks as a Dask array of CuPy blocks, without the empty ones."""
    import cupy

    arrays = [
        dask.array.from_delayed(dask.delayed(block), shape=shape, meta=cupy.empty((0,) * len(shape), dtype))
        for block, shape in zip(blocks, shapes, strict=True)
        if shape[0]
    ]
    return dask.array.concatenate(arrays)


def _bring_home(model: Any, client: DaskClient, n_rows: int) -> tuple[Any, dict[str, Any]]:
    """Return what a model learned, and what the plain estimator cannot hold, from the worker that has them."""
    inner = model.internal_model
    return client.submit(_plain, inner, n_rows, pure=False).result() if hasattr(inner, "key") else _plain(inner, n_rows)


def _plain(model: Any, n_rows: int) -> tuple[Any, dict[str, Any]]:
    """Return scikit-learn's estimator, or the counts of a model that cuML does not convert."""
    if not hasattr(model, "as_sklearn"):
        names = ("class_count_", "feature_count_")
        return {name: to_host(getattr(model, name)).astype(np.float64) for name in names}, {}
    if type(model).__name__ == "PCAMG":
        model.n_samples_ = n_rows  # cuML forgets it, and needs it to convert
    return model.as_sklearn(), forest_answers(model)


def _learn(estimator: Any, learned: Any, model: Any, classes: np.ndarray | None) -> None:
    """Set the attributes of scikit-learn's estimator."""
    if isinstance(learned, dict):
        vars(estimator).update(learned)
    else:
        carry_over(learned, estimator)
    if classes is not None:
        estimator.classes_ = classes  # the models know codes alone
    if type(estimator).__name__ == "MultinomialNB":
        smooth_counts(estimator)
    if type(estimator).__name__ == "KMeans":  # the first worker's model knows its own rows alone
        estimator.labels_ = to_host(model.labels_).astype(np.int32)
        estimator.inertia_ = float(model.inertia_)
