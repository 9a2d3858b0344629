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
    one, since main memory, which all copies come from, is the limit: a pass over 10 GB took 0.23 s on one H200 and 0.19
    on two, over 40 GB 0.86 and 0.77 s (benchmarks/gpus.py), and steps over rows that are there take longer on two. Rows
    that a GPU holds stay there.

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
