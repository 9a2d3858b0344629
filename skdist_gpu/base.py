"""The flow of every AutoScale estimator: inspect, look, plan, convert, run, keep."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skdist_gpu._compat.cuml import without_proxy
from skdist_gpu._compat.questions import answer_with_the_plain
from skdist_gpu._compat.sklearn import continued, diagram_box, goes_on, unfitted
from skdist_gpu._compat.sklearn_parameters import parameter_names, validate_params
from skdist_gpu._compat.sklearnex import without_patch
from skdist_gpu.callbacks import CallsCallbacks, PassTasks, fit_task
from skdist_gpu.config import DEFAULTS, check_option, configured_budget, option, parse_bytes
from skdist_gpu.data.inspect import InputInfo, described_input, inspect_input
from skdist_gpu.data.row_sets import RowSet
from skdist_gpu.data.targets import column_told_of
from skdist_gpu.delegation import FitMethod, ParameterNames
from skdist_gpu.engines.block_method import FittedState, ModelCopies
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.protocol import FitJob, Fitted
from skdist_gpu.engines.registry import entries_for, matches, runs_on_workers
from skdist_gpu.exceptions import BackendError, FallbackWarning
from skdist_gpu.flow import choose, run
from skdist_gpu.hardware.cluster import with_cluster
from skdist_gpu.hardware.detect import Resources, current_client, detect_resources
from skdist_gpu.info.report import Explanation, Report
from skdist_gpu.partial import PartialFit
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import Request, gains_from_all_gpus, make_plan, parameter_refusals
from skdist_gpu.planning.scoring import Call, make_scoring_plan
from skdist_gpu.scoring.mixin import ScoringMixin
from skdist_gpu.sharing import fit_row_set


class AutoScaleBase(ParameterNames, PartialFit, CallsCallbacks, ScoringMixin, BaseEstimator):
    """The flow that every AutoScale estimator shares; the subclasses add what a regressor, a classifier … has."""

    _kind: str | None = None

    def __init__(
        self,
        estimator: Any = None,
        *,
        backend: str = "auto",
        fallback: str = "warn",
        precision: str = "auto",
        memory_budget: str | int | None = None,
        progress: bool = False,
    ) -> None:
        self.estimator = estimator
        self.backend = backend
        self.fallback = fallback
        self.precision = precision
        self.memory_budget = memory_budget
        self.progress = progress

    # --- what is wrapped -------------------------------------------------------------------

    def _default_estimator(self) -> Any:
        raise TypeError(f"{type(self).__name__} has no default; give it an estimator.")

    def _make_estimator(self) -> Any:
        """Return the estimator to fit: the user's own, or the default; not yet cloned."""
        return without_patch(without_proxy(self._default_estimator() if self.estimator is None else self.estimator))

    def _plain_estimator(self) -> Any:
        """Return what scikit-learn is told where it decides by the class of an estimator."""
        fitted = self._known_fitted()
        return self._make_estimator() if fitted is None else fitted

    def _start(self) -> Any:
        """Return the estimator that a fit begins with: unfitted, or with ``warm_start=True`` as the last fit left it.

        It is a copy, so that the user's own estimator stays as it was given.
        """
        estimator = unfitted(self._make_estimator())
        last = self.__dict__.get("estimator_")
        if goes_on(estimator) and type(last) is type(estimator):
            return continued(last, estimator)
        return estimator

    def _takes_weights(self) -> bool:
        return has_fit_parameter(self._make_estimator(), "sample_weight") and any(e.weights for e in self._entries())

    def _entries(self) -> list[Entry]:
        """Return the entries of the catalogue that the estimator and the backend leave."""
        return [e for e in entries_for(self._make_estimator()) if matches(e, self.backend)]

    def _engine_options(self) -> dict[str, Any]:
        """Return parameters that the plain estimator does not have, for the engines that know them."""
        return {}

    def __sklearn_tags__(self) -> Any:
        """Return the wrapped estimator's tags, less what a forced engine does not take."""
        estimator, entries = self._make_estimator(), self._entries()
        tags = get_tags(estimator)
        # the estimator may give the same tags each time
        inputs, targets, classifier = copy(tags.input_tags), copy(tags.target_tags), copy(tags.classifier_tags)
        tags = replace(tags, input_tags=inputs, target_tags=targets, classifier_tags=classifier)
        takes_sparse = (e.sparse and not parameter_refusals(e, estimator, sparse=True) for e in entries)
        tags.input_tags.sparse &= any(takes_sparse)
        if not any(e.multi_target for e in entries):
            tags.target_tags.multi_output = False
            if tags.classifier_tags is not None:
                tags.classifier_tags.multi_label = False
        # CuPy is served by the engines; scikit-learn's own dispatch is not passed through
        tags.array_api_support = False
        return tags

    def __sklearn_clone__(self) -> Any:
        answer_with_the_plain()  # scikit-learn's meta-estimators clone before they ask for the class
        return super().__sklearn_clone__()

    def __sklearn_is_fitted__(self) -> bool:
        answer_with_the_plain()  # or ask this, of one that they do not clone
        return self._known_fitted() is not None

    def __getattr__(self, name: str) -> Any:
        """Answer a parameter of the wrapped estimator; a fitted attribute or ``get_support()`` from ``estimator_``."""
        text = f"{type(self).__name__!r} object has no attribute {name!r}"
        if not name.startswith("_") and name in self._parameters_answered():
            return getattr(self._wrapped(), name)
        plain = None if name.startswith("_") else self._known_fitted()
        if plain is not None:
            if name == "estimator_":
                return plain
            answers = self.__dict__.get("_answers", {})
            if name.endswith("_") or name.startswith("get_"):
                return answers[name] if name in answers else getattr(plain, name)
            if hasattr(plain, name):
                text += f"; the fitted {type(plain).__name__} in estimator_ has one"
        raise AttributeError(text)

    def _parameters_answered(self) -> set[str]:
        """Return the parameters of the wrapped estimator that are attributes here, too.

        ``max_iter`` is none: scikit-learn's checks take it for a promise of ``n_iter_``, which Ridge does not keep.
        """
        return set(parameter_names(type(self._wrapped()))) - {"max_iter"} if "estimator" in self.__dict__ else set()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_copies"}

    # --- fit -------------------------------------------------------------------------------

    @FitMethod
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **fit_params: Any) -> AutoScaleBase:
        """Choose an engine for these data on this machine, and fit.

        Parameters
        ----------
        X : {NumPy array, pandas, Polars, Arrow or cuDF table, SciPy sparse matrix, CuPy array, Dask \
                array or frame} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Target, in a container that matches `X`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.
        **fit_params : dict
            Further arguments for the estimator's own `fit`.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError, TypeError
            scikit-learn's own errors for bad data or parameters.
        BackendError
            If the requested `backend`, or every engine, refuses; the text gives each reason.
        """
        self._fit(X, y, sample_weight, fit_params)
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, fit_params: dict[str, Any], transforms: bool = False) -> Any:
        """Fit; return the rows as a fit transforms them where that was asked for and the engine does both, or None."""
        if isinstance(X, RowSet):
            fit_row_set(self, X, y, sample_weight, fit_params)
            return None
        estimator = self._start()
        self._check_parameters(estimator)
        y = column_told_of(self, y)
        info = inspect_input(X, y, sample_weight)
        request = self._request(fit_params)
        plan, resources, client = choose(estimator, info, request)
        if plan.chosen is None:
            raise BackendError(_nothing_fits(plan))
        place: dict[str, Any] = {"info": info, "resources": resources, "client": client, "transforms": transforms}
        job = self._job(estimator, X, y, sample_weight, fit_params=fit_params, **place)
        with fit_task(self, X, y) as task:
            ran = self._run(plan, job, PassTasks(self, task))
            self._keep(plan, *ran)
        return ran[0].transformed

    def _job(self, estimator: Any, X: Any, y: Any, sample_weight: Any, **more: Any) -> FitJob:
        """Return what an engine is handed to fit an estimator."""
        options: dict[str, Any] = {"memory_budget": self._budget(), "options": self._engine_options()}
        return FitJob(estimator, X, y, sample_weight, **options, **more)

    def _run(self, plan: Plan, job: FitJob, tasks: PassTasks) -> tuple[Fitted, Candidate, float, list[str]]:
        """Run the plan's first choice, and the next one if memory runs out."""
        fallback = self._option("fallback")
        ladder = plan.ladder[:1] if fallback == "raise" else plan.ladder

        def warn(failure: str) -> None:
            if fallback == "warn":
                warnings.warn(
                    f"{failure}. Trying the next engine instead; fallback='raise' stops here, "
                    "explain() lists the engines.",
                    FallbackWarning,
                    stacklevel=7,
                )

        automatic = self._option("backend") == "auto"
        return run(
            ladder,
            job,
            self._start,
            plan=plan,
            automatic=automatic,
            visible=self.progress,
            tasks=tasks,
            on_failure=warn,
        )

    def _keep(self, plan: Plan, fitted: Fitted, candidate: Candidate, seconds: float, failures: list[str]) -> None:
        copies = ModelCopies()
        copies.put(fitted.copies, FittedState(fitted.estimator) if fitted.copies else None)
        self.__dict__.update(
            estimator_=fitted.estimator,
            plan_=plan,
            backend_=candidate.backend,
            report_=Report(candidate, seconds, tuple(failures), copies=copies, n_bytes=fitted.peak_bytes),
            _labels=fitted.classes,
            _copies=copies,
            _answers=fitted.answers,
        )
        if fitted.classes is not None:
            self.classes_ = fitted.classes
        elif "classes_" in self.__dict__:
            del self.classes_

    def _check_parameters(self, estimator: Any) -> None:
        for name in ("fallback", "precision", "memory_budget"):
            check_option(name, self._option(name))
        kind = get_tags(estimator).estimator_type
        if self._kind is not None and kind != self._kind:
            raise TypeError(
                f"{type(self).__name__} wraps a {self._kind}, and {type(estimator).__name__} is a "
                f"{kind or 'estimator of no such kind'}. skdist_gpu.autoscale(estimator) picks the right class."
            )
        validate_params(estimator)

    def _option(self, name: str) -> Any:
        """Return a parameter, or the configured default where it was left at its own default."""
        value = getattr(self, name)
        return option(name) if value == DEFAULTS[name] else value

    def _budget(self) -> int | None:
        return configured_budget() if self.memory_budget is None else parse_bytes(self.memory_budget)

    def _request(self, fit_params: dict[str, Any]) -> Request:
        return Request(
            backend=self._option("backend"),
            memory_budget=self._budget(),
            fit_params=tuple(sorted(fit_params)),
            precision=self._option("precision"),
            allow_ignored=option("allow_ignored_parameters"),
            all_gpus=option("auto_cluster") == "on",
        )

    # --- plan and explain ------------------------------------------------------------------

    def plan(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        method: str = "fit",
        shape: tuple[int, int] | None = None,
        dtype: str = "float64",
        resources: Resources | None = None,
    ) -> Plan:
        """Tell what `fit` would do, or another method of the fitted estimator; computes nothing.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
            The data; or leave them out and give `shape`.
        method : str, default="fit"
            What is planned: `fit`, or a method that takes `X`, such as `predict`, once the estimator is fitted.
        shape : tuple of int, default=None
            ``(n_samples, n_features)`` of data that do not exist yet.
        dtype : str, default="float64"
            dtype that goes with `shape`.
        resources : Resources, default=None
            A machine from :func:`skdist_gpu.testing.make_resources`; None for this one.

        Returns
        -------
        Plan
            With ``backend``, ``candidates`` and ``reasons``.

        Raises
        ------
        ValueError
            If `X` and `shape` are both given, or neither.
        NotFittedError
            If another `method` than `fit` is asked for before `fit`.

        Examples
        --------
        >>> from skdist_gpu import AutoScaleRegressor
        >>> from skdist_gpu.testing import make_resources
        >>> machine = make_resources(gpus=1)
        >>> AutoScaleRegressor().plan(shape=(10**8, 100), dtype="float32", resources=machine)
        Plan(reductions:gpu)
        """
        if (X is None) == (shape is None):
            raise ValueError("plan() takes either X or shape=(n_samples, n_features).")
        if method != "fit":
            call = Call(self._fitted(), method, memory_budget=self._budget())
            rows = inspect_input(X) if shape is None else described_input(shape, dtype)
            return make_scoring_plan(call, rows, resources or detect_resources())
        info = inspect_input(X, y, sample_weight) if shape is None else described_input(shape, dtype)
        return self._plan_for(info, resources)

    def _plan_for(self, info: InputInfo, resources: Resources | None) -> Plan:
        """Return the plan for rows of which only this is known; on this machine, if no other is given."""
        estimator = unfitted(self._make_estimator())
        self._check_parameters(estimator)
        request = self._request({})
        on_dask = info.location == "dask"
        resources = resources or detect_resources(current_client(option("client")), cluster_needed=on_dask)
        gains = partial(gains_from_all_gpus, estimator, info, request)
        return make_plan(
            estimator, info, with_cluster(info, runs_on_workers(request.backend), gains, resources), request
        )

    def explain(self) -> Explanation:
        """Return every engine considered, its verdict and reason, and predicted against measured.

        Returns
        -------
        Explanation
            A text with ``plan`` and ``report``, which a notebook shows as a table.

        Raises
        ------
        NotFittedError
            Before `fit`; `plan` works then.
        """
        if "plan_" not in vars(self):
            self._check_fitted()
            raise NotFittedError(f"The {type(self.estimator).__name__} came fitted: no engine was chosen here.")
        return Explanation(self.plan_, self.report_)

    def _sk_visual_block_(self) -> Any:
        """Return the box of scikit-learn's diagram: the wrapped estimator, and the engine under its name."""
        engine = self.report_.candidate.name if "report_" in vars(self) else "engine chosen in fit"
        return diagram_box(self, type(self._plain_estimator()).__name__, engine)

    def _repr_html_inner(self) -> str:
        return self._with_plan(super()._repr_html_inner())

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(**options)
        if "text/html" in bundle:
            bundle["text/html"] = self._with_plan(bundle["text/html"])
        return bundle

    def _with_plan(self, html: str) -> str:
        """Append the plan's table to scikit-learn's diagram of a fitted estimator."""
        return html + self.plan_._repr_html_() if "plan_" in vars(self) else html


def _nothing_fits(plan: Plan) -> str:
    text = "; ".join(f"{c.name}: {', '.join(c.reasons)}" for c in plan.candidates if not _only_forced(c))
    if not text:  # the engine asked for has no row for this estimator
        have = ", ".join(repr(name) for name in sorted({c.backend for c in plan.candidates}))
        text = f"{plan.candidates[0].reasons[0]}; the engines that know it are {have}"
    return f"No engine can fit {plan.estimator} on {plan.data} ({plan.machine}). {text}. Nothing was computed."


def _only_forced(candidate: Candidate) -> bool:
    return len(candidate.reasons) == 1 and candidate.reasons[0].startswith("backend=")
