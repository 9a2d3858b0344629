"""Any program on whatever the machine has, unchanged: scikit-learn's own classes plan their fits and predictions."""

from __future__ import annotations

import os
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
from sklearn.exceptions import NotFittedError

from skdist_gpu.config import check_option
from skdist_gpu.data.containers import DASK, DISK, GPU, find
from skdist_gpu.engines.block_method import BlockMethod, ModelCopies
from skdist_gpu.engines.entry import catalogue_name
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.info.report import Explanation, Report
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import machine_in_words
from skdist_gpu.programs.calls import Call, Profile, sklearn_seconds, why_not_elsewhere
from skdist_gpu.programs.classes import FITS, Replacement
from skdist_gpu.programs.fits import OWN, Outcome, fit_elsewhere, given_of, has_engine

# tells workers, which have this environment, to do as this process does
VARIABLE = "SKDIST_GPU_INSTALL"
# values of an array for which scikit-learn is done before a plan would be
SMALL = 2**13
OWN_NAME = f"{OWN}:cpu"
# rows that scikit-learn takes itself, and engines take as well
_SHARED = frozenset({"numpy", "pandas", "polars", "arrow", "scipy.sparse"})


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
        if outcome.plan is None:
            outcome.unplanned = f"no other engine was considered: {self._why_unplanned(estimator, X)}"
            outcome.data = _in_words(X)
        self._keep(estimator, name, X, outcome, outcome.seconds)
        return result

    def _keep(self, estimator: Any, name: str, X: Any, outcome: Outcome, seconds: float) -> None:
        _outcomes[estimator] = outcome
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
            if others or (name in ("kneighbors", "radius_neighbors") and kind.location != "gpu"):
                return None
            function = block_method(estimator, name, None, params, self._copies.setdefault(estimator, ModelCopies()))
            run = partial(apply_to, function, X)
            if name == "transform" and kind.location in ("dask", "disk"):
                run = partial(_lazily_transformed, estimator, function, X)
            where = {"gpu": "on the GPU", "dask": "lazily, block by block", "disk": "lazily, batch by batch"}
            return f"{OWN}:{kind.location}", where[kind.location], run
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
    return container in DASK or container in GPU or container in DISK


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


# of the fitted objects of programs, which hold, and pickle, nothing but what scikit-learn leaves in them
_outcomes: WeakKeyDictionary[Any, Outcome] = WeakKeyDictionary()
# scikit-learn's classes are those of the whole process, so that there is one installation
_installed: list[Installation] = []


def install(*, backend: str = "auto", profile: Profile | None = None) -> None:
    """Let scikit-learn's own classes choose, at each fit and prediction, the engine that serves best.

    Programs stay as they are: classes, parameters, fitted attributes, pickles, errors and warnings are
    scikit-learn's own. Subclasses are not touched. Workers of joblib and of Dask that start later do the same, since
    ``SKDIST_GPU_INSTALL=1`` is in their environment. Called again, it changes the options.

    Parameters
    ----------
    backend : str, default="auto"
        ``"auto"`` chooses; the name of an engine forces it wherever it does not refuse.
    profile : Profile, default=None
        What counts the calls; see :func:`installed`.

    Raises
    ------
    BackendError
        If no engine has that name.

    Examples
    --------
    >>> import skdist_gpu
    >>> from sklearn.linear_model import Ridge
    >>> skdist_gpu.install(backend="reductions")
    >>> model = Ridge(alpha=1e-3).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> type(model) is Ridge
    True
    >>> skdist_gpu.uninstall()
    """
    check_option("backend", backend)
    if _installed:
        _installed[0].backend, _installed[0].profile = backend, profile
        return
    installation = Installation(backend, profile)
    installation.classes.start()
    _installed.append(installation)
    os.environ[VARIABLE] = "1"


def uninstall() -> None:
    """Give scikit-learn's classes their own methods back; what was fitted stays as it is.

    Examples
    --------
    >>> import skdist_gpu
    >>> skdist_gpu.uninstall()  # nothing was installed
    """
    if _installed:
        _installed.pop().classes.stop()
        os.environ.pop(VARIABLE, None)


@contextmanager
def installed(*, backend: str = "auto", profile: Profile | None = None) -> Iterator[Profile]:
    """Install inside a ``with`` block, and count what ran where.

    Parameters
    ----------
    backend : str, default="auto"
        As of :func:`install`.
    profile : Profile, default=None
        What counts the calls; a new one if None.

    Yields
    ------
    Profile
        With `rows`, `to_dict`, `to_json` and `to_html`; it prints as a table.

    Examples
    --------
    >>> import skdist_gpu
    >>> from sklearn.linear_model import Ridge
    >>> with skdist_gpu.installed() as profile:
    ...     model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    >>> [(row.estimator, row.method, row.engine) for row in profile.rows]
    [('Ridge', 'fit', 'sklearn:cpu')]
    """
    before = (_installed[0].backend, _installed[0].profile) if _installed else None
    profile = profile or Profile()
    install(backend=backend, profile=profile)
    try:
        yield profile
    finally:
        if before is None:
            uninstall()
        else:
            install(backend=before[0], profile=before[1])


def explain(model: Any) -> Explanation:
    """Return every engine considered for the last fit of an estimator, and what ran.

    Parameters
    ----------
    model : estimator
        One of scikit-learn that was fitted while :func:`install` was in force, or an AutoScale estimator.

    Returns
    -------
    Explanation
        Prints as a text, and shows as a table in a notebook.

    Raises
    ------
    NotFittedError
        If the estimator was not fitted while it was in force.

    Examples
    --------
    >>> import skdist_gpu
    >>> from sklearn.linear_model import Ridge
    >>> with skdist_gpu.installed():
    ...     model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    ...     print(skdist_gpu.explain(model))
    Ridge on 2 × 1 ...
    ran on sklearn:cpu in ... s
    """
    if hasattr(model, "explain"):
        return model.explain()
    outcome = _outcomes.get(model)
    if outcome is None:
        raise NotFittedError(
            f"Nothing is known of this {type(model).__name__}: it was not fitted while skdist_gpu.install() was in "
            "force, or is a copy of one that was. Fit it after install()."
        )
    own = Candidate(OWN, "cpu", "chosen", (outcome.unplanned,))
    plan = outcome.plan or Plan(type(model).__name__, outcome.data, machine_in_words(detect_resources()), (own,))
    candidate = outcome.candidate or next((c for c in plan.candidates if c.backend == OWN), own)
    return Explanation(plan, Report(candidate, outcome.seconds, outcome.failures))
