"""Plots of plans and of what came of them; matplotlib is imported when one is drawn.

``pip install "skdist_gpu[plots]"`` brings it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skdist_gpu._compat.matplotlib import axes_or_new
from skdist_gpu.config import format_bytes, format_seconds

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources
    from skdist_gpu.info.report import Explanation
    from skdist_gpu.planning.plan import Candidate, Plan
    from skdist_gpu.programs.calls import Profile

_CHOSEN, _OTHER, _MEASURED = "#1a9850", "#8da0cb", "#f39c34"
# rows for which `plot_crossover` plans
ROWS = tuple(10**k * m for k in range(2, 9) for m in (1, 3))

__all__ = ["plot_crossover", "plot_explanation", "plot_plan", "plot_profile"]


def plot_plan(plan: Plan, ax: Any = None) -> Any:
    """Draw the engines that can run as bars of predicted seconds, with their bytes; the chosen one is green.

    Parameters
    ----------
    plan : Plan
        From `plan()` of an AutoScale estimator.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> from skdist_gpu import AutoScaleRegressor
    >>> from skdist_gpu.plots import plot_plan
    >>> from skdist_gpu.testing import make_resources
    >>> plan = AutoScaleRegressor().plan(shape=(10**8, 100), resources=make_resources(gpus=8))
    >>> plot_plan(plan).get_xlabel()  # doctest: +SKIP
    'predicted seconds'
    """
    axes = axes_or_new(ax)
    candidates = [c for c in plan.ladder if c.seconds is not None]
    colours = [_CHOSEN if c.verdict == "chosen" else _OTHER for c in candidates]
    bars = axes.barh([c.name for c in candidates], [c.seconds for c in candidates], color=colours)
    axes.bar_label(bars, [_label(c) for c in candidates], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.35)
    axes.set(xlabel="predicted seconds", title=f"{plan.estimator}, {plan.data}")
    return axes


def plot_explanation(explanation: Explanation, ax: Any = None) -> Any:
    """Draw predicted seconds of every engine that can run, and beside them the seconds that were measured.

    Parameters
    ----------
    explanation : Explanation
        From `explain()` of a fitted AutoScale estimator.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> from skdist_gpu import AutoScaleRegressor
    >>> from skdist_gpu.plots import plot_explanation
    >>> model = AutoScaleRegressor().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> plot_explanation(model.explain()).get_xlabel()  # doctest: +SKIP
    'seconds'
    """
    report = explanation.report
    axes = plot_plan(explanation.plan, ax)
    ran = report.candidate.name
    measured = axes.barh([f"{ran}, measured"], [report.seconds], color=_MEASURED)
    axes.bar_label(measured, [format_seconds(report.seconds)], padding=3)
    axes.set(xlabel="seconds")
    return axes


def plot_crossover(
    estimator: Any,
    *,
    n_features: int = 50,
    rows: Sequence[int] = ROWS,
    dtype: str = "float64",
    resources: Resources | None = None,
    ax: Any = None,
) -> Any:
    """Draw the predicted seconds of each engine over the number of rows; the chosen one is marked.

    Nothing is fitted: each point is a plan.

    Parameters
    ----------
    estimator : estimator
        Unfitted, plain or wrapped.
    n_features : int, default=50
        Columns of X.
    rows : sequence of int
        Numbers of rows to plan for; by default from 100 to 300 000 000.
    dtype : str, default="float64"
        dtype of X.
    resources : Resources, default=None
        A machine from :func:`skdist_gpu.testing.make_resources`; None for this one.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skdist_gpu.plots import plot_crossover
    >>> plot_crossover(Ridge(), rows=(1000, 100_000)).get_xlabel()  # doctest: +SKIP
    'rows'
    """
    from skdist_gpu.compose.autoscale import autoscale

    model, axes = autoscale(estimator), axes_or_new(ax)
    plans = [(n, model.plan(shape=(n, n_features), dtype=dtype, resources=resources)) for n in rows]
    lines: dict[str, list[tuple[int, float]]] = {}
    for n, plan in plans:
        for c in plan.ladder:
            if c.seconds is not None:
                lines.setdefault(c.name, []).append((n, c.seconds))
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), label=name, lw=1.5)
    chosen = [(n, plan.chosen.seconds) for n, plan in plans if plan.chosen and plan.chosen.seconds is not None]
    if chosen:
        axes.plot(*zip(*chosen, strict=True), "o", color=_CHOSEN, ms=5, label="chosen")
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="predicted seconds")
    axes.set_title(f"{plans[0][1].estimator}, {n_features} columns")
    axes.legend()
    return axes


def plot_profile(profile: Profile, ax: Any = None) -> Any:
    """Draw where the seconds of an unchanged program went: a bar for each method, by engine.

    Parameters
    ----------
    profile : Profile
        From :func:`skdist_gpu.installed`.
    ax : matplotlib.axes.Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without matplotlib.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from skdist_gpu import installed
    >>> from skdist_gpu.plots import plot_profile
    >>> with installed() as profile:
    ...     model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    >>> plot_profile(profile).get_xlabel()  # doctest: +SKIP
    'seconds'
    """
    axes = axes_or_new(ax)
    rows = profile.rows
    names = list(dict.fromkeys(f"{row.estimator}.{row.method}" for row in rows))
    left = dict.fromkeys(names, 0.0)
    for engine in dict.fromkeys(row.engine for row in rows):
        seconds = {f"{row.estimator}.{row.method}": row.seconds for row in rows if row.engine == engine}
        axes.barh(list(seconds), list(seconds.values()), left=[left[name] for name in seconds], label=engine)
        for name, more in seconds.items():
            left[name] += more
    axes.invert_yaxis()
    axes.set(xlabel="seconds")
    axes.legend()
    return axes


def _label(candidate: Candidate) -> str:
    memory = "" if candidate.n_bytes is None else f", {format_bytes(candidate.n_bytes)}"
    return f"{format_seconds(candidate.seconds or 0.0)}{memory}"
