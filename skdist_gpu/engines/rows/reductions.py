"""What our own block reductions fit."""

from __future__ import annotations

from typing import Any

from skdist_gpu.engines.entry import Entry


def _reductions(estimator: str, break_even: float, **options: Any) -> list[Entry]:
    """Our own block reductions run on threads, on a GPU and over Dask alike."""
    return [
        Entry(
            estimator,
            "reductions",
            device,
            sparse=device != "gpu",
            break_even=break_even if device == "cpu" else gpu_break_even,
            source=source,
            packages=packages,
            **options,
        )
        for device, packages, gpu_break_even, source in (
            ("gpu", ("cupy",), 2e6, "cuML's crossover; a first GPU call takes about a second"),
            ("cpu", (), break_even, "benchmarks/least_squares.py"),
            ("dask", ("dask",), 0, ""),
        )
    ]


ROWS: tuple[Entry, ...] = (
    *_reductions("LinearRegression", 2e5, accepts={"positive": (False,)}),
    *_reductions("Ridge", 2e6, accepts={"positive": (False,), "solver": ("auto", "cholesky", "svd")}),
)
