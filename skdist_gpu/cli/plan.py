"""``skdist-gpu plan``: what `fit` would choose for data and a machine that need not exist."""

from __future__ import annotations

from typing import Any

import click

from skdist_gpu.cli.models import make_estimator, param_option
from skdist_gpu.cli.output import as_json, tell
from skdist_gpu.cli.tables import check_columns, open_table


class Shape(click.ParamType):
    """Rows and columns, as in ``1000000x100``, ``1000000,100`` or ``1e6x100``."""

    name = "ROWSxCOLUMNS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read the two numbers."""
        if isinstance(value, tuple):
            return value
        try:
            rows, columns = (int(float(part)) for part in value.replace(",", "x").split("x"))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no shape. Write it as in 1000000x100.", param, ctx)
        return rows, columns


@click.command()
@click.argument("table", required=False)
@click.option("--target", help="Column of y in TABLE.")
@click.option("--weight", help="Column of the sample weights in TABLE.")
@click.option("--shape", type=Shape(), help="Rows and columns of X, without a TABLE.")
@click.option("--dtype", default="float64", show_default=True, help="dtype of X that goes with --shape.")
@click.option(
    "--estimator",
    "path",
    default="sklearn.linear_model.LinearRegression",
    show_default=True,
    help="Class of scikit-learn or XGBoost.",
)
@param_option
@click.option("--backend", default="auto", show_default=True, help="Force an engine.")
@click.option("--cpus", type=click.IntRange(min=1), help="Cores of the machine to plan for.")
@click.option("--memory", help="Its main memory, such as 128GB.")
@click.option("--gpus", type=click.IntRange(min=0), help="Its number of GPUs.")
@click.option("--gpu-memory", help="Memory of each GPU, such as 80GB.")
@as_json
def plan(
    table: str | None,
    target: str | None,
    weight: str | None,
    shape: tuple[int, int] | None,
    dtype: str,
    path: str,
    params: tuple[str, ...],
    backend: str,
    as_json: bool,
    **machine: Any,
) -> None:
    """Show every engine for TABLE, or for --shape, its verdict and the reason; compute nothing.

    Without --cpus, --memory, --gpus or --gpu-memory the plan is for this machine. With any of
    them it is for a machine of 16 cores with 128GB, no GPU (of 80GB), apart from what is given.
    """
    from skdist_gpu import autoscale
    from skdist_gpu.testing import make_resources

    if (table is None) == (shape is None):
        raise click.UsageError("Name a TABLE, or give --shape ROWSxCOLUMNS.")
    given = {name: value for name, value in machine.items() if value is not None}
    resources = make_resources(**given) if given else None
    model = autoscale(make_estimator(path, params), backend=backend)
    if shape is not None:
        planned = model.plan(shape=shape, dtype=dtype, resources=resources)
    else:
        rows = open_table(str(table))
        check_columns(rows, y=[target], sample_weight=[weight])
        planned = model.plan(rows, target, weight, resources=resources)
    tell(planned, planned.to_dict(), as_json=as_json)
