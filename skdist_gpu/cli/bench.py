"""``skdist-gpu bench``: how long each engine takes for one's own table."""

from __future__ import annotations

import time
from typing import Any

import click

from skdist_gpu.cli.errors import CommandError
from skdist_gpu.cli.models import make_estimator, param_option
from skdist_gpu.cli.output import as_json, tell
from skdist_gpu.cli.tables import check_columns, open_table
from skdist_gpu.config import format_bytes, format_seconds, parse_bytes


@click.command()
@click.argument("estimator")
@click.argument("table")
@click.option("--target", help="Column of y; leave it out for transformers and clusterers.")
@param_option
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Fits; the shortest counts.")
@click.option("--limit", default="4GB", show_default=True, help="Largest table, in memory, to be loaded.")
@as_json
def bench(
    estimator: str,
    table: str,
    target: str | None,
    params: tuple[str, ...],
    repeat: int,
    limit: str,
    as_json: bool,
) -> None:
    """Fit ESTIMATOR to TABLE by every engine that can, and print predicted and measured seconds.

    The table is loaded into memory first, so that all engines start from the same rows.
    """
    from skdist_gpu import autoscale

    rows = open_table(table)
    check_columns(rows, y=[target])
    n_bytes = rows.count_rows() * len(rows.schema.names) * 8
    if n_bytes > parse_bytes(limit):
        raise CommandError(f"{table} takes about {format_bytes(n_bytes)} in memory, the limit is {limit}; see --limit.")
    X = rows.to_table()
    y = None if target is None else X.column(target).to_numpy()
    X = X if target is None else X.drop_columns([target])
    plain = make_estimator(estimator, params)
    plan = autoscale(plain).plan(X, y)
    if plan.chosen is None:
        raise CommandError(f"no engine can fit this.\n{plan}")
    found = [_measured(autoscale(plain, backend=c.name), c, X, y, repeat) for c in plan.ladder]
    told = {"estimator": plan.estimator, "data": plan.data, "machine": plan.machine, "engines": found}
    tell(_table(told), told, as_json=as_json)


def _measured(model: Any, candidate: Any, X: Any, y: Any, repeat: int) -> dict[str, Any]:
    """Fit by one engine; its error is told, too."""
    facts = {"engine": candidate.name, "verdict": candidate.verdict, "predicted_seconds": candidate.seconds}
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        try:
            model.fit(X, y)
        except Exception as error:
            return {**facts, "seconds": None, "error": " ".join(str(error).split())}
        times.append(time.perf_counter() - start)
    return {**facts, "seconds": min(times), "first_seconds": times[0]}


def _table(told: dict[str, Any]) -> str:
    lines = [f"{told['estimator']} on {told['data']}", f"machine: {told['machine']}"]
    lines.append(f"  {'engine':<18} {'predicted':>10} {'measured':>10} {'first':>10}")
    for facts in told["engines"]:
        predicted = "" if facts["predicted_seconds"] is None else format_seconds(facts["predicted_seconds"])
        if facts["seconds"] is None:
            lines.append(f"  {facts['engine']:<18} {predicted:>10} failed: {facts['error']}")
        else:
            seconds, first = (format_seconds(facts[name]) for name in ("seconds", "first_seconds"))
            mark = "  chosen" if facts["verdict"] == "chosen" else ""
            lines.append(f"  {facts['engine']:<18} {predicted:>10} {seconds:>10} {first:>10}{mark}")
    return "\n".join(lines)
