"""Fit one clone of an estimator to each block of rows, and let the clones vote.

That is another model than one fit on all rows. It is what can be had from estimators that are neither
sums over rows nor trained block after block, on data larger than memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import dask
import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Bunch

from skdist_gpu.data.blocks import Block, DaskBlocks
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.labels import classes_in, codes_of
from skdist_gpu.engines.incremental.fit import blocks_of
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.voting.info import BLOCK_ROWS
from skdist_gpu.hardware.threads import one_blas_thread

# number of the block, the model, and how many rows it speaks for
Voter = tuple[int, Any, float]


def fit(job: FitJob) -> Fitted:
    """Return scikit-learn's ensemble of the models of all blocks, each weighing as many rows as it saw.

    An argument of `fit` beside the data: `block_rows`, the rows of a block of files or of data in memory.
    """
    block_rows = _arguments(**job.fit_params)
    blocks = blocks_of(job, block_rows or BLOCK_ROWS, multi_target=False, across_files=True)
    if isinstance(blocks, DaskBlocks) and block_rows is not None:
        raise ValueError("block_rows is for files and data in memory. Nothing was fitted. Repartition the Dask data.")
    classes = classes_in(blocks.labels()) if is_classifier(job.estimator) else None
    estimator = job.estimator if classes is None else _with_codes(job.estimator, classes)
    fit_one = partial(_fit_block, estimator, classes)
    found = _on_dask(fit_one, blocks, job) if isinstance(blocks, DaskBlocks) else _one_by_one(fit_one, blocks, job)
    voters = [voter for voter in found if voter is not None]
    if not voters:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required: no block has rows.")
    return Fitted(_ensemble(estimator, classes, voters))


def _arguments(block_rows: int | None = None) -> int | None:
    if block_rows is not None and block_rows < 1:
        raise ValueError(f"block_rows={block_rows} is not at least 1.")
    return block_rows


def _on_dask(fit_one: Any, blocks: DaskBlocks, job: FitJob) -> list[Voter | None]:
    """Fit all partitions in parallel, where they are."""
    job.progress.start(f"models of {len(blocks)} blocks")
    task = dask.delayed(fit_one, pure=False, traverse=False)
    models = [task(number, **block) for number, block in enumerate(blocks)]
    # workers pin BLAS to one thread by themselves, Dask's local threads do not
    with one_blas_thread():
        found = blocks.compute(models)
    job.progress.finish()
    return found


def _one_by_one(fit_one: Any, blocks: Iterable[Block], job: FitJob) -> list[Voter | None]:
    """Fit block after block, so that only one is in memory."""
    job.progress.start("models of blocks")
    found = [fit_one(number, **block) for number, block in enumerate(blocks)]
    job.progress.finish()
    return found


def _fit_block(
    estimator: Any, classes: np.ndarray | None, number: int, X: Any, y: Any, sample_weight: Any = None
) -> Voter | None:
    """Fit a clone to one block; None where it has no rows."""
    X, y = to_host(X), np.asarray(to_host(y))
    if X.shape[0] == 0:
        return None
    weights = {} if sample_weight is None else {"sample_weight": np.asarray(to_host(sample_weight))}
    if classes is not None:
        y = codes_of(y, classes)
        if hasattr(estimator, "predict_proba"):
            _check_all_present(number, y, classes)
    try:
        model = clone(estimator).fit(X, y, **weights)
    except Exception as error:
        error.add_note(f"This happened in block {number}, which has {X.shape[0]} rows.")
        raise
    return number, model, float(np.sum(weights["sample_weight"])) if weights else float(X.shape[0])


def _check_all_present(number: int, codes: np.ndarray, classes: np.ndarray) -> None:
    missing = np.setdiff1d(np.arange(len(classes)), codes)
    if len(missing):
        raise ValueError(
            f"Block {number} ({len(codes)} rows) has no row of {len(missing)} of {len(classes)} classes: "
            f"{classes[missing[:8]].tolist()}. Its probabilities cannot be averaged with those of other blocks. "
            "No model was kept. Shuffle the rows, or repartition into larger blocks, or use a classifier without "
            "predict_proba, whose labels are counted."
        )


def _with_codes(estimator: Any, classes: np.ndarray) -> Any:
    """Return the estimator with class weights for the codes 0 … n-1, which the voters are trained on."""
    given = estimator.get_params().items()
    by_label = {n: v for n, v in given if n.rpartition("__")[2] == "class_weight" and isinstance(v, dict)}
    by_code = {n: {i: v[c] for i, c in enumerate(classes.tolist()) if c in v} for n, v in by_label.items()}
    return clone(estimator).set_params(**by_code)


def _ensemble(estimator: Any, classes: np.ndarray | None, voters: list[Voter]) -> Any:
    """Return scikit-learn's ensemble as its own fit would leave it."""
    names = [f"block_{number}" for number, _, _ in voters]
    members = [(name, estimator) for name in names]
    rows = [weight for _, _, weight in voters]
    ensemble: Any
    if classes is None:
        ensemble = VotingRegressor(members, weights=rows)
    else:
        soft = hasattr(estimator, "predict_proba")
        ensemble = VotingClassifier(members, voting="soft" if soft else "hard", weights=rows)
        ensemble.le_ = LabelEncoder()
        ensemble.le_.classes_ = ensemble.classes_ = classes
    ensemble.estimators_ = [model for _, model, _ in voters]
    ensemble.named_estimators_ = Bunch(**dict(zip(names, ensemble.estimators_, strict=True)))
    if hasattr(ensemble.estimators_[0], "feature_names_in_"):
        ensemble.feature_names_in_ = ensemble.estimators_[0].feature_names_in_
    return ensemble
