"""Training on a cluster that loses workers: checkpoints on the scheduler, and resumption from the last one."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from distributed import Client, Variable, get_client, get_worker
from distributed.protocol.pickle import dumps, loads
from xgboost import Booster, collective
from xgboost.callback import EarlyStopping, TrainingCallback

from skdist_gpu.engines.xgboost.arguments import last_metric
from skdist_gpu.exceptions import EngineRefusal

# between two checkpoints: what a lost worker costs at most, beside the start
SECONDS = 10.0
# between two looks whether the training was given up, and how long to wait for workers to be told so
LOOK_SECONDS, TELL_SECONDS = 0.5, 10.0
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

    def followed_by(self, later: History) -> History:
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
    """Leave the model with the scheduler now and then, and tell the client of it; runs on the workers.

    It stops the rounds of all workers when the client has given the training up, and brings the user's own callbacks
    home, as the first worker has them.
    """

    def __init__(self, name: str, seconds: float, told: bool, callbacks: Sequence[Any] = ()) -> None:
        self.name, self.seconds, self.told, self.callbacks = name, seconds, told, callbacks
        self.next = 0.0
        self.next_look, self.look_time = 0, 0.0

    def before_training(self, model: Any) -> Any:
        """Note the time, and tell which worker takes part."""
        get_worker().log_event(self.name, {"worker": get_worker().address})
        self.next = time.monotonic() + self.seconds
        self.look_time = time.monotonic()
        return model

    def after_training(self, model: Any) -> Any:
        """Leave the user's callbacks with the scheduler."""
        given_up(get_worker()).discard(self.name)
        if collective.get_rank() == 0 and self.callbacks:
            Variable(_home(self.name), client=get_client()).set(dumps([vars(c) for c in self.callbacks]))
        return model

    def _is_given_up(self, epoch: int) -> bool:
        """Whether the client has given the training up; all workers learn it in the same round, or some would wait.

        The first worker says which round looks next, so that a look costs little beside the rounds.
        """
        if epoch < self.next_look:
            return False
        now, told = time.monotonic(), self.name in given_up(get_worker())
        rounds = 1 + epoch - (self.next_look - 1 if self.next_look else 0)
        rate = max(rounds, 1) / max(now - self.look_time, 1e-6)
        wait = int(np.clip(rate * LOOK_SECONDS, 1, 2 * max(1, epoch)))
        told, wait = collective.broadcast((told, wait), 0)
        self.next_look, self.look_time = epoch + wait, now
        return told

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Save if it is time; stops only a training that was given up."""
        if self._is_given_up(epoch):
            return True
        if collective.get_rank() != 0:
            return False
        if self.told:
            get_worker().log_event(self.name, {"metric": last_metric(evals_log) if evals_log else ""})
        if time.monotonic() >= self.next:
            history = {data: {name: list(v) for name, v in metrics.items()} for data, metrics in evals_log.items()}
            states = [vars(callback) for callback in self.callbacks]
            saved = dumps((bytes(model.save_raw("ubj")), epoch + 1, history, states))
            Variable(self.name, client=get_client()).set(saved)
            self.next = time.monotonic() + self.seconds
        return False


def given_up(dask_worker: Any) -> set[str]:
    """Return the names of the trainings that clients have given up, which stand with each worker."""
    return vars(dask_worker).setdefault("skdist_gpu_given_up", set())


def _give_up(name: str, dask_worker: Any) -> None:
    given_up(dask_worker).add(name)


def _home(name: str) -> str:
    """Return the name under which a training leaves the user's callbacks."""
    return f"{name}-callbacks"


def train(
    client: Client, progress: Any, attempt: Callable[[Progressed, Checkpoint], Any], callbacks: Sequence[Any] = ()
) -> tuple[Any, Progressed]:
    """Call `attempt` until it trains to the end; after a lost worker, again from the last checkpoint.

    The user's `callbacks` get the state that they have after the last round. If the wait is interrupted, the workers
    stop after the round that they are in.

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
        home = Variable(_home(name), client=client)
        client.subscribe_topic(name, watch.listen)
        try:
            checkpoint = Checkpoint(name, SECONDS, progress.visible, callbacks)
            result, error = watch.call(partial(attempt, begun, checkpoint), begun)
            if error is None:
                if callbacks:
                    _set_states(callbacks, loads(home.get(timeout=NOTICE_SECONDS)))
                return result, begun
            if not watch.has_lost():
                raise error
            begun = _last_checkpoint(variable, begun, callbacks)
        except BaseException:
            watch.give_up(name)
            raise
        finally:
            home.delete()
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

    def give_up(self, name: str) -> None:
        """Tell the workers to stop a training; those that do not hear it in time go on."""
        tell = partial(self.client.run, _give_up, name, on_error="ignore", asynchronous=True)
        with suppress(OSError, RuntimeError):
            self.client.sync(tell, callback_timeout=TELL_SECONDS)

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


def _set_states(callbacks: Sequence[Any], states: list[dict[str, Any]]) -> None:
    for callback, state in zip(callbacks, states, strict=True):
        vars(callback).update(state)


def _last_checkpoint(variable: Variable, begun: Progressed, callbacks: Sequence[Any]) -> Progressed:
    """Return the newest checkpoint; what the attempt began with if it left none."""
    try:
        raw, rounds, history, states = loads(variable.get(timeout=1))
    except TimeoutError:
        return begun
    booster = Booster(model_file=bytearray(raw))
    if begun.booster is not None and booster.num_boosted_rounds() <= begun.booster.num_boosted_rounds():
        return begun
    _set_states(callbacks, states)
    return Progressed(booster, begun.rounds + rounds, begun.followed_by(history))
