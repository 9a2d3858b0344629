"""Call a method of a fitted estimator for rows in main memory, in the way that is planned to be fastest."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Any

import joblib
import numpy as np
from sklearn import config_context, get_config
from sklearn.utils.validation import validate_data

from skdist_gpu.data.blocks import take_rows, with_quick_rows
from skdist_gpu.data.convert import to_host
from skdist_gpu.data.inspect import InputInfo, inspect_input
from skdist_gpu.engines.block_method import BlockMethod, FittedState
from skdist_gpu.engines.entry import catalogue_name
from skdist_gpu.engines.registry import engines, entries_named, scoring_engines
from skdist_gpu.exceptions import EngineRefusal
from skdist_gpu.hardware.detect import Resources, detect_resources
from skdist_gpu.hardware.threads import one_blas_thread, take_turns
from skdist_gpu.info.report import Report
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.scoring import BLOCK_ROWS, THREADS, Call, make_scoring_plan
from skdist_gpu.warned import WARNINGS

# rows that a copy of a model must score as the plain estimator does before it scores all
COMPARED = 64


def call_planned(
    function: BlockMethod, X: Any, info: InputInfo | None = None, resources: Resources | None = None
) -> Any:
    """Return the method's result for rows in main memory; what was done is kept beside the copies of the model.

    The next way takes over where one finds that it cannot. Whoever has looked at rows and machine hands on what it saw.
    """
    X, estimator = to_host(X), function.estimator
    if not hasattr(X, "shape"):  # lists, which scikit-learn makes arrays of, or says what is wrong with them
        return function(X)
    plan = _plan(function, info or inspect_input(X), resources or detect_resources())
    plain = scoring_engines(estimator, "cpu")[-1].name
    failures: list[str] = []
    # the plain estimator scores what nobody else can, beyond a budget, too
    last = (c for c in plan.candidates if c.backend == plain and c not in plan.ladder)
    for candidate in (*plan.ladder, *last):
        start = time.perf_counter()
        try:
            result = function(X) if candidate.backend == plain else _run(candidate, function, X)
        except (EngineRefusal, MemoryError) as error:
            if candidate.backend == plain:
                raise
            failures.append(f"{candidate.name} failed: {error or type(error).__name__}")
            continue
        seconds = time.perf_counter() - start
        function.copies.last_call = Report(candidate, seconds, tuple(failures), method=function.method)
        break
    return result


def _plan(function: BlockMethod, info: InputInfo, resources: Resources) -> Plan:
    """Return the plan of a call, the last one where nothing has changed that it depends on."""
    call = Call(function.estimator, function.method, tuple(function.params), function.memory_budget)
    packages = {name for engine in engines().values() for names in engine.packages.values() for name in names}
    loaded = frozenset(filter(resources.packages.is_loaded, packages))
    depends_on = FittedState(function.estimator), call.params, call.memory_budget, info, resources, loaded
    return function.copies.get(f"plan {call.method}", depends_on, lambda: make_scoring_plan(call, info, resources))


def _run(candidate: Candidate, function: BlockMethod, X: Any) -> Any:
    if candidate.backend != THREADS:
        return by_copy(function, candidate, X)
    try:
        return in_threads(function, X, candidate.n_rows or BLOCK_ROWS)
    except (EngineRefusal, MemoryError):
        raise
    except Exception as error:  # which tells of the rows of one block; the plain estimator tells of all
        raise EngineRefusal(f"a block of rows raised {error!r:.200}") from error


def in_threads(function: BlockMethod, X: Any, n_block_rows: int = BLOCK_ROWS) -> Any:
    """Return the method's result, written by all cores block by block into the arrays that a few rows foretell."""
    n_rows, n_threads = X.shape[0], joblib.effective_n_jobs(-1)
    X = with_quick_rows(X)
    # the threads are the parallelism: BLAS threads inside them would fight for the cores
    with _each_warning_once() as warned, one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        example = function(take_rows(X, slice(0, 2)))
        warned.clear()  # a block has these rows, too
        # an estimator whose set_output asks for frames gives something else
        if not _are_arrays(example):
            raise EngineRefusal("results that are no arrays are not put together from blocks")
        whole = [_empty_like(part, n_rows) for part in _parts(example)]
        starts = iter(range(0, n_rows, n_block_rows))  # whose next one goes to the thread that asks first
        configuration = get_config()  # which each thread has for itself

        def work(context: Context) -> None:
            with config_context(**configuration), WARNINGS.held(among=warned):
                context.run(score_blocks)

        def score_blocks() -> None:
            for start in starts:
                rows = slice(start, start + n_block_rows)
                for result, part in zip(whole, _parts(function(take_rows(X, rows))), strict=True):
                    if part.dtype != result.dtype or part.shape[1:] != result.shape[1:]:
                        raise EngineRefusal("its results have another form for some rows than for others")
                    result[rows] = part

        take_turns(pool, work, [copy_context() for _ in range(n_threads)], starts)
    return type(example)(whole) if isinstance(example, (tuple, list)) else whole[0]


