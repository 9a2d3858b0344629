"""Second derivatives that stay on a GPU: one block of threads decomposes them, and solves with them.

To bring a matrix to the host and to decompose it there takes longer than to sum it. Its lower triangle is divided into
tiles, whose products are those of tensor cores, in shared memory where that has room for all. Source: Golub & Van Loan,
"Matrix Computations", 4th ed., Johns Hopkins 2013, section 4.2.9 (Cholesky's factor by blocks).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import cupy
import cupyx
import numpy as np

from skdist_gpu.engines.executors.common_kernels import shared_bytes, text_of
from skdist_gpu.engines.executors.once import Once
from skdist_gpu.engines.reductions.core.curvature import LEAST_DIAGONAL

# columns of a tile
THREADS, LINE = 512, 8


def takes(n_unknowns: int) -> bool:
    """Whether a block of threads solves for so many unknowns: each of them has one."""
    return n_unknowns <= THREADS


def begin(device: int, n_unknowns: int) -> None:
    """Let a thread compile what solves for so many unknowns."""
    if takes(n_unknowns):
        kernel.begin(device, _is_held(device, n_unknowns))


def _is_held(device: int, n_unknowns: int) -> bool:
    return _shared_bytes(n_unknowns, True) <= shared_bytes(device)


class Solver:
    """Decomposes matrices on the current GPU, and solves with them; what all of them need is made once.

    Parameters
    ----------
    n_unknowns : int
        Rows of a matrix.
    """

    def __init__(self, n_unknowns: int) -> None:
        device = cupy.cuda.Device().id
        held = _is_held(device, n_unknowns)
        self.n_unknowns, self.shared_bytes = n_unknowns, _shared_bytes(n_unknowns, held)
        self.kernel = kernel(device, held)
        # a vector and penalties; the solution, the diagonal, and whether the factor keeps its digits: the kernel reads
        # and writes main memory itself, since so few values take less time than copies
        self.given, self.found = cupyx.empty_pinned(2 * n_unknowns), cupyx.empty_pinned(2 * n_unknowns + 1)

    def solve(self, matrix: OnDevice, factor: Any, is_new: bool, vector: np.ndarray) -> np.ndarray:
        """Return the solution and, of a new factor, which is filled, the diagonal and whether it keeps its digits."""
        n = self.n_unknowns
        self.given[:n], self.given[n:] = vector, matrix.penalty
        arguments = (
            *(matrix.products, np.float64(matrix.share), np.int32(n), np.float64(LEAST_DIAGONAL**2)),
            *(np.bool_(is_new), np.intp(self.given.ctypes.data), factor, np.intp(self.found.ctypes.data)),
        )
        self.kernel((1,), (THREADS,), arguments, shared_mem=self.shared_bytes)
        cupy.cuda.get_current_stream().synchronize()
        return self.found.copy()


class OnDevice:
    """A symmetric matrix that stays on the device, factored there when that is asked for.

    Parameters
    ----------
    solver : Solver
        Solves with matrices of this size.
    products : cupy.ndarray of shape (n_unknowns, n_unknowns)
        Sums over rows, contiguous, which nobody changes.
    share : float, default=1.0
        By what they are multiplied.
    penalty : ndarray of shape (n_unknowns,) or float, default=0.0
        What is added to the diagonal then.
    """

    def __init__(self, solver: Solver, products: Any, share: float = 1.0, penalty: np.ndarray | float = 0.0) -> None:
        self.solver, self.products, self.share, self.penalty = solver, products, share, penalty
        self._factor: Any = None

    def penalised(self, total: float, penalty: np.ndarray) -> OnDevice:
        """Return the sums over a total, with penalties on the diagonal."""
        return OnDevice(self.solver, self.products, self.share / total, penalty)

    @cached_property
    def matrix(self) -> np.ndarray:
        """The matrix, on the host."""
        matrix: np.ndarray = self.products.get()
        matrix *= self.share
        matrix[np.diag_indices_from(matrix)] += self.penalty
        return matrix

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the matrix, on the host."""
        return np.array(self.matrix, dtype)

    def __add__(self, other: Any) -> np.ndarray:
        """Return the sum with the matrix of another GPU, on the host."""
        return self.matrix + np.asarray(other)

    @property
    def diagonal(self) -> np.ndarray:
        """The diagonal of the matrix, on the host."""
        return self._found_once[0]

    @property
    def is_clear(self) -> bool:
        """Whether the factor keeps its digits."""
        return self._found_once[1]

    def solve(self, vector: np.ndarray) -> np.ndarray | None:
        """Return the matrix's inverse times a vector; None where the factor has lost its digits."""
        is_new, n = self._factor is None, self.solver.n_unknowns
        if is_new:
            self._factor = cupy.empty(_factor_values(n))
        elif not self.is_clear:
            return None
        found = self.solver.solve(self, self._factor, is_new, vector)
        if is_new:
            self._found_once = found[n:-1], bool(found[-1])
        return found[:n] if self.is_clear else None

    @cached_property
    def _found_once(self) -> tuple[np.ndarray, bool]:
        """The diagonal, and whether the factor keeps its digits."""
        self.solve(np.zeros(self.solver.n_unknowns))
        return self._found_once


def _factor_values(n_unknowns: int) -> int:
    """Return the values of the factor's tiles, and of the scales behind them."""
    n_lines = -(-n_unknowns // LINE)
    return LINE**2 * n_lines * (n_lines + 1) // 2 + LINE * n_lines


def _shared_bytes(n_unknowns: int, held: bool) -> int:
    """Return the shared memory: that of the factor or of its scales alone, and of two lines that are exchanged."""
    n_values = _factor_values(n_unknowns) if held else LINE * -(-n_unknowns // LINE)
    return 8 * (n_values + 2 * LINE)


@Once
def kernel(device: int, held: bool) -> Any:
    """Return the kernel for tiles in shared memory or in the device's, from CuPy's cache on disk where it is in it."""
    options = ("-std=c++17", f"-DTHREADS={THREADS}", "-DDEPTH=8", f"-DHELD={int(held)}")
    solve = cupy.RawModule(code=text_of(__file__), options=options).get_function("solve")
    solve.max_dynamic_shared_size_bytes = shared_bytes(device)
    return solve
