"""What the command tells of an error: one line and exit code 2; with ``-v`` the traceback, too."""

from __future__ import annotations

from typing import Any

import click


class CommandError(click.ClickException):
    """An error of the user's, in one line."""

    exit_code = 2

    def __init__(self, error: object) -> None:
        super().__init__(" ".join(str(error).split()) or type(error).__name__)


class Commands(click.Group):
    """A group of commands that report errors of the user's without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        from zipfile import BadZipFile

        from skdist_gpu.exceptions import BackendError

        known = (AttributeError, BackendError, BadZipFile, ImportError, LookupError, MemoryError)
        try:
            return super().invoke(ctx)
        except (*known, NotImplementedError, OSError, TypeError, ValueError) as error:
            if ctx.params.get("verbose"):
                import traceback

                click.echo(traceback.format_exc(), err=True)
            raise CommandError(error) from error
