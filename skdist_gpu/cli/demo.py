"""``skdist-gpu demo``: plan, fit, and compare with scikit-learn called directly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from skdist_gpu.hardware.detect import Resources

COLUMNS = 50


@dataclass(frozen=True)
class Case:
    """Data, the estimator called directly, and the same estimator wrapped."""

    title: str
    data: tuple[Any, Any, Any, Any]  # X_train, X_test, y_train, y_test
    direct: Any
    wrapped: Any


@click.command()
@click.option(
    "--rows", type=click.IntRange(min=1000), help="Rows of the generated table; default: by cores and memory."
)
def demo(rows: int | None) -> None:
    """Train and score real and generated data, and compare with scikit-learn called directly."""
    from rich.console import Console
    from rich.table import Table

    from skdist_gpu.hardware.detect import detect_resources

    console = Console()
    if find_spec("xgboost") is None:
        console.print("XGBoost is not installed, so its part is left out; pip install 'skdist_gpu[cpu]' brings it.")
    table = Table("data", "engine", "score", "seconds", "largest difference", title="The same estimator, twice")
    for case in cases(rows or affordable_rows(detect_resources())):
        table.add_row(*run(case, console), end_section=True)
    console.print(table)
    click.echo("Seconds are those of fit. Differences are relative to the largest value.")


def affordable_rows(resources: Resources) -> int:
    """Size the table for a few seconds of scikit-learn and a sixteenth of the free memory."""
    by_memory = resources.available_bytes // (16 * COLUMNS * 8)
    return max(1000, min(500_000 * resources.n_cores, 4_000_000, by_memory))


def cases(rows: int) -> Iterator[Case]:
    """Make the cases one after another, so that only one lives in memory."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
    from sklearn.linear_model import LinearRegression, LogisticRegression

    from skdist_gpu import AutoScaleClassifier, AutoScaleRegressor

    plain: Any = LinearRegression()
    yield Case("diabetes", _split(load_diabetes), plain, AutoScaleRegressor(plain, progress=True))
    plain = LogisticRegression(max_iter=2000, tol=1e-6)
    X, X_test, y, y_test = _split(load_digits)
    yield Case("digits", (X / 16, X_test / 16, y, y_test), plain, AutoScaleClassifier(plain, progress=True))
    if find_spec("xgboost") is not None:
        from xgboost import XGBClassifier

        from skdist_gpu import AutoScaleXGBClassifier

        settings: dict[str, Any] = {"n_estimators": 50, "random_state": 0, "n_jobs": 1}
        wrapped = AutoScaleXGBClassifier(**settings, progress=True)
        yield Case("breast cancer", _split(load_breast_cancer), XGBClassifier(**settings), wrapped)
    plain = LinearRegression()
    yield Case("generated table", _table(rows), plain, AutoScaleRegressor(plain, progress=True))


def _split(load: Any) -> Any:
    from sklearn.model_selection import train_test_split

    return train_test_split(*load(return_X_y=True), random_state=0)


def _table(rows: int) -> Any:
    """Make a regression table in place, one column block after another; the last tenth is for the score."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, COLUMNS))
    y = X @ rng.standard_normal(COLUMNS) + rng.standard_normal(rows)
    cut = rows - rows // 10
    return X[:cut], X[cut:], y[:cut], y[cut:]


def run(case: Case, console: Console) -> tuple[str, ...]:
    """Show the plan, fit with progress, then the plain estimator; return a row of the comparison."""
    from sklearn.base import clone

    X, X_test, y, y_test = case.data
    wrapped, direct = case.wrapped, case.direct
    name = type(direct).__name__
    console.rule(f"{case.title}: {name}")
    click.echo(f"What fit will do, and why:\n{wrapped.plan(X, y)}\n")
    clone(direct).fit(X[:500], y[:500])  # the first fit of a process pays for the start of its threads
    seconds = _time(lambda: wrapped.fit(X, y))
    click.echo(wrapped.report_)
    with console.status(f"{name} called directly, for comparison"):
        direct_seconds = _time(lambda: direct.fit(X, y))
    score, direct_score = wrapped.score(X_test, y_test), direct.score(X_test, y_test)
    return (
        f"{case.title}\n{name}",
        f"{wrapped.report_.candidate.name}\ncalled directly",
        f"{score:.4f}\n{direct_score:.4f}",
        f"{seconds:.3f}\n{direct_seconds:.3f}",
        compare(wrapped, direct, X_test),
    )


def _time(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(wrapped: Any, direct: Any, X: Any) -> str:
    """Tell the largest difference, relative to the largest value, of coefficients or probabilities."""
    import numpy as np

    if hasattr(direct, "predict_proba"):
        ours, theirs, what = wrapped.predict_proba(X), direct.predict_proba(X), "probabilities"
    else:
        ours, theirs, what = wrapped.coef_, direct.coef_, "coefficients"
    return f"{np.abs(ours - theirs).max() / np.abs(theirs).max():.1e}\nin {what}"
