"""Plan a call of a fitted estimator's method: itself, its blocks on threads, or an engine's copy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from skdist_gpu.config import format_bytes
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import catalogue_name
from skdist_gpu.engines.protocol import EngineInfo
from skdist_gpu.engines.registry import entries_named, scoring_engines
from skdist_gpu.hardware.detect import Resources
from skdist_gpu.planning.choice import GUESS, TIE, beside, why_chosen
from skdist_gpu.planning.cost import SCORING, Prediction, predict_scoring
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import describe, machine_refusals, parameter_refusals
from skdist_gpu.planning.scored import scored_row_bytes
from skdist_gpu.protocols import Estimator

# the way that cuts rows into blocks and calls the plain estimator on each, and how many rows a block has
THREADS, BLOCK_ROWS = "threads", 8192
# methods whose result for a row depends on that row alone, and comes as an array with a row for it
ROW_BY_ROW = {*SCORING, "predict_log_proba", "mahalanobis"}
# not measured, but computed row by row on one core, so that blocks on several threads are faster
_SERIAL = {"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreesRegressor", "Nystroem"}
_SERIAL_METHODS = {"mahalanobis"}
_WHY = {THREADS: "the plain estimator, called for blocks of rows on all cores"}
# each GPU that takes part gets at least so much work, since it needs a copy of the model and a thread
SECONDS_OF_A_GPU = 0.1


@dataclass(frozen=True)
class Call:
    """A call of a fitted estimator's method.

    Attributes
    ----------
    model : estimator
        Plain and fitted.
    method : str
        Name of the method.
    params : tuple of str
        Names of its further arguments.
    memory_budget : int or None
        Bytes that it may take on its device; None for what is free.
    """

    model: Estimator
    method: str
    params: tuple[str, ...] = ()
    memory_budget: int | None = None


def make_scoring_plan(call: Call, info: InputInfo, resources: Resources) -> Plan:
    """Judge every way to call a method for rows in main memory, and choose the fastest.

    A tie is the plain one's, then that of threads, since the rows stay where they are.

    Rows elsewhere are scored where they are, by one way.
    """
    name = f"{type(call.model).__name__}.{call.method}"
    is_serial = catalogue_name(type(call.model)) in _SERIAL or call.method in _SERIAL_METHODS
    candidates = tuple(_choose(list(_ways(call, info, resources)), favourite=THREADS if is_serial else ""))
    return Plan(name, str(info), describe(resources), candidates)


def _ways(call: Call, info: InputInfo, resources: Resources) -> Iterator[Candidate]:
    """Yield the plain estimator first, then what else may call the method."""
    if info.location != "host":
        device = "gpu" if info.location == "gpu" else "cpu"
        able = scoring_engines(call.model, device) or scoring_engines(call.model, "cpu")
        engine = able[-1 if device == "cpu" else 0]
        where = {"gpu": "on the GPU, where the rows are", "dask": "block by block, when Dask computes it"}
        reason = where.get(info.location, "batch by batch, when they are read")
        yield Candidate(engine.name, device, "possible", (reason,))
        return
    *others, plain = scoring_engines(call.model, "cpu")
    if call.method not in ROW_BY_ROW:
        yield Candidate(plain.name, "cpu", "possible", (f"{call.method} is not put together from the rows of blocks",))
        return
    if not getattr(call.model, "copy", True):
        yield Candidate(plain.name, "cpu", "possible", ("copy=False lets it write its result into the rows",))
        return
    at_once, n_rows = _rows_within_budget(call, info, resources)
    yield _priced(plain.name, "cpu", at_once, predict_scoring(call.model, call.method, "plain", info, resources))
    on_threads = predict_scoring(call.model, call.method, THREADS, info, resources)
    refusals = _thread_refusals(call) + ([] if at_once else _few_threads(info, resources))
    yield replace(_priced(THREADS, "cpu", refusals, on_threads), n_rows=n_rows)
    for device, engines in (("cpu", others), ("gpu", scoring_engines(call.model, "gpu"))):
        for engine in engines:
            rates = "device" if device == "gpu" else f"{engine.name}:{device}"
            is_loaded = all(map(resources.packages.is_loaded, engine.packages[device]))
            start = "" if is_loaded else f"{engine.name}:{device}"
            predicted = predict_scoring(call.model, call.method, rates, info, resources, device=device, start=start)
            own = engine.scoring_seconds(call.model, call.method, info, device)
            predicted = Prediction(own) if predicted is None and own is not None else predicted
            refusals = [*_refusals(engine, device, call, info, resources), *_unmeasured(predicted)]
            candidate = _priced(engine.name, device, refusals, predicted)
            divides = device == "gpu" and engine.scores_in_turns
            yield _divided(candidate, predicted, resources) if divides and predicted else candidate


def _priced(backend: str, device: str, refusals: list[str], predicted: Prediction | None) -> Candidate:
    verdict, reasons = ("refused", tuple(refusals)) if refusals else ("possible", ())
    seconds, guess = (predicted.seconds, predicted.guess) if predicted else (None, False)
    return Candidate(backend, device, verdict, reasons, seconds=seconds, guess=guess)


def _divided(candidate: Candidate, predicted: Prediction, resources: Resources) -> Candidate:
    """Return a candidate of one GPU on as many as pay; its library is loaded once."""
    work = predicted.seconds - predicted.starting
    n_gpus = max(1, min(len(resources.gpus), int(work / SECONDS_OF_A_GPU)))
    return replace(candidate, seconds=predicted.starting + work / n_gpus, n_gpus=n_gpus)


def _rows_within_budget(call: Call, info: InputInfo, resources: Resources) -> tuple[list[str], int | None]:
    """Say that all rows at once take more than the budget, and how many each thread may score instead."""
    budget, of_row, n_samples = call.memory_budget, scored_row_bytes(call.model, info), info.n_samples or 0
    if budget is None or of_row * n_samples <= budget or _thread_refusals(call):
        return [], None
    needed = f"all rows at once need about {format_bytes(int(of_row * n_samples))} in memory"
    n_rows = max(1, min(BLOCK_ROWS, int(budget / of_row / resources.n_cores)))
    return [f"{needed}, {_allowed(budget)}"], n_rows


def _allowed(budget: int) -> str:
    return f"memory_budget= allows {format_bytes(budget)}"


def _few_threads(info: InputInfo, resources: Resources) -> list[str]:
    refusals = []
    if resources.n_cores < 2:
        refusals.append("there is one core")
    if (info.n_samples or 0) < 4 * BLOCK_ROWS:
        refusals.append(f"fewer than {4 * BLOCK_ROWS} rows make too few blocks")
    return refusals


def _thread_refusals(call: Call) -> list[str]:
    refusals = []
    if call.params:
        refusals.append(f"the arguments {', '.join(call.params)} may belong to single rows")
    n_jobs = getattr(call.model, "n_jobs", None)
    if n_jobs is not None:
        refusals.append(f"n_jobs={n_jobs} says how many cores the estimator takes")
    return refusals


def _refusals(engine: EngineInfo, device: str, call: Call, info: InputInfo, resources: Resources) -> list[str]:
    """Tell why an engine's copy of the model does not serve; its entry of the fit says what it knows of the model."""
    name = catalogue_name(type(call.model))
    entry = next((e for e in entries_named(name) if e.backend == engine.name and e.device == device), None)
    if entry is None:
        return [f"has no copy of {name}"]
    accepts = {name: allowed for name, allowed in entry.accepts.items() if name not in entry.only_fits}
    refusals = machine_refusals(entry, resources)
    refusals += parameter_refusals(replace(entry, accepts=accepts), call.model, sparse=info.sparse)
    if call.params:
        refusals.append(f"the arguments {', '.join(call.params)} are for the estimator itself")
    if info.dtype not in ("float32", "float64"):
        refusals.append(f"takes floating-point numbers, and the rows are {info.dtype}")
    if device == "gpu" and resources.gpus and info.n_bytes is not None and not engine.scores_in_turns:
        # rows as they come, as the copy takes them, and the result
        n_bytes, budget = 3 * info.n_bytes, call.memory_budget
        free = resources.gpus[0].free_bytes if budget is None else budget
        limit = f"{format_bytes(free)} are free on GPU 0" if budget is None else _allowed(budget)
        if n_bytes > free:
            refusals.append(f"the rows need {format_bytes(n_bytes)}, {limit}")
    return [*refusals, *engine.scoring_refusals(call.model, call.method, info, device)]


