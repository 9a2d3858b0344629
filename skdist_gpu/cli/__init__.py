"""The command ``skdist-gpu``."""

from __future__ import annotations

import click

from skdist_gpu import __version__
from skdist_gpu.cli import demo, doctor, files, plan
from skdist_gpu.cli.errors import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skdist-gpu")
def main() -> None:
    """One scikit-learn estimator, any scale."""


for command in (demo.demo, doctor.doctor, plan.plan, files.fit, files.predict):
    main.add_command(command)
