"""``skdist-gpu doctor``: what is missing here, and what mends it; ``skdist-gpu show-versions``."""

from __future__ import annotations

from typing import Any

import click

from skdist_gpu.cli.output import as_json, tell


@click.command()
@click.option("--all", "everything", is_flag=True, help="Show versions, and the estimators of each engine.")
@as_json
def doctor(everything: bool, as_json: bool) -> None:
    """Tell in a few lines what this machine has, which engines run here, and what mends those that do not."""
    from skdist_gpu import capabilities
    from skdist_gpu.info.versions import describe_system

    system, table = describe_system(), capabilities()
    found = {
        f"{engine}:{device}": _engine(rows)
        for (engine, device), rows in table.groupby(["engine", "device"], sort=False)
    }
    if everything and not as_json:
        _print_everything(system, found)
        return
    text = "\n".join([*_machine(system), *_engines(found)])
    tell(text, {"system": system, "engines": found}, as_json=as_json)


def _engine(rows: Any) -> dict[str, Any]:
    """Return whether an engine runs here, what it fits, and what is missing."""
    runs = bool(rows.supported.any())
    missing = "" if runs else str(rows.missing.mode()[0])
    return {"runs": runs, "estimators": sorted(rows[rows.supported == runs].estimator), "missing": missing}


def _machine(system: dict[str, dict[str, str]]) -> list[str]:
    facts = system["system"]
    gpus = [fact for name, fact in system["GPUs"].items() if name.startswith("GPU")]
    lines = [f"machine   {facts['cores']} cores, {facts['memory']}", f"python    {facts['python']}"]
    lines += [f"GPU       {gpu}" for gpu in gpus[:4]] or [f"GPU       none: {next(iter(system['GPUs'].values()))}"]
    return [*lines, f"Dask      {', '.join(system['Dask client'].values())}", ""]


def _engines(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return a line for all engines that run, and one for each thing that is missing, with those that need it."""
    causes: dict[str, list[str]] = {}
    for name, facts in found.items():
        if not facts["runs"]:
            causes.setdefault(facts["missing"], []).append(name)
    lines = [f"runs      {', '.join(name for name, facts in found.items() if facts['runs'])}"]
    return lines + [f"missing   {', '.join(names)}: {cause}" for cause, names in causes.items()]


def _print_everything(system: dict[str, dict[str, str]], found: dict[str, dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from skdist_gpu.info.versions import format_system

    click.echo(format_system(system))
    table = Table("engine", "runs here", "estimators", "missing", title="Engines")
    for name, facts in found.items():
        who = "all of scikit-learn" if name.startswith("sklearn:") else ", ".join(facts["estimators"])
        table.add_row(name, "yes" if facts["runs"] else "no", who, escape(facts["missing"]))
    Console().print(table)


@click.command("show-versions")
@click.option("--github", is_flag=True, help="Write it to be pasted into an issue.")
@as_json
def show_versions(github: bool, as_json: bool) -> None:
    """Print versions, cores, memory, GPUs and the Dask client, for reports of bugs."""
    from skdist_gpu.info.versions import describe_system, format_system

    system = describe_system()
    text = format_system(system)
    if github:
        text = f"<details><summary>Versions</summary>\n\n```\n{text}\n```\n\n</details>"
    tell(text, system, as_json=as_json)
