"""
Calibrate your own machine
==========================

Plans price engines with rates that were measured on other machines. ``skdist-gpu calibrate`` runs a few probes, in less
than a minute, and plans scale those rates by them from then on. Here short probes go to a file of their own.
"""

import os
import tempfile
from pathlib import Path

from matplotlib import pyplot as plt
from sklearn.linear_model import LinearRegression

from skdist_gpu import autoscale
from skdist_gpu.cli import main

shape = (1_000_000, 50)
os.environ["SKDIST_GPU_CALIBRATION"] = os.devnull  # without any
before = autoscale(LinearRegression()).plan(shape=shape)

os.environ["SKDIST_GPU_CALIBRATION"] = str(Path(tempfile.mkdtemp(), "calibration.json"))
main(["calibrate", "--seconds", "0.2"], standalone_mode=False)
after = autoscale(LinearRegression()).plan(shape=shape)

# %%
# The same plan, before and after. What a machine does faster than the one that was measured, costs less; which engine
# goes first may change with it.

names = [candidate.name for candidate in after.ladder if candidate.seconds is not None]
plt.figure(figsize=(7, 3), layout="constrained")
for offset, (label, plan) in zip((-0.2, 0.2), (("shipped rates", before), ("calibrated", after)), strict=True):
    seconds = {candidate.name: candidate.seconds for candidate in plan.ladder}
    plt.barh([i + offset for i in range(len(names))], [seconds[name] for name in names], 0.4, label=label)
plt.yticks(range(len(names)), names)
plt.xlabel("predicted seconds")
plt.title("LinearRegression, 1 000 000 × 50")
plt.legend()
