"""XGBoost on the workers of a Dask cluster; the result needs neither the cluster nor Dask."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from sklearn.base import is_classifier
from xgboost.dask import DaskXGBRanker, DaskXGBRegressor

from skdist_gpu._compat.xgboost import adopt_booster
from skdist_gpu.data.containers import DASK, GPU, container_of
from skdist_gpu.data.convert import to_pandas
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.xgboost.arguments import (
    bring_home,
    check_classes,
    checked_in_memory,
    fit_arguments,
    is_ranker,
    lend,
    queries_of,
    require_gpu,
    with_memory_errors,
)
from skdist_gpu.engines.xgboost.checkpoints import Checkpoint, Progressed, train
from skdist_gpu.engines.xgboost.holdout import RowDraw, wanted_fraction
from skdist_gpu.engines.xgboost_dask.partitions import Coding, Partitions
from skdist_gpu.exceptions import EngineRefusal
from skdist_gpu.protocols import DaskClient

FIT_PARAMS = {"base_margin", "classes", "eval_set", "verbose", "xgb_model"}
FIT_PARAMS |= {"base_margin_eval_set", "sample_weight_eval_set"}
RANKER_PARAMS = (FIT_PARAMS - {"sample_weight_eval_set"}) | {"eval_qid", "qid"}


def fit(job: FitJob) -> Fitted:
    """Fit on the workers, and put the model into the job's plain estimator."""
    arguments, estimator = fit_arguments(job), job.estimator
    wanted = lend(estimator)
    _check_arguments(job, arguments)
    on_gpu = _wants_gpu(job)
    if on_gpu:
        estimator.device = estimator.device or "cuda"
    given = arguments.pop("classes", None)
    fraction = wanted_fraction(job.options, estimator, arguments)
    job.progress.start(f"{type(estimator).__name__} over Dask", total=estimator.get_num_boosting_rounds())

    def attempt(begun: Progressed, checkpoint: Checkpoint) -> tuple[Any, ...]:
        """Prepare the data, and train from where an earlier attempt came to."""
        columns = dict(arguments)
        training, held_out = _partitions(job, columns), None
        classes = training.classes(given) if is_classifier(estimator) else None
        if classes is not None:
            check_classes(classes, job)
        table = training.quantiles(estimator.max_bin, estimator.missing) if job.options.get("reproducible") else None
        coding = Coding(classes, training.categories(), table, estimator.missing)
        if fraction is not None:
            n_rows = sum(look.all_rows for look in training.looks)
            training, held_out = training.divided(RowDraw.of(fraction, estimator, n_rows))
        derived = _objective(estimator, classes)
        collections = training.collections(coding)
        begun.data = list(collections.values())
        columns |= collections | _evaluation(job.client, columns, coding, held_out)
        del training, held_out  # the workers keep what they train on, once
        trainer = _trainer(estimator, derived, begun, checkpoint)
        trainer.client = job.client
        if begun.booster is not None:
            columns["xgb_model"] = begun.booster
        with job.client.as_current():  # XGBoost asks Dask for the current one, too
            with_memory_errors(trainer.fit, **columns)
        begun.data = []
        return trainer, classes, derived

    (trainer, classes, derived), begun = train(job.client, job.progress, attempt, estimator.callbacks or ())
    job.progress.finish()

    booster = trainer.get_booster()
    if on_gpu and job.resources.gpus:  # a client without a GPU reads every model as one for the CPU
        require_gpu(booster)
    evaluated = arguments.get("eval_set") or fraction is not None
    history = begun.followed_by(trainer.evals_result()) if evaluated else {}
    adopt_booster(estimator, booster, None if classes is None else len(classes), history)
    if not callable(estimator.objective):
        estimator.objective = derived.get("objective", estimator.objective)  # as XGBClassifier.fit does
    bring_home(estimator, wanted)
    return Fitted(estimator, classes)


def _check_arguments(job: FitJob, arguments: dict[str, Any]) -> None:
    known = RANKER_PARAMS if is_ranker(job.estimator) else FIT_PARAMS
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise EngineRefusal(
            f"xgboost.dask takes the fit arguments {', '.join(sorted(known))}, not {', '.join(unknown)}. "
            "Nothing was computed; leave them out, or gather the data and use backend='xgboost'"
        )
    if is_ranker(job.estimator) and job.sample_weight is not None:
        raise EngineRefusal(
            "xgboost.dask takes no weights of queries. Nothing was computed; leave them out, or use backend='xgboost'"
        )


