"""Show a plan to people: as text, and as HTML for notebooks.

First what was chosen, and why; then what else could run, by predicted time; then why the rest cannot, a line for each
cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from skdist_gpu.config import format_bytes, format_seconds

if TYPE_CHECKING:
    from skdist_gpu.planning.plan import Candidate, Plan

# Colours are taken from the page around the table, so that it can be read in light and in dark themes.
STYLE = """<style>
.skdist-gpu-plan {font: 13px/1.45 system-ui, sans-serif; max-width: 60em; overflow-x: auto; margin: .5em 0}
.skdist-gpu-plan table {border-collapse: collapse; width: 100%; margin: .4em 0}
.skdist-gpu-plan table th, .skdist-gpu-plan table td {text-align: left; vertical-align: top; padding: .25em .6em;
  font: inherit; background: none; border: 0; border-top: 1px solid color-mix(in srgb, currentColor 18%, transparent)}
.skdist-gpu-plan td:first-child {white-space: nowrap}
.skdist-gpu-plan table th {font-weight: 600; opacity: .7}
.skdist-gpu-plan table tr.chosen td {background: color-mix(in srgb, #1a9850 16%, transparent)}
.skdist-gpu-plan table tr.chosen td:first-child {box-shadow: inset 3px 0 #1a9850; font-weight: 600}
.skdist-gpu-plan .bar {display: block; height: 5px; margin-top: 3px; border-radius: 2px; background: #4575b4}
.skdist-gpu-plan .measured {background: #f39c34}
.skdist-gpu-plan .number {white-space: nowrap; min-width: 7em}
.skdist-gpu-plan td:last-child {min-width: 14em}
.skdist-gpu-plan .quiet {opacity: .75}
.skdist-gpu-plan summary {cursor: pointer}
.skdist-gpu-plan ul {margin: .3em 0; padding-left: 1.4em}
</style>"""


def plan_text(plan: Plan) -> str:
    """Write a plan as lines of text."""
    lines = [f"{plan.estimator} on {plan.data}", f"machine: {plan.machine}"]
    for c in plan.ladder:
        lines.append(f"  {c.verdict:<8}  {c.name:<16}  {prediction(c)}".rstrip())
        lines += [f"            - {reason}" for reason in c.reasons]
    lines += [f"  refused   {', '.join(names)}: {cause}" for cause, names in causes(plan).items()]
    return "\n".join(lines)


def prediction(candidate: Candidate) -> str:
    """Write the predicted seconds and bytes of a candidate; empty where there are none."""
    parts = []
    if candidate.seconds is not None:
        parts.append(f"{format_seconds(candidate.seconds)}{' (a guess)' if candidate.guess else ''}")
    if candidate.n_bytes is not None:
        parts.append(format_bytes(candidate.n_bytes))
    if candidate.threads is not None:
        parts.append(f"{candidate.threads} thread{'s' if candidate.threads > 1 else ''}")
    return ", ".join(parts)


def causes(plan: Plan) -> dict[str, list[str]]:
    """Return cause -> names of the engines that are refused for it, causes of many engines first."""
    found: dict[str, list[str]] = {}
    for candidate in plan.candidates:
        if candidate.verdict == "refused":
            for reason in candidate.reasons:
                found.setdefault(reason, []).append(candidate.name)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def plan_html(plan: Plan, measured: Mapping[str, float] | None = None, told: Iterable[str] = ()) -> str:
    """Write a plan as a table of HTML with bars.

    Parameters
    ----------
    plan : Plan
        What to show.
    measured : dict, default=None
        Seconds that were measured, by name of a candidate; shown beside the predicted ones.
    told : iterable of str, default=()
        Sentences about what happened, shown before the table.
    """
    measured = measured or {}
    times = [c.seconds for c in plan.ladder if c.seconds is not None] + list(measured.values())
    longest = max(times, default=0.0)
    head = "<th>engine</th><th>seconds</th><th>memory</th><th>why</th>"
    rows = "".join(_row(c, longest, measured.get(c.name)) for c in plan.ladder)
    table = f"<table><tr>{head}</tr>{rows}</table>" if rows else "<p><b>No engine can run this.</b></p>"
    caption = f"<b>{escape(plan.estimator)}</b> on {escape(plan.data)}"
    machine = f"<div class='quiet'>{escape(plan.machine)}</div>"
    happened = "".join(f"<div><b>{escape(sentence)}</b></div>" for sentence in told)
    refused = _refused(plan, opened=not rows)
    return f"{STYLE}<div class='skdist-gpu-plan'><div>{caption}</div>{machine}{happened}{table}{refused}</div>"


def _row(candidate: Candidate, longest: float, measured: float | None) -> str:
    seconds = "" if candidate.seconds is None else _bar(candidate.seconds, longest, "", "predicted", candidate.guess)
    if measured is not None:
        seconds += _bar(measured, longest, " measured", "measured")
    memory = "" if candidate.n_bytes is None else format_bytes(candidate.n_bytes)
    if candidate.threads is not None:
        memory += f"{', ' if memory else ''}{candidate.threads} thread{'s' if candidate.threads > 1 else ''}"
    mark = "✓ " if candidate.verdict == "chosen" else ""
    return (
        f"<tr class='{candidate.verdict}'><td>{mark}{escape(candidate.name)}</td><td class='number'>{seconds}</td>"
        f"<td class='number'>{memory}</td><td>{'<br>'.join(map(escape, candidate.reasons))}</td></tr>"
    )


def _bar(seconds: float, longest: float, kind: str, word: str, guess: bool = False) -> str:
    width = 100 * seconds / longest if longest else 0
    text = f"{format_seconds(seconds)} {word}{', a guess' if guess else ''}"
    return f"<div>{text}<span class='bar{kind}' style='width:max(2px,{width:.1f}%)'></span></div>"


def _refused(plan: Plan, opened: bool) -> str:
    found = causes(plan)
    if not found:
        return ""
    n_engines = len({name for names in found.values() for name in names})
    lines = "".join(f"<li>{escape(cause)}: {escape(', '.join(names))}</li>" for cause, names in found.items())
    what = "1 engine" if n_engines == 1 else f"{n_engines} engines"
    return f"<details{' open' * opened}><summary>{what} refused</summary><ul>{lines}</ul></details>"
