"""``skdist-gpu plan``: what `fit` would choose for data and a machine that need not exist."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from skdist_gpu.cli.errors import CommandError


class Shape(click.ParamType):
    """Rows and columns, as in ``1000000x100``, ``1000000,100`` or ``1e6x100``."""

    name = "ROWSxCOLUMNS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Read the two numbers."""
        if isinstance(value, tuple):
            return value
        try:
            rows, columns = (int(float(part)) for part in value.replace(",", "x").split("x"))
        except ValueError:
            self.fail(f"{value!r} is no shape. Write it as in 1000000x100.", param, ctx)
        return rows, columns


@click.command()
@click.option("--shape", type=Shape(), required=True, help="Rows and columns of X.")
@click.option("--dtype", default="float64", show_default=True, help="dtype of X.")
@click.option(
    "--estimator",
    "path",
    default="sklearn.linear_model.LinearRegression",
    show_default=True,
    help="Class of scikit-learn or XGBoost.",
)
@click.option("--backend", default="auto", show_default=True, help="Force an engine.")
@click.option("--cpus", type=click.IntRange(min=1), help="Cores of the machine to plan for.")
@click.option("--memory", help="Its main memory, such as 128GB.")
@click.option("--gpus", type=click.IntRange(min=0), help="Its number of GPUs.")
@click.option("--gpu-memory", help="Memory of each GPU, such as 80GB.")
def plan(shape: tuple[int, int], dtype: str, path: str, backend: str, **machine: Any) -> None:
    """Show every engine, its verdict and the reason; compute nothing.

    Without --cpus, --memory, --gpus or --gpu-memory the plan is for this machine. With any of
    them it is for a machine of 16 cores with 128GB, no GPU (of 80GB), apart from what is given.
    """
    from skdist_gpu import autoscale
    from skdist_gpu.testing import make_resources

    given = {name: value for name, value in machine.items() if value is not None}
    resources = make_resources(**given) if given else None
    model = autoscale(find_estimator(path)(), backend=backend)
    click.echo(str(model.plan(shape=shape, dtype=dtype, resources=resources)))


def find_estimator(path: str) -> type:
    """Import a class of scikit-learn or XGBoost by its dotted name.

    Raises
    ------
    CommandError
        If the library is not installed or has no such class.
    """
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] not in ("sklearn", "xgboost"):
        raise CommandError(f"{path!r} is not in sklearn or xgboost. Write sklearn.linear_model.Ridge.")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CommandError(f"{path!r} was not found: {error}.") from error
    if not (isinstance(found, type) and hasattr(found, "fit")):
        raise CommandError(f"{path!r} is no estimator.")
    return found
