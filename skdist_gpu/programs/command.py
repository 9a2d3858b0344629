"""``python -m skdist_gpu``: run a program unchanged, on the engines that serve best."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import is_zipfile

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


@dataclass(frozen=True)
class Main:
    """The file of a program, what loads its code, and the module that it is: none for a script."""

    file: str
    loader: Any
    spec: ModuleSpec | None = None

    @classmethod
    def of(cls, spec: ModuleSpec | None, missing: str) -> Main:
        """Return the program that a module is; raise if there is none, or it is a folder without code."""
        if spec is None or spec.origin is None:
            raise click.UsageError(missing)
        return cls(spec.origin, spec.loader, spec)


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
        program = _main_of(options)
        profile = _profile(options, program.file)
        install(backend=options.backend, profile=profile)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BackendError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    try:
        _run(options, program)
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


def _profile(options: Options, file: str) -> Profile | None:
    """Return what counts the calls, if anything is to."""
    by_line = options.line_profile or options.trace
    if not (by_line or options.verbose or options.profile or options.html):
        return None
    return Profile(options.verbose, bool(options.trace), file if by_line else "")


def _main_of(options: Options) -> Main:
    """Return where the program is; no module is run for it."""
    if options.module is not None:
        return Main.of(_spec_of(options.module), f"There is no module {options.module!r} that could be run.")
    script = os.path.abspath(options.program[0])
    if Path(script).is_dir() or is_zipfile(script):
        return Main.of(PathFinder.find_spec("__main__", [script]), f"There is no __main__ in {script!r}.")
    if not os.path.exists(script):
        raise click.UsageError(f"There is no file {options.program[0]!r}.")
    kind = SourcelessFileLoader if script.endswith(".pyc") else SourceFileLoader
    return Main(script, kind("__main__", script))


def _spec_of(module: str) -> ModuleSpec | None:
    try:
        spec = find_spec(module)
        return find_spec(f"{module}.__main__") if spec and spec.submodule_search_locations else spec
    except ModuleNotFoundError:
        return None


def _run(options: Options, main: Main) -> None:
    """Run as Python itself would: as the module ``__main__``, which threads and what runs at exit look into, too."""
    if options.module is not None:
        sys.argv[:] = [main.file, *options.program]
    else:
        sys.argv[:] = options.program
        sys.path[0] = os.path.dirname(main.file)
    module = ModuleType("__main__")
    package, name = (main.spec.parent, main.spec.name) if main.spec else (None, "__main__")
    told = {"__file__": main.file, "__cached__": None, "__loader__": main.loader, "__spec__": main.spec}
    vars(module).update(told, __package__=package)
    sys.modules["__main__"] = module
    exec(main.loader.get_code(name), vars(module))


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
