"""``python -m skdist_gpu``: run a program unchanged, on the engines that serve best."""

from __future__ import annotations

import os
import runpy
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from skdist_gpu.exceptions import BackendError
from skdist_gpu.programs.calls import Profile
from skdist_gpu.programs.install import install


@dataclass(frozen=True)
class Options:
    """What was asked for; `program` is the script and its arguments, or those of `module`."""

    module: str | None
    backend: str
    verbose: bool
    profile: bool
    line_profile: bool
    trace: str | None
    html: str | None
    program: tuple[str, ...]


def _file_to_write(context: click.Context, option: click.Parameter, file: str | None) -> str | None:
    """Refuse a file that cannot be written, before the program has run for hours."""
    if file is not None and (Path(file).is_dir() or not os.access(Path(file).resolve().parent, os.W_OK)):
        raise click.BadParameter(f"{file!r} cannot be written: it is a folder, or its folder is missing or read-only.")
    return file


@click.command(context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]})
@click.option("-m", "module", help="Run a module instead of a script; all that follows is for it.")
@click.option("--backend", default="auto", show_default=True, help="Engine to force wherever it does not refuse.")
@click.option("-v", "--verbose", is_flag=True, help="Print a line for each fit and prediction.")
@click.option("--profile", is_flag=True, help="Print at the end which methods ran where, and how long.")
@click.option("--line-profile", is_flag=True, help="The same, and by line of the program.")
@click.option(
    "--trace", metavar="FILE", callback=_file_to_write, help="Write the profile and each call to a JSON file."
)
@click.option("--html", metavar="FILE", callback=_file_to_write, help="Write the profile to a page for a browser.")
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="SCRIPT [ARGUMENTS]...")
def options_of(**given: Any) -> Options:
    """Run a program with scikit-learn's own classes on the engines that serve best.

    The program, what it prints and what it raises stay as they are.
    """
    return Options(**given)


def main(arguments: list[str]) -> int:
    """Run the program that the command line names; return the exit status."""
    try:
        options = options_of.main(_ended(arguments), prog_name="python -m skdist_gpu", standalone_mode=False)
        if not isinstance(options, Options):  # help was asked for, and printed
            return int(options or 0)
        if options.module is None and not options.program:
            raise click.UsageError("Name a script, or -m and a module; -h tells more.")
        profile, script = _profile(options)
        install(backend=options.backend, profile=profile)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BackendError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    try:
        _run(options, script)
    finally:
        _tell(options, profile)
    return 0


def _ended(arguments: list[str]) -> list[str]:
    """Return the arguments with the options of this command ended behind a module, as Python ends its own.

    Examples
    --------
    >>> _ended(["--trace", "file", "-m", "pytest", "-q"])
    ['--trace', 'file', '-m', 'pytest', '--', '-q']
    >>> _ended(["script.py", "-m", "x"])
    ['script.py', '-m', 'x']
    """
    i = 0
    while i < len(arguments) and arguments[i].startswith("-"):
        if arguments[i] == "-m":
            return [*arguments[: i + 2], "--", *arguments[i + 2 :]]
        i += 2 if arguments[i] in ("--backend", "--trace", "--html") else 1
    return arguments


def _profile(options: Options) -> tuple[Profile | None, str]:
    """Return what counts the calls, if anything is to, and the program's file."""
    if options.module is None:
        script = os.path.abspath(options.program[0])
        if not os.path.exists(script):
            raise click.UsageError(f"There is no file {options.program[0]!r}.")
    else:
        script = _file_of(options.module)
    wanted = options.verbose or options.profile or options.line_profile or options.trace or options.html
    if not wanted:
        return None, script
    return Profile(
        options.verbose, bool(options.trace), script if options.line_profile or options.trace else ""
    ), script


def _file_of(module: str) -> str:
    """Return the file of a module, or of a package's ``__main__``; no module is run for it."""
    try:
        spec = find_spec(module)
        if spec is not None and spec.submodule_search_locations:
            spec = find_spec(f"{module}.__main__")
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise click.UsageError(f"There is no module {module!r} that could be run.")
    return spec.origin


def _run(options: Options, script: str) -> None:
    """Run as Python itself would."""
    if options.module is None:
        sys.argv[:] = options.program
        sys.path[0] = str(Path(script).parent)
        runpy.run_path(script, run_name="__main__")
    else:
        sys.argv[:] = [script, *options.program]
        runpy.run_module(options.module, run_name="__main__", alter_sys=True)


def _tell(options: Options, profile: Profile | None) -> None:
    """Print and write what was asked for."""
    if profile is None:
        return
    if options.profile or options.line_profile:
        profile.print()
    if options.trace:
        profile.to_json(options.trace)
    if options.html:
        profile.to_html(options.html)
