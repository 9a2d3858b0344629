"""
From which size does it pay?
============================

The predicted seconds of every engine over the number of rows, on this machine. Where two lines cross, the choice
changes.
"""

from matplotlib import pyplot as plt
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import Lasso, LogisticRegression

from skdist_gpu.plots import plot_crossover

figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
rows = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
for ax, estimator in zip(axes.flat, (Lasso(), LogisticRegression(), PCA(n_components=10), KMeans()), strict=True):
    plot_crossover(estimator, n_features=50, rows=rows, ax=ax)
