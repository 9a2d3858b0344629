"""The user's own calibration: what the probes of ``skdist-gpu calibrate`` took on this machine."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

VARIABLE = "SKDIST_GPU_CALIBRATION"
# the probe whose ratio says how much longer a unit of a term takes; what is not named takes as long as a copied byte
_COMPUTED = ("products", "gram", "solves", "small_solves", "pairs", "queries")
_CPU = dict.fromkeys(_COMPUTED, "blas") | dict.fromkeys(("calls", "levels", "leaves", "begun_gram"), "interpreter")
_GPU = dict.fromkeys(_COMPUTED, "gpu_blas") | {"calls": "launch", "copied": "copy"}


@dataclass(frozen=True)
class Calibration:
    """What the probes took on a machine.

    Attributes
    ----------
    n_cores : int
        Cores that they used; a plan for a machine with another number is made without them.
    probes : dict
        Name of a probe -> seconds per unit.
    gpu, date : str
        Name of the GPU, empty without one, and when it was measured.
    """

    n_cores: int
    probes: dict[str, float] = field(default_factory=dict, hash=False)
    gpu: str = ""
    date: str = ""


def probe_of(term: str, on_gpu: bool) -> str:
    """Return the name of the probe that a term of work goes with.

    Examples
    --------
    >>> probe_of("gram", False), probe_of("values", False), probe_of("copied", True)
    ('blas', 'memory', 'copy')
    """
    return _GPU.get(term, "gpu_memory") if on_gpu else _CPU.get(term, "memory")


def calibration_path() -> Path:
    """Return where the user's calibration is: ``SKDIST_GPU_CALIBRATION``, or a file in the user's configuration."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(os.environ.get(VARIABLE) or folder / "skdist_gpu" / "calibration.json")


def save_calibration(probes: dict[str, float], n_cores: int, gpu: str = "") -> Path:
    """Write what the probes took, for later plans of this user, and return where."""
    path = calibration_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(Calibration(n_cores, probes, gpu, time.strftime("%Y-%m-%d"))), indent=1)
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text + "\n")
    unfinished.replace(path)
    _read.cache_clear()
    return path


def own_calibration() -> Calibration | None:
    """Return the user's calibration, which a process reads once; None where there is none that can be read."""
    return _read(os.environ.get(VARIABLE), os.environ.get("XDG_CONFIG_HOME"))


@cache
def _read(variable: str | None, folder: str | None) -> Calibration | None:
    try:
        return Calibration(**json.loads(calibration_path().read_text()))
    except (OSError, ValueError, TypeError):
        return None
