"""How our own reductions enter the catalogue: each module lists its ENTRIES beside the functions that fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skdist_gpu.engines.entry import Entry

# of what is dense only, and of what takes sparse blocks of Dask: scikit-learn's own loops over the entries of a sparse
# matrix in memory are faster, on 500 000 × 100 with 2 % stored 2 to 20 times, with 30 % up to 5 times; its TruncatedSVD
# from about 1000 columns, ours up to 7 times below 300
DENSE: dict[str, Any] = {"sparse": (), "weights": False}
SPARSE_BLOCKS: dict[str, Any] = {"sparse": ("dask",), "weights": False}
# beyond, scikit-learn's solvers that find only some components are faster
SQUARES: dict[str, Any] = {"most_columns": 1000}


def everywhere(
    estimator: str, fit: Callable[..., Any], sparse: tuple[str, ...] = ("cpu", "dask"), **options: Any
) -> list[Entry]:
    """Return the entries of an estimator whose sums run on threads, on a GPU and over Dask alike.

    Parameters
    ----------
    estimator : str
        Name of its class.
    fit : callable
        Fits it in place, called with the estimator and the :class:`Passes` over its data.
    sparse : tuple of str
        Devices that take sparse `X`.
    **options : dict
        Further attributes of :class:`Entry`; weights and several targets are taken if not said otherwise.
    """
    options = {"weights": True, "multi_target": True} | options
    return [
        Entry(estimator, "reductions", device, fit=fit, sparse=device in sparse, **options)
        for device in ("gpu", "cpu", "dask")
    ]


def on_host(entries: list[Entry]) -> list[Entry]:
    """Leave out the GPU, where nothing counts text; scikit-learn gets a copy of numbers that are there."""
    return [entry for entry in entries if entry.device != "gpu"]


def no_array(value: Any) -> bool:
    """Whether a parameter is a choice, and no array of numbers."""
    return isinstance(value, (bool, str)) or value is None
