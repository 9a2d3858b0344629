"""On how many GPUs of a machine sums over rows run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skdist_gpu.data.inspect import InputInfo

if TYPE_CHECKING:
    from skdist_gpu.hardware.detect import Resources

# what one GPU reads from main memory in some 20 ms; to start a further one for less gains nothing
SHARE_BYTES = 2**30


def n_gpus(info: InputInfo, resources: Resources) -> int:
    """Return the number of GPUs among which rows are divided: those in main memory or files, a GiB or more for each.

    Rows that a GPU holds stay there: to send them to another takes longer than to read them.

    Examples
    --------
    >>> from skdist_gpu.data.inspect import described_input
    >>> from skdist_gpu.testing import make_resources
    >>> [n_gpus(described_input((10**n, 100), "float32"), make_resources(gpus=4)) for n in (6, 7, 8)]
    [1, 3, 4]
    """
    if info.location not in ("host", "disk"):
        return 1
    return max(1, min(len(resources.gpus), (info.n_bytes or 0) // SHARE_BYTES))
