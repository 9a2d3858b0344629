"""How our own reductions enter the catalogue: each module lists its ENTRIES beside the functions that fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from skdist_gpu.engines.entry import Entry, Rate

_RATES = {
    "gpu": Rate(1e-2, 1.6e-13),
    # on one core
    "cpu": Rate(3e-3, 8.5e-11, parallel=True),
    "dask": Rate(5e-2, 1.0e-10, parallel=True),
}
_GPU_BREAK_EVEN = 2e6, "cuML's crossover; a first GPU call takes about a second"

# of what is dense only, and of what takes sparse blocks of Dask: scikit-learn's own loops over the entries of a sparse
# matrix in memory are faster, on 500 000 × 100 with 2 % stored 2 to 20 times, with 30 % up to 5 times; its TruncatedSVD
# from about 1000 columns, ours up to 7 times below 300
DENSE: dict[str, Any] = {"sparse": (), "weights": False}
SPARSE_BLOCKS: dict[str, Any] = {"sparse": ("dask",), "weights": False}
# beyond, scikit-learn's solvers that find only some components are faster
SQUARES: dict[str, Any] = {"most_columns": 1000}


def everywhere(
    estimator: str,
    fit: Callable[..., Any],
    break_even: float,
    sparse: tuple[str, ...] = ("cpu", "dask"),
    measured_by: str = "benchmarks/least_squares.py",
    **options: Any,
) -> list[Entry]:
    """Return the entries of an estimator whose sums run on threads, on a GPU and over Dask alike.

    Parameters
    ----------
    estimator : str
        Name of its class.
    fit : callable
        Fits it in place, called with the estimator and the :class:`Passes` over its data.
    break_even : float
        Values in `X` from which threads are faster than scikit-learn.
    sparse : tuple of str
        Devices that take sparse `X`.
    measured_by : str
        Program that found `break_even`.
    **options : dict
        Further attributes of :class:`Entry`; weights and several targets are taken if not said otherwise.
    """
    options = {"weights": True, "multi_target": True} | options
    sizes = {"gpu": _GPU_BREAK_EVEN, "cpu": (break_even, measured_by), "dask": (0, "")}
    return [
        Entry(
            estimator,
            "reductions",
            device,
            fit=fit,
            sparse=device in sparse,
            break_even=size,
            source=source,
            **options,
        )
        for device, (size, source) in sizes.items()
    ]


def one_pass(estimator: str, fit: Callable[..., Any], break_even: float, **options: Any) -> list[Entry]:
    """Return the entries of an estimator that is fitted from one pass over the data."""
    return everywhere(estimator, fit, break_even, **({"measured_by": "benchmarks/one_pass.py"} | options))


def few_passes(estimator: str, fit: Callable[..., Any], break_even: float, **options: Any) -> list[Entry]:
    """Return the entries of an estimator that is fitted in a few passes."""
    return everywhere(estimator, fit, break_even, measured_by="benchmarks/few_pass.py sizes", **options)


def measured(entries: list[Entry]) -> list[Entry]:
    """Return entries of plain sums of squares, with the seconds that they were found to take."""
    return [replace(entry, rate=_RATES[entry.device]) for entry in entries]


def on_host(entries: list[Entry]) -> list[Entry]:
    """Leave out the GPU, where nothing counts text; scikit-learn gets a copy of numbers that are there."""
    return [entry for entry in entries if entry.device != "gpu"]


def no_array(value: Any) -> bool:
    """Whether a parameter is a choice, and no array of numbers."""
    return isinstance(value, (bool, str)) or value is None
