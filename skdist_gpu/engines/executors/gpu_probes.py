"""Short measurements of the first GPU, to which measured rates of another are scaled."""

from __future__ import annotations

import numpy as np

from skdist_gpu.hardware.probes import MEGABYTES, SIDE, shortest


def probe_gpu(seconds: float = 3.0) -> dict[str, float]:
    """Measure the first GPU with CuPy; each measurement is repeated for some seconds, and the shortest counts.

    Returns
    -------
    dict
        ``gpu_blas``: seconds of a multiplication in a product of float64 matrices; ``gpu_memory``: seconds to copy a
        byte there; ``launch``: seconds to start a kernel and wait for it; ``copy``: seconds to bring a byte from main
        memory to the GPU.
    """
    import cupy

    square = cupy.ones((8 * SIDE, 8 * SIDE))
    host = np.ones(MEGABYTES * 2**17)
    source, few = cupy.asarray(host), cupy.ones(1)
    target = cupy.empty_like(source)

    def waiting(call):  # type: ignore[no-untyped-def]
        def run() -> None:
            call()
            cupy.cuda.runtime.deviceSynchronize()

        return run

    return {
        "gpu_blas": shortest(waiting(lambda: square @ square), seconds) / (8 * SIDE) ** 3,
        "gpu_memory": shortest(waiting(lambda: cupy.copyto(target, source)), seconds) / host.nbytes,
        "launch": shortest(waiting(lambda: few + 1), seconds),
        "copy": shortest(waiting(lambda: target.set(host)), seconds) / host.nbytes,
    }
