"""scikit-learn's own classes while they plan their fits and predictions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from inspect import unwrap
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import sklearn

from skdist_gpu.data.containers import DASK, DISK, GPU, find
from skdist_gpu.engines.block_method import BlockMethod, ModelCopies
from skdist_gpu.engines.entry import catalogue_name
from skdist_gpu.programs.calls import Call, Profile, sklearn_seconds, why_not_elsewhere
from skdist_gpu.programs.classes import FITS, Replacement
from skdist_gpu.programs.fits import OWN, OWN_NAME, Outcome, fit_elsewhere, given_of, has_engine

# values of an array for which scikit-learn is done before a plan would be
SMALL = 2**12
# read as files are, unless their target is in memory
QUERIES = frozenset({"polars.lazy"})
# rows that scikit-learn takes itself, and engines take as well
_SHARED = frozenset({"numpy", "pandas", "polars", "arrow", "scipy.sparse", "other"})

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
        if type(X) is np.ndarray and X.size < SMALL and self.backend == "auto":
            return self._own_fit(estimator, name, original, args, kwargs, None)
        kind = find(X)
        lazy = is_gained(kind.name)
        if not lazy and name != "fit" and _calls_fit(original):
            return original(estimator, *args, **kwargs)  # and that is planned
        known = kind.name in _SHARED and has_engine(catalogue_name(type(estimator)), self.backend)
        # a TargetEncoder encodes the rows of its fit by others than themselves
        of_others = name == "fit_transform" and type(estimator).__name__ == "TargetEncoder"
        if not lazy and (not known or of_others):
            return self._own_fit(estimator, name, original, args, kwargs, None)
        try:
            given = given_of(original, estimator, args, kwargs)
        except TypeError:
            return original(estimator, *args, **kwargs)
        start = time.perf_counter()
        with self._within():
            outcome = fit_elsewhere(estimator, given, self.backend, own_method_fits=not lazy, strict=self.strict)
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
        start = time.perf_counter()
        with self._within():
            result = original(estimator, *args, **kwargs)
        outcome.seconds = time.perf_counter() - start
        X = args[0] if args else kwargs.get("X")
        if outcome.plan is None and not outcome.unplanned:
            outcome.unplanned = f"no other engine was considered: {self._why_unplanned(estimator, X)}"
            outcome.data = _in_words(X)
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
            return "no other engine knows it"
        return f"fewer than {SMALL} values" if getattr(X, "size", SMALL) < SMALL else "no table of numbers"

    # --- predictions -----------------------------------------------------------------------

    def _score(self, estimator: Any, name: str, original: Any, args: Any, kwargs: Any) -> Any:
        X = args[0] if args else kwargs.get("X")
        engine, why, run = OWN_NAME, "scikit-learn's own", partial(original, estimator, *args, **kwargs)
        if type(X) is not np.ndarray or X.size >= SMALL:
            elsewhere = self._score_elsewhere(estimator, name, X, args[1:], kwargs)
            if elsewhere is not None:
                engine, why, run = elsewhere
        if self.profile is None or _is_part_of_a_forest(estimator):
            with self._within():
                return run()
        start = time.perf_counter()
        with self._within():
            result = run()
        call = Call(type(estimator).__name__, name, engine, time.perf_counter() - start, _in_words(X), why)
        self.profile.add(replace(call, line=self.profile.line_of_caller()))
        return result

    def _score_elsewhere(self, estimator: Any, name: str, X: Any, others: Any, kwargs: Any) -> Any:
        """Return engine, reason and function for rows that scikit-learn's own method does not take, or not as fast."""
        from skdist_gpu.scoring.apply import apply_to
        from skdist_gpu.scoring.methods import block_method, n_threads

        kind = find(X)
        params = {key: value for key, value in kwargs.items() if key != "X"}
        if is_gained(kind.name):
            if name == "score":
                from skdist_gpu.scoring.score import own_score

                y = others[0] if others else params.pop("y", None)
                if len(others) > 1:
                    params["sample_weight"] = others[1]
                params = {key: value for key, value in params.items() if value is not None}
                return (
                    f"{OWN}:{kind.location}",
                    "a score of such rows",
                    partial(own_score, estimator, estimator, X, y, params),
                )
            place = "disk" if kind.name in QUERIES else kind.location
            if others or (name in ("kneighbors", "radius_neighbors") and place != "gpu"):
                return None
            function = block_method(estimator, name, None, params, self._copies.setdefault(estimator, ModelCopies()))
            run = partial(apply_to, function, X)
            if name == "transform" and place != "gpu":
                run = partial(_lazily_transformed, estimator, function, X)
            where = {"gpu": "on the GPU", "dask": "lazily, block by block", "disk": "lazily, batch by batch"}
            return f"{OWN}:{place}", where[place], run
        if others or params or kind.name not in ("numpy", "pandas"):
            return None
        if threading.current_thread() is not threading.main_thread():
            return None  # the threads of whoever calls are the parallelism
        function = _Unplanned(estimator, name, within=self._within)
        threads = n_threads(function, X)
        if threads == 1:
            return None
        return f"threads:{threads}", "blocks of rows on all cores", partial(apply_to, function, X)

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
    from skdist_gpu.scoring.apply import apply_to
    from skdist_gpu.scoring.output import lazy_output

    def transform(self: Any, X: Any) -> Any:
        return apply_to(function, X)

    @wraps(transform)
    def wrapped(self: Any, X: Any) -> Any:
        return transform(self, X)

    return lazy_output(wrapped)(estimator, X)


def _calls_fit(original: Any) -> bool:
    """Whether a method, such as ``fit_predict``, calls the object's own `fit`."""
    return "fit" in unwrap(original).__code__.co_names


def _in_words(X: Any) -> str:
    shape = getattr(X, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2 and all(isinstance(n, int) for n in shape):
        return f"{shape[0]} × {shape[1]}"
    return type(X).__name__
