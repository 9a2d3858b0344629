"""Losses of rows by their scores, with their derivatives, by a kernel that reads the rows once.

A gradient pass is bound by memory: scores and slopes are both products with X. One warp reads a few rows into its
registers, and does both from there, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cupy
import cupyx
import numpy as np

from skdist_gpu.engines.executors import gram_kernels, solve_kernels
from skdist_gpu.engines.executors.common_kernels import columns_of_a_thread, processors
from skdist_gpu.engines.executors.once import Once
from skdist_gpu.engines.executors.queues import Queue
from skdist_gpu.engines.executors.solve_kernels import OnDevice, Solver
from skdist_gpu.engines.executors.sums import add_up
from skdist_gpu.engines.reductions.core.newton import Sums
from skdist_gpu.engines.reductions.linear.linear import ScoreReduction, some_rows

THREADS = 256
BLOCKS_PER_PROCESSOR = 2
MOST_COLUMNS = 1024

_C_TYPES = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long"}
_SOURCE = Path(__file__).with_suffix(".cu")

# loss class -> its loss, slope and curvature of one row, from the target y, the score and a number that the loss knows
_ROW_LOSSES = {
    "BinomialLoss": """
        double small = exp(-fabs(score));
        loss = log1p(small) + fmax(score, 0.0) - y * score;
        slope = (score >= 0.0 ? 1.0 : small) / (1.0 + small) - y;
        curvature = small / ((1.0 + small) * (1.0 + small));
    """,
    "SquaredHinge": """
        double sign = y == number ? 1.0 : -1.0, slack = fmax(1.0 - sign * score, 0.0);
        loss = slack * slack;
        slope = -2.0 * sign * slack;
        curvature = slack > 0.0 ? 2.0 : 0.0;
    """,
    "SquaredEpsilonInsensitive": """
        double residual = score - y, slack = fmax(fabs(residual) - number, 0.0);
        loss = slack * slack;
        slope = copysign(2.0 * slack, residual);
        curvature = slack > 0.0 ? 2.0 : 0.0;
    """,
}
_NUMBERS: dict[str, Callable[[Any], float]] = {
    "SquaredHinge": lambda loss: loss.positive,
    "SquaredEpsilonInsensitive": lambda loss: loss.epsilon,
}

Launches = tuple[list[Callable[[], Any]], list[Callable[[], Any]], float]


def has_kernel(reduction: Any, X: Any, y: Any) -> bool:
    """Whether the kernel can do a reduction of such rows."""
    return (
        type(reduction) is ScoreReduction
        and type(reduction.loss).__name__ in _ROW_LOSSES
        and reduction.design.takes_rows_as_they_are
        and X.flags.c_contiguous
        and X.shape[1] <= MOST_COLUMNS
        and y.dtype.name in _C_TYPES
        and (reduction.every != 1 or gram_kernels.has_kernel(X, None))
    )


def takes_at_once(reduction: Any, X: Any, y: Any) -> bool:
    """Whether the kernels can do a reduction of such rows with and without second derivatives, without a copy."""
    return has_kernel(reduction, X, y) and gram_kernels.has_kernel(X, None)


def map_rows(reduction: Any, X: Any, y: Any, sample_weight: Any) -> Sums:
    """Return what the reduction's own map would."""
    every, design = reduction.every, reduction.design
    by_kernel = every == 1 or gram_kernels.has_kernel(X, None)
    sums = Scores(reduction, X, y, sample_weight).on_device(reduction.coef, every if by_kernel else 0)
    if not by_kernel and every:
        some, share = some_rows(every, X, y, sample_weight)
        curvature = ScoreReduction(reduction.loss, design, reduction.coef, every=1)
        sums.hessian = share * curvature.map(*some).hessian
    return sums


