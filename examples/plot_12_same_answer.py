"""
The same answer by every engine
===============================

The components of handwritten digits, by scikit-learn, by sums on threads, from files, and over Dask.
"""

import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skdist_gpu import autoscale

X, _ = load_digits(return_X_y=True)
file = Path(tempfile.mkdtemp()) / "digits.parquet"
pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)]).to_parquet(file)

fits = {
    "scikit-learn": autoscale(PCA(n_components=4), backend="sklearn").fit(X),
    "threads": autoscale(PCA(n_components=4), backend="reductions:cpu").fit(X),
    "files": autoscale(PCA(n_components=4)).fit(ds.dataset(file)),
    "Dask": autoscale(PCA(n_components=4)).fit(da.from_array(X, chunks=(500, 64))),
}
reference = fits["scikit-learn"].components_
for name, model in fits.items():
    difference = np.abs(model.components_ - reference).max()
    print(f"{name:<13} {model.report_.candidate.name:<16} {difference:.1e}")

# %%

figure, axes = plt.subplots(len(fits), 4, figsize=(7, 7), layout="constrained")
for row, (name, model) in zip(axes, fits.items(), strict=True):
    row[0].set_ylabel(name)
    for ax, component in zip(row, model.components_, strict=True):
        ax.imshow(component.reshape(8, 8), cmap="RdBu")
        ax.set(xticks=[], yticks=[])
