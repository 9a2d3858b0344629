"""Choose an engine for a fit, and run it; the next one where memory runs out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from traceback import clear_frames
from typing import Any

from skdist_gpu._compat.sklearn_indices import check_indices
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.registry import engines, runs_on_workers
from skdist_gpu.exceptions import BackendError, EngineRefusal
from skdist_gpu.hardware.cluster import find_machine, outside_the_pool
from skdist_gpu.hardware.detect import Resources
from skdist_gpu.hardware.memory import PeakMemory
from skdist_gpu.hardware.threads import at_most
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import Request, gains_from_all_gpus, make_plan
from skdist_gpu.progress import Progress

# bytes that a fit is predicted to take, from which what it took is looked at
LARGE = 32 * 2**20


def choose(estimator: Any, info: InputInfo, request: Request) -> tuple[Plan, Resources, Any]:
    """Return the plan of a fit on this machine, the machine, and the Dask client to use, if there is one."""
    gains = partial(gains_from_all_gpus, estimator, info, request)
    resources, client = find_machine(info, runs_on_workers(request.backend), gains)
    return make_plan(estimator, info, resources, request), resources, client


def run(
    ladder: Sequence[Candidate],
    job: FitJob,
    fresh: Callable[[], Any],
    *,
    plan: Plan,
    automatic: bool = True,
    visible: bool = False,
    tasks: Any = None,
    on_failure: Callable[[str], None] = lambda failure: None,
) -> tuple[Fitted, Candidate, float, list[str]]:
    """Run the first of some candidates, and the next one if memory runs out.

    Where the choice was `automatic`, an engine is told whether it was planned to take all cores.
    `fresh` makes another unfitted estimator, since the next engine must not see what the one before has left;
    `tasks` hear of each pass, for callbacks; `on_failure` is told of each failure after which another engine is tried.
    """
    check_indices(job.estimator, job.X)
    failures: list[str] = []
    for candidate in ladder:
        job.device = candidate.device
        job.all_threads = automatic and candidate.threads is None
        start = time.perf_counter()
        try:
            on_workers = job.client if candidate.device == "dask" else None
            large = candidate.device == "cpu" and (candidate.n_bytes or 0) > LARGE
            with (
                Progress(visible, tasks) as job.progress,
                outside_the_pool(on_workers),
                at_most(candidate.threads),
                PeakMemory(large) as peak,
            ):
                fitted = engines()[candidate.backend].fit(job)
            fitted.peak_bytes = peak.n_bytes
            return fitted, candidate, time.perf_counter() - start, failures
        except (MemoryError, EngineRefusal) as error:
            last = error
            _let_go(error)
            failures.append(f"{candidate.name} failed: {error or type(error).__name__}")
            if candidate is not ladder[-1]:
                on_failure(failures[-1])
            job.estimator = fresh()
    if isinstance(last, MemoryError):
        raise last
    raise BackendError(f"Every engine tried failed: {'; '.join(failures)}.\n{plan}") from last


def _let_go(error: BaseException | None) -> None:
    """Free what a failed fit held, which its traceback would keep: the next engine needs the memory."""
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__