def _wants_gpu(job: FitJob) -> bool:
    device = job.estimator.device
    if container_of(job.X) in DASK and job.info.backing in GPU:
        return True
    on_gpu = str(device).startswith(("cuda", "gpu"))
    if on_gpu and job.resources.cluster and not job.resources.cluster.n_gpus:
        raise EngineRefusal(
            f"device={device!r} was asked for, and none of the {job.resources.cluster.n_workers} Dask "
            "workers reports a GPU. Nothing was computed; leave device at None, or start the workers with dask_cuda"
        )
    return on_gpu


def _partitions(job: FitJob, arguments: dict[str, Any]) -> Partitions:
    """Return the training data as checked partitions with rows that weigh something."""
    lazy = container_of(job.X) in DASK
    X, y, sample_weight = (job.X, job.y, job.sample_weight) if lazy else checked_in_memory(job)
    X = to_pandas(X) if container_of(X) == "polars" else X  # Dask knows no other frames
    if is_ranker(job.estimator):
        X, arguments["qid"] = queries_of(X, arguments.get("qid"))
    columns = {"X": X, "y": y, "sample_weight": sample_weight}
    columns |= {name: arguments.pop(name, None) for name in ("base_margin", "qid")}
    if is_ranker(job.estimator) and columns["qid"] is None:
        raise EngineRefusal("a ranking over Dask needs qid, the query of each row. Nothing was computed")
    training = Partitions.of(job.client, columns)
    if not any(look.all_rows for look in training.looks):
        raise ValueError("Found array with 0 sample(s) in all partitions while a minimum of 1 is required.")
    if not any(look.rows for look in training.looks):
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return training.with_whole_queries() if is_ranker(job.estimator) else training


def _objective(estimator: Any, classes: np.ndarray | None) -> dict[str, Any]:
    """Return the parameters that XGBClassifier, too, derives from the number of classes."""
    if classes is None:
        return {}
    if len(classes) <= 2:
        return {"objective": "binary:logistic"} if callable(estimator.objective) else {}
    softmax = estimator.objective == "multi:softmax"
    return {"objective": "multi:softmax" if softmax else "multi:softprob", "num_class": len(classes)}


def _trainer(estimator: Any, derived: dict[str, Any], begun: Progressed, checkpoint: Checkpoint) -> Any:
    """Return XGBoost's estimator for Dask with the parameters of the plain one, for the rounds that are left.

    Its regressor trains any objective as it stands; its classifier would replace the objective.
    """
    params = estimator.get_params()
    if params["feature_weights"] is not None:
        params["feature_weights"] = da.from_array(np.asarray(params["feature_weights"]))
    params["callbacks"] = [*checkpoint.callbacks, checkpoint]
    if begun.rounds:
        derived = derived | {"random_state": (estimator.random_state or 0) + begun.rounds}  # no draw twice
        if estimator.early_stopping_rounds:
            params["callbacks"].append(begun.early_stopping(estimator.early_stopping_rounds))
            params["early_stopping_rounds"] = None
    trainer: Any = DaskXGBRegressor(**params)
    if is_ranker(estimator):
        trainer = DaskXGBRanker(allow_group_split=True, **params)  # the partitions hold whole queries
    trainer.get_xgb_params = lambda: estimator.get_xgb_params() | derived
    trainer.get_num_boosting_rounds = lambda: estimator.get_num_boosting_rounds() - begun.rounds
    return trainer


def _evaluation(
    client: DaskClient, arguments: dict[str, Any], coding: Coding, held_out: Partitions | None
) -> dict[str, Any]:
    """Return the arguments of `fit` about data to evaluate on, as Dask collections."""
    names = {"sample_weight": "sample_weight_eval_set", "base_margin": "base_margin_eval_set", "qid": "eval_qid"}
    tables = []
    for i, (X, y) in enumerate(arguments.get("eval_set") or []):
        further = {name: arguments[many][i] for name, many in names.items() if arguments.get(many)}
        given = Partitions.of(client, {"X": X, "y": y, **further})
        tables.append(given.with_whole_queries() if "qid" in further else given)
    found: dict[str, Any] = {}
    for table in tables if held_out is None else [held_out]:
        columns = table.collections(coding)
        found.setdefault("eval_set", []).append((columns.pop("X"), columns.pop("y")))
        for name, column in columns.items():
            found.setdefault(names[name], []).append(column)
    return found if held_out is None else found | {"verbose": arguments.get("verbose", False)}
