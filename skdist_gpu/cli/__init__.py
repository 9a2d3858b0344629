"""The command ``skdist-gpu``."""

from __future__ import annotations

import click

from skdist_gpu.cli.demo import demo
from skdist_gpu.cli.doctor import doctor
from skdist_gpu.cli.plan import plan


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="skdist_gpu")
def main() -> None:
    """One scikit-learn estimator, any scale."""


for command in (demo, doctor, plan):
    main.add_command(command)
