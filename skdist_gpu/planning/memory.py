"""Compare what an engine says it needs at its peak with what is free for it."""

from __future__ import annotations

from skdist_gpu.config import format_bytes
from skdist_gpu.data.inspect import InputInfo
from skdist_gpu.engines.entry import Entry
from skdist_gpu.engines.registry import engines
from skdist_gpu.hardware.detect import Resources

_PLACES = {"gpu": "on GPU 0", "dask": "in the cluster's memory", "cpu": "in main memory"}


def held(info: InputInfo) -> dict[str, float]:
    """Return what memory may go with, by term: the bytes of a fit are a sum of these, each times a measured rate.

    Examples
    --------
    >>> from skdist_gpu.data.inspect import described_input
    >>> held(described_input((1000, 10), "float64"))["gram"]
    100.0
    """
    n, d = float(info.n_samples or 0), float(info.n_features or 0)
    stored = float(info.n_values or 0)
    return {
        "fixed": 1.0,
        "rows": n,
        "values": stored,
        "cells": n * d,
        "gram": d * d,
        "shorter": n * d if min(n, d) == n else 0.0,
        "pairs": n * n,
    }


def predict_bytes(entry: Entry, info: InputInfo, resources: Resources) -> int | None:
    """Return the bytes at the peak that come on top of the user's data; None if unknown."""
    if info.n_elements is None or info.n_values is None:
        return None
    return engines()[entry.backend].peak_bytes(entry, info, resources)


def memory_refusals(
    entry: Entry, info: InputInfo, resources: Resources, n_bytes: int | None, memory_budget: int | None
) -> list[str]:
    """Say that an engine needs more than there is, with numbers; empty if it does not, or nobody knows."""
    engine = engines()[entry.backend]
    free = engine.free_bytes(entry, resources) if memory_budget is None else memory_budget
    if n_bytes is None or n_bytes <= free:
        return []
    limit = (
        f"{format_bytes(free)} are free; memory_budget= overrides what counts as free"
        if memory_budget is None
        else f"memory_budget= allows {format_bytes(free)}"
    )
    refusal = f"needs about {format_bytes(n_bytes)} {_PLACES[entry.device]}, {limit}"
    # after the engine that fits anything there is only what the user may do
    return [refusal, _what_would_fit(entry, info, n_bytes, free)] if engine.fits_anything else [refusal]


def _what_would_fit(entry: Entry, info: InputInfo, n_bytes: int, free: int) -> str:
    """Say how the estimator could be trained nevertheless; nothing of it is done without being asked."""
    rows = int((info.n_samples or 0) * free / n_bytes)
    # two digits, so that it reads as the estimate that it is
    rows -= rows % 10 ** max(0, len(str(rows)) - 2)
    sample = f"a random sample of {rows:,} rows would fit".replace(",", " ")
    others = (engine.instead(entry.estimator) for engine in engines().values())
    return "; ".join([sample, *(other for other in others if other)])
