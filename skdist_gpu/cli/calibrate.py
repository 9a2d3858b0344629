"""``skdist-gpu calibrate``: measure this machine for better predictions."""

from __future__ import annotations

import click

from skdist_gpu.cli.output import as_json, tell


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="How long each of three to seven probes is repeated.",
)
@as_json
def calibrate(seconds: float, as_json: bool) -> None:
    """Measure this machine, in less than a minute, so that plans predict seconds better.

    Products, memory and the interpreter are measured, and a GPU's, its launches and copies if there is one. The
    measurements are kept in the user's configuration; the variable SKDIST_GPU_CALIBRATION names another file.
    """
    from skdist_gpu.hardware.detect import detect_resources
    from skdist_gpu.hardware.probes import probe_cpu
    from skdist_gpu.planning.calibrate import save_calibration

    resources = detect_resources()
    probes = probe_cpu(seconds)
    gpu = resources.gpus[0].name if resources.gpus and "cupy" in resources.packages else ""
    if gpu:
        from skdist_gpu.engines.executors.gpu_probes import probe_gpu

        probes |= probe_gpu(seconds)
    path = save_calibration(probes, resources.n_cores, gpu)
    lines = [f"{name:<12} {measured:.3g} s" for name, measured in probes.items()]
    text = "\n".join([*lines, f"written to {path}; plans use it from the next process on"])
    tell(text, {"probes": probes, "cores": resources.n_cores, "gpu": gpu or None, "path": str(path)}, as_json=as_json)