class Scores:
    """Sums of a loss over rows on the device, for any coefficients: what all passes need is made once.

    Parameters
    ----------
    reduction : ScoreReduction
        Tells the loss and the design.
    X : cupy.ndarray of shape (n_rows, n_columns)
        The rows, of which there are kernels for.
    y, sample_weight : cupy.ndarray of shape (n_rows,)
        Targets and weights; None for no weights.
    """

    def __init__(self, reduction: ScoreReduction, X: Any, y: Any, sample_weight: Any) -> None:
        self.loss, self.design = reduction.loss, reduction.design
        weight = self.loss.weight(y, sample_weight)
        if weight is not None:
            weight = cupy.ascontiguousarray(weight, dtype=cupy.float64)
        self.rows = X, cupy.ascontiguousarray(y), weight
        n_columns = X.shape[1]
        self.coef = cupy.empty(n_columns + (self.design.constant != 0))
        # derivatives and the loss, and second derivatives behind them, so that one copy takes all
        self.n_first, self.side = n_columns + 2, n_columns + 1
        self.found = cupy.empty(self.n_first + self.side**2)
        self._queues: dict[int, tuple[list[Callable[[], Any]], Queue | None, float, int]] = {}

    def is_for(self, reduction: Any) -> bool:
        """Whether a reduction has the same loss and the same design."""
        return reduction.loss is self.loss and reduction.design is self.design

    def on_device(self, coef: np.ndarray, every: int) -> Sums:
        """Return the sums on the device, with second derivatives of every so-many-th row; with none for 0."""
        self.coef.set(coef)
        first, second, share = self._prepare(every)
        for launch in first + second:
            launch()
        return self._sums(self.found, share)

    def on_host(self, coef: np.ndarray, every: int) -> Sums:
        """Return the sums on the host; second derivatives stay on the device, which solves with them, where it can."""
        if every not in self._queues:
            self._queues[every] = self._queue(every)
        first, second, share, n_found = self._queues[every]
        self.pinned[: len(coef)] = coef
        for launch in first:
            launch()
        arrived, kept = cupy.cuda.get_current_stream().record(), None
        if second is not None:
            # the host goes on with the others while the device sums these
            second.start()
            assert self.solver is not None
            kept = OnDevice(self.solver, self._squares(self.found, share).copy())
        arrived.synchronize()
        sums = self._sums(self.pinned[:n_found].copy(), 0 if kept else share)
        return replace(sums, hessian=kept) if kept else sums

    def _queue(self, every: int) -> tuple[list[Callable[[], Any]], Queue | None, float, int]:
        """Return what brings coefficients, sums, and brings sums back; what follows; its share; and how many sums."""
        first, second, share = self._prepare(every)
        stays = share != 0 and self.solver is not None
        n_found = self.n_first if stays or not share else len(self.found)
        runtime, here, n_coef = cupy.cuda.runtime, self.pinned.ctypes.data, len(self.coef)
        bring = partial(_copy, self.coef.data.ptr, here, 8 * n_coef, runtime.memcpyHostToDevice)
        bring_back = partial(_copy, here, self.found.data.ptr, 8 * n_found, runtime.memcpyDeviceToHost)
        if stays:
            return [bring, *first, bring_back], Queue(second), share, n_found
        return [bring, *first, *second, bring_back], None, share, n_found

    @cached_property
    def pinned(self) -> np.ndarray:
        """Memory that the device reads and writes directly."""
        return cupyx.empty_pinned(len(self.found))

    @cached_property
    def solver(self) -> Solver | None:
        """What solves with second derivatives on the device; None where the host does."""
        return Solver(len(self.coef)) if solve_kernels.takes(len(self.coef)) else None

    def _sums(self, found: Any, share: float) -> Sums:
        sums = Sums(found[self.n_first - 1], found[: len(self.coef)])
        if share:
            sums.hessian = self._squares(found, share)
        return sums

    def _squares(self, found: Any, share: float) -> Any:
        # the intercept's derivatives stand behind those of the columns
        n_unknowns, constant = len(self.coef), self.design.constant
        squares = found[self.n_first :].reshape(self.side, self.side)[:n_unknowns, :n_unknowns]
        if constant not in (0, 1):
            squares[-1] *= constant
            squares[:, -1] *= constant
        if share != 1:
            squares *= share
        return squares

    def _prepare(self, every: int) -> Launches:
        """Return what sums first derivatives, what sums second ones, and how many rows each of theirs stands for."""
        sums, products = self.found[: self.n_first], self.found[self.n_first :].reshape(self.side, self.side)
        if every == 0:
            return self._pass(self.rows, None, sums), [], 0.0
        some, share = some_rows(every, *self.rows)
        some[1:] = [None if part is None else cupy.ascontiguousarray(part) for part in some[1:]]
        curvature = cupy.empty(len(some[0]))
        second = gram_kernels.weighted_products(some[0], curvature, products)
        if every == 1:
            return self._pass(some, curvature, sums), second, share
        return self._pass(self.rows, None, sums), self._pass(some, curvature, cupy.empty(self.n_first)) + second, share

    def _pass(self, rows: Sequence[Any], curvature: Any, sums: Any) -> list[Callable[[], Any]]:
        """Return what writes the sums of slope times row and of the losses, and the curvature of each row."""
        X, y, weight = rows
        n_rows, n_columns = X.shape
        device, name = cupy.cuda.Device().id, type(self.loss).__name__
        kernel = kernel_for(device, name, X.dtype.name, y.dtype.name, n_columns)
        n_blocks = BLOCKS_PER_PROCESSOR * processors(device)
        partials, nothing = cupy.empty((n_blocks * THREADS // 32, self.n_first)), np.intp(0)
        number = _NUMBERS.get(name, lambda loss: 0.0)(self.loss)
        arguments = (
            *(X, np.int64(X.strides[0] // X.itemsize), y, nothing if weight is None else weight),
            *(self.coef, np.float64(self.design.constant), np.float64(number), np.int64(n_rows), np.int32(n_columns)),
            *(nothing if curvature is None else curvature, partials),
        )
        return [partial(kernel, (n_blocks,), (THREADS,), arguments), partial(add_up, partials, sums)]


def _copy(to: int, source: int, n_bytes: int, kind: int) -> None:
    cupy.cuda.runtime.memcpyAsync(to, source, n_bytes, kind, cupy.cuda.get_current_stream().ptr)


@Once
def kernel_for(device: int, loss: str, X_type: str, y_type: str, n_columns: int) -> Any:
    """Return the compiled kernel for a device, a loss, types, and a number of columns rounded up."""
    columns = columns_of_a_thread(n_columns)
    # as many values in registers as they hold
    rows = max(1, min(8, 32 // columns))
    words = {"VALUE": _C_TYPES[X_type], "TARGET": _C_TYPES[y_type], "COLUMNS": columns, "ROWS": rows}
    options = ("-std=c++17", *(f"-D{name}={value}" for name, value in words.items()))
    source = _SOURCE.read_text().replace("ROW_LOSS", _ROW_LOSSES[loss])
    return cupy.RawModule(code=source, options=options).get_function("score_sums")
