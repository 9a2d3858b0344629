"""Training on a cluster that loses workers: checkpoints on the scheduler, and resumption from the last one."""

from __future__ import annotations

import pickle
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from distributed import Client, Variable, get_client, get_worker
from xgboost import Booster, collective
from xgboost.callback import EarlyStopping, TrainingCallback

from skdist_gpu.engines.xgboost.arguments import last_metric
from skdist_gpu.exceptions import EngineRefusal

# between two checkpoints: what a lost worker costs at most, beside the start
SECONDS = 10.0
# how long to wait until the scheduler has noticed a lost worker, and until there is a worker again
NOTICE_SECONDS, WORKER_SECONDS = 5.0, 60.0
MOST_LOSSES = 3

History = dict[str, dict[str, list[float]]]


@dataclass
class Progressed:
    """How far a training came: the model after some rounds, and the values of its metrics.

    `data` are the collections that an attempt trains on, for it to be ended if it hangs.
    """

    booster: Any = None
    rounds: int = 0
    history: History = field(default_factory=dict)
    data: list[Any] = field(default_factory=list)

    def joined(self, later: History) -> History:
        """Return the history with that of later rounds behind it."""
        return {
            data: {name: [*self.history.get(data, {}).get(name, []), *values] for name, values in metrics.items()}
            for data, metrics in later.items()
        }

    def early_stopping(self, rounds: int) -> EarlyStopping:
        """Return XGBoost's rule of early stopping as it stood after these rounds."""
        stopping = EarlyStopping(rounds=rounds)
        stopping.starting_round = self.booster.num_boosted_rounds() - self.rounds
        for i in range(self.rounds):
            so_far: Any = {d: {name: v[: i + 1] for name, v in metrics.items()} for d, metrics in self.history.items()}
            stopping.after_iteration(self.booster, i, so_far)
        return stopping


class Checkpoint(TrainingCallback):
    """Leave the model with the scheduler now and then, and tell the client of it; runs on the workers."""

    def __init__(self, name: str, seconds: float, told: bool) -> None:
        self.name, self.seconds, self.told = name, seconds, told
        self.next = 0.0

    def before_training(self, model: Any) -> Any:
        """Note the time, and tell which worker takes part."""
        get_worker().log_event(self.name, {"worker": get_worker().address})
        self.next = time.monotonic() + self.seconds
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Save if it is time; never stops the training."""
        if collective.get_rank() != 0:
            return False
        if self.told:
            get_worker().log_event(self.name, {"metric": last_metric(evals_log) if evals_log else ""})
        if time.monotonic() >= self.next:
            history = {data: {name: list(v) for name, v in metrics.items()} for data, metrics in evals_log.items()}
            saved = pickle.dumps((bytes(model.save_raw("ubj")), epoch + 1, history))
            Variable(self.name, client=get_client()).set(saved)
            self.next = time.monotonic() + self.seconds
        return False


def train(client: Client, progress: Any, attempt: Callable[[Progressed, Checkpoint], Any]) -> tuple[Any, Progressed]:
    """Call `attempt` until it trains to the end; after a lost worker, again from the last checkpoint.

    Returns
    -------
    result, progressed
        What `attempt` returned, and what it began with.

    Raises
    ------
    EngineRefusal
        If there is no worker for a minute, or too many were lost.
    """
    begun = Progressed()
    for _ in range(MOST_LOSSES + 1):
        name = f"skdist_gpu-xgboost-{uuid.uuid4().hex}"
        watch, variable = _Watch(client, progress), Variable(name, client=client)
        client.subscribe_topic(name, watch.listen)
        try:
            checkpoint = Checkpoint(name, SECONDS, progress.visible)
            result, error = watch.call(partial(attempt, begun, checkpoint), begun)
            if error is None:
                return result, begun
            if not watch.has_lost():
                raise error
            begun = _last_checkpoint(variable, begun)
        finally:
            client.unsubscribe_topic(name)
            variable.delete()
    raise EngineRefusal(
        f"{MOST_LOSSES + 1} times a Dask worker was lost during training, the last time after round "
        f"{begun.rounds}. Nothing was kept; the workers' logs tell why they died, often for lack of memory"
    ) from error


class _Watch:
    """Watch the workers during one attempt."""

    def __init__(self, client: Client, progress: Any) -> None:
        self.client, self.progress = client, progress
        self.at_first, self.training = self.workers(), set[str]()

    def workers(self) -> set[str]:
        """Return the workers' addresses; a restarted worker is missing for seconds, and has another one then."""
        scheduler: Any = self.client.scheduler
        return set(self.client.sync(scheduler.identity, n_workers=-1)["workers"])

    def listen(self, event: tuple[float, dict[str, str]]) -> None:
        """Take in what a checkpoint tells from its worker."""
        told = event[1]
        if "worker" in told:
            self.training.add(told["worker"])
        else:
            self.progress.advance()
            self.progress.note(told["metric"])

    def has_lost(self) -> bool:
        """Whether a worker has gone, or goes within seconds: XGBoost may notice before the scheduler does."""
        deadline = time.monotonic() + NOTICE_SECONDS
        while time.monotonic() < deadline:
            if not self.at_first <= self.workers():
                return True
            time.sleep(0.1)
        return False

    def call(self, function: Callable[[], Any], begun: Progressed) -> tuple[Any, BaseException | None]:
        """Call a function that trains; end it when it cannot go on and does not end by itself."""
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome[:] = [function(), None]
            except BaseException as error:
                outcome[:] = [None, error]

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        some = whole = time.monotonic()
        while thread.is_alive():
            thread.join(1.0)
            now, workers = time.monotonic(), self.workers()
            some = now if workers else some
            whole = now if self.training <= workers else whole
            if now - some > WORKER_SECONDS or now - whole > WORKER_SECONDS:
                raise EngineRefusal(
                    f"the Dask cluster has had no worker for {now - some:.0f} s, or not those that trained for "
                    f"{now - whole:.0f} s. The training was given up"
                )
            if now - whole > NOTICE_SECONDS and begun.data:
                self.client.cancel(begun.data, force=True)  # the tasks that wait for lost data
        return outcome[0], outcome[1]


def _last_checkpoint(variable: Variable, begun: Progressed) -> Progressed:
    """Return the newest checkpoint; what the attempt began with if it left none."""
    try:
        raw, rounds, history = pickle.loads(variable.get(timeout=1))
    except TimeoutError:
        return begun
    booster = Booster(model_file=bytearray(raw))
    if begun.booster is not None and booster.num_boosted_rounds() <= begun.booster.num_boosted_rounds():
        return begun
    return Progressed(booster, begun.rounds + rounds, begun.joined(history))
