"""How the products of many columns are divided among blocks of threads on a GPU, and these among warps."""

from __future__ import annotations

from dataclasses import dataclass

from skdist_gpu.engines.reductions.core.moments import PILOT_ROWS

# columns of [X y] and of a column of ones behind them
MOST_COLUMNS = 256
# columns of a triangle, and lines of 16 columns of an oblong beside it
WIDEST, MOST_LINES = 128, 5
# times that a block of threads holds rows as they come, so that further ones are on their way
N_STAGES = 2


@dataclass(frozen=True)
class Part:
    """Products of some columns of [X y] and the ones, and how a block of threads divides them.

    There is a triangle of `lines` lines of 16 columns from the column `first` on, or, for an `oblong` of so many lines,
    all products of these with the other ones, which begin at the column `second`.
    """

    lines: int
    first: int = 0
    oblong: int = 0
    second: int = 0
    depth: int = 8
    split: int = 1

    @property
    def step(self) -> int:
        """Rows that are brought at a time: of many columns few, so that several blocks of threads have room."""
        return 16 if self.oblong else 32 if self.lines > 4 else 64

    @property
    def roles(self) -> int:
        """Lines, or pairs of a long and a short one, that have as many tiles."""
        return self.oblong or (self.lines + 1) // 2

    @property
    def groups(self) -> int:
        """How many warps have the same tiles; each takes its share of the rows."""
        return max(1, 4 // (self.roles * self.split))

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.roles * self.split * self.groups

    @property
    def slot(self) -> int:
        """Values of the tiles of all roles."""
        tiles = 2 * (self.lines - self.oblong) if self.oblong else 2 * (self.lines + 1 - self.lines % 2)
        return self.roles * tiles * 128

    @property
    def blocks_per_processor(self) -> int:
        """Blocks of threads for which a processor has registers."""
        if self.oblong:
            return max(2, 512 // self.threads)
        return {1: 6, 2: 6, 3: 4, 4: 3, 5: 4, 6: 4, 7: 3}.get(self.lines, 2)

    @property
    def width(self) -> int:
        """Columns in shared memory."""
        return 16 * self.lines

    @property
    def fixed_bytes(self) -> int:
        """Shared memory of a block, but for the rows as they come."""
        return 8 * (self.step * (self.width + 4) + self.width + self.step)

    def layout(
        self, n_features: int, n_targets: int, itemsize: int, *, by_rows: bool, flat: bool, weighted: bool
    ) -> tuple[int, int, int]:
        """Return the bytes of rows as they come, and where their targets and their weights begin."""
        room = self.step * (n_features if flat else self.width) if by_rows else (self.step + 1) * self.width
        y_at = -(-room * itemsize // 16) * 16
        weight_at = y_at + 8 * self.step * n_targets
        return weight_at + 8 * self.step * weighted, y_at, weight_at


def parts_of(n_columns: int) -> list[Part]:
    """Divide the products of [X y] and the ones: triangles of up to 128 columns, and oblongs between them."""
    found = []
    for first in range(0, n_columns + 1, WIDEST):
        lines = -(-(min(n_columns + 1 - first, WIDEST)) // 16)
        found.append(Part(lines, first))
        # all oblongs of a triangle's lines have as many of them, or nearly so
        at_once = -(-lines // -(-lines // MOST_LINES))
        for second in range(0, first, WIDEST):
            for line in range(0, lines, at_once):
                oblong = min(at_once, lines - line)
                found.append(Part(oblong + WIDEST // 16, first + 16 * line, oblong, second, split=2))
    return found


def words_of(part: Part, value: str) -> dict[str, str | int]:
    """Return the words in capitals of the kernels' text, for rows of a type of C."""
    return {
        "VALUE": value,
        "LINES": part.lines,
        "OBLONG": part.oblong,
        "SPLIT": part.split,
        "GROUPS": part.groups,
        "STEP": part.step,
        "DEPTH": part.depth,
        "N_STAGES": N_STAGES,
        "PILOT_ROWS": PILOT_ROWS,
        "BLOCKS_PER_PROCESSOR": part.blocks_per_processor,
    }
