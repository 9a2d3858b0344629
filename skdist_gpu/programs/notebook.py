"""``%load_ext skdist_gpu`` and ``%%skdist_gpu.profile``."""

from __future__ import annotations

from typing import Any

from skdist_gpu.programs.calls import Profile
from skdist_gpu.programs.install import install, installed


def extend(shell: Any) -> None:
    """Install, and add the magic to a notebook's shell."""
    install()

    def profile(line: str, cell: str) -> None:
        """Run a cell, and show what ran where."""
        from IPython.display import display

        with installed(profile=Profile()) as seen:
            done = shell.run_cell(cell)
        display(seen)
        done.raise_error()  # so that a notebook that runs as a whole stops here, as it would without

    shell.register_magic_function(profile, "cell", "skdist_gpu.profile")
