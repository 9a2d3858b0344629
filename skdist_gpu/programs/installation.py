"""scikit-learn's own classes while they plan their fits and predictions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from inspect import unwrap
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import sklearn

from skdist_gpu.config import configured_budget
from skdist_gpu.data.containers import DASK, DISK, GPU, Container, find
from skdist_gpu.data.inspect import InputInfo, inspect_input
from skdist_gpu.engines.block_method import BlockMethod, ModelCopies
from skdist_gpu.engines.entry import catalogue_name
from skdist_gpu.engines.trees import grown_on_all_cores
from skdist_gpu.hardware.detect import Resources, detect_resources
from skdist_gpu.planning.cost import predict_scoring
from skdist_gpu.planning.scored import kept_size
from skdist_gpu.programs.calls import Call, Profile, sklearn_seconds, why_not_elsewhere
from skdist_gpu.programs.classes import FITS, Replacement
from skdist_gpu.programs.fits import OWN, OWN_NAME, QUICK, Outcome, fit_elsewhere, given_of, has_engine
from skdist_gpu.scoring.apply import apply_to
from skdist_gpu.scoring.methods import block_method
from skdist_gpu.scoring.mixin import SMALL as SCORED_SMALL
from skdist_gpu.scoring.output import lazy_output
from skdist_gpu.scoring.planned import call_planned
from skdist_gpu.warned import WARNINGS

# values of a table for which scikit-learn is done before a plan would be
SMALL = 2**12
# models whose copies, such as one on a GPU, are kept for the next prediction
MODELS_KEPT = 2
# read as files are, unless their target is in memory
QUERIES = frozenset({"polars.lazy"})
# rows that scikit-learn takes itself, and engines take as well
_SHARED = frozenset({"numpy", "pandas", "polars", "arrow", "scipy.sparse", "other"})

_WHERE = {"gpu": "on the GPU", "dask": "lazily, block by block", "disk": "lazily, batch by batch"}

# of the fitted objects of programs, which hold, and pickle, nothing but what scikit-learn leaves in them
OUTCOMES: WeakKeyDictionary[Any, Outcome] = WeakKeyDictionary()


class _Inside(threading.local):
    """Whether this thread is in a method of scikit-learn, or of an engine, that a planned call runs."""

    active = False


class Installation:
    """scikit-learn's classes while they plan, and what they did.

    Parameters
    ----------
    backend : str, default="auto"
        Engine to force wherever it does not refuse.
    profile : Profile, default=None
        What counts the calls; None to count none.
    strict : bool, default=False
        Raise the errors of engines, for tests of them; otherwise scikit-learn's own fit decides what is an error.
    """

    def __init__(self, backend: str = "auto", profile: Profile | None = None, strict: bool = False) -> None:
        self.backend, self.profile, self.strict = backend, profile, strict
        self._copies: WeakKeyDictionary[Any, ModelCopies] = WeakKeyDictionary()
        self._copies_lock = threading.Lock()
        self._inside = _Inside()
        self.classes = Replacement(self._planned)

    def _planned(self, cls: type, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method that is planned, in place of scikit-learn's."""
        call = self._fit if name in FITS else self._score

        @wraps(original)
        def method(estimator: Any, *args: Any, **kwargs: Any) -> Any:
            if type(estimator) is not cls or self._inside.active:
                return original(estimator, *args, **kwargs)
            return call(estimator, name, original, args, kwargs)

        return method

    # --- fits ------------------------------------------------------------------------------

    def _fit(self, estimator: Any, name: str, original: Any, args: Any, kwargs: Any) -> Any:
        X = args[0] if args else kwargs.get("X")
        kind = find(X)
        if self.backend == "auto" and _is_small(kind, X):
            return self._own_fit(estimator, name, original, args, kwargs, None)
        lazy = is_gained(kind.name)
        if not lazy and name != "fit" and _calls(original, "fit"):
            return original(estimator, *args, **kwargs)  # and that is planned
        # such as the tree of a NearestNeighbors, which some classes take for rows
        table = kind.name in _SHARED and (kind.name != "other" or len(kind.shape(X)) == 2)
        known = table and has_engine(catalogue_name(type(estimator)), self.backend)
        # a TargetEncoder encodes the rows of its fit by others than themselves
        of_others = name == "fit_transform" and type(estimator).__name__ == "TargetEncoder"
        if not lazy and (not known or of_others):
            return self._own_fit(estimator, name, original, args, kwargs, None)
        try:
            given = given_of(original, estimator, args, kwargs)
        except TypeError:
            return original(estimator, *args, **kwargs)
        start = time.perf_counter()
        with self._within(), WARNINGS.held() as warned:
            outcome = fit_elsewhere(
                estimator, given, self.backend, own_method_fits=not lazy, copies_of=self._copies_of, strict=self.strict
            )
            if outcome.candidate is None:
                warned.clear()  # scikit-learn's own fit gives them
        if outcome.candidate is None:
            return self._own_fit(estimator, name, original, args, kwargs, outcome)
        self._keep(estimator, name, X, outcome, time.perf_counter() - start)
        if name == "fit":
            return estimator
        if name == "fit_predict":
            return estimator.labels_ if hasattr(estimator, "labels_") else estimator.predict(X)
        return estimator.transform(X) if hasattr(estimator, "transform") else estimator.embedding_

    def _own_fit(
        self, estimator: Any, name: str, original: Any, args: Any, kwargs: Any, outcome: Outcome | None
    ) -> Any:
        """Run scikit-learn's own method on the program's own object."""
        outcome = outcome or Outcome()
        planned = self.backend == "auto" and outcome.plan is not None and not outcome.failures
        start = time.perf_counter()
        with self._within(), grown_on_all_cores(estimator) if planned else nullcontext():
            result = original(estimator, *args, **kwargs)
        outcome.seconds = time.perf_counter() - start
        X = args[0] if args else kwargs.get("X")
        if outcome.plan is None:
            outcome.unplanned = (
                outcome.unplanned or f"no other engine was considered: {self._why_unplanned(estimator, X)}"
            )
            outcome.data = outcome.data or _in_words(X)
        self._keep(estimator, name, X, outcome, outcome.seconds)
        return result

    def _keep(self, estimator: Any, name: str, X: Any, outcome: Outcome, seconds: float) -> None:
        OUTCOMES[estimator] = outcome
        if self.profile is None:
            return
        plan, candidate = outcome.plan, outcome.candidate
        if candidate is not None:
            engine, reason, instead = candidate.name, "; ".join(candidate.reasons[:1]), ""
        elif plan is not None:
            engine, reason, instead = OWN_NAME, "scikit-learn's own", why_not_elsewhere(plan)
        else:
            engine, reason, instead = OWN_NAME, "scikit-learn's own", outcome.unplanned
        self.profile.add(
            Call(
                type(estimator).__name__,
                name,
                engine,
                seconds,
                _in_words(X),
                reason,
                "; ".join([*outcome.failures, *([instead] if instead else [])]),
                None if plan is None else sklearn_seconds(plan),
                self.profile.line_of_caller(),
            )
        )

    def _why_unplanned(self, estimator: Any, X: Any) -> str:
        if not has_engine(catalogue_name(type(estimator)), self.backend):
            return "no other engine knows it" if self.backend == "auto" else f"{self.backend} does not know it"
        return f"fewer than {SMALL} values" if _is_small(find(X), X) else "no table of numbers"

    # --- predictions -----------------------------------------------------------------------

    def _score(self, estimator: Any, name: str, original: Any, args: Any, kwargs: Any) -> Any:
        X = args[0] if args else kwargs.get("X")
        own = partial(original, estimator, *args, **kwargs)
        if name == "score" and _calls(original, "predict", "score_samples") and not is_gained(find(X).name):
            return own()  # and that is planned
        if self.profile is None and _is_small(find(X), X):
            with self._within():
                return own()
        start = time.perf_counter()
        with self._within():
            result, engine, why = self._scored(estimator, name, X, args[1:], kwargs, own)
        if self.profile is not None and not _is_part_of_a_forest(estimator):
            call = Call(type(estimator).__name__, name, engine, time.perf_counter() - start, _in_words(X), why)
            self.profile.add(replace(call, line=self.profile.line_of_caller()))
        return result

    def _scored(
        self, estimator: Any, name: str, X: Any, others: Any, kwargs: Any, own: Callable[[], Any]
    ) -> tuple[Any, str, str]:
        """Return a method's result, what computed it, and why that."""
        kind = find(X)
        params = {key: value for key, value in kwargs.items() if key != "X"}
        if is_gained(kind.name) and (gained := self._scored_where_it_is(estimator, name, X, others, params)):
            return gained
        try:
            why_own = _why_unplanned_call(estimator, X, (*others, *params))
            if not why_own:
                info, resources = inspect_input(X), detect_resources()
                why_own = _why_too_quick(estimator, name, info, resources)
            if not why_own:
                copies, budget = self._copies_of(estimator), configured_budget()
                function = _Unplanned(estimator, name, copies=copies, memory_budget=budget, within=self._within)
                result, done = call_planned(function, X, info, resources), function.copies.last_call
                return result, done.candidate.name, "; ".join([*done.candidate.reasons[:1], *done.failures])
        except Exception as error:  # scikit-learn's own method decides what is an error, and how it reads
            why_own = f"the plan failed: {error!r:.200}"
        return own(), OWN_NAME, f"scikit-learn's own; {why_own}"

    def _scored_where_it_is(
        self, estimator: Any, name: str, X: Any, others: Any, params: dict[str, Any]
    ) -> tuple[Any, str, str] | None:
        """Return the result for rows that scikit-learn does not take; None where there is no way."""
        kind = find(X)
        place = "disk" if kind.name in QUERIES else kind.location
        engine = f"{OWN}:{place}"
        if name == "score":
            from skdist_gpu.scoring.score import own_score  # takes scikit-learn's metrics, which take time to import

            named = dict(zip(("y", "sample_weight"), others, strict=False)) | params
            y = named.pop("y", None)
            given = {key: value for key, value in named.items() if value is not None}
            return own_score(estimator, estimator, X, y, given), engine, "a score of such rows"
        if others or (name in ("kneighbors", "radius_neighbors") and place != "gpu"):
            return None
        function = block_method(estimator, name, None, params, self._copies_of(estimator))
        lazily = name == "transform" and place != "gpu"
        result = _lazily_transformed(estimator, function, X) if lazily else apply_to(function, X)
        return result, engine, _WHERE[place]

    def _copies_of(self, estimator: Any) -> ModelCopies:
        """Return the copies that engines score with, of the few models that were used last."""
        with self._copies_lock:
            self._copies[estimator] = copies = self._copies.pop(estimator, None) or ModelCopies()
            while len(self._copies) > MODELS_KEPT:
                del self._copies[next(iter(self._copies))]
        return copies

    @contextmanager
    def _within(self) -> Iterator[None]:
        before, self._inside.active = self._inside.active, True
        try:
            yield
        finally:
            self._inside.active = before