def _empty_like(part: np.ndarray, n_rows: int) -> np.ndarray:
    """Return an array for so many rows, laid out like that of a few."""
    by_columns = part.flags.f_contiguous and not part.flags.c_contiguous
    return np.empty((n_rows, *part.shape[1:]), part.dtype, order="F" if by_columns else "C")


@contextmanager
def _each_warning_once() -> Iterator[list[tuple[Any, ...]]]:
    """Show each warning once, however many blocks of rows give it; none of work that fails, which is done anew.

    The filters of warnings are put back at the end: all threads share them, and scikit-learn's checks change them.
    """
    with warnings.catch_warnings(), WARNINGS.held() as warned:
        try:
            yield warned
        except BaseException:
            warned.clear()
            raise
        warned[:] = {(category, str(message)): (message, category, *of) for message, category, *of in warned}.values()


def _parts(result: Any) -> Any:
    return result if isinstance(result, (tuple, list)) else [result]


def by_copy(function: BlockMethod, candidate: Candidate, X: Any) -> Any:
    """Return the method's result from an engine's copy of the model.

    Names and numbers of columns get scikit-learn's own errors first, and for each fitted state a few rows are scored by
    the plain estimator, too: where the answers differ, it scores all.
    """
    estimator, engine = function.estimator, engines()[candidate.backend]
    copy = function.as_class(engine.method_class(candidate.device))
    name = f"{candidate.name} {function.method}"
    with _each_warning_once():
        validate_data(estimator, X, reset=False, skip_check_array=True)
        example = function.copies.get(name, FittedState(estimator), lambda: _agreed(function, copy, candidate, X))
        if example is None:
            raise EngineRefusal(f"its answer for {COMPARED} rows is not that of the plain estimator")
        in_turns = candidate.device == "gpu" and engine.scores_in_turns
        options = {"n_gpus": candidate.n_gpus} if in_turns else {}
        return _like(copy.of_host_rows(X, **options), example)


def _agreed(function: BlockMethod, copy: BlockMethod, candidate: Candidate, X: Any) -> Any:
    """Return what the plain estimator gives for a few rows; None if the copy gives something else."""
    rows = take_rows(X, np.linspace(0, X.shape[0] - 1, min(COMPARED, X.shape[0])).astype(int))
    with WARNINGS.held() as warned:
        example = function(rows)
        if not _are_arrays(example):
            return None  # frames, which set_output asks for
        result = copy.of_host_rows(rows)
        warned.clear()  # the call for all rows gives them
    entries = entries_named(catalogue_name(type(function.estimator)))
    tolerance = next(e.tolerance for e in entries if e.name == candidate.name)
    return example if _agree(result, example, tolerance) else None


def _agree(result: Any, example: Any, tolerance: float) -> bool:
    if isinstance(example, (tuple, list)):
        same_length = isinstance(result, (tuple, list)) and len(result) == len(example)
        return same_length and all(_agree(r, e, tolerance) for r, e in zip(result, example, strict=True))
    result = np.asarray(result)
    if result.shape != example.shape:
        return False
    if example.dtype.kind != "f":
        return bool(np.all(result == example))
    # what is computed in float32 has no more digits, whatever the tolerance
    tolerance = max(tolerance, 100 * float(np.finfo(example.dtype).eps))
    scale = float(np.abs(example).max(initial=0.0))
    return bool(np.all(np.abs(result - example) <= tolerance * scale))


def _are_arrays(result: Any) -> bool:
    return all(type(part) is np.ndarray for part in _parts(result))


def _like(result: Any, example: Any) -> Any:
    """Return a copy's result in the containers and dtypes of the plain estimator's."""
    if isinstance(example, (tuple, list)):
        return type(example)(_like(r, e) for r, e in zip(result, example, strict=True))
    return np.asarray(result).astype(example.dtype, copy=False)
