"""Write a file so that nobody ever sees a part of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def check_target(path: str | Path) -> Path:
    """Return where a file can be written, links followed.

    Raises
    ------
    OSError
        If the path is a folder or no regular file, or its folder is not there or may not be written to.
    """
    target = Path(path).resolve()
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Nothing was computed. Give the name of a file in it.")
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is no regular file, which a complete one could replace. Nothing was computed.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"The folder {target.parent} does not exist. Nothing was computed. Make it first.")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"The folder {target.parent} may not be written to. Nothing was computed.")
    return target


@contextmanager
def published(path: str | Path) -> Iterator[Path]:
    """Give the path of a hidden file of its own beside `path`; what is written there appears as `path` at the end.

    It replaces a file that is there. After an exception, Ctrl-C among them, `path` is as it was, and no file is left.

    Raises
    ------
    OSError
        As :func:`check_target` does, before anything is written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with published(path) as hidden:
    ...     characters = hidden.write_text("complete")
    ...     path.exists()
    False
    >>> path.read_text()
    'complete'
    """
    target = check_target(path)
    hidden = target.with_name(f".{target.name[:100]}.{uuid4().hex}")
    try:
        yield hidden
        if target.exists():
            shutil.copymode(target, hidden)
        hidden.replace(target)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
