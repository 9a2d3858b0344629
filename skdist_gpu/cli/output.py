"""What the commands print: text for people, or with ``--json`` one object for programs."""

from __future__ import annotations

import json
from typing import Any

import click

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def tell(text: object, data: dict[str, Any], *, as_json: bool) -> None:
    """Print a text, or the same as JSON."""
    click.echo(json.dumps(data, default=_plain) if as_json else str(text))


def _plain(value: Any) -> Any:
    """Return a number of NumPy as Python's, and anything else as text."""
    return value.item() if hasattr(value, "item") else str(value)


def is_verbose() -> bool:
    """Whether ``skdist-gpu -v`` was asked for."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get("verbose"))
