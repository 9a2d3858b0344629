"""``skdist-gpu fit`` and ``skdist-gpu predict``: models from files, and files scored by models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import click

from skdist_gpu.cli.errors import CommandError
from skdist_gpu.cli.plan import find_estimator
from skdist_gpu.publish import check_target

_FORMATS = {".csv": "csv", ".arrow": "feather", ".feather": "feather", ".orc": "orc"}


def open_table(path: str) -> Any:
    """Return a pyarrow dataset of a file or a folder; what has no known ending is Parquet.

    Raises
    ------
    CommandError
        If nothing there can be read, or there are no rows.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        dataset = ds.dataset(path, format=_FORMATS.get(Path(path).suffix, "parquet"))
        has_rows = any(batch.num_rows for batch in dataset.to_batches(batch_size=1024, batch_readahead=1))
    except (OSError, pa.ArrowException) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    if not has_rows:
        raise CommandError(f"{path} has no rows.")
    return dataset


def check_columns(table: Any, **wanted: Iterable[str | None]) -> None:
    """Raise for a column that a table does not have; the arguments say what needs which."""
    names = table.schema.names
    for what, columns in wanted.items():
        unknown = [name for name in columns if name is not None and name not in names]
        if unknown:
            known = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            raise CommandError(f"{what} must name columns of the table, not {unknown}; it has {known}.")


def writer_for(path: str) -> Callable[..., Any]:
    """Return Arrow's writer for the ending of a file's name.

    Raises
    ------
    CommandError
        For an ending that is none of those that can be written.
    """
    ending = Path(path).suffix.lower()
    if ending in ("", ".parquet", ".pq"):
        from pyarrow.parquet import ParquetWriter

        return ParquetWriter
    if ending == ".csv":
        from pyarrow.csv import CSVWriter

        return CSVWriter
    if ending in (".arrow", ".feather"):
        from pyarrow.ipc import new_file

        return new_file
    raise CommandError(f"{path} cannot be written: known endings are .parquet, .csv, .arrow and .feather.")


def parameter(text: str) -> tuple[str, Any]:
    """Read ``name=value``, the value as a Python literal or else as text."""
    import ast

    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is no parameter. Write name=value.")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


@click.command()
@click.argument("estimator")
@click.argument("table")
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--target", help="Column of y; leave it out for transformers and clusterers.")
@click.option("--weight", help="Column of the sample weights.")
@click.option("--backend", default="auto", show_default=True, help="Force an engine.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Parameter of the estimator.")
def fit(estimator: str, table: str, model: str, target: str | None, weight: str | None, **options: Any) -> None:
    """Fit ESTIMATOR, such as sklearn.linear_model.Ridge, to TABLE, and write MODEL.

    TABLE is a Parquet, CSV, Feather or ORC file, or a folder of Parquet files, and may be larger
    than memory. Its columns are the features, apart from the target and the weights. MODEL is a
    file of skops, which holds the plain fitted estimator.
    """
    from skdist_gpu import autoscale, save

    check_target(model)
    unfitted = find_estimator(estimator)(**dict(map(parameter, options["params"])))
    wrapped = autoscale(unfitted, backend=options["backend"])
    rows = open_table(table)
    check_columns(rows, y=[target], sample_weight=[weight])
    wrapped.fit(rows, target, **({} if weight is None else {"sample_weight": weight}))
    save(_without_wrapper(wrapped), model)
    click.echo(f"{wrapped.explain()}\nwritten to {model}")


def _without_wrapper(wrapped: Any) -> Any:
    """Return the plain estimator, unless it predicts numbers for classes that only the wrapper knows."""
    plain = wrapped.estimator_
    same = list(getattr(wrapped, "classes_", ())) == list(getattr(plain, "classes_", ()))
    return plain if same else wrapped


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.argument("table")
@click.argument("output", type=click.Path(dir_okay=False))
@click.option("--method", default="predict", show_default=True, help="Method to call, such as predict_proba.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column to copy into the output.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Type that MODEL may hold beside scikit-learn's own.")
def predict(model: str, table: str, output: str, method: str, keep: tuple[str, ...], trust: tuple[str, ...]) -> None:
    """Score TABLE with MODEL into OUTPUT, in memory that does not grow with the table.

    MODEL is a file of skops: no code in it runs. TABLE is as in `skdist-gpu fit`. OUTPUT ends in .parquet,
    .csv, .arrow or .feather, which tells its format.
    """
    from skops.io.exceptions import UntrustedTypesFoundException

    from skdist_gpu import load, predict_batches
    from skdist_gpu.scoring.files import write_batches

    check_target(output)
    open_writer, rows = writer_for(output), open_table(table)
    check_columns(rows, keep=keep)
    try:
        fitted = load(model, trust)
    except BadZipFile as error:
        raise CommandError(f"{model} is no file of skops, as `skdist-gpu fit` writes them: {error}.") from error
    except UntrustedTypesFoundException as error:
        raise CommandError(f"{error} Name each with --trust if you know where {model} is from.") from error
    n_rows = write_batches(predict_batches(fitted, rows, method=method, keep=keep), output, open_writer)
    click.echo(f"{n_rows} rows written to {output}")
