"""Any program on whatever the machine has, unchanged: scikit-learn's own classes plan their fits and predictions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import NotFittedError

from skdist_gpu.config import check_option
from skdist_gpu.hardware.detect import detect_resources
from skdist_gpu.info.report import Explanation, Report
from skdist_gpu.planning.plan import Candidate, Plan
from skdist_gpu.planning.planner import describe
from skdist_gpu.programs.calls import Profile
from skdist_gpu.programs.fits import OWN
from skdist_gpu.programs.installation import OUTCOMES, Installation

# tells workers, which have this environment, to do as this process does
VARIABLE = "SKDIST_GPU_INSTALL"
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
    ran on sklearn:cpu in ...
    """
    if hasattr(model, "explain"):
        return model.explain()
    outcome = OUTCOMES.get(model)
    if outcome is None:
        raise NotFittedError(
            f"Nothing is known of this {type(model).__name__}: it was not fitted while skdist_gpu.install() was in "
            "force, or is a copy of one that was. Fit it after install()."
        )
    own = Candidate(OWN, "cpu", "chosen", (outcome.unplanned,))
    plan = outcome.plan or Plan(type(model).__name__, outcome.data, describe(detect_resources()), (own,))
    candidate = outcome.candidate or next((c for c in plan.candidates if c.backend == OWN), own)
    return Explanation(plan, Report(candidate, outcome.seconds, outcome.failures))