@dataclass(frozen=True)
class _Unplanned(BlockMethod):
    """A method of blocks of rows, on threads that do not know that they are part of a planned call."""

    within: Callable[[], AbstractContextManager[None]] = field(kw_only=True)

    def __call__(self, block: Any) -> Any:
        with self.within():
            return super().__call__(block)


def _is_small(kind: Container, X: Any) -> bool:
    """Whether rows are so few that a look at their shape is all that a plan may take."""
    shape = kind.shape(X) if kind.location == "host" else ()
    known = [n for n in shape if n is not None]
    return len(known) == len(shape) == 2 and prod(known) < SMALL


def _why_unplanned_call(estimator: Any, X: Any, others: tuple[Any, ...]) -> str:
    """Say why a prediction is scikit-learn's without a look at what it takes; empty where that is to be looked at."""
    if others:
        return "arguments beside the rows are for itself"
    if find(X).name not in ("numpy", "pandas"):
        return f"rows in {type(X).__name__} are for itself"
    if threading.current_thread() is not threading.main_thread():
        return "the threads of whoever calls are the parallelism"
    if X.size * kept_size(estimator) < SCORED_SMALL:
        return "too little work for a plan"
    return ""


def _why_too_quick(estimator: Any, name: str, info: InputInfo, resources: Resources) -> str:
    """Say why a plan would take longer than it saves; empty where it may save more."""
    plain = predict_scoring(estimator, name, "plain", info, resources)
    if plain is not None and plain.seconds < QUICK:
        return f"it is predicted to take {1000 * plain.seconds:.2g} ms, which a plan would add to"
    return ""


