"""On how many GPUs of a machine sums over rows run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdist_gpu.data.inspect import InputInfo

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

# what blocks in work take of a GPU's free memory beside the rows that stay there between passes
ROOM_FOR_ROWS = 0.8


def n_gpus(info: InputInfo, resources: Resources) -> int:
    """Return among how many GPUs rows are divided: all, for rows in main memory or files that one cannot hold.

    Then each GPU keeps its share between passes, which one GPU would have to read again. Rows that one can hold go to
    one: on four H200 of a machine a pass over 32 GB took 0.98 s, on one of them 0.73 s, since main memory, which all
    copies come from, is the limit (benchmarks/scaling.py). Rows that a GPU holds stay there.

    Examples
    --------
    >>> from skdist_gpu.data.inspect import described_input
    >>> from skdist_gpu.testing import make_resources
    >>> [n_gpus(described_input((10**n, 100), "float32"), make_resources(gpus=4)) for n in (7, 8, 9)]
    [1, 1, 4]
    """
    if info.location not in ("host", "disk") or len(resources.gpus) < 2:
        return 1
    fits = (info.n_bytes or 0) <= ROOM_FOR_ROWS * resources.gpus[0].free_bytes
    return 1 if fits else len(resources.gpus)
