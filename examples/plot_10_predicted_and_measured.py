"""
Predicted and measured seconds
==============================

Plans price engines with rates that were measured on some machines. How well do they fit yours? ``skdist-gpu
calibrate`` scales them by
a few probes; this program shows how far they are off.
"""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skdist_gpu import autoscale

rng = np.random.default_rng(0)
points: dict[str, list[tuple[float, float]]] = {}
for estimator in (LinearRegression(), LogisticRegression(), GaussianNB(), PCA(n_components=5)):
    for n_rows in (2_000, 20_000, 200_000):
        X = rng.standard_normal((n_rows, 30))
        y = (X[:, 0] + rng.standard_normal(n_rows) > 0).astype(int)
        autoscale(estimator).fit(X[:500], y[:500])  # the first fit of a process loads libraries
        report = autoscale(estimator).fit(X, y).report_
        if report.candidate.seconds is not None:
            name = type(estimator).__name__
            points.setdefault(name, []).append((report.candidate.seconds, report.seconds))
            print(f"{name:<20} {n_rows:>7} rows: {report.candidate.seconds:.4f} s, {report.seconds:.4f} s measured")

# %%
# On the line the prediction is right; between the dotted ones it is within a factor of three.

plt.figure(figsize=(6, 5), layout="constrained")
for name, found in points.items():
    plt.plot(*zip(*found, strict=True), "o", label=name)
ends = np.array(plt.gca().get_xlim()).clip(1e-4)
for factor, style in ((1, "-"), (3, ":"), (1 / 3, ":")):
    plt.plot(ends, ends * factor, style, color="gray", lw=1)
plt.xscale("log")
plt.yscale("log")
plt.xlabel("predicted seconds")
plt.ylabel("measured seconds")
plt.legend()
