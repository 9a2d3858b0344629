"""``skdist-gpu fit`` and ``skdist-gpu predict``: models from files, and files scored by models."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import click

from skdist_gpu.cli.plan import find_estimator

_FORMATS = {".csv": "csv", ".arrow": "feather", ".feather": "feather", ".orc": "orc"}


def open_table(path: str) -> Any:
    """Return a pyarrow dataset of a file or a folder; what has no known ending is Parquet.

    Raises
    ------
    click.ClickException
        If nothing there can be read.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        return ds.dataset(path, format=_FORMATS.get(Path(path).suffix, "parquet"))
    except (OSError, pa.ArrowException) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from error


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
    from skdist_gpu.exceptions import BackendError

    try:
        unfitted = find_estimator(estimator)(**dict(map(parameter, options["params"])))
        wrapped = autoscale(unfitted, backend=options["backend"])
        weights = {} if weight is None else {"sample_weight": weight}
        wrapped.fit(open_table(table), target, **weights)
    except (BackendError, TypeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    save(wrapped.estimator_, model)
    click.echo(f"{wrapped.explain()}\nwritten to {model}")


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False))
@click.argument("table")
@click.argument("output", type=click.Path(dir_okay=False))
@click.option("--method", default="predict", show_default=True, help="Method to call, such as predict_proba.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column to copy into the output.")
@click.option("--trust", multiple=True, metavar="TYPE", help="Type that MODEL may hold beside scikit-learn's own.")
def predict(model: str, table: str, output: str, method: str, keep: tuple[str, ...], trust: tuple[str, ...]) -> None:
    """Score TABLE with MODEL into the Parquet file OUTPUT, in memory that does not grow with the table.

    MODEL is a file of skops: no code in it runs. TABLE is as in `skdist-gpu fit`.
    """
    from skops.io.exceptions import UntrustedTypesFoundException

    from skdist_gpu import load, predict_to_parquet

    try:
        n_rows = predict_to_parquet(load(model, trust), open_table(table), output, method=method, keep=keep)
    except BadZipFile as error:
        raise click.ClickException(f"{model} is no file of skops, as `skdist-gpu fit` writes them: {error}.") from error
    except UntrustedTypesFoundException as error:
        raise click.ClickException(f"{error} Name each with --trust if you know where {model} is from.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{n_rows} rows written to {output}")
