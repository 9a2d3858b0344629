"""What the command tells of an error: one line and exit code 2; with ``-v`` the traceback, too."""

from __future__ import annotations

from typing import Any

import click


class CommandError(click.ClickException):
    """An error of the user's, in one line."""

    exit_code = 2

    def __init__(self, error: object) -> None:
        super().__init__(" ".join(str(error).split()) or type(error).__name__)


def in_one_line(error: click.UsageError) -> CommandError:
    """Return a mistake in the words of the command line, with the help to look at behind it."""
    command = error.ctx.command_path if error.ctx else "skdist-gpu"
    return CommandError(f"{error.format_message()} See `{command} --help`.")


class Commands(click.Group):
    """A group of commands that report errors of the user's without a traceback."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command's name."""
        if not args:  # click shows the help
            return super().parse_args(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise in_one_line(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        from zipfile import BadZipFile

        from skdist_gpu.exceptions import BackendError

        known = (AttributeError, BackendError, BadZipFile, ImportError, LookupError, MemoryError)
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise in_one_line(error) from error
        except (*known, NotImplementedError, OSError, TypeError, ValueError) as error:
            if ctx.params.get("verbose"):
                import traceback

                click.echo(traceback.format_exc(), err=True)
            raise CommandError(error) from error
