"""``skdist-gpu doctor``: what is here, and which engines can run."""

from __future__ import annotations

import click


@click.command()
def doctor() -> None:
    """Show versions, GPUs and which engines can run here."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from skdist_gpu import capabilities, show_versions

    show_versions()
    table = Table("engine", "runs here", "estimators", "missing", title="Engines")
    for (engine, device), rows in capabilities().groupby(["engine", "device"], sort=False):
        usable = bool(rows.supported.any())
        who = ", ".join(rows[rows.supported == usable].estimator) if engine != "sklearn" else "all of scikit-learn"
        missing = "" if usable else escape(rows.missing.iloc[0])
        table.add_row(f"{engine}:{device}", "yes" if usable else "no", who, missing)
    Console().print(table)
