"""Rows of a search behind the steps of a pipeline: their shape, and how sums get at them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skdist_gpu.data.row_sets import RowSet
from skdist_gpu.engines.reductions.linear_steps import Step, light_step, merged, step_of


def n_columns(rows: RowSet) -> int | None:
    """Return the number of columns of rows; None where they are no dense numbers."""
    return shape_of(rows)[0]


def shape_of(rows: RowSet) -> tuple[int | None, Any]:
    """Return number of columns and dtype of rows, None where they are no dense numbers."""
    before, table = rows.before, rows.table
    if before is None:
        return table.n_columns, None if table.n_columns is None else table.dtype

    def look() -> tuple[int | None, Any]:
        n, dtype = shape_of(before)
        step = _step(rows)
        if n is not None and step is not None:
            return step.n_out(n), dtype
        if table.lazy is not None:
            return None, None
        made = rows.to_host()
        dense = type(made) is np.ndarray and made.ndim == 2 and made.dtype.kind == "f"
        return (made.shape[1], made.dtype) if dense else (None, None)

    found: tuple[int | None, Any] = rows.remember("shape", look)
    return found


def before_steps(rows: RowSet) -> tuple[RowSet, tuple[Step, ...]]:
    """Return the rows before the last steps that blocks go through, and these steps; others are made in memory."""
    steps: tuple[Step, ...] = ()
    while rows.before is not None and (step := _step(rows)) is not None:
        rows, steps = rows.before, (step, *steps)
    return rows, steps


def values_behind(part: RowSet, steps: tuple[Step, ...], rows: RowSet) -> Any:
    """Return a set of rows in memory behind steps, kept for further passes over the rows that it is part of."""
    values = part.matrix() if part.before is None else part.to_host()
    if not steps:
        return values

    def make() -> Any:
        made = values
        for step in merged(steps):
            made = step.rows(made)
        return made

    return rows.table.keep((rows, part), make)


def _step(rows: RowSet) -> Step | None:
    """Return what the last step does to a block; None where rows in memory go through it once, as that takes time."""
    if rows.before is None or n_columns(rows.before) is None:
        return None
    return step_of(rows.step) if rows.table.lazy is not None else light_step(rows.step)
