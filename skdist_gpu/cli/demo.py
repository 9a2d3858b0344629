"""``skdist-gpu demo``: plan, fit, and compare with scikit-learn called directly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from skdist_gpu.cli.output import as_json, tell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

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
@as_json
def demo(rows: int | None, as_json: bool) -> None:
    """Train and score real and generated data, and compare with scikit-learn called directly."""
    from rich.console import Console

    from skdist_gpu.hardware.detect import detect_resources

    console = Console(quiet=as_json)
    if find_spec("xgboost") is None:
        console.print("XGBoost is not installed, so its part is left out; pip install 'skdist_gpu[cpu]' brings it.")
    found = [run(case, console) for case in cases(rows or affordable_rows(detect_resources()))]
    console.print(_comparison(found))
    tell("Seconds are those of fit. Differences are relative to the largest value.", {"cases": found}, as_json=as_json)


def _comparison(found: list[dict[str, Any]]) -> Table:
    """Return a table with two lines for each case: the wrapped estimator, and the plain one."""
    from rich.table import Table

    table = Table("data", "engine", "score", "seconds", "largest difference", title="The same estimator, twice")
    for case in found:
        table.add_row(
            f"{case['data']}\n{case['estimator']}",
            f"{case['engine']}\ncalled directly",
            f"{case['score']:.4f}\n{case['direct_score']:.4f}",
            f"{case['seconds']:.3f}\n{case['direct_seconds']:.3f}",
            f"{case['largest_difference']:.1e}\nin {case['compared']}",
            end_section=True,
        )
    return table


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
    yield Case("diabetes", _split(load_diabetes), plain, AutoScaleRegressor(plain))
    plain = LogisticRegression(solver="newton-cholesky")
    X, X_test, y, y_test = _split(load_digits)
    yield Case("digits", (X / 16, X_test / 16, y, y_test), plain, AutoScaleClassifier(plain))
    if find_spec("xgboost") is not None:
        from xgboost import XGBClassifier

        from skdist_gpu import AutoScaleXGBClassifier

        settings: dict[str, Any] = {"n_estimators": 50, "random_state": 0, "n_jobs": 1}
        wrapped = AutoScaleXGBClassifier(**settings)
        yield Case("breast cancer", _split(load_breast_cancer), XGBClassifier(**settings), wrapped)
    plain = LinearRegression()
    yield Case("generated table", _table(rows), plain, AutoScaleRegressor(plain))


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


def run(case: Case, console: Console) -> dict[str, Any]:
    """Show the plan, fit with progress, then the plain estimator; return what is compared."""
    from sklearn.base import clone

    X, X_test, y, y_test = case.data
    wrapped, direct = case.wrapped, case.direct
    name = type(direct).__name__
    console.rule(f"{case.title}: {name}")
    _say(console, f"What fit will do, and why:\n{wrapped.plan(X, y)}\n")
    wrapped.set_params(progress=not console.quiet)
    clone(direct).fit(X[:500], y[:500])  # the first fit of a process pays for the start of its threads
    seconds = _time(lambda: wrapped.fit(X, y))
    _say(console, wrapped.report_)
    with console.status(f"{name} called directly, for comparison"):
        direct_seconds = _time(lambda: direct.fit(X, y))
    difference, compared = compare(wrapped, direct, X_test)
    return {
        "data": case.title,
        "estimator": name,
        "engine": wrapped.report_.candidate.name,
        "score": wrapped.score(X_test, y_test),
        "direct_score": direct.score(X_test, y_test),
        "seconds": seconds,
        "direct_seconds": direct_seconds,
        "largest_difference": difference,
        "compared": compared,
    }


def _say(console: Console, text: object) -> None:
    """Print lines as they are."""
    console.print(str(text), markup=False, highlight=False, soft_wrap=True)


def _time(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(wrapped: Any, direct: Any, X: Any) -> tuple[float, str]:
    """Return the largest difference, relative to the largest value, and whether of coefficients or probabilities."""
    import numpy as np

    if hasattr(direct, "predict_proba"):
        ours, theirs, what = wrapped.predict_proba(X), direct.predict_proba(X), "probabilities"
    else:
        ours, theirs, what = wrapped.coef_, direct.coef_, "coefficients"
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max()), what
