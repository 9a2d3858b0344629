"""``skdist-gpu fit``, ``predict``, ``score`` and ``explain``: models from files, and files scored by models."""

from __future__ import annotations

import click

from skdist_gpu.cli.errors import CommandError
from skdist_gpu.cli.models import explanation_in, load_model, make_estimator, param_option, save_model, trust_option
from skdist_gpu.cli.output import as_json, is_verbose, tell
from skdist_gpu.cli.tables import check_columns, is_folder, one_by_one, open_table, writer_for
from skdist_gpu.publish import check_target

_model_file = click.Path(exists=True, dir_okay=False)


@click.command()
@click.argument("estimator")
@click.argument("table")
@click.argument("model", type=click.Path(dir_okay=False))
@click.option("--target", help="Column of y; leave it out for transformers and clusterers.")
@click.option("--weight", help="Column of the sample weights.")
@click.option("--backend", default="auto", show_default=True, help="Force an engine.")
@param_option
@as_json
def fit(
    estimator: str,
    table: str,
    model: str,
    target: str | None,
    weight: str | None,
    backend: str,
    params: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fit ESTIMATOR, such as sklearn.linear_model.Ridge, to TABLE, and write MODEL.

    TABLE is a Parquet, CSV, Arrow, ORC or JSON lines file, a folder of such files, or a quoted pattern such as
    "2026-*.parquet", and may be larger than memory. Its columns are the features, apart from the target and the
    weights. MODEL is a file of skops, which holds the plain fitted estimator.
    """
    from skdist_gpu import autoscale

    check_target(model)
    wrapped = autoscale(make_estimator(estimator, params), backend=backend, progress=is_verbose())
    rows = open_table(table)
    check_columns(rows, y=[target], sample_weight=[weight])
    wrapped.fit(rows, target, **({} if weight is None else {"sample_weight": weight}))
    save_model(wrapped, model)
    explained = wrapped.explain()
    tell(f"{explained}\nwritten to {model}", {"model": model, **explained.to_dict()}, as_json=as_json)


@click.command()
@click.argument("model", type=_model_file)
@click.argument("table")
@click.argument("output", type=click.Path())
@click.option("--method", default="predict", show_default=True, help="Method to call, such as predict_proba.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column to copy into the output.")
@trust_option
@as_json
def predict(
    model: str, table: str, output: str, method: str, keep: tuple[str, ...], trust: tuple[str, ...], as_json: bool
) -> None:
    """Score TABLE with MODEL into OUTPUT, in memory that does not grow with the table.

    MODEL is a file of skops: no code in it runs. TABLE is as in `skdist-gpu fit`. OUTPUT ends in .parquet,
    .csv, .arrow, .feather, .json or .jsonl, which tells its format. Where it is a folder, or ends in a slash, each file
    of TABLE gets one of its name and format there.
    """
    from skdist_gpu import predict_batches
    from skdist_gpu.scoring.files import check_no_source, write_batches

    rows = open_table(table)
    check_columns(rows, keep=keep)
    parts = one_by_one(rows, output) if is_folder(output) else {output: rows}
    for path, part in parts.items():
        check_no_source(path, part)
    writers = {path: writer_for(str(check_target(path))) for path in parts}
    fitted = load_model(model, trust)
    written = {
        path: write_batches(predict_batches(fitted, part, method=method, keep=keep), path, writers[path])
        for path, part in parts.items()
    }
    n_rows = sum(written.values())
    told = {"output": output, "rows": n_rows} | ({"files": written} if is_folder(output) else {})
    tell(f"{n_rows} rows written to {output}", told, as_json=as_json)


@click.command()
@click.argument("model", type=_model_file)
@click.argument("table")
@click.option("--target", required=True, help="Column of y.")
@click.option("--weight", help="Column of the sample weights.")
@click.option("--scoring", help="scikit-learn's name of a scorer; default: accuracy of classifiers, r2 of regressors.")
@trust_option
@as_json
def score(
    model: str,
    table: str,
    target: str,
    weight: str | None,
    scoring: str | None,
    trust: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the score of MODEL on TABLE, in memory that does not grow with the table."""
    from sklearn.base import is_classifier, is_regressor

    from skdist_gpu import get_scorer

    rows = open_table(table)
    check_columns(rows, y=[target], sample_weight=[weight])
    fitted = load_model(model, trust)
    name = scoring or ("accuracy" if is_classifier(fitted) else "r2" if is_regressor(fitted) else None)
    if name is None:
        raise CommandError(f"{type(fitted).__name__} is no classifier and no regressor. Name a scorer with --scoring.")
    value = float(get_scorer(name)(fitted, rows, target, weight))
    tell(f"{name} {value:.6g}", {"scoring": name, "score": value}, as_json=as_json)


@click.command()
@click.argument("model", type=_model_file)
@as_json
def explain(model: str, as_json: bool) -> None:
    """Tell which engine fitted MODEL, why, and in how many seconds; no model is loaded."""
    told = explanation_in(model)
    tell(told.pop("text"), told, as_json=as_json)