def _unmeasured(predicted: Prediction | None) -> list[str]:
    return [] if predicted else ["nobody measured how long it takes"]


def _choose(candidates: list[Candidate], favourite: str) -> list[Candidate]:
    """Mark the cheapest as chosen, or what is as good where the rows are, the plain one first; the refused go last.

    The `favourite` is taken where nothing was measured.
    """
    runnable = [c for c in candidates if c.verdict == "possible"]
    plain, first = candidates[0], runnable[0]  # the same, unless all rows at once are beyond the budget

    def price(candidate: Candidate) -> float:
        if candidate.seconds is None:
            return 0.0 if candidate is first else -1.0 if candidate.backend == favourite else float("inf")
        # threads do the plain call's work, so that where both are a guess, one is as sure as the other
        alike = candidate is plain or (candidate.backend == THREADS and plain.guess)
        return candidate.seconds * (GUESS if candidate.guess and not alike else 1.0)

    cheapest = min(runnable, key=price)
    in_place = (first, *(c for c in runnable if c.backend == THREADS))
    chosen = next((c for c in in_place if 0 <= price(c) <= TIE * price(cheapest)), cheapest)
    others = sorted((beside(c, chosen, price) for c in runnable if c is not chosen), key=price)
    why = "the plain estimator itself" if chosen is plain else _WHY.get(chosen.backend)
    if why is None:
        why = f"a copy of the model in {chosen.backend}"
        if chosen.n_gpus > 1:
            why += f" on each of {chosen.n_gpus} GPUs, which take the rows in turns"
    if chosen.n_rows is not None:
        why += f", {chosen.n_rows} rows at a time, as many as memory_budget= allows"
    return [
        replace(chosen, verdict="chosen", reasons=chosen.reasons or (why, *why_chosen(chosen, runnable, price))),
        *others,
        *(c for c in candidates if c.verdict == "refused"),
    ]