def _is_part_of_a_forest(estimator: Any) -> bool:
    """Whether a tree is asked by a thread of the forest that it is part of."""
    tree = type(estimator).__name__.startswith(("DecisionTree", "ExtraTree")) and hasattr(estimator, "tree_")
    return tree and threading.current_thread() is not threading.main_thread()


def is_gained(container: str) -> bool:
    """Whether a container is one that scikit-learn does not take by itself."""
    if container in GPU and sklearn.get_config()["array_api_dispatch"]:
        return False  # the program has asked scikit-learn to compute there
    return any(container in group for group in (DASK, GPU, DISK, QUERIES))


def _lazily_transformed(estimator: Any, function: Any, X: Any) -> Any:
    """Return rows transformed later, as `set_output` asks of an AutoScale transformer."""

    def transform(self: Any, X: Any) -> Any:
        return apply_to(function, X)

    @wraps(transform)
    def wrapped(self: Any, X: Any) -> Any:
        return transform(self, X)

    return lazy_output(wrapped)(estimator, X)


def _calls(original: Any, *names: str) -> bool:
    """Whether a method, such as ``fit_predict`` or `score`, calls one of these, such as the object's own `fit`."""
    return not set(names).isdisjoint(unwrap(original).__code__.co_names)


def _in_words(X: Any) -> str:
    kind = find(X)
    shape = kind.shape(X) if kind.location != "disk" else ()  # rows of files are counted by reading
    if len(shape) == 2 and None not in shape:
        return f"{shape[0]} × {shape[1]}"
    return type(X).__name__
