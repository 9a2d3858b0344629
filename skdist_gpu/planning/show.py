"""Show a plan to people: as text, and as HTML for notebooks.

First what was chosen, and why; then what else could run, by predicted time; then why the rest cannot, each engine in
the line of the cause that it shares with most others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from skdist_gpu.config import format_bytes, format_seconds
from skdist_gpu.engines.reason import ANOTHER_WAS_ASKED_FOR, LACKS_HARDWARE, LACKS_PACKAGE, Reason, cause_of

if TYPE_CHECKING:
    from skdist_gpu.planning.plan import Candidate, Plan

# how the parts of different sentences of one cause become one
_TOGETHER = {LACKS_HARDWARE: ("needs ", " or "), LACKS_PACKAGE: ("needs packages that are not installed; ", "; ")}
# how a sentence about one engine begins, and one about several
_PLURAL = {"needs": "need", "is": "are", "reads": "read", "has": "have", "takes": "take"}
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
.skdist-gpu-plan td > div {white-space: nowrap}
.skdist-gpu-plan .quiet {opacity: .75}
.skdist-gpu-plan summary {cursor: pointer}
.skdist-gpu-plan ul {margin: .3em 0; padding-left: 1.4em}
</style>"""


def plan_text(plan: Plan) -> str:
    """Write a plan as lines of text."""
    lines = [f"{plan.estimator} on {plan.data}", f"machine: {plan.machine}"]
    for c in plan.ladder:
        line = f"  {c.verdict:<8}  {c.name:<16}  {prediction(c)}".rstrip()
        if c.verdict == "chosen" or len(c.reasons) > 1:
            lines += [line, *(f"            - {reason}" for reason in c.reasons)]
        else:
            lines.append(": ".join([line, *c.reasons]))
    if not plan.ladder:
        lines.append("  no engine can run this")
    return "\n".join(lines + [f"  refused   {line}" for line in folded(plan)])


def prediction(candidate: Candidate) -> str:
    """Write the predicted seconds and bytes of a candidate; empty where there are none."""
    parts = []
    if candidate.seconds is not None:
        parts.append(f"{format_seconds(candidate.seconds)}{' (a guess)' if candidate.guess else ''}")
    if candidate.n_bytes is not None:
        parts.append(_memory(candidate))
    if candidate.threads is not None:
        parts.append(f"{candidate.threads} thread{'s' if candidate.threads > 1 else ''}")
    return ", ".join(parts)


def _memory(candidate: Candidate) -> str:
    """Write the predicted bytes, and up to how many more it may be where the rows decide."""
    most = "" if candidate.most_bytes is None else f" to {format_bytes(candidate.most_bytes)}, as the rows are"
    return f"{format_bytes(candidate.n_bytes or 0)}{most}"


def folded(plan: Plan) -> list[str]:
    """Return a sentence for each cause of refusals, each engine in the one that it shares with most others.

    Where nothing can run, every reason is told, since one of them must be mended.
    """
    left = [c for c in plan.candidates if c.verdict == "refused"]
    once, lines = bool(plan.ladder), []
    told: set[str] = set()
    while left:
        refused_for: dict[str, dict[str, str]] = {}
        for candidate in left:
            for reason in candidate.reasons:
                if cause_of(reason) not in told:
                    refused_for.setdefault(cause_of(reason), {})[candidate.name] = reason
        if not refused_for:
            break
        # that another engine was asked for is what the reader knows
        cause = max(refused_for, key=lambda cause: (cause != ANOTHER_WAS_ASKED_FOR, len(refused_for[cause])))
        lines.append(_sentence(cause, refused_for[cause]))
        told.add(cause)
        if once:
            left = [c for c in left if c.name not in refused_for[cause]]
    return lines


