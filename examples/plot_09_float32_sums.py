"""
Float32 rows, float64 sums
==========================

Rows in float32 are half as large. But sums of float32 products lose digits as columns lie further from zero. Here
sums are taken in
float64, and shifted by a mean first.
"""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import LinearRegression

from skdist_gpu import autoscale

rng = np.random.default_rng(0)
noise = rng.standard_normal((20_000, 8))
truth = np.arange(1.0, 9.0)

means = np.logspace(0, 4, 9)
errors: dict[str, list[float]] = {"skdist_gpu": [], "normal equations in float32": []}
for mean in means:
    X = (noise + mean).astype("float32")
    y = (X.astype("float64") @ truth).astype("float64")
    reference = LinearRegression().fit(X.astype("float64"), y).coef_
    ours = autoscale(LinearRegression(), backend="reductions:cpu").fit(X, y).coef_
    ones = np.column_stack([X, np.ones(len(X), dtype="float32")])
    naive = np.linalg.lstsq(ones.T @ ones, ones.T @ y.astype("float32"), rcond=None)[0][:8]
    for who, coef in zip(errors, (ours, naive), strict=True):
        errors[who].append(np.abs(coef - reference).max() / np.abs(reference).max())

for who, values in errors.items():
    print(f"{who}: {values[0]:.1e} to {max(values):.1e}")

# %%
# The distance from scikit-learn's answer in float64:

plt.figure(figsize=(7, 4), layout="constrained")
for (who, values), colour in zip(errors.items(), ("#1a9850", "#8da0cb"), strict=True):
    plt.plot(means, values, "o-", label=who, color=colour)
plt.xscale("log")
plt.yscale("log")
plt.xlabel("mean of the columns, in standard deviations")
plt.ylabel("largest relative difference")
plt.legend()
