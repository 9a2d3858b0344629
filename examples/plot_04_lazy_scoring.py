"""
Dask in, lazy Dask out
======================

A model that was fitted to an array scores Dask collections without computing them: the result is as lazy as the
input, with its
blocks. A score brings back a few sums.
"""

import dask.array as da
import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skdist_gpu import autoscale, get_scorer

X, y = make_classification(n_samples=40_000, n_features=20, n_informative=8, random_state=0)
model = autoscale(LogisticRegression()).fit(X[:10_000], y[:10_000])

rows = da.from_array(X, chunks=(5_000, 20))
probabilities = model.predict_proba(rows)
probabilities

# %%
# Nothing was computed yet. Each scorer of scikit-learn works on lazy rows, too:

labels = da.from_array(y, chunks=5_000)
for name in ("accuracy", "neg_log_loss", "roc_auc"):
    print(f"{name:<13} {get_scorer(name)(model, rows, labels):.4f}")

# %%
# Compute block by block, here for a histogram of each class:

edges = np.linspace(0, 1, 41)
counts = [da.histogram(probabilities[labels == label, 1], bins=edges)[0].compute() for label in (0, 1)]
plt.figure(figsize=(7, 3.5), layout="constrained")
for label, count in enumerate(counts):
    plt.stairs(count, edges, fill=True, alpha=0.6, label=f"class {label}")
plt.xlabel("predicted probability of class 1")
plt.ylabel("rows")
plt.legend()
