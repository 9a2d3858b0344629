"""The command ``skdist-gpu``."""

from __future__ import annotations

import click

from skdist_gpu import __version__
from skdist_gpu.cli import bench, calibrate, demo, doctor, files, plan
from skdist_gpu.cli.errors import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skdist-gpu")
@click.option("-v", "--verbose", is_flag=True, help="Show progress, and tracebacks of errors.")
def main(verbose: bool) -> None:
    """One scikit-learn estimator, any scale."""


_FILES = (files.fit, files.predict, files.score, files.explain)
for command in (demo.demo, doctor.doctor, calibrate.calibrate, plan.plan, *_FILES, bench.bench, doctor.show_versions):
    main.add_command(command)
