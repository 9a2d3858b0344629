"""Tables that the command reads and writes: the ending of a name tells the format."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from skdist_gpu.cli.errors import CommandError

_FORMATS = {".csv": "csv", ".arrow": "feather", ".feather": "feather", ".orc": "orc", ".json": "json", ".jsonl": "json"}


def open_table(path: str) -> Any:
    """Return a pyarrow dataset of a file, a folder, or the files that a pattern such as ``"2026-*.csv"`` matches.

    What has no known ending is Parquet; a folder has the format of its first file.

    Raises
    ------
    CommandError
        If nothing there can be read, or there are no rows.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    files = sorted(glob.glob(path)) if glob.has_magic(path) and not Path(path).exists() else []
    first = Path(files[0]) if files else _first_file(Path(path))
    try:
        dataset = ds.dataset(files or path, format=_FORMATS.get(first.suffix.lower(), "parquet"))
        has_rows = any(batch.num_rows for batch in dataset.to_batches(batch_size=1024, batch_readahead=1))
    except FileNotFoundError as error:
        raise CommandError(f"{path} cannot be read: there is no such file or folder.") from error
    except (OSError, pa.ArrowException) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if not has_rows:
        raise CommandError(f"{path} has no rows.")
    return dataset


def _first_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    hidden = (".", "_")
    files = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith(hidden))
    return min(files, default=path)


def is_folder(path: str) -> bool:
    """Whether a name is that of a folder, there already or, by its slash, to be made."""
    return path.endswith(("/", os.sep)) or Path(path).is_dir()


def one_by_one(table: Any, folder: str) -> dict[str, Any]:
    """Return each file of a table that has rows, by the name that it has in another folder, which is made.

    Raises
    ------
    CommandError
        If two files would get the same name, or one would replace itself.
    """
    import pyarrow.dataset as ds

    parts: dict[str, Any] = {}
    for file in table.files:
        part, target = ds.dataset(file, format=table.format, schema=table.schema), Path(folder, Path(file).name)
        if not part.count_rows():
            continue
        if str(target) in parts:
            raise CommandError(f"several files of the table are called {target.name}; name one file for all rows.")
        if target.resolve() == Path(file).resolve():
            raise CommandError(f"{target} is a file of the table; name another folder.")
        parts[str(target)] = part
    Path(folder).mkdir(parents=True, exist_ok=True)
    return parts


def check_columns(table: Any, **wanted: Iterable[str | None]) -> None:
    """Raise for a column that a table does not have; the arguments say what needs which."""
    names = table.schema.names
    for what, columns in wanted.items():
        unknown = [name for name in columns if name is not None and name not in names]
        if unknown:
            known = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            raise CommandError(f"{what} must name columns of the table, not {unknown}; it has {known}.")


def writer_for(path: str) -> Callable[..., Any]:
    """Return a writer of record batches for the ending of a file's name.

    Raises
    ------
    CommandError
        For an ending that is none of those that can be written.
    """
    ending = Path(path).suffix.lower()
    if ending in (".parquet", ".pq"):
        from pyarrow.parquet import ParquetWriter

        return ParquetWriter
    if ending == ".csv":
        from pyarrow.csv import CSVWriter

        return CSVWriter
    if ending in (".arrow", ".feather"):
        from pyarrow.ipc import new_file

        return new_file
    if ending in (".json", ".jsonl"):
        return JSONLinesWriter
    known = ".parquet, .csv, .arrow, .feather, .json and .jsonl"
    raise CommandError(f"{path} cannot be written: known endings are {known}; a folder's name ends in a slash.")


class JSONLinesWriter:
    """Write record batches as one JSON object a line, as Arrow reads them.

    Parameters
    ----------
    path : str or Path
        File to write.
    schema : pyarrow.Schema
        Not needed; the names stand in each line.
    """

    def __init__(self, path: str | Path, schema: Any) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115  closed by `__exit__`

    def __enter__(self) -> JSONLinesWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def write_batch(self, batch: Any) -> None:
        """Write each row of a batch."""
        self._file.writelines(f"{json.dumps(row, default=str)}\n" for row in batch.to_pylist())