def _sentence(cause: str, reasons: Mapping[str, str]) -> str:
    """Say why some engines are refused, by name -> reason."""
    different = list(dict.fromkeys(reasons.values()))
    names, sentence = ", ".join(reasons), different[0]
    if len(different) > 1 and cause in _TOGETHER:
        begin, between = _TOGETHER[cause]
        sentence = begin + between.join(dict.fromkeys(r.part for r in different if isinstance(r, Reason)))
    verb, _, rest = sentence.partition(" ")
    if verb not in _PLURAL:
        return f"{names}: {sentence}"
    return f"{len(reasons)} engines {_PLURAL[verb]} {rest}: {names}" if len(reasons) > 1 else f"{names} {sentence}"


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
    rows = [_row(c, longest, measured.get(c.name)) for c in plan.ladder]
    table = _table(("engine", "seconds", "memory", "why"), rows) if rows else "<p><b>No engine can run this.</b></p>"
    return _framed(plan.estimator, plan.data, plan.machine, told, table + _refused(plan, opened=not rows))


def steps_html(
    of: tuple[str, str, str], titles: Iterable[str], rows: Iterable[Iterable[str]], told: Iterable[str]
) -> str:
    """Write lines of cells as a table of HTML that looks like a plan.

    Parameters
    ----------
    of : tuple of (str, str, str)
        Estimator, data and machine, in words; empty where there is nothing to say.
    titles : iterable of str
        Of the columns.
    rows : iterable of iterable of str
        HTML of each cell.
    told : iterable of str
        Sentences shown before the table.
    """
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return _framed(*of, told, _table(titles, lines))


def _framed(estimator: str, data: str, machine: str, told: Iterable[str], inside: str) -> str:
    caption = f"<b>{escape(estimator)}</b>{f' on {escape(data)}' if data else ''}"
    about = f"<div class='quiet'>{escape(machine)}</div>" if machine else ""
    happened = "".join(f"<div><b>{escape(sentence)}</b></div>" for sentence in told)
    return f"{STYLE}<div class='skdist-gpu-plan'><div>{caption}</div>{about}{happened}{inside}</div>"


def _table(titles: Iterable[str], rows: Iterable[str]) -> str:
    return f"<table><tr>{''.join(f'<th>{title}</th>' for title in titles)}</tr>{''.join(rows)}</table>"


def _row(candidate: Candidate, longest: float, measured: float | None) -> str:
    seconds = "" if candidate.seconds is None else bar_html(candidate.seconds, longest, "predicted", candidate.guess)
    if measured is not None:
        seconds += bar_html(measured, longest, "measured")
    memory = "" if candidate.n_bytes is None else _memory(candidate)
    if candidate.threads is not None:
        memory += f"{', ' if memory else ''}{candidate.threads} thread{'s' if candidate.threads > 1 else ''}"
    mark = "✓ " if candidate.verdict == "chosen" else ""
    return (
        f"<tr class='{candidate.verdict}'><td>{mark}{escape(candidate.name)}</td><td class='number'>{seconds}</td>"
        f"<td class='number'>{memory}</td><td>{'<br>'.join(map(escape, candidate.reasons))}</td></tr>"
    )


def bar_html(seconds: float, longest: float, word: str, guess: bool = False) -> str:
    """Write seconds, predicted or measured, with a bar whose length is their part of the longest."""
    width = 100 * seconds / longest if longest else 0
    text = f"{format_seconds(seconds)} {word}{', a guess' if guess else ''}"
    return f"<div>{text}<span class='bar {word}' style='width:max(2px,{width:.1f}%)'></span></div>"


def _refused(plan: Plan, opened: bool) -> str:
    refused = [c for c in plan.candidates if c.verdict == "refused"]
    if not refused:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in folded(plan))
    each = "".join(f"<li>{escape(c.name)}: {escape('; '.join(c.reasons))}</li>" for c in refused)
    every = f"<details><summary>every reason</summary><ul>{each}</ul></details>"
    what = "1 engine" if len(refused) == 1 else f"{len(refused)} engines"
    return f"<details{' open' * opened}><summary>{what} refused</summary><ul>{lines}</ul>{every}</details>"
